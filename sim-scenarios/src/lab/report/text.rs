//! For people at a terminal.

use std::fmt::Write as _;

use super::{explain, name};
use crate::lab::run::LabResult;

/// A line per lab, a diff per mismatch, remarks. With several seeds, the first that failed of each lab is shown.
#[must_use]
pub fn text(results: &[LabResult], with_seed: bool) -> String {
    let mut out = String::new();
    for group in results.chunk_by(|a, b| a.source == b.source) {
        lab(&mut out, group, with_seed);
    }
    out
}

fn lab(out: &mut String, runs: &[LabResult], with_seed: bool) {
    let failed: Vec<&LabResult> = runs.iter().filter(|r| !r.passed()).collect();
    let Some(first) = runs.first() else { return };
    let how_many = if with_seed { format!("{} seeds, ", runs.len()) } else { String::new() };
    let Some(worst) = failed.first() else {
        let _ = writeln!(out, "ok    {} ({how_many}{} commands)", first.source, first.commands.len());
        remarks(out, first);
        return;
    };
    let wrong = worst.failed_commands().count();
    let _ = writeln!(out, "FAIL  {} ({wrong} of {} commands)", name(worst, with_seed), worst.commands.len());
    for command in worst.failed_commands() {
        for line in explain(&worst.source, command).lines() {
            let _ = writeln!(out, "      {line}");
        }
    }
    if with_seed {
        let seeds: Vec<String> = failed.iter().take(10).map(|r| r.seed.to_string()).collect();
        let more = if failed.len() > seeds.len() { ", …" } else { "" };
        let _ = writeln!(
            out,
            "      failed under {} of {} seeds: {}{more}",
            failed.len(),
            runs.len(),
            seeds.join(", ")
        );
        let seed = worst.seed;
        let _ = writeln!(out, "      run it again: ksim run --seeds {seed}..{} {}", seed + 1, worst.source);
    }
    remarks(out, worst);
}

fn remarks(out: &mut String, result: &LabResult) {
    for remark in &result.remarks {
        let _ = writeln!(out, "      note: {remark}");
    }
}

/// `N passed, N failed`
#[must_use]
pub fn closing_line(results: &[LabResult]) -> String {
    let passed = results.iter().filter(|r| r.passed()).count();
    format!("{passed} passed, {} failed\n", results.len() - passed)
}

//! The Test Anything Protocol, version 14: a point per lab.

use std::fmt::Write as _;

use super::{explain, name};
use crate::lab::run::LabResult;

/// All results as one TAP stream.
#[must_use]
pub fn tap(results: &[LabResult], with_seed: bool) -> String {
    let mut out = format!("TAP version 14\n1..{}\n", results.len());
    for (i, result) in results.iter().enumerate() {
        // `#` would start a directive.
        let name = name(result, with_seed).replace('#', "\\#");
        let not = if result.passed() { "" } else { "not " };
        let _ = writeln!(out, "{not}ok {} - {name}", i + 1);
        for command in result.failed_commands() {
            for line in explain(&result.source, command).lines() {
                let _ = writeln!(out, "# {line}");
            }
        }
    }
    out
}

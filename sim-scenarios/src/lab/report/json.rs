//! JSON: everything.

use serde::Serialize;

use crate::lab::run::LabResult;

#[derive(Serialize)]
struct Report<'a> {
    passed: usize,
    failed: usize,
    labs: &'a [LabResult],
}

/// All results as one JSON object.
#[must_use]
pub fn json(results: &[LabResult]) -> String {
    let passed = results.iter().filter(|r| r.passed()).count();
    let report = Report { passed, failed: results.len() - passed, labs: results };
    // Strings and numbers only: nothing here can fail to serialise.
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}

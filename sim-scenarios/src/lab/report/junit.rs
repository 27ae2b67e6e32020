//! JUnit XML, as continuous integration reads it: a suite per lab, a case per command.

use std::fmt::Write as _;

use super::{explain, name};
use crate::lab::run::LabResult;

/// All results as one JUnit document.
#[must_use]
pub fn junit(results: &[LabResult], with_seed: bool) -> String {
    let tests: usize = results.iter().map(|r| r.commands.len()).sum();
    let failures: usize = results.iter().map(|r| r.failed_commands().count()).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"ksim\" tests=\"{tests}\" failures=\"{failures}\">");
    for result in results {
        let suite = escape(&name(result, with_seed));
        let (tests, failures) = (result.commands.len(), result.failed_commands().count());
        let _ = writeln!(out, "  <testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\">");
        for command in &result.commands {
            let first = command.command.lines().next().unwrap_or_default();
            let case = escape(&format!("{}: {first}", command.line));
            let head = format!("    <testcase classname=\"{suite}\" name=\"{case}\"");
            if command.failures.is_empty() {
                let _ = writeln!(out, "{head}/>");
            } else {
                let why = escape(&explain(&result.source, command));
                let message = escape(explain(&result.source, command).lines().next().unwrap_or_default());
                let _ = writeln!(
                    out,
                    "{head}>\n      <failure message=\"{message}\">{why}</failure>\n    </testcase>"
                );
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text for an XML document: markup escaped, what XML 1.0 cannot hold replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

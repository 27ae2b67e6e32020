//! Results for people and for machines.

mod json;
mod junit;
mod tap;
mod text;

pub use json::json;
pub use junit::junit;
pub use tap::tap;
pub use text::{closing_line, text};

use super::run::{CommandResult, Failure, LabResult};

/// What a run is called: its document, and its seed where there are several.
fn name(result: &LabResult, with_seed: bool) -> String {
    if with_seed { format!("{} (seed {})", result.source, result.seed) } else { result.source.clone() }
}

/// What went wrong with a command, in lines that begin with the place in the document.
fn explain(source: &str, command: &CommandResult) -> String {
    let mut out = String::new();
    let first = command.command.lines().next().unwrap_or_default();
    for failure in &command.failures {
        let line = command.line;
        out += &match failure {
            Failure::Output { diff } => format!("{source}:{line}: another output of `{first}`\n{diff}"),
            Failure::Status { line, expected, actual } => {
                let hint = if *expected == 0 {
                    format!("; if that is right, write `? {actual}` below its output")
                } else {
                    String::new()
                };
                format!("{source}:{line}: `{first}` ended with status {actual}, expected {expected}{hint}\n")
            }
            Failure::Endless { what } => {
                format!(
                    "{source}:{line}: `{what}` does not end by itself and was stopped; write `^C` where it should be interrupted\n"
                )
            }
            Failure::NotModelled { what } => {
                format!("{source}:{line}: `{first}` asked for what is real and not modelled: {what}\n")
            }
            Failure::Flood => format!("{source}:{line}: `{first}` wrote too much and was stopped\n"),
            Failure::Nobody { why } => format!("{source}:{line}: `{first}` was not run: {why}\n"),
        };
    }
    out
}

#[cfg(test)]
mod tests;

//! Writing what came into the document: `ksim run --bless`.
//!
//! Only the lines of commands that went wrong change. Elisions that still match stay, and so do lines that still match; a new line that
//! the document could not hold as it is (it looks like a prompt, a fence, an exit status) gets an elision.

use super::compare::{Aligned, align, output_lines, tidy};
use super::parse::{Command, Lab, Prompt, split_prompt};
use super::run::{CommandResult, Failure};

/// The document with the output of failed commands replaced by what came.
#[must_use]
pub fn bless(lab: &Lab, results: &[CommandResult]) -> String {
    let mut lines: Vec<&str> = lab.text.split_inclusive('\n').collect();
    let edits: Vec<Edit> = lab
        .commands()
        .zip(results)
        .filter(|(_, r)| can_bless(r))
        .map(|(command, result)| edit(command, result, &lines))
        .collect();
    // From the end, so that line numbers before an edit stay true.
    let texts: Vec<(usize, usize, Vec<String>)> =
        edits.into_iter().map(|e| (e.from, e.to, e.lines)).collect();
    for (from, to, new) in texts.iter().rev() {
        let from = (*from).min(lines.len());
        let to = (*to).clamp(from, lines.len());
        // The document may end within the block, without an end of line.
        if from == lines.len() && !new.is_empty() && lines.last().is_some_and(|l| !l.ends_with('\n')) {
            lines.push("\n");
            lines.extend(new.iter().map(String::as_str));
            continue;
        }
        lines.splice(from..to, new.iter().map(String::as_str));
    }
    lines.concat()
}

/// Lines `from..to` of the document, from 0, and what takes their place.
struct Edit {
    from: usize,
    to: usize,
    lines: Vec<String>,
}

/// A command that did not run, or had to be stopped, has no output worth keeping.
fn can_bless(result: &CommandResult) -> bool {
    let hopeless = |f: &Failure| match f {
        Failure::Nobody { .. } | Failure::Endless { .. } | Failure::NotModelled { .. } | Failure::Flood => {
            true
        }
        Failure::Output { .. } | Failure::Status { .. } => false,
    };
    !result.failures.is_empty() && !result.failures.iter().any(hopeless)
}

fn edit(command: &Command, result: &CommandResult, lines: &[&str]) -> Edit {
    let from = command.expected_line as usize - 1;
    let end_of_output = from + command.expected.len();
    let mut new = expressed(command, &result.output);
    let mut to = end_of_output;
    let wrong_status = result.failures.iter().any(|f| matches!(f, Failure::Status { .. }));
    match command.status {
        Some(status) if wrong_status => {
            to = status.line as usize;
            if result.status != 0 {
                new.push(format!("? {}", result.status));
            }
        }
        None if wrong_status => new.push(format!("? {}", result.status)),
        _ => {}
    }
    let end =
        if lines.get(command.line as usize - 1).is_some_and(|l| l.ends_with("\r\n")) { "\r\n" } else { "\n" };
    let whole = |line: String| format!("{}{end}", format!("{}{line}", command.prefix).trim_end());
    Edit { from, to, lines: new.into_iter().map(whole).collect() }
}

/// An output as expected lines: the old ones where they still fit.
fn expressed(command: &Command, output: &str) -> Vec<String> {
    let expected: Vec<&str> = command.expected.iter().map(String::as_str).collect();
    let output = output_lines(output);
    let mut lines: Vec<String> = Vec::new();
    for step in align(&expected, &output) {
        match step {
            Aligned::Both { expected: i, .. } | Aligned::Elided { expected: i, .. } => {
                lines.push(expected[i].to_owned())
            }
            Aligned::Missing(_) => {}
            Aligned::Extra(j) => {
                let new = expressible(output[j], command);
                lines.push(new);
            }
        }
    }
    if let Some(first) = lines.first_mut().filter(|l| l.starts_with('>')) {
        *first = elided(first);
    }
    if let Some(last) = lines.last_mut().filter(|l| super::parse::is_status(l)) {
        *last = elided(last);
    }
    lines
}

/// A line of output so that the document can hold it.
fn expressible(line: &str, command: &Command) -> String {
    let mut text = line.trim_end().to_owned();
    if text.contains(|c: char| c.is_control() && c != '\t') {
        // Markdown ends lines at a carriage return, and editors choke on the rest.
        let pieces: Vec<String> = tidy(&text).split(char::is_control).map(str::to_owned).collect();
        text = pieces.join("[..]");
    }
    let prompt = match split_prompt(&text) {
        None => false,
        Some((Prompt::Hash, _)) => command.hash_is_prompt,
        Some(_) => true,
    };
    let fence = text.trim_start().starts_with("```") || text.trim_start().starts_with("~~~");
    let control_c = text == "^C" && command.interrupt.is_none();
    if prompt || fence || control_c { elided(&text) } else { text }
}

/// The line with an elision in place of its first character.
fn elided(line: &str) -> String {
    // Tabs become spaces first: behind an elision they would reach to other columns.
    let rest: String = tidy(line).trim_start().chars().skip(1).collect();
    format!("[..]{rest}")
}

#[cfg(test)]
mod tests;

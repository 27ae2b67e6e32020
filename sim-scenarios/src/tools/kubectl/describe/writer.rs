//! Indented lines with aligned cells.

use serde_json::Value;

use super::super::printers::tabwriter::TabWriter;
use super::super::value::map;

/// The writer of `kubectl describe`: tab-separated cells, two blanks per level.
pub(super) struct Writer {
    tabs: TabWriter,
    done: String,
    /// Whether tabs stay as they are.
    raw: bool,
}

/// Annotations longer than this, with their key, stand below it.
const LONGEST_ANNOTATION: usize = 140;

impl Writer {
    pub(super) fn new() -> Self {
        Self { tabs: TabWriter::describe(), done: String::new(), raw: false }
    }

    /// A writer that leaves tabs as they are.
    pub(super) fn raw() -> Self {
        Self { raw: true, ..Self::new() }
    }

    /// One line at a level.
    pub(super) fn line(&mut self, level: usize, text: impl AsRef<str>) {
        let line = format!("{}{}\n", "  ".repeat(level), text.as_ref());
        if self.raw {
            self.done.push_str(&line);
        } else {
            self.tabs.write(&line);
        }
    }

    /// `Title:` and a value, at a level.
    pub(super) fn field(&mut self, level: usize, title: &str, value: impl std::fmt::Display) {
        self.line(level, format!("{title}:\t{value}"));
    }

    /// `Title:` and a value, if there is one.
    pub(super) fn field_if(&mut self, level: usize, title: &str, value: &str) {
        if !value.is_empty() {
            self.field(level, title, value);
        }
    }

    /// `Title:` and several lines beside it, or `<none>`.
    pub(super) fn lines(&mut self, indent: &str, title: &str, lines: &[String]) {
        let Some((first, rest)) = lines.split_first() else {
            return self.line(0, format!("{indent}{title}:\t<none>"));
        };
        self.line(0, format!("{indent}{title}:\t{first}"));
        for line in rest {
            self.line(0, format!("{indent}\t{line}"));
        }
    }

    /// Labels, one per line.
    pub(super) fn labels(&mut self, title: &str, object: &Value, pointer: &str) {
        let all: Vec<String> = map(object, pointer)
            .into_iter()
            .flatten()
            .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or("")))
            .collect();
        self.lines("", title, &all);
    }

    /// Annotations, one per line, long ones below their key. What kubectl keeps for itself is left out.
    pub(super) fn annotations(&mut self, title: &str, object: &Value, pointer: &str) {
        let mut lines = Vec::new();
        for (key, value) in map(object, pointer).into_iter().flatten() {
            if key == "kubectl.kubernetes.io/last-applied-configuration" {
                continue;
            }
            let value = value.as_str().unwrap_or("");
            let value = value.strip_suffix('\n').unwrap_or(value);
            if value.len() + key.len() + 2 <= LONGEST_ANNOTATION && !value.contains('\n') {
                lines.push(format!("{key}: {value}"));
                continue;
            }
            lines.push(format!("{key}:"));
            lines.extend(value.split('\n').map(|line| format!("  {}", shorten(line))));
        }
        self.lines("", title, &lines);
    }

    /// Ends every block of cells.
    pub(super) fn flush(&mut self) {
        let text = self.tabs.flush();
        self.done.push_str(&text);
    }

    pub(super) fn finish(mut self) -> String {
        self.flush();
        self.done
    }
}

fn shorten(line: &str) -> String {
    let limit = LONGEST_ANNOTATION - 2;
    if line.len() <= limit {
        return line.to_owned();
    }
    let end = (0..=limit).rev().find(|i| line.is_char_boundary(*i)).unwrap_or(0);
    format!("{}...", &line[..end])
}

//! Mistakes in what people write, as data: where, what, and what to do. Rendering lives at the edge.

use serde::Serialize;

/// One mistake in a text that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Name of the text: a file's path as the person gave it.
    pub source: String,
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters.
    pub column: u32,
    /// Number of characters that the mistake covers, at least 1.
    pub length: u32,
    /// What is wrong, a lower-case fragment without a final full stop.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
}

/// How bad a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, but a person should look.
    Warning,
}

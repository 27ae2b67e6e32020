//! YAML as Kubernetes reads it, with the place of every node.
//!
//! One document at a time: [`documents`] splits a stream as kubectl does, at lines of `---`, and [`parse`] reads one of the
//! pieces. JSON is read the same way, as it is YAML too. The reader is of our own because kubectl's messages come from a
//! YAML 1.1 reader, down to the line numbers that it tells; today's readers follow YAML 1.2 and stop elsewhere.

mod cursor;
mod error;
mod parser;
mod scalar;
mod scalars;
mod scanner;
mod token;
mod tree;

pub use error::SyntaxError;
use parser::Parser;
pub use tree::{Data, Duplicate, Entry, Node, Position};

/// A piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its text.
    pub text: &'a str,
    /// Line of the stream at which it begins, counted from 0.
    pub line: u32,
    /// What stands behind the dashes of this line and must not stand there; nothing behind it is read.
    pub bad_separator: Option<&'a str>,
}

/// Splits a stream as kubectl's reader does: a line of three dashes, followed by nothing but white space or a comment, ends
/// a piece that has begun, and otherwise belongs to the piece that it begins.
#[must_use]
pub fn documents(stream: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 0, 0);
    for (number, line) in stream.split_inclusive('\n').enumerate() {
        let number = number as u32;
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                // What the line should have ended is lost with it.
                pieces.push(Piece { text: "", line: number, bad_separator: Some(rest) });
                return pieces;
            }
            if at > start {
                pieces.push(Piece { text: &stream[start..at], line: start_line, bad_separator: None });
                start = at + line.len();
                start_line = number + 1;
            }
        }
        at += line.len();
    }
    if at > start {
        pieces.push(Piece { text: &stream[start..at], line: start_line, bad_separator: None });
    }
    pieces
}

/// Reads one document; none if there is nothing but comments in it. `first_line` is the number of the text's first line.
///
/// # Errors
/// The text is not YAML, or holds something that JSON cannot hold.
pub fn parse(text: &str, first_line: u32) -> Result<Option<Node>, SyntaxError> {
    // A byte order mark in front of everything is not part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = Parser::new(text, first_line).and_then(|mut parser| parser.document());
    tree.map_err(|problem| SyntaxError::new(&problem, text, first_line))
}

#[cfg(test)]
mod tests;

//! Reading a script: brush-parser, behind guards against what would exhaust it.

use brush_parser::ast::Program;
use brush_parser::word::{self, WordPieceWithSource};
use brush_parser::{ParseError, Parser, ParserOptions};

use super::ShellKind;
use crate::lab::parse::heredoc::{self, HereDoc};

/// Brackets within brackets: more than that is no transcript.
const NESTING: usize = 24;
/// Characters of a script.
const LENGTH: usize = 256 << 10;

/// What the shell stumbled over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SyntaxError {
    /// A word that cannot stand there.
    Unexpected(String),
    /// The script ends too early.
    End,
    /// Ours: too long or too deep.
    Limit(&'static str),
}

/// How brush-parser is asked to read for a kind of shell.
pub(super) fn options(kind: ShellKind) -> ParserOptions {
    ParserOptions {
        enable_extended_globbing: false,
        sh_mode: kind == ShellKind::Dash,
        // Done by the evaluator.
        tilde_expansion_at_word_start: false,
        ..ParserOptions::default()
    }
}

/// Parses a script.
pub(super) fn program(script: &str, kind: ShellKind) -> Result<Program, SyntaxError> {
    guard(script)?;
    // The last line's end is optional for people and not for the grammar of here-documents.
    let text = format!("{script}\n");
    Parser::new(text.as_bytes(), &options(kind)).parse_program().map_err(|e| match e {
        ParseError::ParsingNear(position) => {
            let line = script.lines().nth(position.line.saturating_sub(1)).unwrap_or_default();
            let rest: String = line.chars().skip(position.column.saturating_sub(1)).collect();
            SyntaxError::Unexpected(token(&rest))
        }
        ParseError::ParsingAtEndOfInput | ParseError::Tokenizing { .. } => SyntaxError::End,
    })
}

/// Whether a script ends before its grammar does.
pub(super) fn is_incomplete(script: &str) -> bool {
    let joined = script.ends_with('\\') && !script.ends_with("\\\\");
    if joined || guard(script).is_err() {
        return joined;
    }
    // A here-document that is not closed is closed by the end of the text for the parser, and not for a person.
    let mut open: Vec<HereDoc> = Vec::new();
    for line in script.lines() {
        match open.first() {
            Some(doc) if doc.ends_at(line) => {
                open.remove(0);
            }
            Some(_) => {}
            None => open.extend(heredoc::opened_by(line)),
        }
    }
    !open.is_empty() || matches!(program(script, ShellKind::Bash), Err(SyntaxError::End))
}

/// Parses a word into its pieces.
pub(super) fn pieces(word: &str, kind: ShellKind) -> Result<Vec<WordPieceWithSource>, SyntaxError> {
    guard(word)?;
    word::parse(word, &options(kind)).map_err(|_| SyntaxError::End)
}

/// Parses the body of a here-document into its pieces.
pub(super) fn here_document(body: &str, kind: ShellKind) -> Result<Vec<WordPieceWithSource>, SyntaxError> {
    guard(body)?;
    word::parse_heredoc(body, &options(kind)).map_err(|_| SyntaxError::End)
}

/// The token at the start of `rest`, as the shell would name it.
fn token(rest: &str) -> String {
    let rest = rest.trim_start();
    let operator = ["&&", "||", ";;", ">>", "<<"].iter().find(|op| rest.starts_with(*op));
    if let Some(op) = operator {
        return (*op).to_owned();
    }
    match rest.chars().next() {
        None => "newline".to_owned(),
        Some(c) if ";|&()<>".contains(c) => c.to_string(),
        Some(_) => rest
            .split(|c: char| c.is_whitespace() || ";|&()<>".contains(c))
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Refuses what would overflow the parser's stack or its numbers.
fn guard(script: &str) -> Result<(), SyntaxError> {
    if script.len() > LENGTH {
        return Err(SyntaxError::Limit("a script of more than 256 KiB"));
    }
    let mut depth = 0_usize;
    let mut digits = 0;
    for c in script.chars() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            '<' | '>' if digits > 8 => return Err(SyntaxError::Limit("a file descriptor of that size")),
            _ => {}
        }
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        if depth > NESTING {
            return Err(SyntaxError::Limit("brackets nested that deep"));
        }
    }
    let mut blocks = 0_usize;
    for word in script.split(|c: char| c.is_whitespace() || c == ';') {
        match word {
            "if" | "for" | "while" | "until" | "case" => blocks += 1,
            "fi" | "done" | "esac" => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        if blocks > NESTING {
            return Err(SyntaxError::Limit("blocks nested that deep"));
        }
    }
    Ok(())
}

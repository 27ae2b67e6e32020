//! Texts that are not YAML, told twice: for a person with line and column, and in kubectl's words.

use granit_parser::{ErrorKind, ScanError};

use super::tree::Position;

/// Why a text is not a YAML document that Kubernetes can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where.
    pub at: Position,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// kubectl's words: `yaml: line 4: mapping values are not allowed in this context`.
    pub go: String,
}

/// Which part of the Go reader complains: its parser counts lines from 0, its scanner from 1.
#[derive(Clone, Copy)]
enum Origin {
    Scanner,
    Parser,
    /// Tells no line.
    Loader,
}

impl SyntaxError {
    /// From the parser's error. `lines` are those of the document, `first_line` is the number of its first one.
    pub(super) fn from_scan(error: &ScanError, lines: &[&str], first_line: u32) -> Self {
        let marker = error.marker();
        let index = marker.line().saturating_sub(1);
        let line_text = lines.get(index).copied().unwrap_or("");
        let kind = error.kind();
        let tab = is_about_tabs(kind)
            || (before(line_text, marker.col() + 1).contains('\t') && kind_is_token(kind));
        let (go_text, origin) = if tab {
            ("found character that cannot start any token".to_owned(), Origin::Scanner)
        } else {
            go_words(kind, line_text)
        };
        let go_line = match origin {
            Origin::Scanner => index + usize::from(index > 0),
            Origin::Parser => index,
            Origin::Loader => 0,
        };
        let place = if go_line > 0 { format!("line {go_line}: ") } else { String::new() };
        let column = if tab {
            line_text.chars().position(|c| c == '\t').map_or(marker.col() + 1, |c| c + 1)
        } else {
            marker.col() + 1
        };
        let (message, help) = if tab { for_tabs() } else { for_people(kind, &go_text) };
        Self {
            at: Position { line: first_line + index as u32, column: column as u32, length: 1 },
            message,
            help,
            go: format!("yaml: {place}{go_text}"),
        }
    }
}

fn before(line: &str, columns: usize) -> &str {
    line.char_indices().nth(columns).map_or(line, |(at, _)| line.get(..at).unwrap_or(line))
}

fn is_about_tabs(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::UnexpectedCharacter { character: '\t' }
    )
}

/// Kinds that a tab before the place can have led to.
fn kind_is_token(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidIndentation | ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedWhitespace
    )
}

/// The Go reader's words for a kind of error, and who says them.
fn go_words(kind: &ErrorKind, line: &str) -> (String, Origin) {
    use Origin::{Loader, Parser, Scanner};
    let (text, origin) = match kind {
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::InvalidMappingValueWhitespace => {
            ("mapping values are not allowed in this context", Scanner)
        }
        ErrorKind::MappingKeyNotAllowed => ("mapping keys are not allowed in this context", Scanner),
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => {
            ("block sequence entries are not allowed in this context", Scanner)
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("could not find expected ':'", Scanner)
        }
        ErrorKind::UnexpectedCharacter { .. } => ("found character that cannot start any token", Scanner),
        ErrorKind::UnclosedQuotedScalar => ("found unexpected end of stream", Scanner),
        ErrorKind::DocumentIndicatorInQuotedScalar => ("found unexpected document indicator", Scanner),
        ErrorKind::UnknownQuotedScalarEscape => ("found unknown escape character", Scanner),
        ErrorKind::InvalidQuotedScalarHexEscape => ("did not find expected hexdecimal number", Scanner),
        ErrorKind::MissingAnchorOrAliasName => {
            ("did not find expected alphabetic or numeric character", Scanner)
        }
        ErrorKind::InvalidBlockScalarHeader => ("did not find expected comment or line break", Scanner),
        ErrorKind::ZeroBlockScalarIndent => ("found an indentation indicator equal to 0", Scanner),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            ("did not find expected key", Parser)
        }
        ErrorKind::ExpectedBlockSequenceEntry => ("did not find expected '-' indicator", Parser),
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnclosedFlowCollection { open: '{' }
        | ErrorKind::MismatchedFlowCollectionEnd { open: '{', .. } => {
            ("did not find expected ',' or '}'", Parser)
        }
        ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. } => ("did not find expected ',' or ']'", Parser),
        ErrorKind::ExpectedNodeContent | ErrorKind::MisplacedFlowCollectionEnd => {
            ("did not find expected node content", Parser)
        }
        ErrorKind::ExpectedDocumentStart => ("did not find expected <document start>", Parser),
        ErrorKind::UndeclaredTagHandle => ("found undefined tag handle", Parser),
        ErrorKind::UnknownAnchor => return (format!("unknown anchor '{}' referenced", alias(line)), Loader),
        ErrorKind::RecursionLimitExceeded => ("exceeded max depth of 10000", Parser),
        other => return (other.to_string(), Scanner),
    };
    (text.to_owned(), origin)
}

/// The name behind the last `*` of a line.
fn alias(line: &str) -> &str {
    let name = line.rsplit('*').next().unwrap_or("");
    name.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).next().unwrap_or("")
}

fn for_tabs() -> (String, Option<String>) {
    let help = "YAML is indented with spaces only: replace the tab by spaces";
    ("a tab is used for indentation".to_owned(), Some(help.to_owned()))
}

fn for_people(kind: &ErrorKind, go: &str) -> (String, Option<String>) {
    let (message, help) = match kind {
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::InvalidMappingValueWhitespace => (
            "a \"name: value\" is not possible here",
            "the line is indented deeper than its neighbours, or a text that contains \": \" needs quotes",
        ),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            ("the indentation fits no line above", "start the line in the same column as the names beside it")
        }
        ErrorKind::ExpectedBlockSequenceEntry => (
            "the indentation fits no list item above",
            "start the line with \"- \", or indent it as the item's other lines",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("a name without a value", "put \": \" behind the name, or join the text to the line above")
        }
        ErrorKind::UnclosedQuotedScalar => ("a quoted text does not end", "add the closing quote"),
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence => ("a bracket is not closed", "add the closing bracket"),
        ErrorKind::UnknownAnchor => {
            ("an alias (*name) without its anchor (&name)", "quote a text that begins with *")
        }
        ErrorKind::UnexpectedCharacter { character: '@' | '`' | '%' } => {
            ("a text may not begin with this character", "put the text in quotes")
        }
        _ => return (go.to_owned(), None),
    };
    (message.to_owned(), Some(help.to_owned()))
}

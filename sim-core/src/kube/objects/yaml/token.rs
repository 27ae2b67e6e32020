//! The words of YAML.

use super::cursor::Mark;

/// A word and where it begins and ends.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) start: Mark,
    pub(super) end: Mark,
    pub(super) kind: TokenKind,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    StreamEnd,
    /// `%YAML major.minor`
    Version(u32, u32),
    /// `%TAG handle prefix`
    TagDirective(String, String),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    /// The indentation went back.
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    /// `- `
    BlockEntry,
    /// `,`
    FlowEntry,
    /// `? `, or what turned out to be a name.
    Key,
    /// `: `
    Value,
    Alias(String),
    Anchor(String),
    /// Handle and suffix.
    Tag(String, String),
    Scalar {
        text: String,
        plain: bool,
    },
}

/// Which part of the reader complains; kubectl counts their lines differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A character is in the wrong place.
    Scanner,
    /// A word is in the wrong place.
    Parser,
    /// The text or its meaning as a whole; no line is told.
    Whole,
}

/// What is wrong with a text.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) origin: Origin,
    /// kubectl's words.
    pub(super) words: String,
    /// Where it was noticed.
    pub(super) at: Mark,
    /// Where the thing that went wrong began.
    pub(super) began: Option<Mark>,
}

impl Problem {
    pub(super) fn scanner(words: &str, at: Mark, began: Option<Mark>) -> Self {
        Self { origin: Origin::Scanner, words: words.to_owned(), at, began }
    }

    pub(super) fn parser(words: &str, at: Mark, began: Option<Mark>) -> Self {
        Self { origin: Origin::Parser, words: words.to_owned(), at, began }
    }
}

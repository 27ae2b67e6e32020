//! A place in a text that moves forward character by character.

/// A place: counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The text and the place. Behind the end of the text stands an endless row of NUL.
#[derive(Debug)]
pub(super) struct Cursor {
    chars: Vec<char>,
    pub(super) mark: Mark,
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), mark: Mark::default() }
    }

    /// The character `ahead` of the place.
    pub(super) fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.mark.index + ahead).copied().unwrap_or('\0')
    }

    pub(super) fn at_end(&self) -> bool {
        self.mark.index >= self.chars.len()
    }

    /// Whether there is no text, or nothing but white space, `ahead` of the place.
    pub(super) fn blank_or_end(&self, ahead: usize) -> bool {
        self.mark.index + ahead >= self.chars.len()
            || is_blank(self.peek(ahead))
            || is_break(self.peek(ahead))
    }

    pub(super) fn at_blank(&self) -> bool {
        is_blank(self.peek(0))
    }

    pub(super) fn at_break(&self) -> bool {
        is_break(self.peek(0))
    }

    pub(super) fn at_break_or_end(&self) -> bool {
        self.at_end() || self.at_break()
    }

    /// Whether a line of `---` or `...` begins here.
    pub(super) fn at_document_indicator(&self) -> bool {
        let three = |c: char| (0..3).all(|i| self.peek(i) == c);
        self.mark.column == 0 && (three('-') || three('.')) && self.blank_or_end(3)
    }

    /// Goes on by one character that is not a line break.
    pub(super) fn skip(&mut self) -> char {
        let c = self.peek(0);
        self.mark.index += 1;
        self.mark.column += 1;
        c
    }

    /// Goes on by one line break, of one or two characters; as text it is a line feed.
    pub(super) fn skip_line(&mut self) -> char {
        let c = self.peek(0);
        self.mark.index += if c == '\r' && self.peek(1) == '\n' { 2 } else { 1 };
        self.mark.column = 0;
        self.mark.line += 1;
        if matches!(c, '\u{2028}' | '\u{2029}') { c } else { '\n' }
    }
}

pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// The line breaks of YAML 1.1.
pub(super) const fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether YAML 1.1 allows the character at all.
pub(super) const fn is_printable(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..
    )
}

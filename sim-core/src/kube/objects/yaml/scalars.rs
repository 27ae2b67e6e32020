//! Scanning anchors, tags, and the five kinds of scalar.

use super::cursor::{Mark, is_blank, is_break};
use super::scanner::Scanner;
use super::token::{Problem, TokenKind};

impl Scanner {
    /// `*name` or `&name`.
    pub(super) fn scan_anchor(&mut self) -> Result<(), Problem> {
        let start = self.cursor.mark;
        let is_alias = self.cursor.skip() == '*';
        let mut name = String::new();
        while matches!(self.cursor.peek(0), '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' | '-') {
            name.push(self.cursor.skip());
        }
        let ended = self.cursor.blank_or_end(0) || "?:,]}%@`".contains(self.cursor.peek(0));
        if name.is_empty() || !ended {
            let words = "did not find expected alphabetic or numeric character";
            return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
        }
        self.push(start, if is_alias { TokenKind::Alias(name) } else { TokenKind::Anchor(name) });
        Ok(())
    }

    /// `!suffix`, `!!suffix`, `!handle!suffix` or `!<uri>`.
    pub(super) fn scan_tag(&mut self) -> Result<(), Problem> {
        let start = self.cursor.mark;
        self.cursor.skip();
        let mut text = String::new();
        let verbatim = self.cursor.peek(0) == '<';
        let ends = if self.in_flow() { ",[]{}" } else { "" };
        while !self.cursor.blank_or_end(0) && !ends.contains(self.cursor.peek(0)) {
            text.push(self.cursor.skip());
        }
        let (handle, suffix) = if verbatim {
            let Some(uri) = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')) else {
                return Err(Problem::scanner("did not find the expected '>'", self.cursor.mark, Some(start)));
            };
            (String::new(), uri.to_owned())
        } else if let Some((handle, suffix)) = text.split_once('!') {
            (format!("!{handle}!"), suffix.to_owned())
        } else {
            ("!".to_owned(), text)
        };
        self.push(start, TokenKind::Tag(handle, suffix));
        Ok(())
    }

    /// Text that is not quoted. It may go over several lines, as long as they are indented.
    pub(super) fn scan_plain(&mut self) -> Result<(), Problem> {
        let start = self.cursor.mark;
        let mut end = start;
        let indent = self.indent + 1;
        let (mut text, mut gap) = (String::new(), Gap::default());
        loop {
            if self.cursor.at_document_indicator() || self.cursor.peek(0) == '#' {
                break;
            }
            while !self.cursor.blank_or_end(0) && !self.ends_plain() {
                gap.close(&mut text);
                text.push(self.cursor.skip());
                end = self.cursor.mark;
            }
            if !(self.cursor.at_blank() || self.cursor.at_break()) {
                break;
            }
            while self.cursor.at_blank() || self.cursor.at_break() {
                let outside = isize::try_from(self.cursor.mark.column).is_ok_and(|c| c < indent);
                if gap.has_break() && outside && self.cursor.peek(0) == '\t' {
                    let words = "found a tab character that violates indentation";
                    return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
                }
                self.widen(&mut gap);
            }
            let outside = isize::try_from(self.cursor.mark.column).is_ok_and(|c| c < indent);
            if !self.in_flow() && outside {
                break;
            }
        }
        if gap.has_break() {
            self.key_allowed = true;
        }
        self.push_ending(start, end, TokenKind::Scalar { text, plain: true });
        Ok(())
    }

    fn ends_plain(&self) -> bool {
        let c = self.cursor.peek(0);
        (c == ':' && self.cursor.blank_or_end(1)) || (self.in_flow() && ",?[]{}".contains(c))
    }

    /// Takes one blank or line break into the gap.
    fn widen(&mut self, gap: &mut Gap) {
        if self.cursor.at_break() {
            let line_break = self.cursor.skip_line();
            gap.add_break(line_break);
        } else {
            let blank = self.cursor.skip();
            gap.add_blank(blank);
        }
    }

    /// Text in quotes.
    pub(super) fn scan_quoted(&mut self, quote: char) -> Result<(), Problem> {
        let start = self.cursor.mark;
        self.cursor.skip();
        let mut text = String::new();
        loop {
            if self.cursor.at_document_indicator() {
                let words = "found unexpected document indicator";
                return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
            }
            if self.cursor.at_end() {
                return Err(Problem::scanner(
                    "found unexpected end of stream",
                    self.cursor.mark,
                    Some(start),
                ));
            }
            let mut gap = Gap::default();
            while !self.cursor.blank_or_end(0) {
                let c = self.cursor.peek(0);
                if c == '\'' && quote == '\'' && self.cursor.peek(1) == '\'' {
                    self.cursor.skip();
                    text.push(self.cursor.skip());
                } else if c == quote {
                    break;
                } else if c == '\\' && quote == '"' && is_break(self.cursor.peek(1)) {
                    self.cursor.skip();
                    self.cursor.skip_line();
                    gap.hide_break();
                    break;
                } else if c == '\\' && quote == '"' {
                    self.scan_escape(start, &mut text)?;
                } else {
                    text.push(self.cursor.skip());
                }
            }
            if self.cursor.peek(0) == quote && !gap.has_break() {
                break;
            }
            while self.cursor.at_blank() || self.cursor.at_break() {
                self.widen(&mut gap);
            }
            gap.close(&mut text);
            if self.cursor.peek(0) == quote {
                break;
            }
        }
        self.cursor.skip();
        self.push(start, TokenKind::Scalar { text, plain: false });
        Ok(())
    }

    fn scan_escape(&mut self, start: Mark, text: &mut String) -> Result<(), Problem> {
        let simple = match self.cursor.peek(1) {
            '0' => '\0',
            'a' => '\x07',
            'b' => '\x08',
            't' | '\t' => '\t',
            'n' => '\n',
            'v' => '\x0b',
            'f' => '\x0c',
            'r' => '\r',
            'e' => '\x1b',
            ' ' => ' ',
            '"' => '"',
            '\'' => '\'',
            '\\' => '\\',
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' => return self.scan_code(2, start, text),
            'u' => return self.scan_code(4, start, text),
            'U' => return self.scan_code(8, start, text),
            _ => {
                return Err(Problem::scanner(
                    "found unknown escape character",
                    self.cursor.mark,
                    Some(start),
                ));
            }
        };
        self.cursor.skip();
        self.cursor.skip();
        text.push(simple);
        Ok(())
    }

    fn scan_code(&mut self, digits: usize, start: Mark, text: &mut String) -> Result<(), Problem> {
        self.cursor.skip();
        self.cursor.skip();
        let mut code = 0_u32;
        for i in 0..digits {
            let Some(digit) = self.cursor.peek(i).to_digit(16) else {
                let words = "did not find expected hexdecimal number";
                return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
            };
            code = code << 4 | digit;
        }
        let Some(c) = char::from_u32(code) else {
            let words = "found invalid Unicode character escape code";
            return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
        };
        text.push(c);
        (0..digits).for_each(|_| {
            self.cursor.skip();
        });
        Ok(())
    }

    /// `|` and `>`: lines by their indentation.
    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<(), Problem> {
        let start = self.cursor.mark;
        self.cursor.skip();
        let (chomping, increment) = self.scan_block_header(start)?;
        let mut indent = increment.map_or(0, |by| self.indent.max(0) + by);
        let (mut text, mut leading, mut trailing) = (String::new(), String::new(), String::new());
        self.skip_block_breaks(&mut indent, &mut trailing, start)?;
        let mut led_by_blank = false;
        while isize::try_from(self.cursor.mark.column) == Ok(indent) && !self.cursor.at_end() {
            let blank = is_blank(self.cursor.peek(0));
            if !literal && leading.starts_with('\n') && !led_by_blank && !blank {
                if trailing.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(&leading);
            }
            leading.clear();
            text.push_str(&trailing);
            trailing.clear();
            led_by_blank = blank;
            while !self.cursor.at_break_or_end() {
                text.push(self.cursor.skip());
            }
            if self.cursor.at_break() {
                leading.push(self.cursor.skip_line());
            }
            self.skip_block_breaks(&mut indent, &mut trailing, start)?;
        }
        match chomping {
            Some('-') => {}
            Some('+') => {
                text.push_str(&leading);
                text.push_str(&trailing);
            }
            _ => text.push_str(&leading),
        }
        self.push(start, TokenKind::Scalar { text, plain: false });
        Ok(())
    }

    /// Chomping (`+`, `-`) and indentation (a digit) in either order, then the end of the line.
    fn scan_block_header(&mut self, start: Mark) -> Result<(Option<char>, Option<isize>), Problem> {
        let (mut chomping, mut increment) = (None, None);
        for _ in 0..2 {
            match self.cursor.peek(0) {
                '+' | '-' if chomping.is_none() => chomping = Some(self.cursor.skip()),
                '0' if increment.is_none() => {
                    let words = "found an indentation indicator equal to 0";
                    return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
                }
                '1'..='9' if increment.is_none() => {
                    let digit = self.cursor.skip().to_digit(10).unwrap_or(1);
                    increment = Some(isize::try_from(digit).unwrap_or(1));
                }
                _ => break,
            }
        }
        while self.cursor.at_blank() {
            self.cursor.skip();
        }
        if self.cursor.peek(0) == '#' {
            while !self.cursor.at_break_or_end() {
                self.cursor.skip();
            }
        }
        if !self.cursor.at_break_or_end() {
            let words = "did not find expected comment or line break";
            return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
        }
        if self.cursor.at_break() {
            self.cursor.skip_line();
        }
        Ok((chomping, increment))
    }

    /// Indentation and empty lines; finds the indentation out if it is still 0.
    fn skip_block_breaks(
        &mut self,
        indent: &mut isize,
        breaks: &mut String,
        start: Mark,
    ) -> Result<(), Problem> {
        let column = |s: &Self| isize::try_from(s.cursor.mark.column).unwrap_or(isize::MAX);
        let mut deepest = 0;
        loop {
            while (*indent == 0 || column(self) < *indent) && self.cursor.peek(0) == ' ' {
                self.cursor.skip();
            }
            deepest = deepest.max(column(self));
            if (*indent == 0 || column(self) < *indent) && self.cursor.peek(0) == '\t' {
                let words = "found a tab character where an indentation space is expected";
                return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
            }
            if !self.cursor.at_break() {
                break;
            }
            breaks.push(self.cursor.skip_line());
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}

/// White space between two words of a scalar: blanks, or line breaks that are folded.
#[derive(Default)]
struct Gap {
    blanks: String,
    first_break: Option<char>,
    more_breaks: String,
    /// A break that was escaped: it counts as one, and gives no text.
    hidden: bool,
}

impl Gap {
    const fn has_break(&self) -> bool {
        self.first_break.is_some() || self.hidden
    }

    fn hide_break(&mut self) {
        self.hidden = true;
    }

    /// Blanks after a break are indentation.
    fn add_blank(&mut self, blank: char) {
        if !self.has_break() {
            self.blanks.push(blank);
        }
    }

    fn add_break(&mut self, line_break: char) {
        if self.has_break() {
            self.more_breaks.push(line_break);
        } else {
            self.blanks.clear();
            self.first_break = Some(line_break);
        }
    }

    /// Writes what the gap means: one break is a space, more are one break less.
    fn close(&mut self, text: &mut String) {
        match self.first_break {
            Some('\n') if self.more_breaks.is_empty() => text.push(' '),
            Some('\n') => text.push_str(&self.more_breaks),
            Some(other) => {
                text.push(other);
                text.push_str(&self.more_breaks);
            }
            None if self.hidden => text.push_str(&self.more_breaks),
            None => text.push_str(&self.blanks),
        }
        *self = Self::default();
    }
}

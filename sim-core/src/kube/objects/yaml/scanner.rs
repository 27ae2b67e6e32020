//! From characters to words.
//!
//! Kubernetes reads YAML 1.1 with a descendant of libyaml, and its messages show where that reader gave up. So this scanner
//! works as that one does: it looks ahead for the `:` that makes a name of what came before, it knows where a name may
//! stand, and it complains at the same places. The grammar is that of <https://yaml.org/spec/1.1/>.

use std::collections::VecDeque;

use super::cursor::{Cursor, Mark, is_printable};
use super::token::{Origin, Problem, Token, TokenKind};

/// Most characters between the beginning of a name and its `:`.
const MAX_NAME: usize = 1024;
const NO_COLON: &str = "could not find expected ':'";

/// Something that becomes a name if a `:` follows.
#[derive(Clone, Copy, Debug)]
struct PossibleKey {
    /// It stands where only a name can stand.
    required: bool,
    /// Number of its first token.
    token: usize,
    mark: Mark,
}

/// The scanner.
#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) cursor: Cursor,
    queue: VecDeque<Token>,
    /// Tokens handed out.
    taken: usize,
    ended: bool,
    /// Column of the innermost block collection; -1 outside.
    pub(super) indent: isize,
    indents: Vec<isize>,
    /// One per level of brackets, and one outside.
    keys: Vec<Option<PossibleKey>>,
    /// Whether a name may begin here.
    pub(super) key_allowed: bool,
}

impl Scanner {
    /// A scanner at the beginning of a text.
    pub(super) fn new(text: &str) -> Result<Self, Problem> {
        if text.contains(|c| !is_printable(c) && c != '\u{feff}') {
            let words = "control characters are not allowed".to_owned();
            return Err(Problem { origin: Origin::Whole, words, at: place_of_control(text), began: None });
        }
        Ok(Self {
            cursor: Cursor::new(text),
            queue: VecDeque::new(),
            taken: 0,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            keys: vec![None],
            key_allowed: true,
        })
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Result<&Token, Problem> {
        while self.needs_more()? {
            self.fetch()?;
        }
        let end = Token { start: self.cursor.mark, end: self.cursor.mark, kind: TokenKind::StreamEnd };
        if self.queue.is_empty() {
            self.queue.push_back(end);
        }
        Ok(&self.queue[0])
    }

    /// The next token, which is gone then.
    pub(super) fn take(&mut self) -> Result<Token, Problem> {
        self.peek()?;
        self.taken += 1;
        let end = Token { start: self.cursor.mark, end: self.cursor.mark, kind: TokenKind::StreamEnd };
        Ok(self.queue.pop_front().unwrap_or(end))
    }

    /// The first token may still turn out to be a name, and then another comes before it.
    fn needs_more(&mut self) -> Result<bool, Problem> {
        if self.queue.is_empty() {
            return Ok(!self.ended);
        }
        for level in (0..self.keys.len()).rev() {
            if let Some(key) = self.valid_key(level)?
                && key.token == self.taken
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn in_flow(&self) -> bool {
        self.keys.len() > 1
    }

    /// The possible name of a level, unless the text has gone past it: a name is short and on one line.
    fn valid_key(&mut self, level: usize) -> Result<Option<PossibleKey>, Problem> {
        let Some(key) = self.keys[level] else { return Ok(None) };
        let now = self.cursor.mark;
        if key.mark.line < now.line || key.mark.index + MAX_NAME < now.index {
            if key.required {
                return Err(Problem::scanner(NO_COLON, now, Some(key.mark)));
            }
            self.keys[level] = None;
            return Ok(None);
        }
        Ok(Some(key))
    }

    fn forget_key(&mut self) -> Result<(), Problem> {
        match self.keys.last_mut().and_then(Option::take) {
            Some(key) if key.required => Err(Problem::scanner(NO_COLON, self.cursor.mark, Some(key.mark))),
            _ => Ok(()),
        }
    }

    fn save_key(&mut self) -> Result<(), Problem> {
        if !self.key_allowed {
            return Ok(());
        }
        let mark = self.cursor.mark;
        let required = !self.in_flow() && self.indent == column_of(mark);
        let key = PossibleKey { required, token: self.taken + self.queue.len(), mark };
        self.forget_key()?;
        if let Some(last) = self.keys.last_mut() {
            *last = Some(key);
        }
        Ok(())
    }

    pub(super) fn push_ending(&mut self, start: Mark, end: Mark, kind: TokenKind) {
        self.queue.push_back(Token { start, end, kind });
    }

    pub(super) fn push(&mut self, start: Mark, kind: TokenKind) {
        self.queue.push_back(Token { start, end: self.cursor.mark, kind });
    }

    /// Goes deeper if the column is deeper; `before` is the number of the token in front of which that shows.
    fn indent_to(&mut self, mark: Mark, before: Option<usize>, kind: TokenKind) {
        let column = column_of(mark);
        if self.in_flow() || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        let at = before.map_or(self.queue.len(), |number| self.place_in_queue(number));
        self.queue.insert(at, Token { start: mark, end: mark, kind });
    }

    fn place_in_queue(&self, number: usize) -> usize {
        number.saturating_sub(self.taken).min(self.queue.len())
    }

    fn dedent_to(&mut self, column: isize) {
        while !self.in_flow() && self.indent > column {
            self.push(self.cursor.mark, TokenKind::BlockEnd);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch(&mut self) -> Result<(), Problem> {
        self.skip_to_token();
        self.dedent_to(column_of(self.cursor.mark));
        let cursor = &self.cursor;
        if cursor.at_end() {
            return self.fetch_end();
        }
        if cursor.mark.column == 0 && cursor.peek(0) == '%' {
            return self.fetch_directive();
        }
        if cursor.at_document_indicator() {
            return self.fetch_document_indicator();
        }
        let (c, blank_next) = (cursor.peek(0), cursor.blank_or_end(1));
        let in_flow = self.in_flow();
        match c {
            '[' => self.open(TokenKind::FlowSequenceStart),
            '{' => self.open(TokenKind::FlowMappingStart),
            ']' => self.close(TokenKind::FlowSequenceEnd),
            '}' => self.close(TokenKind::FlowMappingEnd),
            ',' => self.fetch_flow_entry(),
            '-' if blank_next => self.fetch_block_entry(),
            '?' if in_flow || blank_next => self.fetch_key(),
            ':' if in_flow || blank_next => self.fetch_value(),
            '*' | '&' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_anchor()
            }
            '!' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_tag()
            }
            '|' | '>' if !in_flow => {
                self.forget_key()?;
                self.key_allowed = true;
                self.scan_block_scalar(c == '|')
            }
            '\'' | '"' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_quoted(c)
            }
            _ if self.begins_plain(c) => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_plain()
            }
            _ => {
                let words = "found character that cannot start any token";
                Err(Problem::scanner(words, self.cursor.mark, Some(self.cursor.mark)))
            }
        }
    }

    fn begins_plain(&self, c: char) -> bool {
        let indicator = "-?:,[]{}#&*!|>'\"%@`".contains(c);
        let blank_next = self.cursor.blank_or_end(1);
        !(indicator || self.cursor.blank_or_end(0))
            || (c == '-' && !matches!(self.cursor.peek(1), ' ' | '\t'))
            || (!self.in_flow() && matches!(c, '?' | ':') && !blank_next)
    }

    /// White space and comments. A tab may stand where no name can begin.
    fn skip_to_token(&mut self) {
        loop {
            if self.cursor.mark.column == 0 && self.cursor.peek(0) == '\u{feff}' {
                self.cursor.skip();
            }
            let tabs_too = self.in_flow() || !self.key_allowed;
            while self.cursor.peek(0) == ' ' || (tabs_too && self.cursor.peek(0) == '\t') {
                self.cursor.skip();
            }
            if self.cursor.peek(0) == '#' {
                while !self.cursor.at_break_or_end() {
                    self.cursor.skip();
                }
            }
            if !self.cursor.at_break() {
                break;
            }
            self.cursor.skip_line();
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    /// The end of the text counts as a line of its own.
    fn fetch_end(&mut self) -> Result<(), Problem> {
        if self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        self.dedent_to(-1);
        self.forget_key()?;
        self.key_allowed = false;
        self.push(self.cursor.mark, TokenKind::StreamEnd);
        self.ended = true;
        Ok(())
    }

    fn fetch_document_indicator(&mut self) -> Result<(), Problem> {
        self.dedent_to(-1);
        self.forget_key()?;
        self.key_allowed = false;
        let start = self.cursor.mark;
        let kind = if self.cursor.peek(0) == '-' { TokenKind::DocumentStart } else { TokenKind::DocumentEnd };
        (0..3).for_each(|_| {
            self.cursor.skip();
        });
        self.push(start, kind);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<(), Problem> {
        self.dedent_to(-1);
        self.forget_key()?;
        self.key_allowed = false;
        let start = self.cursor.mark;
        let mut line = String::new();
        while !self.cursor.at_break_or_end() {
            line.push(self.cursor.skip());
        }
        let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
        let kind = match words.as_slice() {
            ["%YAML", version] => {
                let (major, minor) = version.split_once('.').unwrap_or((version, ""));
                match (major.parse(), minor.parse()) {
                    (Ok(major), Ok(minor)) => TokenKind::Version(major, minor),
                    _ => {
                        let words = "did not find expected version number";
                        return Err(Problem::scanner(words, self.cursor.mark, Some(start)));
                    }
                }
            }
            ["%TAG", handle, prefix] => TokenKind::TagDirective((*handle).to_owned(), (*prefix).to_owned()),
            _ => return Err(Problem::scanner("found unknown directive name", self.cursor.mark, Some(start))),
        };
        self.push(start, kind);
        Ok(())
    }

    fn one_character(&mut self, kind: TokenKind) {
        let start = self.cursor.mark;
        self.cursor.skip();
        self.push(start, kind);
    }

    fn open(&mut self, kind: TokenKind) -> Result<(), Problem> {
        self.save_key()?;
        self.keys.push(None);
        self.key_allowed = true;
        self.one_character(kind);
        Ok(())
    }

    fn close(&mut self, kind: TokenKind) -> Result<(), Problem> {
        self.forget_key()?;
        if self.in_flow() {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.one_character(kind);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), Problem> {
        self.forget_key()?;
        self.key_allowed = true;
        self.one_character(TokenKind::FlowEntry);
        Ok(())
    }

    fn not_here(&self, what: &str) -> Problem {
        let at = self.cursor.mark;
        Problem::scanner(&format!("{what} are not allowed in this context"), at, Some(at))
    }

    fn fetch_block_entry(&mut self) -> Result<(), Problem> {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.not_here("block sequence entries"));
            }
            self.indent_to(self.cursor.mark, None, TokenKind::BlockSequenceStart);
        }
        self.forget_key()?;
        self.key_allowed = true;
        self.one_character(TokenKind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Problem> {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.not_here("mapping keys"));
            }
            self.indent_to(self.cursor.mark, None, TokenKind::BlockMappingStart);
        }
        self.forget_key()?;
        self.key_allowed = !self.in_flow();
        self.one_character(TokenKind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Problem> {
        let level = self.keys.len() - 1;
        if let Some(key) = self.valid_key(level)? {
            let token = Token { start: key.mark, end: key.mark, kind: TokenKind::Key };
            let place = self.place_in_queue(key.token);
            self.queue.insert(place, token);
            self.indent_to(key.mark, Some(key.token), TokenKind::BlockMappingStart);
            self.keys[level] = None;
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return Err(self.not_here("mapping values"));
                }
                self.indent_to(self.cursor.mark, None, TokenKind::BlockMappingStart);
            }
            self.key_allowed = !self.in_flow();
        }
        self.one_character(TokenKind::Value);
        Ok(())
    }
}

fn column_of(mark: Mark) -> isize {
    isize::try_from(mark.column).unwrap_or(isize::MAX)
}

fn place_of_control(text: &str) -> Mark {
    let mut cursor = Cursor::new(text);
    while !cursor.at_end() && (is_printable(cursor.peek(0)) || cursor.peek(0) == '\u{feff}') {
        if cursor.at_break() {
            cursor.skip_line()
        } else {
            cursor.skip()
        };
    }
    cursor.mark
}

//! A reader of words that knows lines and braces, and how to complain.

use super::lexer::Token;

/// Hands out words one by one, as Caddy's dispenser does. It starts before the first word.
#[derive(Clone, Debug)]
pub struct Dispenser {
    file: String,
    pub(super) tokens: Vec<Token>,
    /// The current word, counted from 1; 0 before the first.
    pub(super) at: usize,
    nesting: u32,
}

impl Dispenser {
    /// A reader of these words; `file` is named where a word does not bring its own.
    #[must_use]
    pub fn new(file: &str, tokens: Vec<Token>) -> Self {
        Self { file: file.to_owned(), tokens, at: 0, nesting: 0 }
    }

    fn current(&self) -> Option<&Token> {
        self.tokens.get(self.at.checked_sub(1)?)
    }

    /// The current word; empty before the first.
    #[must_use]
    pub fn val(&self) -> &str {
        self.current().map_or("", |t| &t.text)
    }

    /// The file of the current word.
    #[must_use]
    pub fn file(&self) -> &str {
        self.current().map(|t| t.file.as_str()).filter(|f| !f.is_empty()).unwrap_or(&self.file)
    }

    fn line(&self) -> u32 {
        self.current().map_or(0, |t| t.line)
    }

    /// Goes to the next word; whether there is one.
    pub fn advance(&mut self) -> bool {
        let more = self.at < self.tokens.len();
        self.at += usize::from(more);
        more
    }

    /// Goes to the next word if it stands on the same line.
    pub fn next_arg(&mut self) -> bool {
        let same = match (self.current(), self.tokens.get(self.at)) {
            (None, next) => next.is_some(),
            (Some(now), Some(next)) => now.file == next.file && now.line + now.breaks() == next.line,
            _ => false,
        };
        self.at += usize::from(same);
        same
    }

    /// Goes to the next line of a block in braces, or into the block that opens on this line; whether there is one.
    pub fn next_block(&mut self) -> bool {
        if self.nesting > 0 {
            // Where the words end before the block does, the real one goes round for ever.
            if !self.advance() || self.val() == "}" {
                self.nesting -= 1;
                return false;
            }
            return true;
        }
        if !self.next_arg() {
            return false;
        }
        if self.val() != "{" {
            self.at -= 1;
            return false;
        }
        self.advance();
        if self.val() == "}" {
            return false;
        }
        self.nesting += 1;
        true
    }

    /// The other words on this line, up to an opening brace.
    pub fn remaining_args(&mut self) -> Vec<String> {
        let mut args = Vec::new();
        while self.next_arg() {
            if self.val() == "{" {
                self.at -= 1;
                break;
            }
            args.push(self.val().to_owned());
        }
        args
    }

    /// Whether the current word is the first of its line.
    pub(super) fn is_new_line(&self) -> bool {
        match (self.at.checked_sub(2).and_then(|i| self.tokens.get(i)), self.current()) {
            (Some(before), Some(now)) => before.file != now.file || before.line + before.breaks() < now.line,
            _ => true,
        }
    }

    /// A message with file and line: `/etc/coredns/Corefile:3 - Error during parsing: …`.
    #[must_use]
    pub fn err(&self, message: &str) -> String {
        format!("{}:{} - Error during parsing: {message}", self.file(), self.line())
    }

    /// The message for a word too many or too few.
    #[must_use]
    pub fn arg_err(&self) -> String {
        if self.val() == "{" {
            return self.err("Unexpected token '{', expecting argument");
        }
        self.err(&format!("Wrong argument count or unexpected line ending after '{}'", self.val()))
    }

    /// The message for a word in the place of another.
    #[must_use]
    pub fn syntax_err(&self, expected: &str) -> String {
        let (file, line, val) = (self.file(), self.line(), self.val());
        format!("{file}:{line} - Syntax error: Unexpected token '{val}', expecting '{expected}'")
    }
}

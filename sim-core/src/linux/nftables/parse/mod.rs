//! Reading nft's language: words, commands, statements, expressions.
//!
//! A text is read as a whole before anything is done. What is wrong in its grammar is found here; what is wrong in its meaning (a
//! name that is unknown, a type that does not fit) is noted with the command that it belongs to, because nft reports it only if the
//! grammar holds.

mod block;
mod command;
mod comparison;
mod expression;
mod lex;
mod limit;
mod nat;
mod raw;
mod report;
mod statement;

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

pub(super) use command::{Command, Listing, Located, Place, RuleSpec, TableName, What};
pub(super) use expression::{merged, resolve};
pub(super) use raw::{RawData, RawElement};

use lex::{Kind, Lexer, Token};
use statement::{NamedDynamic, NamedSet};

use super::expr::Proto;
use super::model::Family;
use super::print::Interfaces;

/// A place in the text: a line and columns, from 1, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) line: u32,
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Span {
    /// From the beginning of one to the end of another; only the first line counts.
    pub(super) const fn until(self, end: Self) -> Self {
        if self.line == end.line { Self { to: end.to, ..self } } else { self }
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) span: Span,
    /// Another place that has to do with it, underlined with tildes.
    pub(super) with: Option<Span>,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(span: Span, text: impl Into<String>) -> Self {
        Self { span, with: None, text: text.into() }
    }

    pub(super) const fn and(mut self, span: Span) -> Self {
        self.with = Some(span);
        self
    }

    /// Something real that is not modelled.
    pub(super) fn not_modelled(span: Span, what: &str) -> Self {
        Self::new(span, format!("ksim: not modelled: {what}"))
    }
}

/// The grammar is broken here.
pub(super) type Syntax<T> = Result<T, Problem>;

/// `nft_parser_max_errors`.
const MAX_ERRORS: usize = 10;

/// Reads a text, and hands its commands over one by one until the grammar is broken somewhere; returns where it is broken.
pub(super) fn read(text: &str, interfaces: &Interfaces, mut each: impl FnMut(Command)) -> Vec<Problem> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        tokens: Vec::new(),
        at: 0,
        meaning: Vec::new(),
        commands: Vec::new(),
        syntax: Vec::new(),
        family: None,
        network: None,
        transport: None,
        sets: Vec::new(),
        dynamics: Vec::new(),
        chains: Vec::new(),
        left: Span::default(),
        statement_at: Span::default(),
        interfaces: interfaces.clone(),
        unended: !text.ends_with('\n'),
        over: false,
    };
    if text.contains("define") || text.contains('$') {
        parser.read_on();
        let tokens = std::mem::take(&mut parser.tokens);
        parser.tokens = parser.expand(tokens);
    }
    parser.run(&mut each);
    parser.syntax
}

/// Behind all words.
const END: Token = Token { kind: Kind::End, span: Span { line: 0, from: 0, to: 0 } };

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The words of the command that is being read, and maybe more.
    tokens: Vec<Token>,
    at: usize,
    /// What is wrong in the meaning of the command that is being read.
    meaning: Vec<Problem>,
    /// The commands that were read and not handed over.
    commands: Vec<Command>,
    /// Broken grammar.
    syntax: Vec<Problem>,
    /// Of the rule that is being read: its family, the headers that it is known to be about, and the names in it.
    family: Option<Family>,
    network: Option<Proto>,
    transport: Option<Proto>,
    sets: Vec<NamedSet>,
    dynamics: Vec<NamedDynamic>,
    chains: Vec<(Arc<str>, Span)>,
    /// The expression that was read last.
    left: Span,
    /// The beginning of the statement that is being read.
    statement_at: Span,
    interfaces: Interfaces,
    /// The text's last line has no end.
    unended: bool,
    /// Reading has been given up.
    over: bool,
}

impl Parser<'_> {
    /// Puts the values of `define`d names in place of `$name`.
    fn expand(&mut self, tokens: Vec<Token>) -> Vec<Token> {
        let mut values: IndexMap<Arc<str>, Vec<Token>, FxBuildHasher> = IndexMap::default();
        let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
        let mut rest = tokens.into_iter().peekable();
        while let Some(token) = rest.next() {
            let starts_line =
                matches!(out.last().map(|t| &t.kind), None | Some(Kind::Newline | Kind::Sign(";")));
            let is_define = matches!(&token.kind, Kind::Word(w) if matches!(&**w, "define" | "redefine"));
            if is_define && starts_line {
                let name = rest.next();
                let equals = rest.next();
                let named = name.as_ref().and_then(|n| match &n.kind {
                    Kind::Word(w) => Some(w.clone()),
                    _ => None,
                });
                match (named, equals.as_ref().map(|e| &e.kind)) {
                    (Some(name), Some(Kind::Sign("="))) => {
                        let value = definition(&mut rest, &values);
                        values.insert(name, value);
                    }
                    _ => out.extend([Some(token), name, equals].into_iter().flatten()),
                }
                continue;
            }
            if token.kind == Kind::Sign("$")
                && let Some(Token { kind: Kind::Word(name), span }) = rest.peek().cloned()
            {
                rest.next();
                match values.get(&name) {
                    Some(value) => {
                        let span = token.span.until(span);
                        out.extend(value.iter().map(|t| Token { span, ..t.clone() }));
                    }
                    None => self.syntax.push(Problem::new(span, format!("unknown identifier '{name}'"))),
                }
                continue;
            }
            out.push(token);
        }
        out
    }

    fn run(&mut self, each: &mut impl FnMut(Command)) {
        if !self.syntax.is_empty() {
            return;
        }
        while self.fill() {
            if self.separator() {
                continue;
            }
            if let Err(problem) = self.command() {
                self.fail(problem);
            }
            if self.syntax.len() >= MAX_ERRORS {
                return;
            }
            let commands = self.commands.drain(..);
            if self.syntax.is_empty() {
                commands.for_each(&mut *each);
            }
        }
    }

    /// Reads all that is left: once the grammar is broken, braces do not tell where commands end.
    fn read_on(&mut self) {
        while self.lexer.read(&mut self.tokens) {}
    }

    /// Reads on if all words are used up; whether there is another one.
    fn fill(&mut self) -> bool {
        if self.at >= self.tokens.len() {
            // The last word may still be asked for its place.
            self.tokens.drain(..self.tokens.len().saturating_sub(1));
            self.at = self.tokens.len();
            self.lexer.read(&mut self.tokens);
        }
        self.peek().kind != Kind::End
    }

    /// Notes broken grammar and goes on behind the next separator, as the grammar's `error` rule does.
    fn fail(&mut self, problem: Problem) {
        if self.over {
            return;
        }
        self.read_on();
        self.syntax.push(problem);
        self.meaning.clear();
        loop {
            match self.peek().kind {
                Kind::End => return,
                Kind::Newline | Kind::Sign(";") => {
                    // Without a line's end there is nothing to go on behind.
                    self.over = self.unended && self.peek_at(1).kind == Kind::End;
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    // ---- words

    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).unwrap_or(&END)
    }

    fn span(&self) -> Span {
        self.peek().span
    }

    /// The place of the last word that was taken.
    fn last_span(&self) -> Span {
        self.tokens.get(self.at.saturating_sub(1)).or(self.tokens.last()).map_or(END.span, |t| t.span)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, Kind::Word(w) if lex::same(w, word))
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(&self.peek().kind, Kind::Sign(s) if lex::same(s, sign))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn newlines(&mut self) {
        while self.peek().kind == Kind::Newline {
            self.at += 1;
        }
    }

    /// A line's end or a semicolon.
    fn separator(&mut self) -> bool {
        if matches!(self.peek().kind, Kind::Newline | Kind::Sign(";")) {
            self.at += 1;
            return true;
        }
        false
    }

    /// The next word is not what may stand here. Up to four things that may are named, as bison does.
    fn unexpected(&self, expecting: &[&str]) -> Problem {
        let token = self.peek();
        let mut text = format!("syntax error, unexpected {}", token.title());
        for (i, what) in expecting.iter().take(4).enumerate() {
            text.push_str(if i == 0 { ", expecting " } else { " or " });
            text.push_str(what);
        }
        Problem::new(token.span, text)
    }

    fn expect_sign(&mut self, sign: &str, expecting: &[&str]) -> Syntax<Span> {
        let span = self.span();
        if self.take_sign(sign) { Ok(span) } else { Err(self.unexpected(expecting)) }
    }

    fn expect_word(&mut self, word: &str, expecting: &[&str]) -> Syntax<Span> {
        let span = self.span();
        if self.take_word(word) { Ok(span) } else { Err(self.unexpected(expecting)) }
    }

    fn expect_separator(&mut self) -> Syntax<()> {
        if self.separator() { Ok(()) } else { Err(self.unexpected(&["newline", "semicolon"])) }
    }

    /// A name.
    fn name(&mut self, expecting: &[&str]) -> Syntax<Located<Arc<str>>> {
        let token = self.peek();
        let Some(name) = token.name().cloned() else { return Err(self.unexpected(expecting)) };
        let span = token.span;
        self.at += 1;
        Ok(Located { what: name, span })
    }

    fn number(&mut self) -> Syntax<Located<u128>> {
        let Kind::Number(number) = self.peek().kind else { return Err(self.unexpected(&["number"])) };
        let span = self.span();
        self.at += 1;
        Ok(Located { what: number, span })
    }

    /// A number that fits.
    fn small<T: TryFrom<u128>>(&mut self) -> Syntax<T> {
        let number = self.number()?;
        T::try_from(number.what).map_err(|_| Problem::new(number.span, "value too large"))
    }

    /// A word or something in quotes.
    fn string(&mut self) -> Syntax<Arc<str>> {
        match &self.peek().kind {
            Kind::Word(text) | Kind::Quoted(text) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.unexpected(&["string"])),
        }
    }

    /// A time like `1m30s`, in milliseconds.
    fn time(&mut self) -> Syntax<u64> {
        let token = self.peek();
        let Kind::Word(word) = &token.kind else { return Err(self.unexpected(&["string"])) };
        let Some(ms) = super::types::parse_time(word) else {
            return Err(Problem::new(token.span, "Could not parse time"));
        };
        self.at += 1;
        Ok(ms)
    }

    fn comment(&mut self) -> Syntax<Arc<str>> {
        const MAX: usize = 128;
        let span = self.span();
        let text = self.string()?;
        if text.len() >= MAX {
            return Err(Problem::new(span, "comment too long, 128 characters maximum allowed"));
        }
        Ok(text)
    }
}

/// The words of a definition's value, up to the end of its line; braces may span lines.
fn definition(
    rest: &mut std::iter::Peekable<std::vec::IntoIter<Token>>,
    values: &IndexMap<Arc<str>, Vec<Token>, FxBuildHasher>,
) -> Vec<Token> {
    let mut value = Vec::new();
    let mut depth = 0u32;
    while let Some(token) = rest.peek() {
        match &token.kind {
            Kind::End => break,
            Kind::Newline | Kind::Sign(";") if depth == 0 => break,
            Kind::Sign("{") => depth += 1,
            Kind::Sign("}") => depth = depth.saturating_sub(1),
            _ => {}
        }
        let Some(token) = rest.next() else { break };
        if token.kind == Kind::Sign("$")
            && let Some(Token { kind: Kind::Word(name), .. }) = rest.peek()
            && let Some(known) = values.get(name)
        {
            value.extend(known.iter().cloned());
            rest.next();
            continue;
        }
        if token.kind != Kind::Newline {
            value.push(token);
        }
    }
    value
}

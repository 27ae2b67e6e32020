//! From a word as it is written to the words a command gets: tilde, parameters, command substitution, arithmetic, field
//! splitting, file names, quotes (POSIX 2.6).

use brush_parser::word::{
    Parameter, ParameterExpr, ParameterTestType, SpecialParameter, SubstringMatchKind, WordPiece,
};
use brush_parser::word::{ParameterTransformOp, WordPieceWithSource};

use super::braces::{self, WORDS_LIMIT};
use super::eval::{Eval, Halt};
use super::glob;
use super::{ShellKind, parse};

/// A word must not grow beyond this: a loop that doubles a variable would take all memory.
const WORD_LIMIT: usize = 1 << 20;

/// A piece of a word after expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Written as it stands: not split, but a pattern.
    Literal(String),
    /// Quoted: neither split nor a pattern.
    Quoted(String),
    /// The result of an expansion outside quotes: split, and a pattern.
    Split(String),
    /// Where one positional parameter ends and the next starts (`"$@"`).
    Break,
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Literal(t) | Self::Quoted(t) | Self::Split(t) => t,
            Self::Break => " ",
        }
    }
}

impl Eval<'_, '_> {
    /// The words that a written word becomes.
    pub(super) fn words(&mut self, word: &str) -> Result<Vec<String>, Halt> {
        let mut words = Vec::new();
        let variants =
            if self.sh.kind == ShellKind::Bash { braces::expand(word) } else { vec![word.to_owned()] };
        for variant in variants {
            let pieces = self.pieces(&variant)?;
            for field in split(&pieces, &self.separators()) {
                words.extend(self.file_names(field));
            }
            if words.len() > WORDS_LIMIT {
                return Err(self.fail(126, "Argument list too long"));
            }
        }
        Ok(words)
    }

    /// A word that stays one word: an assignment's value, a redirection's target.
    pub(super) fn word(&mut self, word: &str) -> Result<String, Halt> {
        let pieces = self.pieces(word)?;
        Ok(pieces.iter().map(Piece::text).collect())
    }

    /// A word as a pattern, quoted characters standing for themselves.
    pub(super) fn pattern(&mut self, word: &str) -> Result<String, Halt> {
        let pieces = self.pieces(word)?;
        Ok(pieces
            .iter()
            .map(|p| if let Piece::Quoted(t) = p { glob::escape(t) } else { p.text().to_owned() })
            .collect())
    }

    /// The body of a here-document.
    pub(super) fn here_document(&mut self, body: &str) -> Result<String, Halt> {
        let written = parse::here_document(body, self.sh.kind).map_err(|e| self.syntax(&e))?;
        let mut pieces = Vec::new();
        self.expand_all(&written, true, &mut pieces)?;
        Ok(pieces.iter().map(Piece::text).collect())
    }

    fn pieces(&mut self, word: &str) -> Result<Vec<Piece>, Halt> {
        let mut pieces = Vec::new();
        let word = match self.tilde(word) {
            Some((home, rest)) => {
                pieces.push(Piece::Quoted(home));
                rest
            }
            None => word,
        };
        let written = parse::pieces(word, self.sh.kind).map_err(|e| self.syntax(&e))?;
        self.expand_all(&written, false, &mut pieces)?;
        if pieces.iter().map(|p| p.text().len()).sum::<usize>() > WORD_LIMIT {
            return Err(self.fail(126, "Argument list too long"));
        }
        Ok(pieces)
    }

    /// `~` and `~/…`
    fn tilde<'w>(&self, word: &'w str) -> Option<(String, &'w str)> {
        let rest = word.strip_prefix('~').filter(|r| r.is_empty() || r.starts_with('/'))?;
        Some((self.sh.get("HOME").unwrap_or("/root").to_owned(), rest))
    }

    fn separators(&self) -> String {
        self.sh.get("IFS").unwrap_or(" \t\n").to_owned()
    }

    fn expand_all(
        &mut self,
        written: &[WordPieceWithSource],
        quoted: bool,
        into: &mut Vec<Piece>,
    ) -> Result<(), Halt> {
        for piece in written {
            self.expand(&piece.piece, quoted, into)?;
        }
        Ok(())
    }

    fn expand(&mut self, piece: &WordPiece, quoted: bool, into: &mut Vec<Piece>) -> Result<(), Halt> {
        match piece {
            WordPiece::Text(t) if quoted => into.push(Piece::Quoted(t.clone())),
            WordPiece::Text(t) => into.push(Piece::Literal(t.clone())),
            WordPiece::SingleQuotedText(t) => into.push(Piece::Quoted(t.clone())),
            WordPiece::AnsiCQuotedText(t) => into.push(Piece::Quoted(crate::tools::escapes::ansi_c(t))),
            WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                // Even empty quotes make a word.
                into.push(Piece::Quoted(String::new()));
                self.expand_all(inner, true, into)?;
            }
            WordPiece::TildeExpansion(_) => into.push(Piece::Literal("~".to_owned())),
            WordPiece::ParameterExpansion(expr) => self.parameter(expr, quoted, into)?,
            WordPiece::CommandSubstitution(script) => {
                let text = self.substitute(script)?;
                into.push(result(text, quoted));
            }
            WordPiece::BackquotedCommandSubstitution(script) => {
                let text = self.substitute(&unescape_backquoted(script))?;
                into.push(result(text, quoted));
            }
            WordPiece::EscapeSequence(t) => {
                let text = t.strip_prefix('\\').unwrap_or(t);
                // A line's end behind a backslash vanishes.
                into.push(Piece::Quoted(if text == "\n" { String::new() } else { text.to_owned() }));
            }
            WordPiece::ArithmeticExpression(e) => {
                let text = self.arithmetic(&e.value)?;
                into.push(result(text, quoted));
            }
        }
        Ok(())
    }

    /// The value of `$((…))`: parameters in it are expanded first.
    pub(super) fn arithmetic(&mut self, text: &str) -> Result<String, Halt> {
        let expanded = self.here_document(text)?;
        match self.sh.arithmetic(&expanded) {
            Ok(value) => Ok(value.to_string()),
            Err(why) => Err(self.fail(1, why)),
        }
    }

    fn parameter(&mut self, expr: &ParameterExpr, quoted: bool, into: &mut Vec<Piece>) -> Result<(), Halt> {
        match expr {
            ParameterExpr::Parameter { parameter, indirect: false } => {
                if let Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate }) =
                    parameter
                {
                    self.all_positional(quoted && *concatenate, quoted, into);
                } else {
                    let value = self.value(parameter)?.unwrap_or_default();
                    into.push(result(value, quoted));
                }
            }
            ParameterExpr::UseDefaultValues { parameter, indirect: false, test_type, default_value } => {
                match self.tested(parameter, test_type)? {
                    Some(value) => into.push(result(value, quoted)),
                    None => self.operand(default_value.as_deref(), quoted, into)?,
                }
            }
            ParameterExpr::AssignDefaultValues { parameter, indirect: false, test_type, default_value } => {
                let value = match self.tested(parameter, test_type)? {
                    Some(value) => value,
                    None => self.assign_default(parameter, default_value.as_deref())?,
                };
                into.push(result(value, quoted));
            }
            ParameterExpr::IndicateErrorIfNullOrUnset {
                parameter,
                indirect: false,
                test_type,
                error_message,
            } => {
                let Some(value) = self.tested(parameter, test_type)? else {
                    return Err(self.unset(parameter, error_message.as_deref())?);
                };
                into.push(result(value, quoted));
            }
            ParameterExpr::UseAlternativeValue {
                parameter,
                indirect: false,
                test_type,
                alternative_value,
            } => {
                if self.tested(parameter, test_type)?.is_some() {
                    self.operand(alternative_value.as_deref(), quoted, into)?;
                }
            }
            ParameterExpr::ParameterLength { parameter, indirect: false } => {
                let length = self.value(parameter)?.unwrap_or_default().chars().count();
                into.push(result(length.to_string(), quoted));
            }
            other => {
                let value = self.transformed(other)?;
                into.push(result(value, quoted));
            }
        }
        Ok(())
    }

    /// Expansions that change a value: `${x%…}`, `${x/…/…}`, `${x:1:2}`.
    fn transformed(&mut self, expr: &ParameterExpr) -> Result<String, Halt> {
        match expr {
            ParameterExpr::RemoveSmallestSuffixPattern { parameter, indirect: false, pattern } => self
                .trimmed(parameter, pattern.as_deref(), |value, p| {
                    (0..=value.len()).rev().find(|i| glob::fits(p, &value[*i..])).map(|i| value[..i].to_vec())
                }),
            ParameterExpr::RemoveLargestSuffixPattern { parameter, indirect: false, pattern } => self
                .trimmed(parameter, pattern.as_deref(), |value, p| {
                    (0..=value.len()).find(|i| glob::fits(p, &value[*i..])).map(|i| value[..i].to_vec())
                }),
            ParameterExpr::RemoveSmallestPrefixPattern { parameter, indirect: false, pattern } => self
                .trimmed(parameter, pattern.as_deref(), |value, p| {
                    (0..=value.len()).find(|i| glob::fits(p, &value[..*i])).map(|i| value[i..].to_vec())
                }),
            ParameterExpr::RemoveLargestPrefixPattern { parameter, indirect: false, pattern } => self
                .trimmed(parameter, pattern.as_deref(), |value, p| {
                    (0..=value.len()).rev().find(|i| glob::fits(p, &value[..*i])).map(|i| value[i..].to_vec())
                }),
            ParameterExpr::ReplaceSubstring {
                parameter,
                indirect: false,
                pattern,
                replacement,
                match_kind,
            } => {
                let value = self.value(parameter)?.unwrap_or_default();
                let pattern: Vec<char> = self.pattern(pattern)?.chars().collect();
                let new = self.word(replacement.as_deref().unwrap_or_default())?;
                Ok(replaced(&value, &pattern, &new, match_kind))
            }
            ParameterExpr::Substring { parameter, indirect: false, offset, length } => {
                let value: Vec<char> = self.value(parameter)?.unwrap_or_default().chars().collect();
                let offset: i64 = self.arithmetic(&offset.value)?.parse().unwrap_or(0);
                let length = match length {
                    Some(l) => self.arithmetic(&l.value)?.parse().unwrap_or(0),
                    None => i64::MAX,
                };
                Ok(substring(&value, offset, length))
            }
            ParameterExpr::UppercasePattern { parameter, indirect: false, pattern: None }
            | ParameterExpr::Transform {
                parameter,
                indirect: false,
                op: ParameterTransformOp::ToUpperCase,
            } => Ok(self.value(parameter)?.unwrap_or_default().to_uppercase()),
            ParameterExpr::LowercasePattern { parameter, indirect: false, pattern: None }
            | ParameterExpr::Transform {
                parameter,
                indirect: false,
                op: ParameterTransformOp::ToLowerCase,
            } => Ok(self.value(parameter)?.unwrap_or_default().to_lowercase()),
            _ => Err(self.not_modelled("this form of ${…}")),
        }
    }

    fn trimmed(
        &mut self,
        parameter: &Parameter,
        pattern: Option<&str>,
        cut: impl Fn(&[char], &[char]) -> Option<Vec<char>>,
    ) -> Result<String, Halt> {
        let value = self.value(parameter)?.unwrap_or_default();
        let pattern: Vec<char> = self.pattern(pattern.unwrap_or_default())?.chars().collect();
        let chars: Vec<char> = value.chars().collect();
        Ok(cut(&chars, &pattern).map_or(value, |rest| rest.into_iter().collect()))
    }

    /// The word after `:-` or `:+`, whose quotes count.
    fn operand(&mut self, word: Option<&str>, quoted: bool, into: &mut Vec<Piece>) -> Result<(), Halt> {
        let pieces = self.pieces(word.unwrap_or_default())?;
        into.extend(pieces.into_iter().map(|p| match p {
            Piece::Literal(t) | Piece::Split(t) => result(t, quoted),
            other => other,
        }));
        Ok(())
    }

    fn assign_default(&mut self, parameter: &Parameter, word: Option<&str>) -> Result<String, Halt> {
        let Parameter::Named(name) = parameter else {
            return Err(self.fail(1, format!("{parameter}: cannot assign in this way")));
        };
        let value = self.word(word.unwrap_or_default())?;
        self.sh.set(name, value.clone());
        Ok(value)
    }

    fn unset(&mut self, parameter: &Parameter, message: Option<&str>) -> Result<Halt, Halt> {
        let name = match parameter {
            Parameter::Named(name) => name.clone(),
            other => other.to_string().trim_start_matches('$').to_owned(),
        };
        let message = match message.filter(|m| !m.is_empty()) {
            Some(m) => self.word(m)?,
            None if self.sh.kind == ShellKind::Bash => "parameter null or not set".to_owned(),
            None => "parameter not set".to_owned(),
        };
        Ok(self.fail(if self.sh.kind == ShellKind::Bash { 1 } else { 2 }, format!("{name}: {message}")))
    }

    /// A parameter's value if it is set (and not empty, where `:` asks for that).
    fn tested(&mut self, parameter: &Parameter, test: &ParameterTestType) -> Result<Option<String>, Halt> {
        let value = self.value(parameter)?;
        Ok(match test {
            ParameterTestType::UnsetOrNull => value.filter(|v| !v.is_empty()),
            ParameterTestType::Unset => value,
        })
    }

    fn value(&mut self, parameter: &Parameter) -> Result<Option<String>, Halt> {
        Ok(match parameter {
            Parameter::Named(name) if name == "RANDOM" || name == "SECONDS" => {
                return Err(self.not_modelled(format!("${name}")));
            }
            Parameter::Named(name) => self.sh.get(name).map(str::to_owned),
            Parameter::Positional(0) => Some(self.shell_name()),
            Parameter::Positional(n) => self.sh.positional.get(*n as usize - 1).cloned(),
            Parameter::Special(special) => match special {
                SpecialParameter::AllPositionalParameters { .. } => Some(self.sh.positional.join(" ")),
                SpecialParameter::PositionalParameterCount => Some(self.sh.positional.len().to_string()),
                SpecialParameter::LastExitStatus => Some(self.sh.status.to_string()),
                SpecialParameter::CurrentOptionFlags => Some("himBHs".to_owned()),
                SpecialParameter::ShellName => Some(self.shell_name()),
                SpecialParameter::ProcessId => return Err(self.not_modelled("process numbers (`$$`)")),
                SpecialParameter::LastBackgroundProcessId => self.sh.jobs.last_pid().map(|p| p.to_string()),
            },
            _ => return Err(self.not_modelled("arrays")),
        })
    }

    fn shell_name(&self) -> String {
        if self.sh.kind == ShellKind::Bash { "bash".to_owned() } else { "sh".to_owned() }
    }

    fn all_positional(&self, joined: bool, quoted: bool, into: &mut Vec<Piece>) {
        if joined {
            into.push(Piece::Quoted(self.sh.positional.join(" ")));
            return;
        }
        // `"$@"` without parameters is no word at all: take the mark of empty quotes back.
        if quoted && self.sh.positional.is_empty() && into.last() == Some(&Piece::Quoted(String::new())) {
            into.pop();
        }
        for (i, value) in self.sh.positional.iter().enumerate() {
            if i > 0 {
                into.push(Piece::Break);
            }
            into.push(result(value.clone(), quoted));
        }
    }

    /// File names that fit a word, or the word itself.
    fn file_names(&self, field: Field) -> Vec<String> {
        if !glob::is_pattern(&field.pattern) {
            return vec![field.text];
        }
        let names = self.names_like(&field.pattern);
        if names.is_empty() { vec![field.text] } else { names }
    }

    fn names_like(&self, pattern: &str) -> Vec<String> {
        let absolute = pattern.starts_with('/');
        let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
        for part in pattern.split('/').filter(|p| !p.is_empty()) {
            let mut next = Vec::new();
            for before in &found {
                let dir = if before.is_empty() { "." } else { before };
                for name in self.list(dir) {
                    let hidden = name.starts_with('.') && !part.starts_with('.');
                    if !hidden && glob::matches(part, &name) {
                        let slash = if before.is_empty() || before.ends_with('/') { "" } else { "/" };
                        next.push(format!("{before}{slash}{name}"));
                    }
                }
            }
            found = next;
        }
        found.retain(|f| !f.is_empty());
        found
    }
}

fn result(text: String, quoted: bool) -> Piece {
    if quoted { Piece::Quoted(text) } else { Piece::Split(text) }
}

/// Within backquotes a backslash quotes only `$`, a backquote, and itself.
fn unescape_backquoted(script: &str) -> String {
    let mut text = String::with_capacity(script.len());
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(&next) if c == '\\' && "$`\\".contains(next) => {
                text.push(next);
                chars.next();
            }
            _ => text.push(c),
        }
    }
    text
}

/// A word after splitting, and as a pattern for file names.
#[derive(Clone, Debug, Default)]
struct Field {
    text: String,
    pattern: String,
}

/// Splits pieces into words at the separators that expansions brought in.
fn split(pieces: &[Piece], separators: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut open: Option<Field> = None;
    for piece in pieces {
        match piece {
            Piece::Literal(t) => {
                let field = open.get_or_insert_with(Field::default);
                field.text.push_str(t);
                field.pattern.push_str(t);
            }
            Piece::Quoted(t) => {
                let field = open.get_or_insert_with(Field::default);
                field.text.push_str(t);
                field.pattern.push_str(&glob::escape(t));
            }
            Piece::Break => fields.push(open.take().unwrap_or_default()),
            Piece::Split(t) => {
                for c in t.chars() {
                    if !separators.contains(c) {
                        let field = open.get_or_insert_with(Field::default);
                        field.text.push(c);
                        field.pattern.push(c);
                    } else if let Some(done) = open.take() {
                        fields.push(done);
                    } else if !c.is_whitespace() {
                        fields.push(Field::default());
                    }
                }
            }
        }
    }
    fields.extend(open);
    fields
}

fn replaced(value: &str, pattern: &[char], new: &str, kind: &SubstringMatchKind) -> String {
    let chars: Vec<char> = value.chars().collect();
    let longest = |from: usize| (from..=chars.len()).rev().find(|to| glob::fits(pattern, &chars[from..*to]));
    let mut text = String::new();
    let mut i = 0;
    let mut done = pattern.is_empty();
    while i < chars.len() {
        let hit = match kind {
            _ if done => None,
            SubstringMatchKind::Prefix if i > 0 => None,
            SubstringMatchKind::Suffix => glob::fits(pattern, &chars[i..]).then_some(chars.len()),
            _ => longest(i).filter(|to| *to > i),
        };
        if let Some(to) = hit {
            text.push_str(new);
            i = to;
            done = !matches!(kind, SubstringMatchKind::Anywhere);
        } else {
            text.push(chars[i]);
            i += 1;
        }
    }
    text
}

fn substring(value: &[char], offset: i64, length: i64) -> String {
    let size = value.len() as i64;
    let from = if offset < 0 { size.saturating_add(offset) } else { offset };
    if from < 0 || from > size {
        return String::new();
    }
    let to = if length < 0 { size.saturating_add(length) } else { from.saturating_add(length).min(size) };
    if to <= from { String::new() } else { value[from as usize..to as usize].iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansions_are_split_and_quotes_are_not() {
        let show = |pieces: &[Piece]| split(pieces, " \t\n").into_iter().map(|f| f.text).collect::<Vec<_>>();
        let split_piece = |t: &str| Piece::Split(t.to_owned());
        assert_eq!(show(&[split_piece(" a  b ")]), ["a", "b"]);
        assert_eq!(
            show(&[Piece::Literal("x".into()), split_piece("a b"), Piece::Quoted("c d".into())]),
            ["xa", "bc d"]
        );
        assert_eq!(show(&[Piece::Quoted(String::new())]), [""]);
        assert!(show(&[split_piece("")]).is_empty());
    }
}

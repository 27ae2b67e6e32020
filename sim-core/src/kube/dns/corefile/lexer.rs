//! Words of a Corefile.

use serde::Serialize;

/// A word with the place where it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Token {
    /// The file, if it is not the Corefile itself but an imported one.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The word without its quotes.
    pub text: String,
}

impl Token {
    /// Line breaks inside a quoted word.
    pub(super) fn breaks(&self) -> u32 {
        self.text.matches('\n').count() as u32
    }
}

/// Takes a text apart: words are separated by white space, `"` holds one together (`\"` inside), `#` begins a comment, inside
/// a word too.
pub(super) fn words(text: &str, file: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut current: Option<(u32, String)> = None;
    let (mut comment, mut quoted, mut escaped) = (false, false, false);
    for ch in text.chars() {
        if quoted {
            match ch {
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                '"' if !escaped => {
                    quoted = false;
                    tokens.extend(current.take().map(|w| token(w, file)));
                    continue;
                }
                _ => {}
            }
            line += u32::from(ch == '\n');
            if let Some((_, word)) = &mut current {
                if escaped && ch != '"' {
                    word.push('\\');
                }
                word.push(ch);
            }
            escaped = false;
        } else if ch.is_whitespace() {
            if ch == '\r' {
                continue;
            }
            if ch == '\n' {
                line += 1;
                comment = false;
            }
            tokens.extend(current.take().map(|w| token(w, file)));
        } else if comment || ch == '#' {
            comment = true;
        } else if ch == '"' && current.is_none() {
            quoted = true;
            current = Some((line, String::new()));
        } else {
            current.get_or_insert_with(|| (line, String::new())).1.push(ch);
        }
    }
    tokens.extend(current.take().filter(|(_, word)| !word.is_empty()).map(|w| token(w, file)));
    tokens
}

fn token((line, text): (u32, String), file: &str) -> Token {
    Token { file: file.to_owned(), line, text }
}

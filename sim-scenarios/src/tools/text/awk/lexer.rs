//! Words of an awk program.

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    Pattern(String),
    Name(String),
    Operator(&'static str),
    /// `;` or the end of a line.
    Separator,
}

const OPERATORS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "++", "--", "!~", ">>", "{", "}", "(",
    ")", "$", ",", "+", "-", "*", "/", "%", "!", "~", "<", ">", "=", "?", ":", "[", "]", "^", "|",
];

/// The words of a program.
///
/// # Errors
/// What is not understood.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\n' || c == ';' {
            tokens.push(Token::Separator);
            rest = &rest[1..];
        } else if c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
        } else if c == '#' {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if c == '\\' && rest[1..].starts_with('\n') {
            rest = &rest[2..];
        } else if c == '"' {
            let (body, after) = quoted(&rest[1..], '"').ok_or("a text that is not closed")?;
            tokens.push(Token::Text(super::super::escapes::ansi_c(body)));
            rest = after;
        } else if c == '/' && wants_operand(tokens.last()) {
            let (body, after) = quoted(&rest[1..], '/').ok_or("a pattern that is not closed")?;
            tokens.push(Token::Pattern(body.replace("\\/", "/")));
            rest = after;
        } else if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) {
            let end = rest.find(|d: char| !d.is_ascii_digit() && d != '.').unwrap_or(rest.len());
            tokens.push(Token::Number(
                rest[..end].parse().map_err(|_| format!("the number {}", &rest[..end]))?,
            ));
            rest = &rest[end..];
        } else if c.is_ascii_alphabetic() || c == '_' {
            let end = rest.find(|d: char| !d.is_ascii_alphanumeric() && d != '_').unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            let operator =
                OPERATORS.iter().find(|op| rest.starts_with(**op)).ok_or_else(|| format!("'{c}'"))?;
            tokens.push(Token::Operator(operator));
            rest = &rest[operator.len()..];
        }
    }
    Ok(tokens)
}

/// Text up to an unescaped `end`, and what follows it.
fn quoted(text: &str, end: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return None,
            c if c == end => return Some((&text[..i], &text[i + 1..])),
            _ => {}
        }
    }
    None
}

/// Whether a `/` after this word starts a pattern rather than divides.
fn wants_operand(before: Option<&Token>) -> bool {
    match before {
        None | Some(Token::Separator) => true,
        Some(Token::Operator(op)) => !matches!(*op, ")" | "]" | "++" | "--"),
        Some(_) => false,
    }
}

//! From a template's text to its nodes.

use serde_json::{Value, json};

use super::{End, Node};

/// Filters in one template that no person reaches; each level of nesting is a level of our stack.
const MOST_FILTERS: usize = 64;

/// Parses a whole template.
pub(super) fn template(text: &str) -> Result<Vec<Node>, String> {
    if text.matches("[?(").count() > MOST_FILTERS {
        return Err(format!("more than {MOST_FILTERS} filters in one template are not modelled"));
    }
    let mut parser = Parser { chars: text.chars().collect(), at: 0 };
    let mut nodes = Vec::new();
    while let Some(c) = parser.peek() {
        if c == '{' {
            parser.at += 1;
            nodes.push(Node::List(parser.action()?));
        } else {
            let text = parser.take_while(|c| c != '{');
            nodes.push(Node::Constant(Value::String(text)));
        }
    }
    Ok(nodes)
}

/// Parses the inside of an action.
fn action(text: &str) -> Result<Vec<Node>, String> {
    match template(&format!("{{{text}}}"))?.into_iter().next() {
        Some(Node::List(nodes)) => Ok(nodes),
        _ => Ok(Vec::new()),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c))
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&fits) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    /// The nodes up to the closing brace, which is taken too.
    fn action(&mut self) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        loop {
            if self.looking_at("}") {
                self.at += 1;
                return Ok(nodes);
            }
            if self.looking_at("[?(") {
                self.at += 3;
                nodes.push(self.filter()?);
                continue;
            }
            if self.looking_at("..") {
                self.recursive(&mut nodes)?;
                continue;
            }
            match self.next() {
                None | Some('\r' | '\n') => return Err("unclosed action".to_owned()),
                Some(' ' | '@' | '$') => {}
                Some('[') => self.array(&mut nodes)?,
                Some(quote @ ('"' | '\'')) => nodes.push(self.quoted(quote)?),
                Some('.') => nodes.push(self.field()),
                Some('+' | '-' | '0'..='9') => {
                    self.at -= 1;
                    nodes.push(self.number()?);
                }
                Some(c) if c == '_' || c.is_alphanumeric() => {
                    self.at -= 1;
                    nodes.push(self.word());
                }
                Some(c) => {
                    return Err(format!("unrecognized character in action: U+{:04X} '{c}'", u32::from(c)));
                }
            }
        }
    }

    fn recursive(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        if nodes.last() == Some(&Node::Recursive) {
            return Err("invalid multiple recursive descent".to_owned());
        }
        self.at += 2;
        nodes.push(Node::Recursive);
        if self.peek().is_some_and(|c| c == '_' || c.is_alphanumeric()) {
            nodes.push(self.field());
        }
        Ok(())
    }

    /// A field up to the next terminator; a backslash takes away a terminator's meaning.
    fn field(&mut self) -> Node {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.at += 1;
                name.extend(self.next());
            } else if is_terminator(c) {
                break;
            } else {
                self.at += 1;
                name.push(c);
            }
        }
        if name == "*" { Node::Wildcard } else { Node::Field(name) }
    }

    fn word(&mut self) -> Node {
        let word = self.take_while(|c| !is_terminator(c));
        match word.as_str() {
            "true" => Node::Constant(json!(true)),
            "false" => Node::Constant(json!(false)),
            _ => Node::Word(word),
        }
    }

    fn number(&mut self) -> Result<Node, String> {
        let sign = self.next().filter(|c| matches!(c, '+' | '-'));
        if sign.is_none() {
            self.at -= 1;
        }
        let digits = self.take_while(|c| c == '.' || c.is_ascii_digit());
        let text = format!("{}{digits}", sign.map(String::from).unwrap_or_default());
        if let Ok(n) = text.parse::<i64>() {
            return Ok(Node::Constant(json!(n)));
        }
        match text.parse::<f64>() {
            Ok(n) if digits.contains(|c: char| c.is_ascii_digit()) => Ok(Node::Constant(json!(n))),
            _ => Err(format!("cannot parse number {text}")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Node, String> {
        let start = self.at;
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some(c) if c == quote && self.chars[self.at - 2] != '\\' => break,
                Some(_) => {}
            }
        }
        let inner: String = self.chars[start..self.at.saturating_sub(1).max(start)].iter().collect();
        let text = unquote(&inner, quote)
            .ok_or_else(|| format!("unquote string {quote}{inner}{quote} error invalid syntax"))?;
        Ok(Node::Constant(Value::String(text)))
    }

    fn array(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        let start = self.at;
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated array".to_owned()),
                Some(']') => break,
                Some(_) => {}
            }
        }
        let text: String = self.chars[start..self.at - 1].iter().collect();
        let text = if text == "*" { ":" } else { &text };
        if text.contains(',') {
            let parts: Result<Vec<_>, _> =
                text.split(',').map(|part| action(&format!("[{}]", part.trim_matches(' ')))).collect();
            nodes.push(Node::Union(parts?));
            return Ok(());
        }
        let key = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).filter(|k| !k.contains('\''));
        match key {
            Some(key) => nodes.extend(action(&format!(".{key}"))?),
            None => nodes.push(slice(text)?),
        }
        Ok(())
    }

    /// The filter up to its `)]`. A parenthesis inside one pair of quotes is text.
    fn filter(&mut self) -> Result<Node, String> {
        let start = self.at;
        let (mut opened, mut closed) = (None, false);
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated filter".to_owned()),
                Some(c @ ('"' | '\'')) => match opened {
                    None => opened = Some(c),
                    Some(quote) if quote == c && self.chars[self.at - 2] != '\\' => closed = true,
                    Some(_) => {}
                },
                Some(')') if opened.is_some() == closed => break,
                Some(_) => {}
            }
        }
        let text: String = self.chars[start..self.at - 1].iter().collect();
        if self.next() != Some(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
        let split = text.find(is_operator).filter(|i| *i > 0).and_then(|i| {
            let operator: String = text[i..].chars().take_while(|c| is_operator(*c)).collect();
            let right = &text[i + operator.len()..];
            (!right.is_empty()).then_some((&text[..i], operator, right))
        });
        Ok(match split {
            None => Node::Filter { left: action(&text)?, right: Vec::new(), operator: "exists".to_owned() },
            Some((left, operator, right)) => {
                Node::Filter { left: action(left)?, right: action(right)?, operator }
            }
        })
    }
}

/// `i`, `a:b`, `a:b:step`; each part may be left out.
fn slice(text: &str) -> Result<Node, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let well_formed = |p: &&str| p.strip_prefix('-').unwrap_or(p).chars().all(|c| c.is_ascii_digit());
    if parts.len() > 3 || !parts.iter().all(well_formed) {
        return Err(format!("invalid array index {text}"));
    }
    let number = |i: usize| match parts.get(i) {
        None | Some(&"") => Ok(None),
        Some(p) => p.parse::<i64>().map(Some).map_err(|_| format!("array index {p} is not a number")),
    };
    let end = match (number(1)?, parts.len()) {
        (_, 1) => End::One,
        (Some(n), _) => End::At(n),
        (None, _) => End::Open,
    };
    Ok(Node::Slice { start: number(0)?, end, step: number(2)? })
}

fn is_terminator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

/// Go's escapes, in either kind of quotes. None: a stray quote or an escape that Go does not know.
fn unquote(text: &str, quote: char) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            return None;
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            c if c == quote => c,
            'x' => code(&mut chars, 2, 16)?,
            'u' => code(&mut chars, 4, 16)?,
            'U' => code(&mut chars, 8, 16)?,
            c @ '0'..='7' => {
                let rest: String = chars.by_ref().take(2).collect();
                u32::from_str_radix(&format!("{c}{rest}"), 8)
                    .ok()
                    .filter(|n| *n < 256)
                    .and_then(char::from_u32)?
            }
            _ => return None,
        });
    }
    Some(out)
}

fn code(chars: &mut std::str::Chars<'_>, digits: usize, radix: u32) -> Option<char> {
    let text: String = chars.take(digits).collect();
    (text.len() == digits).then(|| u32::from_str_radix(&text, radix).ok()).flatten().and_then(char::from_u32)
}

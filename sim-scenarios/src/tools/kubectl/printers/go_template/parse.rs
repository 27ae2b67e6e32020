//! From text to nodes.

use serde_json::{Value, json};

use super::{Branch, Node, Operand, Pipeline};

/// Functions that there are.
const FUNCTIONS: [&str; 19] = [
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "html",
    "js",
    "urlquery",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "base64decode",
];

/// Parses a template.
pub(super) fn template(text: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser { pieces: split(text)?, at: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        None => Ok(nodes),
        Some(word) => Err(error(&format!("unexpected {{{{{word}}}}}"))),
    }
}

fn error(why: &str) -> String {
    format!("template: output:1: {why}")
}

/// Text and the insides of `{{…}}`, in turn; trim marks are obeyed and remarks left out.
enum Piece {
    Text(String),
    Action(String),
}

fn split(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim = false;
    while let Some(start) = rest.find("{{") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        let end = end_of_action(after).ok_or_else(|| error("unclosed action"))?;
        let inner = &after[..end];
        rest = &after[end + 2..];
        let (inner, left) = match inner.strip_prefix("- ") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let (inner, right) = match inner.strip_suffix(" -") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let before = if trim { before.trim_start() } else { before };
        pieces.push(Piece::Text(if left { before.trim_end() } else { before }.to_owned()));
        let inner = inner.trim();
        if !(inner.starts_with("/*") && inner.ends_with("*/")) {
            pieces.push(Piece::Action(inner.to_owned()));
        }
        trim = right;
    }
    pieces.push(Piece::Text(if trim { rest.trim_start() } else { rest }.to_owned()));
    Ok(pieces)
}

/// Where `}}` is that does not stand in quotes.
fn end_of_action(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if text[i..].starts_with("}}") => return Some(i),
            None => {}
        }
    }
    None
}

struct Parser {
    pieces: Vec<Piece>,
    at: usize,
}

impl Parser {
    /// Nodes up to the end, `{{end}}` or `{{else…}}`, which comes back.
    fn nodes(&mut self) -> Result<(Vec<Node>, Option<String>), String> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get(self.at) {
            self.at += 1;
            let action = match piece {
                Piece::Text(text) => {
                    if !text.is_empty() {
                        nodes.push(Node::Text(text.clone()));
                    }
                    continue;
                }
                Piece::Action(action) => action.clone(),
            };
            let (word, rest) = action.split_once(char::is_whitespace).unwrap_or((&action, ""));
            match word {
                "end" | "else" => return Ok((nodes, Some(action))),
                "if" => nodes.push(Node::If(self.branch("if", rest)?)),
                "range" => nodes.push(Node::Range(self.branch("range", rest)?)),
                "with" => nodes.push(Node::With(self.branch("with", rest)?)),
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "define" | "template" | "block" => {
                    return Err(error(&format!("{word} is not modelled by this simulator")));
                }
                _ => nodes.push(Node::Action(pipeline(&action)?)),
            }
        }
        Ok((nodes, None))
    }

    fn branch(&mut self, word: &str, text: &str) -> Result<Branch, String> {
        if text.trim().is_empty() {
            return Err(error(&format!("missing value for {word}")));
        }
        let pipeline = pipeline(text)?;
        let (then, end) = self.nodes()?;
        let otherwise = match end.as_deref() {
            None => return Err(error("unexpected EOF")),
            Some("end") => Vec::new(),
            Some("else") => {
                let (otherwise, end) = self.nodes()?;
                if end.as_deref() != Some("end") {
                    return Err(error("expected end; found {{else}}"));
                }
                otherwise
            }
            // `else if` is an if of its own, which ends where this one does.
            Some(other) => {
                let rest = other.trim_start_matches("else").trim();
                let (word, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                match word {
                    "if" => vec![Node::If(self.branch("if", text)?)],
                    "with" => vec![Node::With(self.branch("with", text)?)],
                    _ => return Err(error(&format!("unexpected <{word}> in else"))),
                }
            }
        };
        Ok(Branch { pipeline, then, otherwise })
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Constant(Value),
    /// `(`, `)`, `|`, `,`, `:=`, `=`.
    Mark(&'static str),
    /// `.a.b` directly behind `)`.
    Tail(Vec<String>),
}

fn pipeline(text: &str) -> Result<Pipeline, String> {
    let tokens = lex(text)?;
    let mut reader = Reader { tokens, at: 0 };
    let pipeline = reader.pipeline()?;
    if reader.at < reader.tokens.len() {
        return Err(error("unexpected \")\" in operand"));
    }
    Ok(pipeline)
}

fn lex(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let mark = [":=", "(", ")", "|", ",", "="].into_iter().find(|m| rest.starts_with(m));
        if let Some(mark) = mark {
            tokens.push(Token::Mark(mark));
            rest = &rest[mark.len()..];
            if mark == ")" && rest.starts_with('.') {
                let end =
                    rest.find(|c: char| c.is_whitespace() || "()|,=:".contains(c)).unwrap_or(rest.len());
                tokens.push(Token::Tail(path(&rest[1..end])));
                rest = &rest[end..];
            }
        } else if c == '"' || c == '`' || c == '\'' {
            let end = end_of_quote(rest, c).ok_or_else(|| error("unterminated quoted string"))?;
            let inner = &rest[1..end];
            let value = match c {
                '`' => inner.to_owned(),
                _ => serde_json::from_str(&format!("\"{inner}\"")).map_err(|_| error("bad quoted string"))?,
            };
            tokens.push(Token::Constant(Value::String(value)));
            rest = &rest[end + 1..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "()|,=\"`".contains(c)).unwrap_or(rest.len());
            let end = if rest[..end].ends_with(':') { end - 1 } else { end };
            tokens.push(word(&rest[..end.max(1)])?);
            rest = &rest[end.max(1)..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

fn end_of_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(i, c)| {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote != '`' {
            escaped = true;
        } else if c == quote {
            return Some(i);
        }
        None
    })
}

fn word(text: &str) -> Result<Token, String> {
    Ok(match text {
        "true" => Token::Constant(json!(true)),
        "false" => Token::Constant(json!(false)),
        "nil" => Token::Constant(Value::Null),
        text if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            let value =
                text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from));
            Token::Constant(value.map_err(|_| error(&format!("bad number syntax: {text:?}")))?)
        }
        text => Token::Word(text.to_owned()),
    })
}

fn path(text: &str) -> Vec<String> {
    text.split('.').filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, mark: &'static str) -> bool {
        let here = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(here);
        here
    }

    fn pipeline(&mut self) -> Result<Pipeline, String> {
        let mut pipeline = Pipeline::default();
        let start = self.at;
        while let Some(Token::Word(name)) = self.peek().cloned() {
            if !name.starts_with('$') || name.contains('.') {
                break;
            }
            self.at += 1;
            pipeline.variables.push(name);
            if !self.take(",") {
                break;
            }
        }
        pipeline.declares = self.take(":=");
        if !pipeline.declares && !self.take("=") {
            pipeline.variables.clear();
            self.at = start;
        }
        loop {
            pipeline.commands.push(self.command()?);
            if !self.take("|") {
                return Ok(pipeline);
            }
        }
    }

    fn command(&mut self) -> Result<Vec<Operand>, String> {
        let mut operands = Vec::new();
        while let Some(token) = self.peek().cloned() {
            match token {
                Token::Mark("(") => {
                    self.at += 1;
                    let inner = self.pipeline()?;
                    if !self.take(")") {
                        return Err(error("unclosed left paren"));
                    }
                    let tail = match self.peek().cloned() {
                        Some(Token::Tail(tail)) => {
                            self.at += 1;
                            tail
                        }
                        _ => Vec::new(),
                    };
                    operands.push(Operand::Inner(Box::new(inner), tail));
                }
                Token::Mark("|" | ")") => break,
                Token::Mark(other) => return Err(error(&format!("unexpected {other:?} in operand"))),
                Token::Tail(_) => return Err(error("unexpected \".\" in operand")),
                Token::Constant(value) => {
                    self.at += 1;
                    operands.push(Operand::Constant(value));
                }
                Token::Word(word) => {
                    self.at += 1;
                    operands.push(operand(&word)?);
                }
            }
        }
        if operands.is_empty() { Err(error("missing value for command")) } else { Ok(operands) }
    }
}

fn operand(word: &str) -> Result<Operand, String> {
    if let Some(fields) = word.strip_prefix('.') {
        return Ok(Operand::Field(path(fields)));
    }
    if word.starts_with('$') {
        let (name, fields) = word.split_once('.').unwrap_or((word, ""));
        return Ok(Operand::Variable(name.to_owned(), path(fields)));
    }
    if FUNCTIONS.contains(&word) || word == "exists" {
        return Ok(Operand::Function(word.to_owned()));
    }
    Err(error(&format!("function {word:?} not defined")))
}

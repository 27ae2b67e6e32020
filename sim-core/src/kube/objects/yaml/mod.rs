//! YAML as Kubernetes reads it, with the place of every node.
//!
//! One document at a time: [`documents`] splits a stream as kubectl does, at lines of `---`, and [`parse`] reads one of the
//! pieces. JSON is read the same way, as it is YAML too.

mod error;
mod scalar;
mod tree;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag};
use rustc_hash::FxHashMap;
use serde_json::Value;

pub use error::SyntaxError;
pub use tree::{Data, Duplicate, Entry, Node, Position};

/// A piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its text.
    pub text: &'a str,
    /// Line of the stream at which it begins, counted from 0.
    pub line: u32,
}

/// Splits a stream as kubectl's reader does: a line of three dashes, followed by nothing but white space, ends a piece that
/// has begun, and otherwise belongs to the piece that it begins.
#[must_use]
pub fn documents(stream: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 0, 0);
    for (number, line) in stream.split_inclusive('\n').enumerate() {
        let begun = at > start;
        if begun && line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty()) {
            pieces.push(Piece { text: &stream[start..at], line: start_line });
            start = at + line.len();
            start_line = number as u32 + 1;
        }
        at += line.len();
    }
    if at > start {
        pieces.push(Piece { text: &stream[start..at], line: start_line });
    }
    pieces
}

/// Reads one document; none if there is nothing but comments in it. `first_line` is the number of the text's first line.
///
/// # Errors
/// The text is not YAML, or holds something that JSON cannot hold.
pub fn parse(text: &str, first_line: u32) -> Result<Option<Node>, SyntaxError> {
    let lines: Vec<&str> = text.lines().collect();
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut build = Build {
        parser: Parser::new_from_str_with_options(text, options),
        lines: &lines,
        first_line,
        anchors: FxHashMap::default(),
        made: 0,
        copied: 0,
    };
    build.document()
}

/// kubectl's reader stops at documents that grow out of proportion by their aliases ("billion laughs").
/// Below this number of nodes it does not look.
const ALIAS_FREE: usize = 10_000;

struct Build<'a> {
    parser: Parser<'a, StrInput<'a>>,
    lines: &'a [&'a str],
    first_line: u32,
    /// Anchored nodes with their number of nodes.
    anchors: FxHashMap<usize, (Node, usize)>,
    /// Nodes made so far, copies through aliases included.
    made: usize,
    /// Copies through aliases.
    copied: usize,
}

impl<'a> Build<'a> {
    fn document(&mut self) -> Result<Option<Node>, SyntaxError> {
        loop {
            match self.next()? {
                None | Some((Event::StreamEnd, _)) => return Ok(None),
                Some((Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _)) => {}
                Some((event, span)) => {
                    let node = self.node(event, span)?;
                    self.end_of_document()?;
                    return Ok(Some(node));
                }
            }
        }
    }

    /// What follows the first node must be well-formed as far as the document goes.
    fn end_of_document(&mut self) -> Result<(), SyntaxError> {
        match self.next()? {
            None | Some((Event::DocumentEnd | Event::StreamEnd, _)) => Ok(()),
            Some((_, span)) => Err(self.error(
                span,
                "a second value where the document should end",
                "did not find expected <document start>",
            )),
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, SyntaxError> {
        let next = self.parser.next().transpose();
        next.map_err(|e| SyntaxError::from_scan(&e, self.lines, self.first_line))
    }

    /// The next event inside a list or mapping; none at its end.
    fn inside(&mut self) -> Result<Option<(Event<'a>, Span)>, SyntaxError> {
        Ok(self.next()?.filter(|(event, _)| {
            !matches!(event, Event::SequenceEnd | Event::MappingEnd | Event::DocumentEnd | Event::StreamEnd)
        }))
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, SyntaxError> {
        let at = self.position(span);
        let before = self.made;
        self.made += 1;
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (Data::Scalar(self.scalar(&text, style, tag.as_deref(), span)?), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                while let Some((event, span)) = self.inside()? {
                    items.push(self.node(event, span)?);
                }
                (Data::List(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (Data::Map(self.entries()?), anchor),
            Event::Alias(anchor) => return self.copy(anchor, at),
            _ => (Data::Scalar(Value::Null), 0),
        };
        let node = Node { at, data };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.made - before));
        }
        Ok(node)
    }

    fn copy(&mut self, anchor: usize, at: Position) -> Result<Node, SyntaxError> {
        let size = self.anchors.get(&anchor).map_or(0, |(_, size)| *size);
        self.copied += size;
        self.made += size;
        if self.copied > ALIAS_FREE && self.copied * 100 > self.made * 10 {
            return Err(SyntaxError {
                at,
                message: "aliases make this document too big".to_owned(),
                help: Some("write the repeated parts out, or drop them".to_owned()),
                go: "yaml: document contains excessive aliasing".to_owned(),
            });
        }
        let data = self.anchors.get(&anchor).map_or(Data::Scalar(Value::Null), |(node, _)| node.data.clone());
        Ok(Node { at, data })
    }

    fn entries(&mut self) -> Result<Vec<Entry>, SyntaxError> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((event, span)) = self.inside()? {
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span)?;
            let Some((event, span)) = self.inside()? else { break };
            let value = self.node(event, span)?;
            if merge {
                merge_into(&mut entries, value).ok_or_else(|| {
                    self.error(
                        span,
                        "<< needs a mapping",
                        "map merge requires map or sequence of maps as the value",
                    )
                })?;
                continue;
            }
            let name = self.name(&key, &value)?;
            entries.push(Entry { name, at: key.at, value });
        }
        Ok(entries)
    }

    /// A name in JSON is a text; numbers and booleans become one.
    fn name(&self, key: &Node, value: &Node) -> Result<String, SyntaxError> {
        let go = match &key.data {
            Data::Scalar(Value::String(text)) => return Ok(text.clone()),
            Data::Scalar(scalar @ (Value::Bool(_) | Value::Number(_))) => return Ok(scalar.to_string()),
            Data::Scalar(_) => {
                format!("unsupported map key of type: %!s(<nil>), key: <nil>, value: {}", value.to_value())
            }
            Data::List(_) => "yaml: invalid map key: []interface {}{...}".to_owned(),
            Data::Map(_) => format!("yaml: invalid map key: {}", go_map(key)),
        };
        Err(SyntaxError {
            at: key.at,
            message: "a name must be a text".to_owned(),
            help: Some("a text that begins with { or [ needs quotes".to_owned()),
            go,
        })
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Value, SyntaxError> {
        let plain = style == ScalarStyle::Plain;
        let kind = tag.map(|t| if t.is_yaml_core_schema() { t.suffix() } else { "" });
        match kind {
            None if plain => {}
            None | Some("str") => return Ok(Value::String(text.to_owned())),
            Some("null") => return Ok(Value::Null),
            Some("int" | "float" | "bool") => {}
            Some(_) => return Ok(Value::String(text.to_owned())),
        }
        let value = scalar::resolve(text).map_err(|e| SyntaxError {
            at: self.position(span),
            message: "JSON has no such number".to_owned(),
            help: None,
            go: format!("json: unsupported value: {}", e.go()),
        })?;
        if kind.is_some() && !matches!(value, Value::Bool(_) | Value::Number(_)) {
            let kind = kind.unwrap_or_default();
            let words = format!("cannot decode !!str `{text}` as a !!{kind}");
            return Err(self.error(span, "the text is not what its tag says", &words));
        }
        Ok(value)
    }

    fn error(&self, span: Span, message: &str, go: &str) -> SyntaxError {
        SyntaxError {
            at: self.position(span),
            message: message.to_owned(),
            help: None,
            go: format!("yaml: {go}"),
        }
    }

    fn position(&self, span: Span) -> Position {
        let (start, end) = (span.start, span.end);
        let length = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
        Position {
            line: self.first_line + start.line().saturating_sub(1) as u32,
            column: start.col() as u32 + 1,
            length: length.max(1) as u32,
        }
    }
}

/// Go's print of a mapping that stands where a name should: usually an unquoted `{{ template }}`.
fn go_map(node: &Node) -> String {
    let Data::Map(entries) = &node.data else { return node.to_value().to_string() };
    let entry = |e: &Entry| {
        let value = match &e.value.data {
            Data::Scalar(Value::Null) => "interface {}(nil)".to_owned(),
            _ => go_map(&e.value),
        };
        format!("{:?}:{value}", e.name)
    };
    let list: Vec<String> = entries.iter().map(entry).collect();
    format!("map[interface {{}}]interface {{}}{{{}}}", list.join(", "))
}

/// Applies a merge key: the entries of a mapping, or of a list of mappings.
fn merge_into(entries: &mut Vec<Entry>, value: Node) -> Option<()> {
    match value.data {
        Data::Map(merged) => {
            for entry in merged {
                entries.retain(|e| e.name != entry.name);
                entries.push(entry);
            }
            Some(())
        }
        Data::List(items) => items.into_iter().rev().try_for_each(|item| match item.data {
            Data::Map(_) => merge_into(entries, item),
            _ => None,
        }),
        Data::Scalar(_) => None,
    }
}

#[cfg(test)]
mod tests;

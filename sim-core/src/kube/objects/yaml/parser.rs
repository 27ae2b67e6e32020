//! From words to a tree.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cursor::Mark;
use super::scalar;
use super::scanner::Scanner;
use super::token::{Origin, Problem, Token, TokenKind};
use super::tree::{Data, Entry, Node, Position};

/// Deepest nesting. (The real reader stops at 10 000; nothing that people write comes near either.)
const MAX_DEPTH: usize = 150;
/// Documents that grow out of proportion by their aliases ("billion laughs") are refused. Below this number of copied nodes
/// nobody looks.
const FREE_COPIES: usize = 10_000;
/// Prefix of YAML's own tags.
const CORE: &str = "tag:yaml.org,2002:";

pub(super) struct Parser {
    scanner: Scanner,
    /// Number of the text's first line.
    first_line: u32,
    tags: BTreeMap<String, String>,
    /// Anchored nodes with their number of nodes.
    anchors: BTreeMap<String, (Node, usize)>,
    depth: usize,
    /// Nodes made so far, copies included.
    made: usize,
    /// Copies through aliases.
    copied: usize,
    /// The first thing that is YAML and has no meaning; told if the rest of the document is YAML too.
    meaningless: Option<Problem>,
}

/// Anchor and tag in front of a node.
#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<String>,
    at: Option<Mark>,
}

impl Parser {
    pub(super) fn new(text: &str, first_line: u32) -> Result<Self, Problem> {
        let core = [("!".to_owned(), "!".to_owned()), ("!!".to_owned(), CORE.to_owned())];
        Ok(Self {
            scanner: Scanner::new(text)?,
            first_line,
            tags: core.into_iter().collect(),
            anchors: BTreeMap::new(),
            depth: 0,
            made: 0,
            copied: 0,
            meaningless: None,
        })
    }

    /// The first document; what follows its end is not looked at.
    pub(super) fn document(&mut self) -> Result<Option<Node>, Problem> {
        while self.next_is(|k| *k == TokenKind::DocumentEnd)? {
            self.scanner.take()?;
        }
        let mut directives = false;
        loop {
            let token = self.scanner.peek()?.clone();
            match token.kind {
                TokenKind::Version(1, 1) => {}
                TokenKind::Version(..) => {
                    return Err(Problem::parser("found incompatible YAML document", token.start, None));
                }
                TokenKind::TagDirective(handle, prefix) => {
                    self.tags.insert(handle, prefix);
                }
                _ => break,
            }
            directives = true;
            self.scanner.take()?;
        }
        let token = self.scanner.peek()?.clone();
        match token.kind {
            TokenKind::DocumentStart => {
                self.scanner.take()?;
            }
            _ if directives => {
                return Err(Problem::parser("did not find expected <document start>", token.start, None));
            }
            TokenKind::StreamEnd => return Ok(None),
            _ => {}
        }
        let ends = |k: &TokenKind| {
            matches!(k, TokenKind::DocumentStart | TokenKind::DocumentEnd | TokenKind::StreamEnd)
        };
        if self.next_is(ends)? {
            return Ok(Some(self.nothing(token.start)));
        }
        let node = self.node(true, false)?;
        // The word behind the document is read too, whatever it is.
        self.scanner.peek()?;
        self.meaningless.take().map_or(Ok(Some(node)), Err)
    }

    /// Notes something without meaning. What has no JSON form is found later than what has no meaning in YAML.
    fn note(&mut self, words: String, at: Mark) {
        let late = |words: &str| words.starts_with("json:") || words.starts_with("unsupported");
        if self.meaningless.as_ref().is_none_or(|known| late(&known.words) && !late(&words)) {
            self.meaningless = Some(Problem { origin: Origin::Whole, words, at, began: None });
        }
    }

    fn next_is(&mut self, test: impl Fn(&TokenKind) -> bool) -> Result<bool, Problem> {
        Ok(test(&self.scanner.peek()?.kind))
    }

    fn position(&self, mark: Mark, end: Mark) -> Position {
        let length = if mark.line == end.line { end.column.saturating_sub(mark.column) } else { 1 };
        Position {
            line: self.first_line + mark.line as u32,
            column: mark.column as u32 + 1,
            length: length.max(1) as u32,
        }
    }

    /// What stands where nothing is written.
    fn nothing(&mut self, at: Mark) -> Node {
        self.made += 1;
        Node { at: self.position(at, at), data: Data::Scalar(Value::Null) }
    }

    /// A node. `block`: collections by indentation may begin here; `indentless`: a list may stand in the column of the name
    /// in front of it.
    fn node(&mut self, block: bool, indentless: bool) -> Result<Node, Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let at = self.scanner.peek()?.start;
            return Err(Problem::parser("exceeded max depth of 10000", at, None));
        }
        let before = self.made;
        self.made += 1;
        let properties = self.properties()?;
        let node = self.content(block, indentless, &properties)?;
        if let Some(anchor) = properties.anchor {
            self.anchors.insert(anchor, (node.clone(), self.made - before));
        }
        self.depth -= 1;
        Ok(node)
    }

    fn properties(&mut self) -> Result<Properties, Problem> {
        let mut properties = Properties::default();
        loop {
            let token = self.scanner.peek()?.clone();
            match token.kind {
                TokenKind::Anchor(name) if properties.anchor.is_none() => properties.anchor = Some(name),
                TokenKind::Tag(handle, suffix) if properties.tag.is_none() => {
                    properties.tag = Some(self.full_tag(&handle, &suffix, token.start)?);
                }
                _ => return Ok(properties),
            }
            properties.at.get_or_insert(token.start);
            self.scanner.take()?;
        }
    }

    fn full_tag(&self, handle: &str, suffix: &str, at: Mark) -> Result<String, Problem> {
        if handle.is_empty() {
            return Ok(suffix.to_owned());
        }
        let prefix = self.tags.get(handle);
        let prefix = prefix.ok_or_else(|| Problem::parser("found undefined tag handle", at, Some(at)))?;
        Ok(format!("{prefix}{suffix}"))
    }

    fn content(&mut self, block: bool, indentless: bool, properties: &Properties) -> Result<Node, Problem> {
        let token = self.scanner.peek()?.clone();
        let start = properties.at.unwrap_or(token.start);
        let data = match &token.kind {
            TokenKind::Alias(name) if properties.at.is_none() => {
                self.scanner.take()?;
                return self.copy(name, &token);
            }
            TokenKind::BlockEntry if indentless => Data::List(self.indentless_list()?),
            TokenKind::Scalar { text, plain } => {
                self.scanner.take()?;
                Data::Scalar(self.scalar(text, *plain, properties.tag.as_deref(), token.start))
            }
            TokenKind::FlowSequenceStart => Data::List(self.flow_list(token.start)?),
            TokenKind::FlowMappingStart => Data::Map(self.flow_map(token.start)?),
            TokenKind::BlockSequenceStart if block => Data::List(self.block_list(token.start)?),
            TokenKind::BlockMappingStart if block => Data::Map(self.block_map(token.start)?),
            _ if properties.at.is_some() => {
                Data::Scalar(self.scalar("", true, properties.tag.as_deref(), token.start))
            }
            _ => return Err(Problem::parser("did not find expected node content", token.start, Some(start))),
        };
        Ok(Node { at: self.position(token.start, token.end), data })
    }

    /// The node that an alias names.
    fn copy(&mut self, name: &str, token: &Token) -> Result<Node, Problem> {
        let Some((node, size)) = self.anchors.get(name) else {
            let words = format!("unknown anchor '{name}' referenced");
            return Err(Problem { origin: Origin::Whole, words, at: token.start, began: None });
        };
        let (data, size) = (node.data.clone(), *size);
        self.copied += size;
        self.made += size;
        if self.copied > FREE_COPIES && self.copied * 10 > self.made {
            let words = "document contains excessive aliasing".to_owned();
            return Err(Problem { origin: Origin::Whole, words, at: token.start, began: None });
        }
        Ok(Node { at: self.position(token.start, token.end), data })
    }

    fn scalar(&mut self, text: &str, plain: bool, tag: Option<&str>, at: Mark) -> Value {
        let kind = match tag {
            None if plain => "",
            None => return Value::String(text.to_owned()),
            Some(tag) => match tag.strip_prefix(CORE) {
                Some("null") => return Value::Null,
                Some("binary") => return self.binary(text, at),
                Some(kind @ ("int" | "float" | "bool")) => kind,
                _ => return Value::String(text.to_owned()),
            },
        };
        let value = scalar::resolve(text).unwrap_or_else(|e| {
            self.note(format!("json: unsupported value: {}", e.go()), at);
            Value::Null
        });
        let fits = match kind {
            "int" | "float" => value.is_number(),
            "bool" => value.is_boolean(),
            _ => true,
        };
        if !fits {
            self.note(format!("cannot decode !!str `{text}` as a !!{kind}"), at);
        }
        value
    }

    fn binary(&mut self, text: &str, at: Mark) -> Value {
        let bytes = data_encoding::BASE64.decode(text.as_bytes());
        let text = bytes.ok().and_then(|b| String::from_utf8(b).ok());
        text.map_or_else(
            || {
                self.note("!!binary value contains invalid base64 data".to_owned(), at);
                Value::Null
            },
            Value::String,
        )
    }

    fn block_list(&mut self, start: Mark) -> Result<Vec<Node>, Problem> {
        self.scanner.take()?;
        let mut items = Vec::new();
        loop {
            let token = self.scanner.take()?;
            match token.kind {
                TokenKind::BlockEntry => {
                    let empty = |k: &TokenKind| matches!(k, TokenKind::BlockEntry | TokenKind::BlockEnd);
                    let item =
                        if self.next_is(empty)? { self.nothing(token.end) } else { self.node(true, false)? };
                    items.push(item);
                }
                TokenKind::BlockEnd => return Ok(items),
                _ => {
                    let words = "did not find expected '-' indicator";
                    return Err(Problem::parser(words, token.start, Some(start)));
                }
            }
        }
    }

    fn indentless_list(&mut self) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        while self.next_is(|k| *k == TokenKind::BlockEntry)? {
            let token = self.scanner.take()?;
            let empty = |k: &TokenKind| {
                matches!(k, TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd)
            };
            let item = if self.next_is(empty)? { self.nothing(token.end) } else { self.node(true, false)? };
            items.push(item);
        }
        Ok(items)
    }

    fn block_map(&mut self, start: Mark) -> Result<Vec<Entry>, Problem> {
        self.scanner.take()?;
        let mut entries = Vec::new();
        loop {
            let token = self.scanner.take()?;
            match token.kind {
                TokenKind::Key => {
                    let key = self.block_part(token.end)?;
                    let value = if self.next_is(|k| *k == TokenKind::Value)? {
                        let token = self.scanner.take()?;
                        self.block_part(token.end)?
                    } else {
                        let at = self.scanner.peek()?.start;
                        self.nothing(at)
                    };
                    self.add(&mut entries, key, value, token.start);
                }
                TokenKind::BlockEnd => return Ok(entries),
                _ => return Err(Problem::parser("did not find expected key", token.start, Some(start))),
            }
        }
    }

    /// Name or value of a mapping by indentation.
    fn block_part(&mut self, at: Mark) -> Result<Node, Problem> {
        let empty = |k: &TokenKind| matches!(k, TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd);
        if self.next_is(empty)? { Ok(self.nothing(at)) } else { self.node(true, true) }
    }

    fn flow_list(&mut self, start: Mark) -> Result<Vec<Node>, Problem> {
        self.scanner.take()?;
        let mut items = Vec::new();
        while !self.next_is(|k| *k == TokenKind::FlowSequenceEnd)? {
            if !items.is_empty() {
                self.flow_entry("did not find expected ',' or ']'", start)?;
                if self.next_is(|k| *k == TokenKind::FlowSequenceEnd)? {
                    break;
                }
            }
            if self.next_is(|k| *k == TokenKind::Key)? {
                let token = self.scanner.take()?;
                let mut entries = Vec::new();
                self.flow_pair(&mut entries, token.start, &TokenKind::FlowSequenceEnd)?;
                let at = self.position(token.start, token.end);
                items.push(Node { at, data: Data::Map(entries) });
            } else {
                items.push(self.node(false, false)?);
            }
        }
        self.scanner.take()?;
        Ok(items)
    }

    fn flow_entry(&mut self, words: &str, start: Mark) -> Result<(), Problem> {
        let token = self.scanner.take()?;
        if token.kind == TokenKind::FlowEntry {
            return Ok(());
        }
        Err(Problem::parser(words, token.start, Some(start)))
    }

    fn flow_map(&mut self, start: Mark) -> Result<Vec<Entry>, Problem> {
        self.scanner.take()?;
        let mut entries = Vec::new();
        let mut first = true;
        while !self.next_is(|k| *k == TokenKind::FlowMappingEnd)? {
            if !first {
                self.flow_entry("did not find expected ',' or '}'", start)?;
                if self.next_is(|k| *k == TokenKind::FlowMappingEnd)? {
                    break;
                }
            }
            first = false;
            if self.next_is(|k| *k == TokenKind::Key)? {
                let token = self.scanner.take()?;
                self.flow_pair(&mut entries, token.start, &TokenKind::FlowMappingEnd)?;
            } else {
                let at = self.scanner.peek()?.start;
                let key = self.node(false, false)?;
                let value = self.nothing(at);
                self.add(&mut entries, key, value, at);
            }
        }
        self.scanner.take()?;
        Ok(entries)
    }

    /// `name: value` inside brackets; each may be left out.
    fn flow_pair(&mut self, entries: &mut Vec<Entry>, start: Mark, end: &TokenKind) -> Result<(), Problem> {
        let ends = |k: &TokenKind| *k == TokenKind::FlowEntry || k == end;
        let no_name = |k: &TokenKind| *k == TokenKind::Value || ends(k);
        let key = if self.next_is(no_name)? { self.nothing(start) } else { self.node(false, false)? };
        let value = if self.next_is(|k| *k == TokenKind::Value)? {
            let token = self.scanner.take()?;
            if self.next_is(ends)? { self.nothing(token.end) } else { self.node(false, false)? }
        } else {
            self.nothing(start)
        };
        self.add(entries, key, value, start);
        Ok(())
    }

    /// Adds an entry; `<<` merges the entries of its value instead.
    fn add(&mut self, entries: &mut Vec<Entry>, key: Node, value: Node, at: Mark) {
        let merge =
            matches!(&key.data, Data::Scalar(Value::String(text)) if text == "<<") && key.at.length == 2;
        if merge {
            if merge_into(entries, value).is_none() {
                let words = "map merge requires map or sequence of maps as the value";
                self.note(words.to_owned(), at);
            }
            return;
        }
        let name = match &key.data {
            Data::Scalar(Value::String(text)) => text.clone(),
            // A name in JSON is a text; numbers and booleans become one.
            Data::Scalar(scalar @ (Value::Bool(_) | Value::Number(_))) => scalar.to_string(),
            Data::Scalar(_) => {
                let shown = go_print(&value);
                let words = format!("unsupported map key of type: %!s(<nil>), key: <nil>, value: {shown}");
                return self.note(words, at);
            }
            Data::List(_) | Data::Map(_) => {
                return self.note(format!("invalid map key: {}", go_print(&key)), at);
            }
        };
        entries.push(Entry { name, at: key.at, value });
    }
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

/// Go's print (`%#v`) of what stands where a name should: usually an unquoted `{{ template }}`.
fn go_print(node: &Node) -> String {
    match &node.data {
        Data::Scalar(Value::Null) => "interface {}(nil)".to_owned(),
        Data::Scalar(scalar) => scalar.to_string(),
        Data::List(items) => {
            let items: Vec<String> = items.iter().map(go_print).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Data::Map(entries) => {
            let mut items: Vec<String> =
                entries.iter().map(|e| format!("{:?}:{}", e.name, go_print(&e.value))).collect();
            items.sort();
            format!("map[interface {{}}]interface {{}}{{{}}}", items.join(", "))
        }
    }
}

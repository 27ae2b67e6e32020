//! YAML as a tree that knows where everything stands.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// Where something stands: line and column from 1, and how many characters it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) length: u32,
}

impl Default for Position {
    fn default() -> Self {
        Self { line: 1, column: 1, length: 1 }
    }
}

impl From<Location> for Position {
    fn from(at: Location) -> Self {
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
        Self { line: small(at.line()), column: small(at.column()), length: 1 }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// A value as YAML's core schema tells them apart.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: Position,
    pub(super) node: Node,
}

/// Reads a document.
pub(super) fn document(text: &str) -> Result<Node, (Position, String)> {
    serde_saphyr::from_str::<Spanned<Value>>(text).map(node).map_err(|e| {
        let at = e.location().map(Position::from).unwrap_or_default();
        (at, sentence(&e.without_snippet().to_string()))
    })
}

/// The error's own sentence, without the position, which is told separately, and in words that name no setting of the parser.
fn sentence(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let line = line.split(" at line ").next().unwrap_or(line);
    if line.starts_with("tabs disallowed") {
        return "a tab in the indentation: YAML wants spaces".to_owned();
    }
    if let Some(key) = line.strip_prefix("duplicate mapping key: ") {
        return format!("the field `{}` stands here twice", key.split(',').next().unwrap_or(key));
    }
    if line.starts_with("budget breached") || line.starts_with("recursion limit") {
        return "too large or too deep for a cluster block".to_owned();
    }
    line.to_owned()
}

fn node(spanned: Spanned<Value>) -> Node {
    let mut at = Position::from(spanned.referenced);
    if let Value::Text(text) = &spanned.value
        && !text.contains('\n')
    {
        at.length = u32::try_from(text.chars().count()).unwrap_or(1).max(1);
    }
    if let Value::Int(n) = spanned.value {
        at.length = n.to_string().len() as u32;
    }
    Node { at, value: spanned.value }
}

impl Value {
    /// What a person would call it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Int(v))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Value, E> {
        Ok(Value::Int(i128::try_from(v).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::Text(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            list.push(node(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let mut key_at = Position::from(key.referenced);
            key_at.length = u32::try_from(key.value.chars().count()).unwrap_or(1).max(1);
            entries.push(Entry { key: key.value, key_at, node: node(map.next_value()?) });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_knows_where_it_stands() {
        let root = document("a: 1\nb:\n- {c: x.y, 80: }\n").unwrap();
        let Value::Map(entries) = root.value else { panic!("not a mapping") };
        assert_eq!(entries[0].node.at, Position { line: 1, column: 4, length: 1 });
        let Value::List(list) = &entries[1].node.value else { panic!("not a list") };
        let Value::Map(inner) = &list[0].value else { panic!("not a mapping") };
        assert_eq!(inner[0].key_at, Position { line: 3, column: 4, length: 1 });
        assert_eq!(inner[0].node.at, Position { line: 3, column: 7, length: 3 });
        assert_eq!(inner[1].key, "80");
    }

    #[test]
    fn a_key_given_twice_is_refused_where_it_stands() {
        let (at, message) = document("seed: 1\nseed: 2\n").unwrap_err();
        assert_eq!((at.line, at.column), (2, 1));
        assert!(message.contains("twice"), "{message}");
    }
}

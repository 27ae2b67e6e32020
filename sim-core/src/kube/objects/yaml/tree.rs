//! A YAML document as a tree whose every node knows where it was written.

use serde_json::{Map, Value};

use crate::kube::objects::decode::{FieldPath, Step};

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters.
    pub column: u32,
    /// Number of characters, at least 1.
    pub length: u32,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where its content begins.
    pub at: Position,
    /// What it is.
    pub data: Data,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Null, a boolean, a number or a text.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order in which it was written; a name may stand there twice.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Name.
    pub name: String,
    /// Where the name stands.
    pub at: Position,
    /// Value.
    pub value: Node,
}

/// A name that stands twice in one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The field.
    pub path: FieldPath,
    /// Where it stands first.
    pub first: Position,
    /// Where it stands again.
    pub again: Position,
}

impl Node {
    /// The JSON value; of a name that stands twice the last one counts, as in kubectl.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Data::Map(entries) => Value::Object(
                entries.iter().map(|e| (e.name.clone(), e.value.to_value())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// An entry of a mapping; the last one if there are several.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        let Data::Map(entries) = &self.data else { return None };
        entries.iter().rfind(|e| e.name == name)
    }

    /// Where a field is written: the name for a field, the content for an element of a list. For a path that leads to
    /// nothing, the last place on the way.
    #[must_use]
    pub fn locate(&self, path: &FieldPath) -> Position {
        let (mut node, mut at) = (self, self.at);
        for step in &path.0 {
            let next = match (step, &node.data) {
                (Step::Field(name), _) => node.entry(name).map(|e| (&e.value, e.at)),
                (Step::Index(i), Data::List(items)) => items.get(*i).map(|n| (n, n.at)),
                (Step::Index(_), _) => None,
            };
            let Some((deeper, place)) = next else { break };
            (node, at) = (deeper, place);
        }
        at
    }

    /// Where the value of a field is written.
    #[must_use]
    pub fn locate_value(&self, path: &FieldPath) -> Position {
        self.descend(path).map_or_else(|| self.locate(path), |n| n.at)
    }

    /// The node at the end of a path.
    #[must_use]
    pub fn descend(&self, path: &FieldPath) -> Option<&Self> {
        path.0.iter().try_fold(self, |node, step| match (step, &node.data) {
            (Step::Field(name), _) => node.entry(name).map(|e| &e.value),
            (Step::Index(i), Data::List(items)) => items.get(*i),
            (Step::Index(_), _) => None,
        })
    }

    /// Every name that stands twice in one mapping.
    #[must_use]
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let mut found = Vec::new();
        self.collect_duplicates(&mut Vec::new(), &mut found);
        found
    }

    fn collect_duplicates(&self, path: &mut Vec<Step>, found: &mut Vec<Duplicate>) {
        match &self.data {
            Data::Scalar(_) => {}
            Data::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    path.push(Step::Index(i));
                    item.collect_duplicates(path, found);
                    path.pop();
                }
            }
            Data::Map(entries) => {
                let mut first: std::collections::BTreeMap<&str, Position> = std::collections::BTreeMap::new();
                for entry in entries {
                    path.push(Step::Field(entry.name.clone()));
                    if let Some(&first) = first.get(entry.name.as_str()) {
                        found.push(Duplicate { path: FieldPath(path.clone()), first, again: entry.at });
                    } else {
                        first.insert(&entry.name, entry.at);
                    }
                    entry.value.collect_duplicates(path, found);
                    path.pop();
                }
            }
        }
    }
}

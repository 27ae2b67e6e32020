//! Kubernetes' dialect of JSONPath (`k8s.io/client-go/util/jsonpath`): templates of text and `{actions}`.

use serde_json::Value;

mod eval;
mod parse;
mod render;

pub(crate) use render::text as value_text;

/// A parsed template.
#[derive(Clone, Debug)]
pub(crate) struct JsonPath {
    nodes: Vec<Node>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// Text as it stands, a quoted text, a number or a bool inside an action.
    Constant(Value),
    /// `{…}`, a filter's side, or a part of a union: each node works on what the one before it found.
    List(Vec<Self>),
    /// `.name`.
    Field(String),
    /// `.*`.
    Wildcard,
    /// `..`.
    Recursive,
    /// `[start:end:step]`; a lone index has the end `start + 1`.
    Slice { start: Option<i64>, end: End, step: Option<i64> },
    /// `[?(left op right)]`.
    Filter { left: Vec<Self>, right: Vec<Self>, operator: String },
    /// `['a','b']`, `[0,2]`.
    Union(Vec<Vec<Self>>),
    /// `range`, `end`.
    Word(String),
}

/// Where a slice ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// `[i]`: one element.
    One,
    /// `[a:b]`.
    At(i64),
    /// `[a:]`: with the list.
    Open,
}

impl JsonPath {
    /// Parses a template.
    ///
    /// # Errors
    /// What kubectl says is wrong with it.
    pub(crate) fn parse(template: &str) -> Result<Self, String> {
        parse::template(template).map(|nodes| Self { nodes })
    }

    /// Parses the relaxed form of `--sort-by`, `custom-columns` and `wait`: `x.y`, `.x.y`, `{x.y}` and `{.x.y}` are one path.
    ///
    /// # Errors
    /// What kubectl says is wrong with it.
    pub(crate) fn parse_relaxed(path: &str) -> Result<Self, String> {
        Self::parse(&relaxed(path)?)
    }

    /// What the template finds, one list per action; missing keys find nothing.
    ///
    /// # Errors
    /// What kubectl says cannot be done with this data.
    pub(crate) fn find(&self, data: &Value) -> Result<Vec<Vec<Value>>, String> {
        eval::run(&self.nodes, data, true)
    }

    /// The template filled in with `data`.
    ///
    /// # Errors
    /// What kubectl says cannot be done with this data; with `strict`, a missing key too.
    pub(crate) fn render(&self, data: &Value, strict: bool) -> Result<String, String> {
        let found = eval::run(&self.nodes, data, !strict)?;
        Ok(found.iter().map(|values| render::results(values)).collect())
    }
}

fn relaxed(path: &str) -> Result<String, String> {
    let unexpected = || {
        "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'".to_owned()
    };
    if path.is_empty() {
        return Ok(String::new());
    }
    let inner = match path.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(unexpected)?,
        None => path.strip_suffix('}').map_or(Ok(path), |_| Err(unexpected()))?,
    };
    let fields = inner.strip_prefix('.').unwrap_or(inner);
    if fields.is_empty() || inner.contains(['{', '}']) {
        return Err(unexpected());
    }
    Ok(format!("{{.{fields}}}"))
}

#[cfg(test)]
mod tests;

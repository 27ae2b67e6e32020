//! What a template finds in data.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value, json};

use super::{End, Node};

type Found<'a> = Vec<Cow<'a, Value>>;

/// Nesting of `{range}` that no template of a person reaches.
const DEEPEST_RANGE: usize = 64;

/// Runs a template; one list of values per action or text.
pub(super) fn run(nodes: &[Node], data: &Value, allow_missing: bool) -> Result<Vec<Vec<Value>>, String> {
    let mut run = Run { allow_missing, depth: 0 };
    let (found, _) = run.block(nodes, 0, data)?;
    Ok(found)
}

struct Run {
    allow_missing: bool,
    /// How many `{range}` are open.
    depth: usize,
}

/// What a list of nodes asks the template to do next.
#[derive(Clone, Copy, PartialEq)]
enum Ask {
    Nothing,
    Range,
    End,
}

impl Run {
    /// Runs the nodes from `start` up to the `{end}` of the innermost range or the end of the template, and says where that is.
    fn block(
        &mut self,
        nodes: &[Node],
        start: usize,
        data: &Value,
    ) -> Result<(Vec<Vec<Value>>, usize), String> {
        let mut all = Vec::new();
        let mut i = start;
        while let Some(node) = nodes.get(i) {
            let mut ask = Ask::Nothing;
            let found: Found<'_> = self.walk(vec![Cow::Borrowed(data)], node, &mut ask)?;
            match ask {
                Ask::Nothing => all.push(found.into_iter().map(Cow::into_owned).collect()),
                Ask::End => return Ok((all, i)),
                Ask::Range => {
                    let items: Vec<Value> = found.into_iter().map(Cow::into_owned).collect();
                    i = self.range(nodes, i + 1, &items, &mut all)?;
                }
            }
            i += 1;
        }
        Ok((all, i))
    }

    /// Runs the body once per item, or once for nothing to find the end.
    fn range(
        &mut self,
        nodes: &[Node],
        start: usize,
        items: &[Value],
        all: &mut Vec<Vec<Value>>,
    ) -> Result<usize, String> {
        if self.depth == DEEPEST_RANGE {
            return Err(format!("more than {DEEPEST_RANGE} ranges in each other are not modelled"));
        }
        self.depth += 1;
        let mut end = nodes.len();
        for item in items {
            let (found, at) = self.block(nodes, start, item)?;
            all.extend(found);
            end = at;
        }
        if items.is_empty() {
            end = self.block(nodes, start, &Value::Null)?.1;
        }
        self.depth -= 1;
        Ok(end)
    }

    fn list<'a>(&self, input: Found<'a>, nodes: &'a [Node], ask: &mut Ask) -> Result<Found<'a>, String> {
        nodes.iter().try_fold(input, |input, node| self.walk(input, node, ask))
    }

    fn walk<'a>(&self, input: Found<'a>, node: &'a Node, ask: &mut Ask) -> Result<Found<'a>, String> {
        match node {
            Node::List(nodes) => self.list(input, nodes, ask),
            Node::Constant(text @ Value::String(_)) => Ok(vec![Cow::Borrowed(text)]),
            Node::Constant(value) => Ok(input.iter().map(|_| Cow::Borrowed(value)).collect()),
            Node::Field(name) => self.field(input, name),
            Node::Wildcard => Ok(input.into_iter().flat_map(children).collect()),
            Node::Recursive => {
                let mut all = Vec::new();
                input.into_iter().for_each(|value| descend(value, &mut all));
                Ok(all)
            }
            Node::Slice { start, end, step } => slice(input, *start, *end, *step),
            Node::Filter { left, right, operator } => self.filter(input, left, right, operator),
            Node::Union(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(self.list(input.clone(), part, ask)?);
                }
                Ok(all)
            }
            Node::Word(word) => self.word(input, word, ask),
        }
    }

    fn word<'a>(&self, input: Found<'a>, word: &str, ask: &mut Ask) -> Result<Found<'a>, String> {
        match word {
            "range" => {
                *ask = Ask::Range;
                Ok(input)
            }
            "end" if self.depth > 0 => {
                *ask = Ask::End;
                Ok(Vec::new())
            }
            "end" => Err("not in range, nothing to end".to_owned()),
            other => Err(format!("unrecognized identifier {other}")),
        }
    }

    fn field<'a>(&self, input: Found<'a>, name: &str) -> Result<Found<'a>, String> {
        if input.is_empty() {
            return Ok(input);
        }
        let found: Found<'a> = input
            .into_iter()
            .filter_map(|value| match value {
                Cow::Borrowed(v) => v.get(name).map(Cow::Borrowed),
                Cow::Owned(v) => v.get(name).cloned().map(Cow::Owned),
            })
            .collect();
        if found.is_empty() && !self.allow_missing {
            return Err(format!("{name} is not found"));
        }
        Ok(found)
    }

    fn filter<'a>(
        &self,
        input: Found<'a>,
        left: &'a [Node],
        right: &'a [Node],
        operator: &str,
    ) -> Result<Found<'a>, String> {
        let mut all = Vec::new();
        for value in input {
            if !value.is_array() {
                return Err(format!(
                    "{} is not array or slice and cannot be filtered",
                    super::render::text(&value)
                ));
            }
            for item in children(value) {
                if self.passes(&item, left, right, operator)? {
                    all.push(item);
                }
            }
        }
        Ok(all)
    }

    fn passes(&self, item: &Value, left: &[Node], right: &[Node], operator: &str) -> Result<bool, String> {
        let side = |nodes: &[Node]| -> Result<Vec<Value>, String> {
            let mut ask = Ask::Nothing;
            let inner = Self { allow_missing: self.allow_missing, depth: 0 };
            let mut found: Found<'_> = vec![Cow::Borrowed(item)];
            for node in nodes {
                found = inner.walk(found, node, &mut ask)?;
            }
            Ok(found.into_iter().map(Cow::into_owned).collect())
        };
        if operator == "exists" {
            return Ok(side(left).is_ok_and(|found| !found.is_empty()));
        }
        match (side(left)?.as_slice(), side(right)?.as_slice()) {
            ([], _) | (_, []) => Ok(false),
            ([a], [b]) => compare(a, b, operator),
            _ => Err("can only compare one element at a time".to_owned()),
        }
    }
}

/// Elements of a list, values of a map (sorted by key), bytes of a text.
fn children(value: Cow<'_, Value>) -> Found<'_> {
    match value {
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Object(map)) => map.values().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        Cow::Owned(Value::Object(map)) => map.into_iter().map(|(_, v)| Cow::Owned(v)).collect(),
        other => match other.as_ref() {
            Value::String(s) => s.bytes().map(|b| Cow::Owned(json!(b))).collect(),
            _ => Vec::new(),
        },
    }
}

/// The value, if there is something in it, and everything below it that there is something in.
fn descend<'a>(value: Cow<'a, Value>, all: &mut Found<'a>) {
    let below = children(value.clone());
    if below.is_empty() {
        return;
    }
    let is_text = value.is_string();
    all.push(value);
    if !is_text {
        below.into_iter().for_each(|child| descend(child, all));
    }
}

fn slice(input: Found<'_>, start: Option<i64>, end: End, step: Option<i64>) -> Result<Found<'_>, String> {
    let mut all = Vec::new();
    for value in input {
        if value.is_null() {
            continue;
        }
        let Value::Array(items) = value.as_ref() else {
            return Err(format!("{} is not array or slice", go_type(&value)));
        };
        let length = items.len() as i64;
        let from_end = |n: i64| if n < 0 { n.saturating_add(length) } else { n };
        let first = from_end(start.unwrap_or(0));
        let last = match end {
            End::Open => length,
            End::At(n) => from_end(n),
            // `[-1]` ends at 0, which stands for the end of the list.
            End::One => match start.unwrap_or(0).saturating_add(1) {
                0 => length,
                n => from_end(n),
            },
        };
        if first == last {
            continue;
        }
        let out_of_bounds = |i: i64| Err(format!("array index out of bounds: index {i}, length {length}"));
        if first >= length || first < 0 {
            return out_of_bounds(first);
        }
        if last > length || last < 0 {
            return out_of_bounds(last - 1);
        }
        if first > last {
            return Err(format!("starting index {first} is greater than ending index {last}"));
        }
        let step = match step {
            None => 1,
            Some(n) if n <= 0 => return Err("step must be > 0".to_owned()),
            Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
        };
        let (skip, take) = (first as usize, (last - first) as usize);
        all.extend(children(value).into_iter().skip(skip).take(take).step_by(step));
    }
    Ok(all)
}

/// The name of the Go type that holds such a value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The comparisons of Go's text/template: values of one kind only.
fn compare(a: &Value, b: &Value, operator: &str) -> Result<bool, String> {
    let order = match (a, b) {
        (Value::Bool(a), Value::Bool(b)) if matches!(operator, "==" | "!=") => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) if a.is_f64() == b.is_f64() => numbers(a, b),
        (
            Value::Bool(_) | Value::String(_) | Value::Number(_),
            Value::Bool(_) | Value::String(_) | Value::Number(_),
        ) if !(a.is_boolean() && b.is_boolean()) => {
            return Err("incompatible types for comparison".to_owned());
        }
        _ => return Err("invalid type for comparison".to_owned()),
    };
    match operator {
        "<" => Ok(order.is_lt()),
        ">" => Ok(order.is_gt()),
        "==" => Ok(order.is_eq()),
        "!=" => Ok(order.is_ne()),
        "<=" => Ok(order.is_le()),
        ">=" => Ok(order.is_ge()),
        other => Err(format!("unrecognized filter operator {other}")),
    }
}

fn numbers(a: &Number, b: &Number) -> Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    }
}

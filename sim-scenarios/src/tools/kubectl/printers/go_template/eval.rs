//! From nodes to text.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{Branch, Node, Operand, Pipeline};

/// How a list of nodes ended.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// Fills the nodes in.
pub(super) fn run(nodes: &[Node], data: &Value, strict: bool) -> Result<String, String> {
    let mut state = State { out: String::new(), variables: vec![("$".to_owned(), data.clone())], strict };
    state.nodes(nodes, data)?;
    Ok(state.out)
}

struct State {
    out: String,
    variables: Vec<(String, Value)>,
    strict: bool,
}

impl State {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        let known = self.variables.len();
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.out.push_str(text);
                    Flow::On
                }
                Node::Action(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        self.out.push_str(&value.map_or_else(|| "<no value>".to_owned(), |v| print(&v)));
                    }
                    Flow::On
                }
                Node::If(branch) => {
                    let value = self.pipeline(&branch.pipeline, dot)?;
                    let nodes = if truth(value.as_ref()) { &branch.then } else { &branch.otherwise };
                    self.nodes(nodes, dot)?
                }
                Node::With(branch) => match self.pipeline(&branch.pipeline, dot)? {
                    Some(value) if truth(Some(&value)) => self.nodes(&branch.then, &value)?,
                    _ => self.nodes(&branch.otherwise, dot)?,
                },
                Node::Range(branch) => self.range(branch, dot)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                self.variables.truncate(known);
                return Ok(flow);
            }
        }
        self.variables.truncate(known);
        Ok(Flow::On)
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<Flow, String> {
        let bare = Pipeline { variables: Vec::new(), ..branch.pipeline.clone() };
        let items: Vec<(Value, Value)> = match self.pipeline(&bare, dot)? {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.into_iter().enumerate().map(|(i, v)| (json!(i), v)).collect(),
            Some(Value::Object(map)) => map.into_iter().map(|(k, v)| (Value::String(k), v)).collect(),
            Some(other) => return Err(failed(&format!("range can't iterate over {}", print(&other)))),
        };
        if items.is_empty() {
            return self.nodes(&branch.otherwise, dot);
        }
        for (key, value) in items {
            let known = self.variables.len();
            match branch.pipeline.variables.as_slice() {
                [one] => self.variables.push((one.clone(), value.clone())),
                [first, second] => {
                    self.variables.push((first.clone(), key));
                    self.variables.push((second.clone(), value.clone()));
                }
                _ => {}
            }
            let flow = self.nodes(&branch.then, &value)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    /// The value of a pipeline; none for a key that is not there.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Option<Value>, String> {
        let mut value: Option<Option<Value>> = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.flatten();
        for name in &pipeline.variables {
            let new = value.clone().unwrap_or_default();
            let known = self.variables.iter_mut().rev().find(|(n, _)| n == name);
            match known {
                Some((_, old)) if !pipeline.declares => *old = new,
                _ => self.variables.push((name.clone(), new)),
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Option<Value>>,
    ) -> Result<Option<Value>, String> {
        let Some((first, rest)) = operands.split_first() else { return Ok(None) };
        let Operand::Function(name) = first else {
            if !rest.is_empty() || piped.is_some() {
                return Err(failed("can't give argument to non-function"));
            }
            return self.operand(first, dot);
        };
        let mut args = Vec::new();
        for operand in rest {
            args.push(self.operand(operand, dot)?);
        }
        args.extend(piped);
        call(name, &args)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Option<Value>, String> {
        match operand {
            Operand::Constant(value) => Ok(Some(value.clone())),
            Operand::Field(path) => self.descend(Some(dot.clone()), path),
            Operand::Variable(name, path) => {
                let found = self.variables.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                let value = found.ok_or_else(|| failed(&format!("undefined variable: {name}")))?;
                self.descend(Some(value), path)
            }
            Operand::Inner(pipeline, path) => {
                let value = self.pipeline(pipeline, dot)?;
                self.descend(value, path)
            }
            Operand::Function(name) => call(name, &[]),
        }
    }

    fn descend(&self, value: Option<Value>, path: &[String]) -> Result<Option<Value>, String> {
        let mut value = value;
        for name in path {
            value = match value {
                Some(Value::Object(mut map)) => match map.remove(name) {
                    None if self.strict => return Err(failed(&format!("map has no entry for key {name:?}"))),
                    found => found,
                },
                None | Some(Value::Null) if self.strict => {
                    return Err(failed(&format!("nil data; no entry for key {name:?}")));
                }
                None | Some(Value::Null) => None,
                Some(other) => {
                    return Err(failed(&format!(
                        "can't evaluate field {name} in type {}",
                        if other.is_array() { "[]interface {}" } else { "interface {}" }
                    )));
                }
            };
        }
        Ok(value)
    }
}

fn failed(why: &str) -> String {
    format!("template: output:1: executing \"output\": {why}")
}

fn truth(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(b)) => *b,
        Some(Value::Number(n)) => n.as_f64() != Some(0.0),
        Some(Value::String(s)) => !s.is_empty(),
        Some(Value::Array(a)) => !a.is_empty(),
        Some(Value::Object(o)) => !o.is_empty(),
    }
}

/// A value as Go's `fmt.Print` shows it.
fn print(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(s) => s.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(print).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", print(v))).collect();
            format!("map[{}]", entries.join(" "))
        }
        leaf => leaf.to_string(),
    }
}

fn call(name: &str, args: &[Option<Value>]) -> Result<Option<Value>, String> {
    let text = |v: &Option<Value>| v.as_ref().map_or_else(|| "<no value>".to_owned(), print);
    let one = || args.first().cloned().flatten();
    let need = |n: usize| {
        let got = args.len();
        let why = format!("wrong number of args for {name}: want at least {n} got {got}");
        if got < n { Err(failed(&why)) } else { Ok(()) }
    };
    Ok(Some(match name {
        "and" => return Ok(args.iter().find(|a| !truth(a.as_ref())).or(args.last()).cloned().flatten()),
        "or" => return Ok(args.iter().find(|a| truth(a.as_ref())).or(args.last()).cloned().flatten()),
        "not" => json!(!truth(one().as_ref())),
        "len" => json!(match one() {
            Some(Value::String(s)) => s.len(),
            Some(Value::Array(a)) => a.len(),
            Some(Value::Object(o)) => o.len(),
            _ => return Err(failed("error calling len: len of nil pointer")),
        }),
        "index" => {
            need(1)?;
            return args[1..].iter().try_fold(one(), |value, key| index(value, key.as_ref()));
        }
        "exists" => {
            need(1)?;
            let found = args[1..].iter().try_fold(one(), |value, key| index(value, key.as_ref()));
            json!(found.is_ok_and(|v| v.is_some()))
        }
        "print" => json!(args.iter().map(text).collect::<Vec<_>>().join(" ")),
        "println" => json!(format!("{}\n", args.iter().map(text).collect::<Vec<_>>().join(" "))),
        "printf" => json!(printf(args)?),
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => {
            need(2)?;
            json!(compare(name, args)?)
        }
        "base64decode" => {
            let decoded = data_encoding::BASE64.decode(text(&one()).as_bytes());
            let bytes = decoded.map_err(|_| failed("error calling base64decode: base64 decode failed"))?;
            json!(String::from_utf8_lossy(&bytes))
        }
        other => return Err(failed(&format!("the function {other} is not modelled by this simulator"))),
    }))
}

fn index(value: Option<Value>, key: Option<&Value>) -> Result<Option<Value>, String> {
    match (value, key) {
        (Some(Value::Array(items)), Some(Value::Number(n))) => {
            let i = n.as_i64().unwrap_or(-1);
            let found = usize::try_from(i).ok().and_then(|i| items.get(i)).cloned();
            found.map(Some).ok_or_else(|| {
                failed(&format!("error calling index: reflect: slice index out of range: {i}"))
            })
        }
        (Some(Value::Object(mut map)), Some(Value::String(key))) => Ok(map.remove(key)),
        (None | Some(Value::Null), _) => Err(failed("error calling index: index of untyped nil")),
        (Some(other), _) => {
            Err(failed(&format!("error calling index: can't index item of type {}", print(&other))))
        }
    }
}

fn compare(name: &str, args: &[Option<Value>]) -> Result<bool, String> {
    let order = |a: &Option<Value>, b: &Option<Value>| match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64().partial_cmp(&b.as_f64()),
        (Some(Value::String(a)), Some(Value::String(b))) => Some(a.cmp(b)),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => Some(a.cmp(b)),
        (None | Some(Value::Null), None | Some(Value::Null)) => Some(Ordering::Equal),
        _ => None,
    };
    // `eq` takes several: one of them is enough.
    if name == "eq" {
        return Ok(args[1..].iter().any(|b| order(&args[0], b) == Some(Ordering::Equal)));
    }
    let found = order(&args[0], &args[1]);
    let Some(found) = found else {
        return if name == "ne" {
            Ok(true)
        } else {
            Err(failed(&format!("error calling {name}: incompatible types for comparison")))
        };
    };
    Ok(match name {
        "ne" => found.is_ne(),
        "lt" => found.is_lt(),
        "le" => found.is_le(),
        "gt" => found.is_gt(),
        _ => found.is_ge(),
    })
}

/// `%s`, `%v`, `%d`, `%q`, `%t`, `%%`, with a width.
fn printf(args: &[Option<Value>]) -> Result<String, String> {
    let Some(Some(Value::String(format))) = args.first() else {
        return Err(failed("wrong type for value; expected string"));
    };
    let mut rest = args[1..].iter();
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut width = String::new();
        let verb = loop {
            match chars.next() {
                Some(c) if c == '-' || c.is_ascii_digit() => width.push(c),
                Some(c) => break c,
                None => return Ok(out + "%!(NOVERB)"),
            }
        };
        let value = if verb == '%' { None } else { Some(rest.next().cloned().flatten()) };
        let text = match (verb, value) {
            ('%', _) => "%".to_owned(),
            ('s' | 'v' | 'd' | 't' | 'f', Some(value)) => {
                value.map_or_else(|| "<nil>".to_owned(), |v| print(&v))
            }
            ('q', Some(value)) => format!("{:?}", value.map_or_else(|| "<nil>".to_owned(), |v| print(&v))),
            (other, _) => {
                return Err(failed(&format!("the verb %{other} is not modelled by this simulator")));
            }
        };
        let Some(padding) = padding(&width, &text) else { return Ok(out + "%!(NOVERB)") };
        out += &if width.starts_with('-') { text + &padding } else { padding + &text };
    }
    Ok(out)
}

/// What fills a text up to a width; none if Go takes the width for a mistake.
fn padding(width: &str, text: &str) -> Option<String> {
    const MOST: usize = 1_000_000;
    let digits = width.trim_start_matches('-');
    let size = if digits.is_empty() { 0 } else { digits.parse().ok().filter(|n| *n <= MOST)? };
    let fill = if width.starts_with('0') { "0" } else { " " };
    Some(fill.repeat(size.saturating_sub(text.chars().count())))
}

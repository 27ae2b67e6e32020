//! YAML as kubectl prints it: `sigs.k8s.io/yaml`, which is go-yaml v2 behind a JSON round trip.
//!
//! Keys are sorted, lists stand at their key's own indentation, texts are quoted only where a YAML 1.1 reader would take
//! them for something else, and texts longer than 80 columns are folded at blanks.

use std::cmp::Ordering;

use serde_json::{Map, Value};

mod scalar;

/// `-o yaml` of one document.
pub(crate) fn document(value: &Value) -> String {
    let mut out = Emitter::default();
    match value {
        Value::Object(map) if !map.is_empty() => out.mapping(map, 0),
        Value::Array(items) if !items.is_empty() => out.sequence(items, 0),
        leaf => {
            out.leaf(leaf, 2, false);
            out.put('\n');
        }
    }
    out.text
}

/// Text with the column that the next character gets, which folding needs.
#[derive(Debug, Default)]
struct Emitter {
    text: String,
    column: usize,
}

impl Emitter {
    fn put(&mut self, c: char) {
        self.text.push(c);
        self.column = if c == '\n' { 0 } else { self.column + 1 };
    }

    fn put_str(&mut self, text: &str) {
        text.chars().for_each(|c| self.put(c));
    }

    fn indent(&mut self, by: usize) {
        (0..by).for_each(|_| self.put(' '));
    }

    /// The entries of a mapping, each on its own line. The cursor stands where the first key goes.
    fn mapping(&mut self, map: &Map<String, Value>, indent: usize) {
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_by(|a, b| natural(a.0, b.0));
        for (i, (key, value)) in entries.into_iter().enumerate() {
            if i > 0 {
                self.indent(indent);
            }
            scalar::write(self, key, indent + 2, true);
            self.put(':');
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.put('\n');
                    self.indent(indent + 2);
                    self.mapping(inner, indent + 2);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.put('\n');
                    self.indent(indent);
                    self.sequence(items, indent);
                }
                leaf => {
                    self.put(' ');
                    self.leaf(leaf, indent + 2, false);
                    self.put('\n');
                }
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.indent(indent);
            }
            self.put_str("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.mapping(inner, indent + 2),
                Value::Array(inner) if !inner.is_empty() => self.sequence(inner, indent + 2),
                leaf => {
                    self.leaf(leaf, indent + 2, false);
                    self.put('\n');
                }
            }
        }
    }

    fn leaf(&mut self, value: &Value, indent: usize, key: bool) {
        match value {
            Value::Null => self.put_str("null"),
            Value::Bool(b) => self.put_str(if *b { "true" } else { "false" }),
            Value::Number(n) => self.put_str(&n.to_string()),
            Value::String(s) => scalar::write(self, s, indent, key),
            Value::Array(_) => self.put_str("[]"),
            Value::Object(_) => self.put_str("{}"),
        }
    }
}

/// The order of keys: letters after everything else, runs of digits by their number (`a2` before `a10`).
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(i) = a.iter().zip(&b).position(|(x, y)| x != y) else { return a.len().cmp(&b.len()) };
    let (x, y) = (a[i], b[i]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // `a10` and `a1x`: where a number goes on with a zero, its length counts, so both sides start from 1.
    let inside_number =
        (x == '0' || y == '0') && a[..i].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let start = i128::from(inside_number);
    let (x_number, x_len) = number(&a[i..], start);
    let (y_number, y_len) = number(&b[i..], start);
    x_number.cmp(&y_number).then(x_len.cmp(&y_len)).then(x.cmp(&y))
}

fn number(text: &[char], start: i128) -> (i128, usize) {
    let digits = text.iter().map_while(|c| c.to_digit(10));
    digits.fold((start, 0), |(n, len), d| (n.saturating_mul(10).saturating_add(i128::from(d)), len + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_stand_at_their_keys_indentation() {
        let v = json!({
            "spec": {"containers": [{"name": "b", "args": ["a", ["x"]], "env": []}], "nodeSelector": {}},
            "apiVersion": "v1", "kind": "Pod", "status": null,
        });
        insta::assert_snapshot!(document(&v), @r"
        apiVersion: v1
        kind: Pod
        spec:
          containers:
          - args:
            - a
            - - x
            env: []
            name: b
          nodeSelector: {}
        status: null
        ");
    }

    #[test]
    fn keys_are_in_natural_order() {
        let mut keys =
            vec!["a10", "a2", "pod-template-hash", "podx", "app.kubernetes.io/name", "app", "a1", "A"];
        keys.sort_by(|a, b| natural(a, b));
        assert_eq!(
            keys,
            ["A", "a1", "a2", "a10", "app", "app.kubernetes.io/name", "pod-template-hash", "podx"]
        );
    }

    #[test]
    fn a_bare_document_ends_with_a_newline() {
        assert_eq!(document(&json!({})), "{}\n");
        assert_eq!(document(&json!("x")), "x\n");
    }
}

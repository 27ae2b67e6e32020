//! JSON as Go's `encoding/json` writes it.

use std::fmt::Write as _;

use serde_json::Value;

/// `-o json`: four blanks per level, and a newline at the end.
pub(crate) fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, Some(0));
    out.push('\n');
    out
}

/// One line without blanks, as jsonpath prints maps and lists.
pub(crate) fn compact(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, None);
    out
}

fn write(out: &mut String, value: &Value, level: Option<usize>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&n.to_string()),
        Value::String(s) => string(out, s),
        Value::Array(items) => sequence(out, '[', ']', level, items, write),
        Value::Object(map) => sequence(out, '{', '}', level, map, |out, (key, item), inner| {
            string(out, key);
            out.push_str(if inner.is_some() { ": " } else { ":" });
            write(out, item, inner);
        }),
    }
}

fn sequence<T>(
    out: &mut String,
    open: char,
    close: char,
    level: Option<usize>,
    items: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut String, T, Option<usize>),
) {
    let inner = level.map(|l| l + 1);
    out.push(open);
    let mut empty = true;
    for item in items {
        if !empty {
            out.push(',');
        }
        empty = false;
        new_line(out, inner);
        each(out, item, inner);
    }
    if !empty {
        new_line(out, level);
    }
    out.push(close);
}

fn new_line(out: &mut String, level: Option<usize>) {
    if let Some(level) = level {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", level));
    }
}

/// A quoted string. Go escapes `<`, `>`, `&` and the two Unicode line ends too, so that the text may stand in HTML.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_indented_by_four() {
        let v = json!({"b": [1, {"x": null}], "a": {}, "c": []});
        insta::assert_snapshot!(pretty(&v), @r#"
        {
            "a": {},
            "b": [
                1,
                {
                    "x": null
                }
            ],
            "c": []
        }
        "#);
        assert_eq!(compact(&v), r#"{"a":{},"b":[1,{"x":null}],"c":[]}"#);
    }

    #[test]
    fn html_characters_are_escaped() {
        assert_eq!(
            compact(&json!("<a href=\"x\">&\u{1}")),
            "\"\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u0001\""
        );
    }
}

//! What iproute2's tools print, as text or as JSON (`-j`, `-p`): one call writes whichever is asked for, as their own
//! `print_string()` and friends do (lib/json_print.c, lib/json_writer.c).

use std::fmt::{Display, Write as _};

/// A value in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(String),
    Bool(bool),
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::Text(s.to_owned())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::Text(s)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Number(n.to_string())
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Number(n.to_string())
    }
}

impl From<i32> for Value {
    fn from(n: i32) -> Self {
        Self::Number(n.to_string())
    }
}

/// Where a tool prints to.
#[derive(Clone, Debug)]
pub(super) struct Printer {
    out: String,
    json: Option<Json>,
    oneline: bool,
}

/// State of the JSON writer.
#[derive(Clone, Debug)]
struct Json {
    pretty: bool,
    depth: usize,
    separator: Option<char>,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// `-j`.
    pub(super) json: bool,
    /// `-p`.
    pub(super) pretty: bool,
    /// `-o`.
    pub(super) oneline: bool,
}

impl Printer {
    /// Begins; JSON is one array of objects.
    pub(super) fn new(style: Style) -> Self {
        let json = style.json.then_some(Json { pretty: style.pretty, depth: 0, separator: None });
        let mut printer = Self { out: String::new(), json, oneline: style.oneline };
        printer.begin('[');
        if style.json && style.pretty {
            printer.out.push(' ');
        }
        printer
    }

    /// Everything that was printed.
    pub(super) fn finish(mut self) -> String {
        if self.is_json() {
            self.close_array();
            self.out.push('\n');
        }
        self.out
    }

    pub(super) const fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// Text only.
    pub(super) fn text(&mut self, text: impl Display) {
        if !self.is_json() {
            let _ = write!(self.out, "{text}");
        }
    }

    /// A line break in text; with `-o` a backslash.
    pub(super) fn nl(&mut self) {
        let break_ = if self.oneline { "\\" } else { "\n" };
        self.text(break_);
    }

    /// JSON only.
    pub(super) fn field(&mut self, key: &str, value: impl Into<Value>) {
        if self.is_json() {
            self.name(key);
            self.value(value);
        }
    }

    /// A field in JSON, or its text.
    pub(super) fn any(&mut self, key: &str, text: impl Display, value: impl Into<Value>) {
        if self.is_json() {
            self.field(key, value);
        } else {
            self.text(text);
        }
    }

    /// A word in text, `true` in JSON.
    pub(super) fn flag(&mut self, key: &str, text: impl Display) {
        self.any(key, text, true);
    }

    /// A word in text, `null` in JSON.
    pub(super) fn present(&mut self, key: &str, text: impl Display) {
        self.any(key, text, Value::Number("null".to_owned()));
    }

    /// An element of an array.
    pub(super) fn element(&mut self, value: impl Into<Value>) {
        if self.is_json() {
            self.separate();
            self.write_value(value.into());
        }
    }

    pub(super) fn open_object(&mut self, key: Option<&str>) {
        if let Some(key) = key {
            self.name(key);
        }
        self.begin('{');
    }

    pub(super) fn close_object(&mut self) {
        self.end('}');
    }

    pub(super) fn open_array(&mut self, key: &str) {
        if self.is_json() {
            self.name(key);
            self.begin('[');
            if self.pretty() {
                self.out.push(' ');
            }
        }
    }

    pub(super) fn close_array(&mut self) {
        if let Some(json) = &mut self.json {
            if json.pretty && json.separator.is_some() {
                self.out.push(' ');
            }
            json.separator = None;
        }
        self.end(']');
    }

    /// `"key": [ "a","b" ]`.
    pub(super) fn words<'w>(&mut self, key: &str, words: impl IntoIterator<Item = &'w str>) {
        self.open_array(key);
        words.into_iter().for_each(|w| self.element(w));
        if self.is_json() {
            self.close_array();
        }
    }

    fn pretty(&self) -> bool {
        self.json.as_ref().is_some_and(|j| j.pretty)
    }

    fn begin(&mut self, bracket: char) {
        if self.is_json() {
            self.separate();
            self.out.push(bracket);
            if let Some(json) = &mut self.json {
                json.depth += 1;
                json.separator = None;
            }
        }
    }

    fn end(&mut self, bracket: char) {
        let Some(json) = &mut self.json else { return };
        json.depth -= 1;
        if json.separator.is_some() {
            self.eol();
        }
        self.out.push(bracket);
        if let Some(json) = &mut self.json {
            json.separator = Some(',');
        }
    }

    fn separate(&mut self) {
        if let Some(json) = &mut self.json
            && let Some(c) = json.separator.replace(',')
        {
            self.out.push(c);
        }
    }

    fn eol(&mut self) {
        if let Some(json) = &self.json
            && json.pretty
        {
            self.out.push('\n');
            self.out.push_str(&"    ".repeat(json.depth));
        }
    }

    fn name(&mut self, key: &str) {
        if !self.is_json() {
            return;
        }
        self.separate();
        self.eol();
        if let Some(json) = &mut self.json {
            json.separator = None;
        }
        self.write_text(key);
        self.out.push(':');
        if self.pretty() {
            self.out.push(' ');
        }
    }

    fn value(&mut self, value: impl Into<Value>) {
        self.separate();
        self.write_value(value.into());
    }

    fn write_value(&mut self, value: Value) {
        match value {
            Value::Text(s) => self.write_text(&s),
            Value::Number(n) => self.out.push_str(&n),
            Value::Bool(b) => self.out.push_str(if b { "true" } else { "false" }),
        }
    }

    fn write_text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '\t' => self.out.push_str("\\t"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\'' => self.out.push_str("\\'"),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(style: Style) -> String {
        let mut p = Printer::new(style);
        for index in [1u32, 2] {
            p.open_object(None);
            p.any("ifindex", format_args!("{index}: "), index);
            p.words("flags", ["UP", "LOWER_UP"]);
            p.words("none", []);
            p.open_object(Some("rx"));
            p.field("bytes", 0u32);
            p.close_object();
            p.close_object();
            p.nl();
        }
        p.finish()
    }

    #[test]
    fn json_is_written_as_the_writer_of_iproute2_does() {
        let style = Style { json: true, ..Style::default() };
        insta::assert_snapshot!(sample(style), @r#"[{"ifindex":1,"flags":["UP","LOWER_UP"],"none":[],"rx":{"bytes":0}},{"ifindex":2,"flags":["UP","LOWER_UP"],"none":[],"rx":{"bytes":0}}]"#);
        insta::assert_snapshot!(sample(Style { pretty: true, ..style }), @r#"
        [ {
                "ifindex": 1,
                "flags": [ "UP","LOWER_UP" ],
                "none": [ ],
                "rx": {
                    "bytes": 0
                }
            },{
                "ifindex": 2,
                "flags": [ "UP","LOWER_UP" ],
                "none": [ ],
                "rx": {
                    "bytes": 0
                }
            } ]
        "#);
        assert_eq!(sample(Style { oneline: true, ..Style::default() }), "1: \\2: \\");
    }
}

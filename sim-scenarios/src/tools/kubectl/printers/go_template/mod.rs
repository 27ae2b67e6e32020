//! Go's `text/template`, as far as `-o go-template` uses it: fields, pipelines, variables, `if`, `range`, `with`, and the functions
//! of the language and of kubectl (`base64decode`, `exists`). Named templates and methods are not modelled.

use serde_json::Value;

mod eval;
mod parse;

/// A parsed template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    nodes: Vec<Node>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    /// `{{pipeline}}`; with `$x :=` it declares, with `$x =` it sets, and prints nothing.
    Action(Pipeline),
    If(Branch),
    Range(Branch),
    With(Branch),
    Break,
    Continue,
}

/// A block with its `else`.
#[derive(Clone, Debug, PartialEq)]
struct Branch {
    pipeline: Pipeline,
    then: Vec<Node>,
    otherwise: Vec<Node>,
}

/// `$i, $x := a b | c`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Pipeline {
    variables: Vec<String>,
    /// Whether the variables are new.
    declares: bool,
    commands: Vec<Vec<Operand>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// `.a.b`; none: the dot alone.
    Field(Vec<String>),
    /// `$x.a`.
    Variable(String, Vec<String>),
    Constant(Value),
    Function(String),
    /// `(pipeline).a`.
    Inner(Box<Pipeline>, Vec<String>),
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// What Go says is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse::template(text).map(|nodes| Self { nodes })
    }

    /// The template filled in with `data`.
    ///
    /// # Errors
    /// What Go says cannot be done with this data.
    pub(crate) fn render(&self, data: &Value, strict: bool) -> Result<String, String> {
        eval::run(&self.nodes, data, strict)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str) -> String {
        let data = json!({
            "kind": "List", "n": 3, "yes": true,
            "items": [
                {"metadata": {"name": "a", "labels": {"app": "x"}}, "ports": [80, 443]},
                {"metadata": {"name": "b"}, "ports": []},
            ],
            "data": {"pass": "c2VjcmV0"},
        });
        match Template::parse(template) {
            Ok(t) => t.render(&data, false).unwrap_or_else(|e| e),
            Err(e) => e,
        }
    }

    #[test]
    fn templates_are_filled_in() {
        assert_eq!(fill("{{.kind}} {{ .n }}"), "List 3");
        assert_eq!(fill(r#"{{range .items}}{{.metadata.name}}{{"\n"}}{{end}}"#), "a\nb\n");
        assert_eq!(
            fill("{{range $i, $x := .items}}{{if $i}}, {{end}}{{$i}}={{$x.metadata.name}}{{end}}"),
            "0=a, 1=b"
        );
        assert_eq!(fill("{{range .items}}{{range .ports}}{{.}} {{else}}none{{end}}{{end}}"), "80 443 none");
        assert_eq!(fill("{{with (index .items 0)}}{{.metadata.labels.app}}{{end}}"), "x");
        assert_eq!(fill("{{(index .items 1).metadata.name}}"), "b");
        assert_eq!(fill("{{range $k, $v := .data}}{{$k}}={{$v | base64decode}}{{end}}"), "pass=secret");
        assert_eq!(fill("{{if and .yes (eq .kind \"List\")}}y{{else}}n{{end}}"), "y");
        assert_eq!(fill("{{if not .yes}}y{{else if gt .n 2.0}}m{{else}}n{{end}}"), "m");
        assert_eq!(fill("{{printf \"%s-%v %q\" .kind .n .kind}} {{len .items}}"), "List-3 \"List\" 2");
        assert_eq!(fill("{{printf \"%6s|%-6s|%03d\" .kind .kind .n}}"), "  List|List  |003");
        assert_eq!(fill("{{printf \"a%99999999d\" .n}}"), "a%!(NOVERB)");
        assert_eq!(fill("a {{- \" b \" -}} c{{/* no */}}"), "a b c");
        assert_eq!(fill("{{.nothing}} {{index .items 1}}"), "<no value> map[metadata:map[name:b] ports:[]]");
        assert_eq!(fill("{{$x := .n}}{{$x}}{{println .yes}}"), "3true\n");
    }

    #[test]
    fn mistakes_are_told() {
        let all = [
            "{{.a",
            "{{end}}",
            "{{if .a}}",
            "{{foo .a}}",
            "{{index .items 9}}",
            "{{.kind.x}}",
            "{{range .n}}{{end}}",
        ]
        .map(fill);
        insta::assert_snapshot!(all.join("\n"));
    }
}

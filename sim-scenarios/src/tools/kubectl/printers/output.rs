//! `-o`: which printer.

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::custom_columns::CustomColumns;
use super::go_template::Template;
use super::jsonpath::JsonPath;
use super::tabwriter::TabWriter;
use super::{json as json_printer, yaml};

/// A printer.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// For people: a table, or a sentence.
    Human {
        /// `-o wide`.
        wide: bool,
    },
    Yaml,
    Json,
    Name,
    JsonPath {
        template: String,
        path: JsonPath,
        as_json: bool,
        strict: bool,
    },
    CustomColumns(CustomColumns),
    GoTemplate {
        text: String,
        template: Template,
        strict: bool,
    },
}

/// Formats that kubectl names when it does not know one.
const ALLOWED: &str = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,\
                       name,template,templatefile,wide,yaml";

impl Output {
    /// Reads the value of `-o`; `template` is that of `--template`, `strict` makes missing keys an error, `read` reads a file.
    ///
    /// # Errors
    /// An unknown format, or a template with a mistake.
    pub(crate) fn parse(
        value: &str,
        template: Option<&str>,
        strict: bool,
        read: impl Fn(&str) -> Result<String, Failure>,
    ) -> Result<Self, Failure> {
        let (format, argument) = value.split_once('=').map_or((value, None), |(f, a)| (f, Some(a)));
        let argument = argument.or(template).unwrap_or("");
        let given = |text: String| {
            if text.is_empty() {
                return Err(Failure::plain("template format specified but no template given"));
            }
            Ok(text)
        };
        match format {
            "" => Ok(Self::Human { wide: false }),
            "wide" => Ok(Self::Human { wide: true }),
            "yaml" => Ok(Self::Yaml),
            "json" => Ok(Self::Json),
            "name" => Ok(Self::Name),
            "jsonpath" | "jsonpath-as-json" => {
                Self::jsonpath(given(argument.to_owned())?, format == "jsonpath-as-json", strict)
            }
            "jsonpath-file" => Self::jsonpath(given(read(&given(argument.to_owned())?)?)?, false, strict),
            "custom-columns" => {
                CustomColumns::parse(argument).map(Self::CustomColumns).map_err(Failure::plain)
            }
            "custom-columns-file" => {
                let text = read(argument)?;
                CustomColumns::parse_file(&text).map(Self::CustomColumns).map_err(Failure::plain)
            }
            "go-template" | "template" => Self::go_template(given(argument.to_owned())?, strict),
            "go-template-file" | "templatefile" => {
                Self::go_template(given(read(&given(argument.to_owned())?)?)?, strict)
            }
            _ => Err(Failure::plain(format!(
                "unable to match a printer suitable for the output format {format:?}, allowed formats are: {ALLOWED}"
            ))),
        }
    }

    fn jsonpath(template: String, as_json: bool, strict: bool) -> Result<Self, Failure> {
        let path = JsonPath::parse(&template)
            .map_err(|why| Failure::plain(format!("error parsing jsonpath {template}, {why}")))?;
        Ok(Self::JsonPath { template, path, as_json, strict })
    }

    fn go_template(text: String, strict: bool) -> Result<Self, Failure> {
        let template = Template::parse(&text)
            .map_err(|why| Failure::plain(format!("error parsing template {text}, {why}")))?;
        Ok(Self::GoTemplate { text, template, strict })
    }

    /// Whether it is for people.
    pub(crate) const fn is_human(&self) -> bool {
        matches!(self, Self::Human { .. })
    }

    /// Several objects (or one that was not asked for by name), as one list.
    ///
    /// # Errors
    /// As [`Output::one`].
    pub(crate) fn list(&self, items: &[Value], prefixes: &[String]) -> Result<String, Failure> {
        match self {
            Self::Name => Ok(items.iter().zip(prefixes).map(|(item, prefix)| name(item, prefix)).collect()),
            Self::CustomColumns(columns) => rows(columns, items),
            _ => {
                let list = json!({
                    "apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""},
                });
                self.one(&list, "list")
            }
        }
    }

    /// One object; `prefix` is what `-o name` puts before its name.
    ///
    /// # Errors
    /// A template that cannot be filled in with it.
    pub(crate) fn one(&self, object: &Value, prefix: &str) -> Result<String, Failure> {
        match self {
            Self::Yaml => Ok(yaml::document(object)),
            Self::Json => Ok(json_printer::pretty(object)),
            Self::Name | Self::Human { .. } => Ok(name(object, prefix)),
            Self::CustomColumns(columns) => rows(columns, std::slice::from_ref(object)),
            Self::GoTemplate { text, template, strict } => template.render(object, *strict).map_err(|why| {
                Failure::plain(format!(
                    "error executing template {text:?}: {why}. Printing more information for debugging the template:\n\ttemplate \
                     was:\n\t\t{text}\n\traw data was:\n\t\t{}\n\tobject given to template engine was:\n\t\t{}\n\n",
                    json_printer::compact(object),
                    go_print(object)
                ))
            }),
            Self::JsonPath { template, path, as_json: false, strict } => {
                path.render(object, *strict).map_err(|why| unfit(template, &why, object))
            }
            Self::JsonPath { template, path, as_json: true, .. } => {
                let found = path.find(object).map_err(|why| unfit(template, &why, object))?;
                Ok(json_printer::pretty(&Value::Array(found.into_iter().flatten().collect())))
            }
        }
    }
}

fn name(object: &Value, prefix: &str) -> String {
    format!("{prefix}/{}\n", super::super::value::name(object))
}

fn rows(columns: &CustomColumns, items: &[Value]) -> Result<String, Failure> {
    let mut table = TabWriter::get();
    table.write(&columns.header());
    for item in items {
        table.write(&columns.row(item).map_err(Failure::plain)?);
    }
    Ok(table.flush())
}

/// kubectl shows the whole object, in Go's syntax.
fn unfit(template: &str, why: &str, object: &Value) -> Failure {
    Failure::plain(format!(
        "error executing jsonpath {template:?}: Error executing template: {why}. Printing more information for debugging the \
         template:\n\ttemplate was:\n\t\t{template}\n\tobject given to jsonpath engine was:\n\t\t{}\n\n",
        go_syntax(object)
    ))
}

/// A value as Go's `%+v` prints it.
fn go_print(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(go_print).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", go_print(v))).collect();
            format!("map[{}]", entries.join(" "))
        }
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        leaf => leaf.to_string(),
    }
}

fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => format!("{s:?}"),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{k:?}:{}", go_syntax(v))).collect();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Output, String> {
        Output::parse(value, None, false, |_| Ok("{.kind}".to_owned())).map_err(|f| f.to_string())
    }

    fn print(value: &str) -> String {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        let printed = parse(value).unwrap().one(&pod, "pod");
        printed.unwrap_or_else(|f| f.to_string())
    }

    #[test]
    fn each_format_has_its_printer() {
        assert_eq!(print("name"), "pod/a\n");
        assert_eq!(print("jsonpath={.metadata.name}"), "a");
        assert_eq!(print("jsonpath-file=x"), "Pod");
        assert_eq!(print("jsonpath-as-json={.metadata.name}"), "[\n    \"a\"\n]\n");
        assert_eq!(print("yaml"), "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n");
        assert_eq!(print("go-template={{.metadata.name}}"), "a");
        assert_eq!(print("custom-columns=N:.metadata.name"), "N\na\n");
    }

    #[test]
    fn lists_are_of_kind_list() {
        let list = parse("yaml").unwrap().list(&[json!({"kind": "Pod"})], &["pod".to_owned()]).unwrap();
        insta::assert_snapshot!(list, @r#"
        apiVersion: v1
        items:
        - kind: Pod
        kind: List
        metadata:
          resourceVersion: ""
        "#);
    }

    #[test]
    fn mistakes_are_kubectls() {
        let all = ["foo", "jsonpath", "jsonpath={.a", "go-template={{.x"].map(|v| parse(v).unwrap_err());
        insta::assert_snapshot!(all.join("\n"), @r#"
        error: unable to match a printer suitable for the output format "foo", allowed formats are: custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,templatefile,wide,yaml
        error: template format specified but no template given
        error: error parsing jsonpath {.a, unclosed action
        error: error parsing template {{.x, template: output:1: unclosed action
        "#);
        insta::assert_snapshot!(print("jsonpath={.kind[0]}"), @r#"
        error: error executing jsonpath "{.kind[0]}": Error executing template: string is not array or slice. Printing more information for debugging the template:
        	template was:
        		{.kind[0]}
        	object given to jsonpath engine was:
        		map[string]interface {}{"apiVersion":"v1", "kind":"Pod", "metadata":map[string]interface {}{"name":"a"}}
        "#);
    }
}

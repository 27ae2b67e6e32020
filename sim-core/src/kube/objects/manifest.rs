//! Manifests: files with objects as people write them, in YAML or JSON, several to a file.
//!
//! A file is read twice over. [`read`] does what kubectl does and keeps kubectl's words for every mistake; each document also
//! carries [`Diagnostic`]s with line, column and a guess at what was meant. [`parse`] is for callers who want objects or
//! mistakes and nothing in between.

use serde_json::Value;

use super::decode::{self, Fault, FaultKind, FieldPath, Step};
use super::json_text;
use super::kind::Kind;
use super::nearest::nearest;
use super::object::Object;
use super::older::{self, Older};
use super::served;
use super::yaml::{self, Node, Position};
use crate::diagnostic::{Diagnostic, Severity};
use crate::kube::version::Version;

/// What kubectl makes of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// The documents, items of `List`s in place of the list. They are sent to the server one by one, whatever follows.
    pub documents: Vec<Document>,
    /// Where reading stopped; nothing behind it is looked at.
    pub broken: Option<Broken>,
}

/// One object of a file, before the server has seen it.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The object as JSON, as kubectl sends it.
    pub value: Value,
    /// Its kind, or kubectl's words for why it has none.
    pub kind: Result<Kind, String>,
    /// The earlier API version that it is written in; `value` is of today's all the same.
    pub older: Option<Older>,
    /// Where its first field is written.
    pub position: Position,
    /// Mistakes in it.
    pub diagnostics: Vec<Diagnostic>,
    node: Node,
    source: String,
}

/// A file that cannot be read on.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// kubectl's words, without the leading `error: `.
    pub kubectl: String,
    /// For a person.
    pub diagnostic: Diagnostic,
}

/// One object, typed, with the text that it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Kind.
    pub kind: Kind,
    /// The object.
    pub object: Object,
    /// The object as JSON, as it was written: without defaults.
    pub value: Value,
    /// Where it is written.
    pub position: Position,
}

/// The value of one document of YAML or JSON, whatever it is; none if it cannot be read.
#[must_use]
pub fn value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| yaml::parse(text, 1).ok()?.map(|node| node.to_value()))
}

/// Reads a file into objects. `source` names it in mistakes, `first_line` is the number of its first line (1, or the line
/// in the enclosing document), `release` the Kubernetes that it is for.
///
/// # Errors
/// Every mistake in the file that can be seen without a cluster.
pub fn parse(
    text: &str,
    source: &str,
    first_line: u32,
    release: Version,
) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    let file = read(text, source, first_line, release);
    let mistakes = file.diagnostics();
    if mistakes.iter().any(|d| d.severity == Severity::Error) {
        return Err(mistakes);
    }
    let typed = |document: Document| {
        let kind = document.kind.ok()?;
        let object = decode::decode(kind, &document.value).ok()?.object;
        Some(Manifest { kind, object, value: document.value, position: document.position })
    };
    Ok(file.documents.into_iter().filter_map(typed).collect())
}

/// Reads a file as kubectl does. `source` is the file's name as given to `-f`, `release` the server's, which decides on API versions.
#[must_use]
pub fn read(text: &str, source: &str, first_line: u32, release: Version) -> File {
    let mut file = File::default();
    let from = From { source, release };
    if json_text::looks_like_json(text) {
        file.read_json(text, from, first_line)
    } else {
        file.read_yaml(text, from, first_line)
    }
    file
}

/// Where documents come from and what for.
#[derive(Clone, Copy)]
struct From<'a> {
    source: &'a str,
    release: Version,
}

impl File {
    /// All mistakes, in the order of the file.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let in_documents = self.documents.iter().flat_map(|d| d.diagnostics.iter().cloned());
        in_documents.chain(self.broken.iter().map(|b| b.diagnostic.clone())).collect()
    }

    fn read_yaml(&mut self, text: &str, from: From<'_>, first_line: u32) {
        let source = from.source;
        for piece in yaml::documents(text) {
            match yaml::parse(piece.text, first_line + piece.line) {
                Ok(None) => {}
                Ok(Some(node)) => {
                    if !self.document(node, from) {
                        return;
                    }
                }
                Err(e) => {
                    let kubectl = format!("error parsing {source}: error converting YAML to JSON: {}", e.go);
                    let diagnostic = mistake(source, e.at, e.message, e.help);
                    self.broken = Some(Broken { kubectl, diagnostic });
                    return;
                }
            }
            if let Some(rest) = piece.bad_separator {
                let at = Position { line: first_line + piece.line, column: 4, length: 1 };
                let message = "nothing may stand behind the --- between documents".to_owned();
                let diagnostic = mistake(source, at, message, Some("begin a new line there".to_owned()));
                let kubectl = format!("error parsing {source}: invalid Yaml document separator: {rest}");
                self.broken = Some(Broken { kubectl, diagnostic });
                return;
            }
        }
    }

    fn read_json(&mut self, text: &str, from: From<'_>, first_line: u32) {
        let source = from.source;
        let (values, error) = json_text::values(text);
        for (start, piece) in values {
            // JSON may be indented with tabs, YAML may not; a blank in place of each tab keeps every place.
            let head = &text[..start];
            let line = first_line + head.matches('\n').count() as u32;
            let indent = head.rsplit('\n').next().unwrap_or("").chars().count();
            let padded = format!("{}{}", " ".repeat(indent), piece.replace('\t', " "));
            match yaml::parse(&padded, line) {
                Ok(Some(node)) => {
                    if !self.document(node, from) {
                        return;
                    }
                }
                Ok(None) => {}
                Err(e) => {
                    let diagnostic = mistake(source, e.at, e.message, e.help);
                    self.broken =
                        Some(Broken { kubectl: format!("error parsing {source}: {}", e.go), diagnostic });
                    return;
                }
            }
        }
        if let Some(e) = error {
            let at = place_of_byte(text, e.at, first_line);
            let message = e.go.trim_start_matches("json: ").to_owned();
            let help = "the file begins with { and so must be JSON throughout".to_owned();
            let diagnostic = mistake(source, at, message, Some(help));
            self.broken = Some(Broken { kubectl: format!("error parsing {source}: {}", e.go), diagnostic });
        }
    }

    /// Takes a document in; false if kubectl stops here.
    fn document(&mut self, node: Node, from: From<'_>) -> bool {
        let value = node.to_value();
        if value.is_null() {
            return true;
        }
        if let Some(broken) = unidentified(&node, &value, from.source) {
            self.broken = Some(broken);
            return false;
        }
        let is_list = value["kind"] == "List" && value["apiVersion"] == "v1";
        match (is_list, node.entry("items").map(|e| &e.value)) {
            (true, Some(Node { data: yaml::Data::List(items), .. })) => {
                for item in items {
                    self.documents.push(Document::new(item.clone(), from, true));
                }
            }
            (true, _) => {}
            (false, _) => self.documents.push(Document::new(node, from, false)),
        }
        true
    }
}

impl Document {
    fn new(node: Node, from: From<'_>, in_list: bool) -> Self {
        let From { source, release } = from;
        let mut value = node.to_value();
        let mut diagnostics: Vec<Diagnostic> =
            node.duplicates().iter().map(|d| duplicate(source, d)).collect();
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("");
        let older = older::find(text("apiVersion"), text("kind"), release);
        let kind = match older {
            Some(older) => {
                value = older.to_today(value);
                Ok(older.kind())
            }
            None => find_kind(&node, &value, from, in_list).map_err(|(kubectl, diagnostic)| {
                diagnostics.push(diagnostic);
                kubectl
            }),
        };
        if let Ok(kind) = kind {
            let faults = match decode::decode(kind, &value) {
                Ok(decoded) => decoded.faults,
                Err(faults) => faults,
            };
            diagnostics.extend(faults.iter().map(|fault| explain(&node, source, fault)));
        }
        let position = node.at;
        diagnostics.sort_by_key(|d| (d.line, d.column));
        Self { value, kind, older, position, diagnostics, node, source: source.to_owned() }
    }

    /// The file's name as it was given.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A mistake at a field of this document: `spec.ports[0].port`.
    #[must_use]
    pub fn mistake_at(&self, path: &str, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        let at = self.node.locate_value(&FieldPath::parse(path));
        mistake(&self.source, at, message.into(), help)
    }
}

/// kubectl asks every document for `apiVersion` and `kind` before it sends anything.
fn unidentified(node: &Node, value: &Value, source: &str) -> Option<Broken> {
    let Value::Object(map) = value else {
        let message = "an object must be a mapping that begins with apiVersion and kind".to_owned();
        return Some(not_validated(
            "invalid object to validate",
            mistake(source, node.at, message, None),
            source,
        ));
    };
    let mut missing = Vec::new();
    for name in ["apiVersion", "kind"] {
        match map.get(name) {
            None | Some(Value::Null) => missing.push((name, format!("{name} not set"))),
            Some(Value::String(_)) => {}
            Some(_) => missing.push((name, format!("{name} isn't string type"))),
        }
    }
    let (name, first) = missing.first()?;
    let list: Vec<&str> = missing.iter().map(|(_, words)| words.as_str()).collect();
    let words = if list.len() == 1 { first.clone() } else { format!("[{}]", list.join(", ")) };
    let near = nearest(name, map.keys().map(String::as_str)).filter(|near| near != name);
    let help = match near {
        Some(near) => format!("{near:?} should be {name:?}"),
        None if *name == "kind" => "add a line such as kind: Pod".to_owned(),
        None => "add a line such as apiVersion: v1".to_owned(),
    };
    let at = near.and_then(|near| node.entry(near)).map_or(node.at, |e| e.at);
    Some(not_validated(&words, mistake(source, at, format!("{words} in this object"), Some(help)), source))
}

fn not_validated(words: &str, diagnostic: Diagnostic, source: &str) -> Broken {
    let off = "if you choose to ignore these errors, turn validation off with --validate=false";
    Broken {
        kubectl: format!("error validating {source:?}: error validating data: {words}; {off}"),
        diagnostic,
    }
}

fn find_kind(
    node: &Node,
    value: &Value,
    from: From<'_>,
    in_list: bool,
) -> Result<Kind, (String, Diagnostic)> {
    let From { source, release } = from;
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("");
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let known = Kind::from_manifest(api_version, kind);
    if let Some(known) = known.filter(|k| older::serves_today(*k, release)) {
        return Ok(known);
    }
    let field = |name: &str| FieldPath(vec![Step::Field(name.to_owned())]);
    if kind.is_empty() {
        let words = format!("unable to decode {source:?}: Object 'Kind' is missing in '{value}'");
        let help = Some("add a line such as kind: Pod".to_owned());
        return Err((words, mistake(source, node.at, "an object without a kind".to_owned(), help)));
    }
    if served::is_unmodelled(api_version, kind) {
        let words =
            format!("{kind} ({api_version}) is a kind of Kubernetes that this simulator does not model");
        let at = node.locate_value(&field("kind"));
        return Err((words.clone(), mistake(source, at, words, None)));
    }
    let no_match = format!("no matches for kind {kind:?} in version {api_version:?}");
    let metadata = |name: &str| value["metadata"].get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let words = if in_list {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        format!("unable to recognize [{group}/{version}, Kind={kind}]: {no_match}")
    } else if release.minor < 24 {
        format!("unable to recognize {source:?}: {no_match}")
    } else {
        let (name, namespace) = (metadata("name"), metadata("namespace"));
        let place = format!("for name: {name:?} namespace: {namespace:?} from {source:?}");
        format!("resource mapping not found {place}: {no_match}\nensure CRDs are installed first")
    };
    Err((words, unknown_kind(node, source, api_version, kind)))
}

fn unknown_kind(node: &Node, source: &str, api_version: &str, kind: &str) -> Diagnostic {
    let at = |name: &str| node.locate_value(&FieldPath(vec![Step::Field(name.to_owned())]));
    if let Some(version) = served::version_of(kind) {
        let message = format!("there is no {kind} in API version {api_version:?}");
        return mistake(source, at("apiVersion"), message, Some(format!("write apiVersion: {version}")));
    }
    let help = nearest(kind, served::kind_names()).map(|near| format!("did you mean {near:?}?"));
    mistake(source, at("kind"), format!("unknown kind {kind:?}"), help)
}

/// A fault of decoding, for a person.
fn explain(node: &Node, source: &str, fault: &Fault) -> Diagnostic {
    let path = &fault.path;
    match &fault.what {
        FaultKind::Unknown { known } => {
            let help = match nearest(path.last_name(), known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known here: {}", known.join(", ")),
            };
            mistake(source, node.locate(path), format!("unknown field \"{path}\""), Some(help))
        }
        FaultKind::Mistyped { wanted, .. } => {
            let found = node.descend(path).map_or("nothing", describe);
            let help = match node.descend(path).map(|n| &n.data) {
                Some(yaml::Data::Scalar(Value::Bool(_))) if wanted == "a text" => {
                    Some("put it in quotes: y, n, yes, no, on, off, true and false are booleans without them")
                }
                Some(yaml::Data::Scalar(Value::Number(_))) if wanted == "a text" => Some("put it in quotes"),
                Some(yaml::Data::Scalar(Value::String(text))) if text.parse::<i64>().is_ok() => {
                    Some("write the number without quotes")
                }
                _ => None,
            };
            let help = help.map(str::to_owned);
            mistake(source, node.locate_value(path), format!("{path} must be {wanted}, not {found}"), help)
        }
        FaultKind::Unusable { message } => {
            mistake(source, node.locate_value(path), format!("{path}: {message}"), None)
        }
    }
}

const fn describe(node: &Node) -> &'static str {
    match &node.data {
        yaml::Data::Scalar(Value::Bool(_)) => "a boolean",
        yaml::Data::Scalar(Value::Number(_)) => "a number",
        yaml::Data::Scalar(Value::String(_)) => "a text",
        yaml::Data::Scalar(_) => "nothing",
        yaml::Data::List(_) => "a list",
        yaml::Data::Map(_) => "a mapping",
    }
}

fn duplicate(source: &str, d: &yaml::Duplicate) -> Diagnostic {
    let message = format!("\"{}\" stands here a second time", d.path);
    let help =
        format!("it was set in line {}, and kubectl silently takes the last one: delete one", d.first.line);
    mistake(source, d.again, message, Some(help))
}

fn mistake(source: &str, at: Position, message: String, help: Option<String>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        source: source.to_owned(),
        line: at.line,
        column: at.column.max(1),
        length: at.length.max(1),
        message,
        help,
    }
}

fn place_of_byte(text: &str, byte: usize, first_line: u32) -> Position {
    let head = text.get(..byte).unwrap_or(text);
    let column = head.rsplit('\n').next().unwrap_or("").chars().count();
    Position { line: first_line + head.matches('\n').count() as u32, column: column as u32 + 1, length: 1 }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;

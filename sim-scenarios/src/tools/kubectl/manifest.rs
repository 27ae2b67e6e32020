//! Objects out of `-f`.

use serde_json::Value;
use sim_core::kube::objects::Kind;
use sim_core::kube::objects::decode::{self, FaultKind, Step};
use sim_core::kube::objects::manifest;
use sim_core::kube::objects::older::Older;

use super::ctl::Ctl;
use super::failure::Failure;
use super::files;
use super::resource::Resource;
use super::target::{self, Found};
use super::value;

/// An object as a person wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) kind: Kind,
    /// The earlier API version that it was written in.
    pub(crate) older: Option<Older>,
    pub(crate) value: Value,
    /// The file, for messages.
    pub(crate) source: String,
    /// The namespace it goes to; empty for kinds that have none.
    pub(crate) namespace: String,
}

impl Document {
    pub(crate) fn name(&self) -> &str {
        value::name(&self.value)
    }

    /// `pod/pod-a`: how results name it.
    pub(crate) fn label(&self, name: &str) -> String {
        let resource = self.older.map_or_else(|| self.kind.qualified_singular(), Older::qualified_singular);
        format!("{resource}/{name}")
    }
}

/// What becomes of fields that the API does not have (`--validate`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refused,
    Warned,
    Ignored,
}

/// The value of `--validate`.
fn unknown_fields(ctl: &Ctl<'_, '_>) -> Result<Unknown, Failure> {
    match ctl.args.text("validate").unwrap_or("strict") {
        "strict" | "true" | "" => Ok(Unknown::Refused),
        "warn" => Ok(Unknown::Warned),
        "ignore" | "false" => Ok(Unknown::Ignored),
        other => Err(Failure::plain(format!(
            "invalid - validate option {other:?}; must be one of: strict (or true), warn, ignore (or false)"
        ))),
    }
}

/// Takes the fields that the API does not have out of a document; the server's warnings about them.
fn without_unknown(document: &mut Document) -> Vec<String> {
    let Ok(decoded) = decode::decode(document.kind, &document.value) else { return Vec::new() };
    let unknown = decoded.faults.into_iter().filter(|f| matches!(f.what, FaultKind::Unknown { .. }));
    unknown
        .map(|fault| {
            remove(&mut document.value, &fault.path.0);
            format!("unknown field \"{}\"", fault.path)
        })
        .collect()
}

fn remove(value: &mut Value, path: &[Step]) {
    let Some((last, way)) = path.split_last() else { return };
    let parent = way.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Index(i) => value.get_mut(i),
    });
    if let (Some(Value::Object(map)), Step::Field(name)) = (parent, last) {
        map.remove(name);
    }
}

/// The objects of all files, in order, without the fields that `--validate` lets pass; the server's warnings about those are told.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_to_send(ctl: &mut Ctl<'_, '_>) -> Result<(Vec<Document>, Vec<Failure>), Failure> {
    let unknown = unknown_fields(ctl)?;
    let (mut documents, failures) = read(ctl)?;
    if unknown != Unknown::Refused {
        for document in &mut documents {
            for warning in without_unknown(document) {
                if unknown == Unknown::Warned {
                    ctl.warn(&warning);
                }
            }
        }
    }
    Ok((documents, failures))
}

/// The objects of all files, in order, and what is wrong with the others.
///
/// # Errors
/// No file was named, or one cannot be read.
pub(crate) fn read(ctl: &Ctl<'_, '_>) -> Result<(Vec<Document>, Vec<Failure>), Failure> {
    ctl.refuse(&["kustomize"])?;
    if ctl.args.texts("filename").is_empty() {
        return Err(Failure::plain("must specify one of -f and -k"));
    }
    let (mut documents, mut failures) = (Vec::new(), Vec::new());
    for source in files::read_all(ctl)? {
        let file = manifest::read(&source.text, &source.name, 1, ctl.version());
        for document in file.documents {
            match placed(ctl, &source.name, document) {
                Ok(document) => documents.push(document),
                Err(failure) => failures.push(failure),
            }
        }
        failures.extend(file.broken.map(|b| Failure::plain(b.kubectl)));
    }
    Ok((documents, failures))
}

fn placed(ctl: &Ctl<'_, '_>, source: &str, document: manifest::Document) -> Result<Document, Failure> {
    let manifest::Document { kind, mut value, older, .. } = document;
    let kind = kind.map_err(Failure::plain)?;
    let written = value::namespace(&value).to_owned();
    if !kind.namespaced() {
        return Ok(Document { kind, older, value, source: source.to_owned(), namespace: String::new() });
    }
    let namespace = match ctl.args.text("namespace") {
        Some(given) if !written.is_empty() && written != given => {
            return Err(Failure::plain(format!(
                "the namespace from the provided object {written:?} does not match the namespace {given:?}. You must pass \
                 '--namespace={written}' to perform this operation."
            )));
        }
        _ if !written.is_empty() => written,
        _ => ctl.namespace(),
    };
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
    }
    Ok(Document { kind, older, value, source: source.to_owned(), namespace })
}

/// What `-f` names, for verbs that act on objects that are there.
///
/// # Errors
/// As [`read`], and the first object that has a mistake.
pub(crate) fn names(ctl: &Ctl<'_, '_>) -> Result<Vec<(Resource, String)>, Failure> {
    let (documents, failures) = read(ctl)?;
    Failure::from_many(failures)?;
    Ok(documents.into_iter().map(|d| (Resource::Kind(d.kind), d.name().to_owned())).collect())
}

/// The objects of `-f` as the server has them.
///
/// # Errors
/// As [`names`].
pub(crate) fn found(ctl: &Ctl<'_, '_>) -> Result<(Vec<Found>, Vec<Failure>), Failure> {
    let (documents, mut failures) = read(ctl)?;
    let mut found = Vec::new();
    for d in documents {
        let resource = Resource::Kind(d.kind);
        match target::get(ctl.store(), resource, &d.namespace, d.name()) {
            Ok(value) => found.push(Found { resource, value }),
            Err(failure) => failures.push(failure),
        }
    }
    Ok((found, failures))
}

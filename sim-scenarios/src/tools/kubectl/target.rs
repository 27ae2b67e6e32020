//! Which objects a command line means: `pods`, `pod a b`, `pod/a svc/b`, `pods,svc -l app=a`, `-A`.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_core::kube::objects::{Kind, Object};
use sim_core::kube::store::{ApiError, EventRecord, Store};

use super::failure::Failure;
use super::resource::Resource;
use super::selector::{Fields, Labels};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All objects of these types.
    All(Vec<Resource>),
    /// These objects, in this order.
    Named(Vec<(Resource, String)>),
}

/// Whose objects, and which of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope<'a> {
    /// None: of all namespaces.
    pub(crate) namespace: Option<&'a str>,
    /// `-l`.
    pub(crate) labels: Option<&'a str>,
    /// `--field-selector`.
    pub(crate) fields: Option<&'a str>,
}

/// An object that was found, with its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) resource: Resource,
    pub(crate) value: Value,
}

impl Wanted {
    /// Reads the words of a command.
    ///
    /// # Errors
    /// As kubectl: an unknown type, or a mixture of the two ways to name objects.
    pub(crate) fn parse(words: &[String]) -> Result<Self, Failure> {
        let slashes = words.iter().filter(|w| w.contains('/')).count();
        if slashes == 0 {
            let Some((types, names)) = words.split_first() else { return Ok(Self::All(Vec::new())) };
            let types = Resource::parse_list(types)?;
            if names.is_empty() {
                return Ok(Self::All(types));
            }
            let pairs = types.iter().flat_map(|t| names.iter().map(|n| (*t, n.clone())));
            return Ok(Self::Named(pairs.collect()));
        }
        if slashes != words.len() {
            return Err(Failure::plain(
                "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form \
                 (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
            ));
        }
        let named: Result<_, Failure> = words.iter().map(|w| slash(w)).collect();
        Ok(Self::Named(named?))
    }

    /// Whether exactly one object is named, which is then shown alone and not as a list.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Self::Named(names) if names.len() == 1)
    }

    /// The types that are asked for, each once.
    pub(crate) fn resources(&self) -> Vec<Resource> {
        let mut all: Vec<Resource> = Vec::new();
        let mut add = |r: Resource| {
            if !all.contains(&r) {
                all.push(r);
            }
        };
        match self {
            Self::All(types) => types.iter().copied().for_each(&mut add),
            Self::Named(names) => names.iter().for_each(|(r, _)| add(*r)),
        }
        all
    }

    /// The objects, and what could not be found.
    pub(crate) fn find(&self, store: &Store, scope: &Scope<'_>) -> (Vec<Found>, Vec<Failure>) {
        match self {
            Self::All(types) => {
                let (mut found, mut failures) = (Vec::new(), Vec::new());
                for resource in types {
                    match list(store, *resource, scope) {
                        Ok(all) => found.extend(all),
                        Err(failure) => failures.push(failure),
                    }
                }
                (found, failures)
            }
            Self::Named(names) => by_name(store, names, scope),
        }
    }
}

fn slash(word: &str) -> Result<(Resource, String), Failure> {
    let mut parts = word.split('/');
    let (kind, name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    if parts.next().is_some() {
        return Err(Failure::plain("arguments in resource/name form may not have more than one slash"));
    }
    if kind.is_empty() || name.is_empty() || kind.contains(',') {
        return Err(Failure::plain("arguments in resource/name form must have a single resource and name"));
    }
    Ok((Resource::parse(kind)?, name.to_owned()))
}

fn by_name(store: &Store, names: &[(Resource, String)], scope: &Scope<'_>) -> (Vec<Found>, Vec<Failure>) {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    if scope.labels.is_some() || scope.fields.is_some() {
        failures.push(Failure::plain("name cannot be provided when a selector is specified"));
        return (found, failures);
    }
    for (resource, name) in names {
        let Some(namespace) = scope.namespace.or((!resource.namespaced()).then_some("")) else {
            failures.push(Failure::plain("a resource cannot be retrieved by name across all namespaces"));
            return (Vec::new(), failures);
        };
        match get(store, *resource, namespace, name) {
            Ok(value) => found.push(Found { resource: *resource, value }),
            Err(failure) => failures.push(failure),
        }
    }
    (found, failures)
}

/// One object by name.
///
/// # Errors
/// The server does not have it.
pub(crate) fn get(store: &Store, resource: Resource, namespace: &str, name: &str) -> Result<Value, Failure> {
    match resource {
        Resource::Kind(kind) => Ok(store.get(kind, namespace, name)?.to_value()),
        Resource::Event => events(store, Some(namespace))
            .into_iter()
            .find(|e| super::value::name(e) == name)
            .ok_or_else(|| {
                // The store has no kind for events: the server's words, put together here.
                let mut error = ApiError::not_found(Kind::Pod, name);
                error.message = format!("events {name:?} not found");
                error.into()
            }),
    }
}

fn list(store: &Store, resource: Resource, scope: &Scope<'_>) -> Result<Vec<Found>, Failure> {
    let refused = |why: String| {
        let message = format!(
            "Unable to find {:?} that match label selector {:?}, field selector {:?}: {why}",
            resource.group_version_resource(),
            scope.labels.unwrap_or(""),
            scope.fields.unwrap_or("")
        );
        Failure::from(ApiError::bad_request(message))
    };
    let labels = Labels::parse(scope.labels.unwrap_or("")).map_err(refused)?;
    let fields = Fields::parse(scope.fields.unwrap_or(""), resource.kind_name()).map_err(refused)?;
    let namespace = scope.namespace.filter(|_| resource.namespaced());
    let values: Vec<Value> = match resource {
        Resource::Kind(kind) => store.iter(kind, namespace).map(|o| o.to_value()).collect(),
        Resource::Event => events(store, namespace),
    };
    let fits = |value: &Value| labels.matches(value) && fields.matches(value);
    Ok(values.into_iter().filter(fits).map(|value| Found { resource, value }).collect())
}

/// Events as API objects, in the order in which they last happened.
fn events(store: &Store, namespace: Option<&str>) -> Vec<Value> {
    let mut records: Vec<(usize, &EventRecord)> = store
        .events()
        .all()
        .iter()
        .enumerate()
        .filter(|(_, r)| namespace.is_none_or(|n| event_namespace(r) == n))
        .collect();
    records.sort_by_key(|(i, r)| (r.last, *i));
    records.into_iter().map(|(i, record)| event(i, record)).collect()
}

/// Events about objects without a namespace are kept in `default`.
fn event_namespace(record: &EventRecord) -> &str {
    if record.object.namespace.is_empty() { "default" } else { &record.object.namespace }
}

fn event(index: usize, record: &EventRecord) -> Value {
    // A real name ends in the time of the event in nanoseconds, in hex.
    let nanos = i128::from(record.first.unix_seconds()) * 1_000_000_000 + index as i128;
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{}.{nanos:x}", record.object.name),
            "namespace": event_namespace(record),
            "creationTimestamp": record.first.to_string(),
        },
        "involvedObject": record.object,
        "type": record.kind.to_string(),
        "reason": record.reason,
        "message": record.message,
        "count": record.count,
        "firstTimestamp": record.first.to_string(),
        "lastTimestamp": record.last.to_string(),
        "source": {"component": record.from},
        "reportingComponent": record.from,
        "reportingInstance": "",
        "eventTime": null,
    })
}

/// An object of the store as a found one.
pub(crate) fn found(object: &Arc<Object>) -> Found {
    Found { resource: Resource::Kind(object.kind()), value: object.to_value() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Wanted, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Wanted::parse(&words).map_err(|f| f.to_string())
    }

    #[test]
    fn objects_are_named_in_two_ways() {
        let (pod, service) = (Resource::Kind(Kind::Pod), Resource::Kind(Kind::Service));
        assert_eq!(parse("po,svc"), Ok(Wanted::All(vec![pod, service])));
        assert_eq!(parse("pod a b"), Ok(Wanted::Named(vec![(pod, "a".into()), (pod, "b".into())])));
        assert_eq!(parse("pod/a svc/b"), Ok(Wanted::Named(vec![(pod, "a".into()), (service, "b".into())])));
        assert!(parse("pod/a").unwrap().is_single());
    }

    #[test]
    fn mixtures_are_refused() {
        let all = ["pod pod/a", "pod/a/b", "pod/", "a,b/c"].map(|line| parse(line).unwrap_err());
        insta::assert_snapshot!(all.join("\n"), @r"
        error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'
        error: arguments in resource/name form may not have more than one slash
        error: arguments in resource/name form must have a single resource and name
        error: arguments in resource/name form must have a single resource and name
        ");
    }
}

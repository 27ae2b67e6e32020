//! `kubectl wait`.

use std::time::Duration;

use serde_json::Value;
use sim_core::kube::store::Store;

use super::args::{Flag, Kind as F, flag, short};
use super::ctl::Ctl;
use super::failure::Failure;
use super::manifest;
use super::printers::jsonpath::{JsonPath, value_text};
use super::resource::Resource;
use super::target::{self, Found, Scope, Wanted};
use super::value::{list, name, namespace, text};

pub(crate) static FLAGS: &[Flag] = &[
    short("filename", 'f', F::List),
    short("kustomize", 'k', F::Text),
    short("recursive", 'R', F::Bool),
    short("output", 'o', F::Text),
    short("selector", 'l', F::Text),
    short("all-namespaces", 'A', F::Bool),
    flag("field-selector", F::Text),
    flag("all", F::Bool),
    flag("for", F::Text),
    flag("timeout", F::Duration),
    flag("local", F::Bool),
];

/// What is waited for.
enum Goal {
    /// `delete`.
    Deleted,
    /// `create`.
    Created,
    /// `condition=Ready`, `condition=Ready=false`.
    Condition { kind: String, status: String },
    /// `jsonpath='{.status.phase}'=Running`.
    Path { path: JsonPath, value: Option<String> },
}

impl Goal {
    fn parse(text: &str) -> Result<Self, Failure> {
        let lower = text.to_lowercase();
        match lower.as_str() {
            "delete" => return Ok(Self::Deleted),
            "create" => return Ok(Self::Created),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix("condition=") {
            let (kind, status) = rest.split_once('=').unwrap_or((rest, "true"));
            return Ok(Self::Condition { kind: kind.to_owned(), status: status.to_owned() });
        }
        if let Some(rest) = text.strip_prefix("jsonpath=") {
            let unquoted = rest.trim_matches(['\'', '"']);
            let end = unquoted.rfind('}').map_or(unquoted.len(), |i| i + 1);
            let (path, value) = unquoted.split_at(end);
            let value = value
                .trim_start_matches(['\'', '"'])
                .strip_prefix('=')
                .map(|v| v.trim_matches(['\'', '"']).to_owned());
            let path = JsonPath::parse_relaxed(path).map_err(Failure::plain)?;
            return Ok(Self::Path { path, value });
        }
        Err(Failure::plain(format!("unrecognized condition: {text:?}")))
    }

    fn met(&self, object: Option<&Value>) -> bool {
        match (self, object) {
            (Self::Deleted, object) => object.is_none(),
            (Self::Created, object) => object.is_some(),
            (_, None) => false,
            (Self::Condition { kind, status }, Some(object)) => list(object, "/status/conditions")
                .iter()
                .find(|c| text(c, "/type").eq_ignore_ascii_case(kind))
                .is_some_and(|c| text(c, "/status").eq_ignore_ascii_case(status)),
            (Self::Path { path, value }, Some(object)) => {
                let found: Vec<Value> = path.find(object).unwrap_or_default().into_iter().flatten().collect();
                match (found.as_slice(), value) {
                    ([], _) => false,
                    (_, None) => true,
                    ([one], Some(value)) => value_text(one) == *value,
                    (_, Some(_)) => false,
                }
            }
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// No such object, or time is up.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["local"])?;
    let goal = Goal::parse(ctl.args.text("for").unwrap_or(""))?;
    let timeout = ctl.args.duration("timeout").unwrap_or(Duration::from_secs(30));
    let objects = objects(ctl, &goal)?;
    let until = ctl.now() + timeout;
    let mut failures = Vec::new();
    for (resource, space, wanted) in objects {
        let limit = until.since(ctl.now());
        let met =
            ctl.wait(limit, |cluster| goal.met(current(&cluster.store, resource, &space, &wanted).as_ref()));
        if met {
            ctl.line(format!("{}/{wanted} condition met", resource.prefix()));
        } else {
            let what = format!("{}/{wanted}", resource.plural());
            failures.push(Failure::plain(format!("timed out waiting for the condition on {what}")));
        }
    }
    Failure::from_many(failures).map(|()| 0)
}

type Named = (Resource, String, String);

fn objects(ctl: &Ctl<'_, '_>, goal: &Goal) -> Result<Vec<Named>, Failure> {
    let named = |f: &Found| (f.resource, namespace(&f.value).to_owned(), name(&f.value).to_owned());
    if !ctl.args.texts("filename").is_empty() || ctl.args.given("kustomize") {
        let (documents, failures) = manifest::read(ctl)?;
        Failure::from_many(failures)?;
        let named =
            |d: manifest::Document| (Resource::Kind(d.kind), d.namespace.clone(), d.name().to_owned());
        return Ok(documents.into_iter().map(named).collect());
    }
    if ctl.args.words.is_empty() {
        return Err(Failure::plain("arguments in resource/name form must have a single resource and name"));
    }
    let wanted = Wanted::parse(&ctl.args.words)?;
    let everywhere = ctl.args.bool("all-namespaces", false);
    let space = ctl.namespace();
    let scope = Scope {
        namespace: (!everywhere).then_some(space.as_str()),
        labels: ctl.args.text("selector"),
        fields: ctl.args.text("field-selector"),
    };
    if let (Goal::Created, Wanted::Named(names)) = (goal, &wanted) {
        return Ok(names.iter().map(|(r, n)| (*r, space.clone(), n.clone())).collect());
    }
    let selects = scope.labels.is_some() || scope.fields.is_some() || ctl.args.bool("all", false);
    if matches!(wanted, Wanted::All(_)) && !selects {
        return Err(Failure::plain("resource(s) were provided, but no name was specified"));
    }
    let (found, mut failures) = wanted.find(ctl.store(), &scope);
    if matches!(goal, Goal::Deleted) {
        // What is not there is deleted already.
        failures.retain(|f| !f.is_not_found());
    }
    Failure::from_many(failures)?;
    if found.is_empty() && !matches!(goal, Goal::Deleted) {
        return Err(Failure::plain("no matching resources found"));
    }
    Ok(found.iter().map(named).collect())
}

fn current(store: &Store, resource: Resource, namespace: &str, name: &str) -> Option<Value> {
    target::get(store, resource, namespace, name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn goals_are_met() {
        let pod =
            json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let met = |goal: &str| Goal::parse(goal).unwrap().met(Some(&pod));
        assert!(met("condition=Ready") && met("condition=ready=true") && !met("condition=Ready=false"));
        assert!(
            met("jsonpath={.status.phase}=Running")
                && met("jsonpath='{.status.phase}'")
                && !met("jsonpath=.status.x")
        );
        assert!(!met("delete") && Goal::parse("delete").unwrap().met(None));
        assert_eq!(Goal::parse("foo").err().unwrap().to_string(), "error: unrecognized condition: \"foo\"");
    }
}

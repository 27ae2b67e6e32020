//! `kubectl set env`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::super::args::{Flag, Kind as F, flag, short};
use super::super::changes;
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::resource::Resource;
use super::super::target::{self, Found};
use super::super::value::{list, map, name, text};
use super::{change, chosen, objects};

pub(super) static FLAGS: &[Flag] = &[
    short("env", 'e', F::Texts),
    flag("from", F::Text),
    flag("keys", F::List),
    flag("list", F::Bool),
    flag("overwrite", F::Bool),
    flag("prefix", F::Text),
    flag("resolve", F::Bool),
];

/// What is to become of the variables.
#[derive(Default)]
struct Edits {
    set: Vec<Value>,
    remove: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(super) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["resolve"])?;
    let words = ctl.args.words.clone();
    let (resources, pairs) = changes::split_pairs(&words, "environment", changes::is_pair).map_err(|_| {
        let all = words.join(" ");
        Failure::plain(format!("all resources must be specified before environment changes: {all}"))
    })?;
    let edits = edits(ctl, pairs)?;
    let (found, failures) = objects(ctl, resources)?;
    let pattern = ctl.args.text("containers").unwrap_or("*").to_owned();
    if ctl.args.bool("list", false) {
        found.iter().for_each(|f| show(ctl, f, &pattern, &edits));
        return Failure::from_many(failures).map(|()| 0);
    }
    if edits.set.is_empty() && edits.remove.is_empty() {
        return Err(Failure::plain("at least one environment variable must be provided"));
    }
    let overwrite = ctl.args.bool("overwrite", true);
    changes::each(ctl, &found, failures, |ctl, found| {
        let mut none = false;
        change(ctl, found, "env updated", "failed to patch env update to pod template", |spec| {
            let chosen = chosen(spec, &pattern);
            none = chosen.is_empty();
            chosen.into_iter().try_for_each(|container| apply(container, &edits, overwrite))
        })?;
        if none {
            let (kind, own) = (found.resource.kind_name(), name(&found.value));
            ctl.err(format!("warning: {kind}/{own} does not have any containers matching {pattern:?}"));
        }
        Ok(())
    })
}

fn edits(ctl: &Ctl<'_, '_>, pairs: &[String]) -> Result<Edits, Failure> {
    let mut edits = Edits::default();
    for pair in ctl.args.texts("env").iter().chain(pairs) {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                edits.set.push(json!({"name": name, "value": value}));
            }
            _ => match pair.strip_suffix('-') {
                Some(name) => edits.remove.push(name.to_owned()),
                None => return Err(Failure::plain(format!("unknown environment variable: {pair}"))),
            },
        }
    }
    if let Some(both) = edits.set.iter().find(|e| edits.remove.iter().any(|r| r == text(e, "/name"))) {
        let name = text(both, "/name");
        return Err(Failure::plain(format!(
            "can not both modify and remove an environment variable in the same command: {name}"
        )));
    }
    if !ctl.args.texts("keys").is_empty() && !ctl.args.given("from") {
        return Err(Failure::plain(
            "when specifying --keys, a configmap or secret must be provided with --from",
        ));
    }
    if let Some(source) = ctl.args.text("from") {
        edits.set.extend(from(ctl, source)?);
    }
    if let Some(prefix) = ctl.args.text("prefix") {
        for variable in &mut edits.set {
            variable["name"] = json!(format!("{prefix}{}", text(variable, "/name")));
        }
    }
    Ok(edits)
}

/// `--from=configmap/NAME`, `--from=secret/NAME`: a variable for each key.
fn from(ctl: &Ctl<'_, '_>, source: &str) -> Result<Vec<Value>, Failure> {
    let (resource, named) = match source.split_once('/') {
        Some((kind, named)) => (Resource::parse(kind)?, named),
        None => return Err(Failure::plain("resource(s) were provided, but no name was specified")),
    };
    let reference = match resource {
        Resource::Kind(Kind::ConfigMap) => "configMapKeyRef",
        Resource::Kind(Kind::Secret) => "secretKeyRef",
        _ => return Err(Failure::plain("unsupported resource specified in --from")),
    };
    let object = target::get(ctl.store(), resource, &ctl.namespace(), named)?;
    let wanted = ctl.args.texts("keys");
    let keys = map(&object, "/data").into_iter().flatten().map(|(key, _)| key.clone());
    let keys = keys.filter(|key| wanted.is_empty() || wanted.contains(key));
    let variable = |key: String| {
        let upper: String =
            key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
        json!({"name": upper.to_uppercase(), "valueFrom": {reference: {"key": key, "name": named}}})
    };
    Ok(keys.map(variable).collect())
}

fn apply(container: &mut Value, edits: &Edits, overwrite: bool) -> Result<(), Failure> {
    let mut env = list(container, "/env").to_vec();
    for new in &edits.set {
        let own = text(new, "/name");
        match env.iter_mut().find(|old| text(old, "/name") == own) {
            Some(old) if !overwrite && text(old, "/value") != text(new, "/value") => {
                let value = text(old, "/value");
                return Err(Failure::plain(format!(
                    "'{own}' already has a value ({value}), and --overwrite is false"
                )));
            }
            Some(old) => *old = new.clone(),
            None => env.push(new.clone()),
        }
    }
    env.retain(|e| !edits.remove.iter().any(|r| r == text(e, "/name")));
    if let Value::Object(map) = container {
        if env.is_empty() {
            map.remove("env");
        } else {
            map.insert("env".to_owned(), Value::Array(env));
        }
    }
    Ok(())
}

/// `--list`: the variables as they would be.
fn show(ctl: &mut Ctl<'_, '_>, found: &Found, pattern: &str, edits: &Edits) {
    let kind = found.resource.kind_name();
    let mut object = found.value.clone();
    let Some(spec) = changes::pod_spec(kind).and_then(|pointer| object.pointer_mut(pointer)) else { return };
    for container in chosen(spec, pattern) {
        // The command's own changes show; a clash would be told when they are made.
        let _ = apply(container, edits, true);
        ctl.line(format!("# {kind} {}, container {}", name(&found.value), text(container, "/name")));
        for variable in list(container, "/env") {
            let own = text(variable, "/name");
            match variable.get("valueFrom") {
                None => ctl.line(format!("{own}={}", text(variable, "/value"))),
                Some(from) => ctl.line(format!("# {own} from {}", reference(from))),
            }
        }
    }
}

fn reference(from: &Value) -> String {
    let key = |kind: &str, r: &Value| format!("{kind} {}, key {}", text(r, "/name"), text(r, "/key"));
    if let Some(r) = from.get("configMapKeyRef") {
        return key("configmap", r);
    }
    if let Some(r) = from.get("secretKeyRef") {
        return key("secret", r);
    }
    if let Some(r) = from.get("fieldRef") {
        return format!("field path {}", text(r, "/fieldPath"));
    }
    match from.get("resourceFieldRef") {
        Some(r) if text(r, "/containerName").is_empty() => format!("resource field {}", text(r, "/resource")),
        Some(r) => format!("resource field {}/{}", text(r, "/containerName"), text(r, "/resource")),
        None => "invalid valueFrom".to_owned(),
    }
}

//! `kubectl set`: changes one thing of a workload.

use serde_json::Value;

use super::args::{Flag, Kind as F, flag, short};
use super::changes;
use super::commands::Verb;
use super::ctl::Ctl;
use super::failure::Failure;
use super::flags::{CHANGE, FILES, PRINT, SELECT};
use super::target::Found;

mod env;
mod image;
mod resources;
mod selector;
mod service_account;

static LOCAL: &[Flag] = &[flag("local", F::Bool)];
static CONTAINERS: &[Flag] = &[short("containers", 'c', F::Text), flag("local", F::Bool)];

pub(crate) static VERBS: &[Verb] = &[
    Verb { name: "set env", flags: &[env::FLAGS, CONTAINERS, PRINT, FILES, SELECT, CHANGE], run: env::run },
    Verb { name: "set image", flags: &[LOCAL, PRINT, FILES, SELECT, CHANGE], run: image::run },
    Verb {
        name: "set resources",
        flags: &[resources::FLAGS, CONTAINERS, PRINT, FILES, SELECT, CHANGE],
        run: resources::run,
    },
    Verb {
        name: "set selector",
        flags: &[selector::FLAGS, LOCAL, PRINT, FILES, SELECT, CHANGE],
        run: selector::run,
    },
    Verb {
        name: "set serviceaccount",
        flags: &[LOCAL, PRINT, FILES, SELECT, CHANGE],
        run: service_account::run,
    },
];

const NO_RESOURCE: &str = "one or more resources must be specified as <resource> <name> or <resource>/<name>";

/// Refuses what all subcommands refuse, and finds the objects.
fn objects(ctl: &Ctl<'_, '_>, words: &[String]) -> Result<(Vec<Found>, Vec<Failure>), Failure> {
    ctl.refuse(&["local"])?;
    if ctl.args.bool("all", false) && ctl.args.given("selector") {
        return Err(Failure::plain("cannot set --all and --selector at the same time"));
    }
    if words.is_empty() && ctl.args.texts("filename").is_empty() {
        return Err(Failure::plain(NO_RESOURCE));
    }
    changes::objects(ctl, words)
}

/// Changes an object's pod spec, and says so if it is different then.
fn change(
    ctl: &mut Ctl<'_, '_>,
    found: &Found,
    done: &str,
    failed: &str,
    edit_spec: impl FnOnce(&mut Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let kind = found.resource.kind_name();
    let mut new = found.value.clone();
    let spec = changes::pod_spec(kind).and_then(|pointer| new.pointer_mut(pointer));
    let Some(spec) = spec else {
        let name = super::value::name(&found.value);
        let words = format!(
            "{}/{name} the object is not a pod or does not have a pod template: {}",
            found.resource.plural(),
            go_type(kind)
        );
        return Err(Failure::Bare(format!("error: {words}\n")));
    };
    edit_spec(spec)?;
    if new == found.value {
        return Ok(());
    }
    let after = changes::replace(ctl, found, &new)
        .map_err(|f| Failure::Bare(format!("{failed}: {}", f.message())))?;
    changes::tell(ctl, found.resource, &after, done)
}

/// `*v1.Service`: the type that kubectl reads an object into.
fn go_type(kind: &str) -> String {
    format!("*v1.{kind}")
}

/// Whether `-c` (with `*` for any run of characters) takes a container.
fn takes(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            let rest = name.strip_prefix(head);
            rest.is_some_and(|rest| {
                (0..=rest.len()).any(|i| rest.is_char_boundary(i) && takes(tail, &rest[i..]))
            })
        }
    }
}

/// Containers that `-c` takes, init containers behind the others.
fn chosen<'a>(spec: &'a mut Value, pattern: &str) -> Vec<&'a mut Value> {
    let Value::Object(map) = spec else { return Vec::new() };
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for (key, value) in map.iter_mut() {
        let list = match key.as_str() {
            "containers" => &mut first,
            "initContainers" => &mut last,
            _ => continue,
        };
        let all = value.as_array_mut().into_iter().flatten();
        list.extend(all.filter(|c| takes(pattern, super::value::text(c, "/name"))));
    }
    first.extend(last);
    first
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn a_pattern_takes_containers() {
        assert!(takes("*", "nginx") && takes("ng*x", "nginx") && takes("nginx", "nginx"));
        assert!(!takes("ng", "nginx") && !takes("*y", "nginx"));
    }
}

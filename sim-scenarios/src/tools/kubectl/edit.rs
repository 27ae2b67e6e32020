//! `kubectl edit`: an object goes through an editor. A transcript has no terminal on which an editor could draw, so only an editor that
//! needs none (`KUBE_EDITOR="sed -i s/a/b/"`) is run.

use serde_json::{Map, Value};
use sim_core::cluster::Place;
use sim_core::kube::objects::manifest;
use sim_core::kube::store::{PatchType, Reason};

use super::args::{Flag, Kind as F, flag, short};
use super::changes;
use super::ctl::Ctl;
use super::failure::Failure;
use super::printers::{json, yaml};
use super::target::Found;
use super::value::name;

pub(crate) static FLAGS: &[Flag] = &[
    short("output", 'o', F::Text),
    flag("output-patch", F::Bool),
    flag("windows-line-endings", F::Bool),
    flag("validate", F::Optional("strict")),
    flag("subresource", F::Text),
    flag("show-managed-fields", F::Bool),
    flag("save-config", F::Bool),
];

/// Editors that draw on a terminal.
const ON_SCREEN: [&str; 10] = ["vi", "vim", "nvim", "nano", "emacs", "ed", "pico", "joe", "code", "mcedit"];

const HEAD: &str = "# Please edit the object below. Lines beginning with a '#' will be ignored,\n\
                    # and an empty file will abort the edit. If an error occurs while saving this file will be\n\
                    # reopened with the relevant failures.\n#\n";

/// Runs the verb.
///
/// # Errors
/// There is no editor that works here, or what the server refuses.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["output-patch", "windows-line-endings", "subresource", "save-config"])?;
    let words = ctl.args.words.clone();
    let (found, failures) = changes::objects(ctl, &words)?;
    Failure::from_many(failures)?;
    let known = ["KUBE_EDITOR", "EDITOR"].iter().find_map(|v| ctl.cx.env.get(*v)).cloned();
    let editor = known.filter(|e| !e.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
    let program = editor.split_whitespace().next().unwrap_or("vi").rsplit('/').next().unwrap_or("vi");
    if ON_SCREEN.contains(&program) {
        return Err(Failure::not_modelled(format!(
            "the editor {program:?} of \"kubectl edit\" (a transcript has no screen: use kubectl patch, set or apply, or \
             KUBE_EDITOR='sed -i …')"
        )));
    }
    changes::each(ctl, &found, Vec::new(), |ctl, found| one(ctl, found, &editor))
}

fn one(ctl: &mut Ctl<'_, '_>, found: &Found, editor: &str) -> Result<(), Failure> {
    let as_json = ctl.args.text("output") == Some("json");
    let before =
        if as_json { json::pretty(&found.value) } else { format!("{HEAD}{}", yaml::document(&found.value)) };
    let extension = if as_json { "json" } else { "yaml" };
    let path = format!("/tmp/kubectl-edit-{}.{extension}", ctl.now().0 / 1_000 % 4_000_000_000);
    let mut refused: Option<String> = None;
    loop {
        let after = launch(ctl, editor, &path, refused.as_deref().unwrap_or(&before))?;
        if refused.as_deref() == Some(after.as_str()) {
            return Err(kept(ctl, &path, Failure::plain("Edit cancelled, no valid changes were saved.")));
        }
        if after == before {
            ctl.err("Edit cancelled, no changes made.");
            return Ok(());
        }
        if after.lines().all(|l| l.trim().is_empty() || l.starts_with('#')) {
            ctl.err("Edit cancelled, saved file was empty.");
            return Ok(());
        }
        let Some(new) = manifest::value(&after).filter(Value::is_object) else {
            return Err(Failure::not_modelled(
                "kubectl's words for an edited file that is no YAML of an object",
            ));
        };
        let identity = |v: &Value| ["/apiVersion", "/kind", "/metadata/name"].map(|p| v.pointer(p).cloned());
        if identity(&new) != identity(&found.value) {
            let changed = "At least one of apiVersion, kind and name was changed";
            return Err(kept(ctl, &path, Failure::plain(changed)));
        }
        let patch = difference(&found.value, &new);
        if patch.as_object().is_none_or(Map::is_empty) {
            ctl.err("Edit cancelled, no changes made.");
            return Ok(());
        }
        match changes::patch(ctl, found, PatchType::Merge, &patch) {
            Ok(after) => return changes::tell(ctl, found.resource, &after, "edited"),
            // The editor opens once more, with the reasons in comments.
            Err(Failure::Api(e, _)) if e.reason == Reason::Invalid => {
                let (kind, name) = (found.resource.qualified_plural(), name(&found.value));
                ctl.err(format!("error: {kind} {name:?} is invalid"));
                refused = Some(after);
            }
            Err(Failure::Api(e, _)) => {
                let (kind, name) = (found.resource.qualified_plural(), name(&found.value));
                ctl.err(format!("error: {kind} {name:?} could not be patched: {}", e.message));
                let again = format!("You can run `kubectl replace -f {path}` to try this update again.");
                return Err(Failure::Bare(again));
            }
            Err(other) => return Err(kept(ctl, &path, other)),
        }
    }
}

/// Runs the editor on a file with this text: what it leaves.
fn launch(ctl: &mut Ctl<'_, '_>, editor: &str, path: &str, text: &str) -> Result<String, Failure> {
    let unusable =
        |why: &str| Failure::plain(format!("there was a problem with the editor {editor:?}: {why}"));
    ctl.cx.files().write(path, text.as_bytes()).map_err(|e| unusable(e.message()))?;
    let place: Place = ctl.cx.place.clone();
    // Quotes and backslashes are left to a shell.
    let command: Vec<String> = if editor.contains(['"', '\'', '\\']) {
        ["sh", "-c", &format!("{editor} {path}")].map(str::to_owned).to_vec()
    } else {
        editor.split(' ').chain([path]).map(str::to_owned).collect()
    };
    match ctl.cx.exec(&place, &command, &[]) {
        Ok(0) => {}
        Ok(_) => return Err(Failure::plain(format!("there was a problem with the editor {editor:?}"))),
        Err(_) => return Err(Failure::plain(format!("unable to launch the editor {editor:?}"))),
    }
    let after = ctl.cx.read_input(path).map_err(|e| unusable(e.message()))?;
    Ok(String::from_utf8_lossy(&after).into_owned())
}

/// The failure of an edit whose file stays.
fn kept(ctl: &mut Ctl<'_, '_>, path: &str, failure: Failure) -> Failure {
    ctl.err(format!("A copy of your changes has been stored to {path:?}"));
    failure
}

/// The merge patch that makes one object the other.
fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let gone = old.keys().filter(|k| !new.contains_key(*k)).map(|k| (k.clone(), Value::Null));
    let changed = new.iter().filter(|(k, v)| old.get(*k) != Some(v));
    let changed = changed.map(|(k, v)| (k.clone(), old.get(k).map_or(v.clone(), |o| difference(o, v))));
    gone.chain(changed).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sim_core::kube::store::json_merge;

    use super::*;

    #[test]
    fn a_difference_leads_from_one_to_the_other() {
        let (old, new) = (
            json!({"a": {"b": 1, "c": [1]}, "d": 1, "e": 2}),
            json!({"a": {"b": 2, "c": [1, 2]}, "e": 2, "f": {"g": 1}}),
        );
        let patch = difference(&old, &new);
        assert_eq!(patch, json!({"a": {"b": 2, "c": [1, 2]}, "d": null, "f": {"g": 1}}));
        let mut merged = old;
        json_merge(&mut merged, &patch);
        assert_eq!(merged, new);
    }
}

//! The table of verbs: a verb is one file and one line here.

use super::args::{Flag, GLOBAL, parse, verb_at};
use super::ctl::Ctl;
use super::failure::Failure;
use super::{
    apply, cluster_info, create, delete, describe, exec, expose, get, metadata, patch, run as run_verb,
    version, wait,
};
use crate::tools::Cx;

/// A verb.
struct Verb {
    name: &'static str,
    flags: &'static [Flag],
    run: fn(&mut Ctl<'_, '_>) -> Result<i32, Failure>,
}

static VERBS: &[Verb] = &[
    Verb { name: "annotate", flags: metadata::FLAGS, run: metadata::annotate },
    Verb {
        name: "api-resources",
        flags: cluster_info::API_RESOURCES_FLAGS,
        run: cluster_info::api_resources,
    },
    Verb { name: "api-versions", flags: cluster_info::NO_FLAGS, run: cluster_info::api_versions },
    Verb { name: "apply", flags: apply::FLAGS, run: apply::run },
    Verb { name: "cluster-info", flags: cluster_info::NO_FLAGS, run: cluster_info::cluster_info },
    Verb { name: "create", flags: create::FLAGS, run: create::run },
    Verb { name: "delete", flags: delete::FLAGS, run: delete::run },
    Verb { name: "describe", flags: describe::verb::FLAGS, run: describe::verb::run },
    Verb { name: "exec", flags: exec::FLAGS, run: exec::run },
    Verb { name: "expose", flags: expose::FLAGS, run: expose::run },
    Verb { name: "get", flags: get::FLAGS, run: get::run },
    Verb { name: "label", flags: metadata::FLAGS, run: metadata::label },
    Verb { name: "patch", flags: patch::FLAGS, run: patch::run },
    Verb { name: "run", flags: run_verb::FLAGS, run: run_verb::run },
    Verb { name: "version", flags: version::FLAGS, run: version::run },
    Verb { name: "wait", flags: wait::FLAGS, run: wait::run },
];

/// Every verb of kubectl 1.34, for suggestions.
const ALL: &[&str] = &[
    "annotate",
    "api-resources",
    "api-versions",
    "apply",
    "attach",
    "auth",
    "autoscale",
    "certificate",
    "cluster-info",
    "completion",
    "config",
    "cordon",
    "cp",
    "create",
    "debug",
    "delete",
    "describe",
    "diff",
    "drain",
    "edit",
    "events",
    "exec",
    "explain",
    "expose",
    "get",
    "help",
    "kustomize",
    "label",
    "logs",
    "options",
    "patch",
    "plugin",
    "port-forward",
    "proxy",
    "replace",
    "rollout",
    "run",
    "scale",
    "set",
    "taint",
    "top",
    "uncordon",
    "version",
    "wait",
];

/// Words that people try in place of a verb, and the verb.
const MEANT: &[(&str, &str)] = &[("list", "get"), ("ps", "get"), ("resize", "scale"), ("rm", "delete")];

/// Runs a command line, and prints what went wrong.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    match dispatch(cx) {
        Ok(status) => status,
        Err(failure) => {
            if let Some(what) = failure.what_is_not_modelled() {
                cx.session.note_not_modelled(what);
            }
            let text = failure.to_string();
            cx.out.err(text.strip_suffix('\n').unwrap_or(&text));
            1
        }
    }
}

fn dispatch(cx: &mut Cx<'_>) -> Result<i32, Failure> {
    let mut words = cx.operands().to_vec();
    let Some(at) = verb_at(&words) else {
        // Flags alone: a wrong one is told, the rest is the help text.
        parse("kubectl", &[GLOBAL], &words)?;
        return Err(Failure::not_modelled("kubectl's help text"));
    };
    let name = words.remove(at);
    let Some(verb) = VERBS.iter().find(|v| v.name == name) else { return Err(unknown(&name)) };
    let path = format!("kubectl {name}");
    if let Some(failure) = words.first().filter(|_| name == "create").and_then(|w| create::not_modelled(w)) {
        return Err(failure);
    }
    let args = parse(&path, &[verb.flags, GLOBAL], &words)?;
    if args.bool("help", false) {
        return Err(Failure::not_modelled(format!("the help text of {path:?}")));
    }
    if let Some(flag) = args.first_given(&[
        "as",
        "as-group",
        "as-uid",
        "kubeconfig",
        "context",
        "cluster",
        "server",
        "user",
        "token",
    ]) {
        return Err(Failure::not_modelled(format!("the flag --{flag} of kubectl")));
    }
    (verb.run)(&mut Ctl::new(cx, args, path))
}

/// The command line that opened a shell, read once more when the shell is left.
pub(crate) fn again<'a, 'c>(cx: &'a mut Cx<'c>, flags: &'static [Flag]) -> Option<Ctl<'a, 'c>> {
    let mut words = cx.operands().to_vec();
    let path = format!("kubectl {}", words.remove(verb_at(&words)?));
    let args = parse(&path, &[flags, GLOBAL], &words).ok()?;
    Some(Ctl::new(cx, args, path))
}

fn unknown(name: &str) -> Failure {
    if ALL.contains(&name) {
        return Failure::not_modelled(format!("\"kubectl {name}\""));
    }
    let mut message = format!("unknown command {name:?} for \"kubectl\"");
    let lower = name.to_lowercase();
    let near = |v: &&&str| {
        distance(&lower, v) <= 2
            || v.starts_with(&lower)
            || MEANT.iter().any(|(word, verb)| *word == lower && verb == *v)
    };
    let near: Vec<&str> = ALL.iter().filter(near).copied().collect();
    if !near.is_empty() {
        message += "\n\nDid you mean this?\n";
        near.iter().for_each(|v| message += &format!("\t{v}\n"));
    }
    Failure::Plain(message)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_verb_is_told_with_its_neighbours() {
        let all = ["foo", "gte", "rm", "desc", "scale"].map(|v| unknown(v).to_string());
        insta::assert_snapshot!(all.join("\n"));
    }
}

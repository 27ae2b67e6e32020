//! The table of verbs: a verb is one file and one line here.

use std::time::Duration;

use super::args::{Flag, GLOBAL, parse, verb_at};
use super::ctl::Ctl;
use super::failure::Failure;
use super::flags::{CHANGE, CREATE, FILES, PRINT, SELECT, TERMINAL};
use super::{
    apply, attach, auth, autoscale, cluster_info, config, cp, create, debug, delete, describe, diff, edit,
    events, exec, explain, expose, get, logs, metadata, nodes, patch, port_forward, proxy, replace, rollout,
    run as run_verb, scale, set, small, version, wait,
};
use crate::tools::Cx;

/// A verb, or a verb with its subcommand: `rollout status`.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) flags: &'static [&'static [Flag]],
    pub(crate) run: fn(&mut Ctl<'_, '_>) -> Result<i32, Failure>,
}

impl Verb {
    /// Its own flags and those that every verb has.
    fn all_flags(&self) -> Vec<&'static [Flag]> {
        self.flags.iter().copied().chain([GLOBAL]).collect()
    }
}

static VERBS: &[Verb] = &[
    Verb { name: "annotate", flags: &[metadata::FLAGS], run: metadata::annotate },
    Verb {
        name: "api-resources",
        flags: &[cluster_info::API_RESOURCES_FLAGS],
        run: cluster_info::api_resources,
    },
    Verb { name: "api-versions", flags: &[], run: cluster_info::api_versions },
    Verb { name: "apply", flags: &[apply::FLAGS], run: apply::run },
    Verb { name: "attach", flags: &[attach::FLAGS, TERMINAL], run: attach::run },
    Verb { name: "autoscale", flags: &[autoscale::FLAGS, FILES, PRINT, CHANGE], run: autoscale::run },
    Verb { name: "cluster-info", flags: &[], run: cluster_info::cluster_info },
    Verb { name: "debug", flags: &[debug::FLAGS, TERMINAL], run: debug::run },
    Verb { name: "delete", flags: &[delete::FLAGS], run: delete::run },
    Verb { name: "describe", flags: &[describe::verb::FLAGS], run: describe::verb::run },
    Verb { name: "diff", flags: &[diff::FLAGS], run: diff::run },
    Verb { name: "edit", flags: &[edit::FLAGS, FILES, CHANGE], run: edit::run },
    Verb { name: "completion", flags: &[], run: small::completion },
    Verb { name: "cp", flags: &[cp::FLAGS], run: cp::run },
    Verb { name: "events", flags: &[events::FLAGS, PRINT], run: events::run },
    Verb { name: "exec", flags: &[exec::FLAGS, TERMINAL], run: exec::run },
    Verb { name: "explain", flags: &[explain::FLAGS], run: explain::run },
    Verb { name: "expose", flags: &[expose::FLAGS], run: expose::run },
    Verb { name: "get", flags: &[get::FLAGS], run: get::run },
    Verb { name: "label", flags: &[metadata::FLAGS], run: metadata::label },
    Verb { name: "logs", flags: &[logs::FLAGS], run: logs::run },
    Verb { name: "patch", flags: &[patch::FLAGS], run: patch::run },
    Verb { name: "port-forward", flags: &[port_forward::FLAGS], run: port_forward::run },
    Verb { name: "proxy", flags: &[proxy::FLAGS], run: proxy::run },
    Verb { name: "replace", flags: &[replace::FLAGS, FILES, PRINT, CHANGE, CREATE], run: replace::run },
    Verb { name: "run", flags: &[run_verb::FLAGS, TERMINAL], run: run_verb::run },
    Verb { name: "scale", flags: &[scale::FLAGS, FILES, PRINT, SELECT, CHANGE], run: scale::run },
    Verb { name: "top node", flags: &[], run: small::top },
    Verb { name: "top pod", flags: &[], run: small::top },
    Verb { name: "version", flags: &[version::FLAGS], run: version::run },
    Verb { name: "wait", flags: &[wait::FLAGS], run: wait::run },
];

/// The tables of verbs that have files of their own for each subcommand.
static TABLES: &[&[Verb]] =
    &[VERBS, auth::VERBS, config::VERBS, create::VERBS, nodes::VERBS, rollout::VERBS, set::VERBS];

fn all() -> impl Iterator<Item = &'static Verb> {
    TABLES.iter().copied().flatten()
}

/// Other names of subcommands.
const ALIASES: &[(&str, &str)] = &[
    ("create cj", "create cronjob"),
    ("create cm", "create configmap"),
    ("create deploy", "create deployment"),
    ("create ing", "create ingress"),
    ("create ns", "create namespace"),
    ("create pc", "create priorityclass"),
    ("create pdb", "create poddisruptionbudget"),
    ("create resourcequota", "create quota"),
    ("create sa", "create serviceaccount"),
    ("create svc", "create service"),
    ("rollout sts", "rollout status"),
    ("set sa", "set serviceaccount"),
    ("top no", "top node"),
    ("top nodes", "top node"),
    ("top po", "top pod"),
    ("top pods", "top pod"),
];

/// Subcommands that kubectl has and this model does not.
const MISSING: &[&str] = &[
    "apply edit-last-applied",
    "apply set-last-applied",
    "apply view-last-applied",
    "auth reconcile",
    "auth whoami",
    "cluster-info dump",
    "config delete-cluster",
    "config delete-user",
    "config set",
    "config set-cluster",
    "config set-credentials",
    "config unset",
    "create token",
    "set subject",
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
            report(cx, &failure);
            1
        }
    }
}

/// Prints what went wrong.
pub(super) fn report(cx: &mut Cx<'_>, failure: &Failure) {
    if let Some(what) = failure.what_is_not_modelled() {
        cx.session.note_not_modelled(what);
    }
    let text = failure.to_string();
    cx.out.err(text.strip_suffix('\n').unwrap_or(&text));
}

fn dispatch(cx: &mut Cx<'_>) -> Result<i32, Failure> {
    let (name, words) = find(cx.operands())?;
    let path = format!("kubectl {name}");
    if MISSING.contains(&name.as_str()) {
        return Err(Failure::not_modelled(format!("{path:?}")));
    }
    let Some(verb) = all().find(|v| v.name == name) else {
        return Err(without_subcommand(&name, &words));
    };
    let args = parse(&path, &verb.all_flags(), &words)?;
    if args.bool("help", false) {
        return Err(Failure::not_modelled(format!("the help text of {path:?}")));
    }
    let own = |flag: &&str| {
        name == "config set-context" || verb.flags.iter().copied().flatten().any(|f| f.name == *flag)
    };
    let refused = ["as", "as-group", "as-uid", "kubeconfig", "cluster", "server", "user", "token"];
    if let Some(flag) = refused.into_iter().filter(|f| !own(f)).find(|f| args.given(f)) {
        return Err(Failure::not_modelled(format!("the flag --{flag} of kubectl")));
    }
    let ctl = &mut Ctl::new(cx, args, path);
    if let Some(context) = ctl.args.text("context").filter(|c| ctl.config().context(c).is_none()) {
        return Err(Failure::plain(format!("context {context:?} does not exist")));
    }
    let before = ctl.store().revision();
    let status = (verb.run)(ctl)?;
    // The controllers are at work before the next program has even started.
    if ctl.store().revision() != before && CHANGES.contains(&verb.name) {
        ctl.cx.pause(REACTION);
    }
    Ok(status)
}

/// Verbs after which something happens in the cluster, and that are often followed by another on the same line.
const CHANGES: [&str; 5] = ["scale", "patch", "set image", "rollout restart", "rollout undo"];
/// How long a process takes to start, the next kubectl's for one.
const REACTION: Duration = Duration::from_millis(40);

/// The longest name of a verb at the beginning of a command line (`create secret generic`), and the other words.
fn find(words: &[String]) -> Result<(String, Vec<String>), Failure> {
    let mut words = words.to_vec();
    let Some(at) = verb_at(&words, &[GLOBAL]) else {
        // Flags alone: a wrong one is told, the rest is the help text.
        parse("kubectl", &[GLOBAL], &words)?;
        return Err(Failure::not_modelled("kubectl's help text"));
    };
    let mut name = words.remove(at);
    loop {
        let flags = all().find(|v| v.name == name).map_or_else(|| vec![GLOBAL], Verb::all_flags);
        let Some(at) = verb_at(&words, &flags) else { break };
        let longer = format!("{name} {}", words[at]);
        let longer =
            ALIASES.iter().find(|(alias, _)| *alias == longer).map_or(longer, |(_, v)| (*v).to_owned());
        if !is_known(&longer) {
            break;
        }
        words.remove(at);
        name = longer;
    }
    Ok((name, words))
}

/// Whether it is a verb, or the beginning of some.
fn is_known(name: &str) -> bool {
    let begins = |v: &str| v.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    all().any(|v| begins(v.name)) || MISSING.contains(&name)
}

/// A verb that needs a subcommand and has none, or one that kubectl does not know.
fn without_subcommand(name: &str, words: &[String]) -> Failure {
    if !is_known(name) {
        return unknown(name);
    }
    let path = format!("kubectl {name}");
    let plain: Vec<&str> = words.iter().filter(|w| !w.starts_with('-')).map(String::as_str).collect();
    if plain.is_empty() {
        return Failure::not_modelled(format!("the help text of {path:?}"));
    }
    Failure::usage(&path, format!("unknown command {:?}", plain.join(" ")))
}

/// The command line that opened a shell, read once more when the shell is left.
pub(crate) fn again<'a, 'c>(cx: &'a mut Cx<'c>) -> Option<Ctl<'a, 'c>> {
    let (name, words) = find(cx.operands()).ok()?;
    let (verb, path) = (all().find(|v| v.name == name)?, format!("kubectl {name}"));
    let args = parse(&path, &verb.all_flags(), &words).ok()?;
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

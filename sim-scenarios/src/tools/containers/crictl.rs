//! `crictl`: the runtime's view of pods and containers. Images and making things by hand are refused by name.

use super::super::kubectl::printers::go_template::Template;
use super::super::kubectl::printers::tabwriter::TabWriter;
use super::{Ran, State, ago, all, exec, inspect, logs};
use crate::tools::Cx;

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let words: Vec<String> = cx.operands().to_vec();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Where the runtime listens makes no difference here.
    while let [first, rest @ ..] = words.as_slice() {
        words = match *first {
            "-r" | "--runtime-endpoint" | "-i" | "--image-endpoint" => rest.iter().skip(1).copied().collect(),
            word if word.starts_with("--runtime-endpoint=") || word.starts_with("--image-endpoint=") => {
                rest.to_vec()
            }
            _ => break,
        };
    }
    match words.as_slice() {
        ["ps", rest @ ..] => containers(cx, rest),
        ["pods", rest @ ..] => pods(cx, rest),
        ["inspect", rest @ ..] => show(cx, rest, false),
        ["inspectp", rest @ ..] => show(cx, rest, true),
        ["exec", rest @ ..] => run_in(cx, rest),
        ["logs", rest @ ..] => show_logs(cx, rest),
        [] => cx.not_modelled("crictl's help"),
        [command, ..] => cx.not_modelled(format!("crictl {command}")),
    }
}

/// Options of the lists.
#[derive(Default)]
struct Listed {
    everything: bool,
    quiet: bool,
    name: String,
    pod: String,
}

fn listed(words: &[&str]) -> Result<Listed, String> {
    let mut found = Listed::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (flag, glued) = word.split_once('=').map_or((*word, None), |(f, v)| (f, Some(v)));
        let mut value = || glued.or_else(|| words.next().copied()).unwrap_or_default().to_owned();
        match flag {
            "-a" | "--all" => found.everything = true,
            "-q" | "--quiet" => found.quiet = true,
            "-aq" | "-qa" => (found.everything, found.quiet) = (true, true),
            "--name" => found.name = value(),
            "-p" | "--pod" => found.pod = value(),
            _ => return Err((*word).to_owned()),
        }
    }
    Ok(found)
}

fn containers(cx: &mut Cx<'_>, words: &[&str]) -> i32 {
    let wanted = match listed(words) {
        Ok(wanted) => wanted,
        Err(word) => return cx.not_modelled(format!("crictl ps {word}")),
    };
    let shown: Vec<Ran> = all(cx)
        .into_iter()
        .filter(|r| !r.is_sandbox() && (wanted.everything || r.state == State::Running))
        .filter(|r| r.name.contains(&wanted.name) && r.sandbox.starts_with(&wanted.pod))
        .collect();
    if wanted.quiet {
        shown.iter().for_each(|r| cx.out.line(&r.id));
        return 0;
    }
    let mut table = TabWriter::with(20, 3);
    table.write("CONTAINER\tIMAGE\tCREATED\tSTATE\tNAME\tATTEMPT\tPOD ID\tPOD\tNAMESPACE\n");
    for r in &shown {
        let state = if r.state == State::Running { "Running" } else { "Exited" };
        table.write(&format!(
            "{}\t{}\t{} ago\t{state}\t{}\t{}\t{}\t{}\t{}\n",
            &r.id[..13],
            &r.image_id()[..13],
            ago(cx, r.created),
            r.name,
            r.attempt,
            &r.sandbox[..13],
            r.pod,
            r.namespace
        ));
    }
    let text = table.flush();
    cx.out.print(text);
    0
}

fn pods(cx: &mut Cx<'_>, words: &[&str]) -> i32 {
    let wanted = match listed(words) {
        Ok(wanted) => wanted,
        Err(word) => return cx.not_modelled(format!("crictl pods {word}")),
    };
    let shown: Vec<Ran> =
        all(cx).into_iter().filter(|r| r.is_sandbox() && r.pod.contains(&wanted.name)).collect();
    if wanted.quiet {
        shown.iter().for_each(|r| cx.out.line(&r.id));
        return 0;
    }
    let mut table = TabWriter::with(20, 3);
    table.write("POD ID\tCREATED\tSTATE\tNAME\tNAMESPACE\tATTEMPT\tRUNTIME\n");
    for r in &shown {
        table.write(&format!(
            "{}\t{} ago\tReady\t{}\t{}\t{}\t(default)\n",
            &r.id[..13],
            ago(cx, r.created),
            r.pod,
            r.namespace,
            r.attempt
        ));
    }
    let text = table.flush();
    cx.out.print(text);
    0
}

/// A container, or a sandbox, by the beginning of its id.
fn by_id(cx: &Cx<'_>, key: &str, sandbox: bool) -> Option<Ran> {
    all(cx).into_iter().find(|r| r.is_sandbox() == sandbox && !key.is_empty() && r.id.starts_with(key))
}

fn not_found(cx: &mut Cx<'_>, doing: &str, key: &str) -> i32 {
    cx.out.err(format!(
        "FATA[0000] {doing}: rpc error: code = NotFound desc = an error occurred when try to find container \"{key}\": not found"
    ));
    1
}

fn show(cx: &mut Cx<'_>, words: &[&str], sandbox: bool) -> i32 {
    let mut template = None;
    let mut keys = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--template" => template = words.next().copied(),
            word if word.starts_with("--template=") => template = word.strip_prefix("--template="),
            "-o" | "--output" => match words.next().copied() {
                Some("json" | "go-template") => {}
                other => {
                    return cx.not_modelled(format!("crictl inspect --output {}", other.unwrap_or_default()));
                }
            },
            "--output=json" | "--output=go-template" | "-ojson" => {}
            word if word.starts_with('-') => return cx.not_modelled(format!("crictl inspect {word}")),
            word => keys.push(word.to_owned()),
        }
    }
    for key in keys {
        let Some(ran) = by_id(cx, &key, sandbox) else {
            return not_found(cx, &format!("getting the status of the container \"{key}\""), &key);
        };
        let value = inspect::crictl(&ran);
        match template {
            None => cx.out.line(serde_json::to_string_pretty(&value).unwrap_or_default()),
            Some(text) => match Template::parse(text).and_then(|t| t.render(&value, true)) {
                Ok(text) => cx.out.line(text),
                Err(why) => {
                    cx.out.err(format!("FATA[0000] {why}"));
                    return 1;
                }
            },
        }
    }
    0
}

fn run_in(cx: &mut Cx<'_>, words: &[&str]) -> i32 {
    let mut tty = false;
    let mut rest = words.iter();
    let mut key = "";
    for word in rest.by_ref() {
        match *word {
            "--interactive" | "-s" | "--sync" => {}
            "--tty" => tty = true,
            word if word.starts_with('-') && word[1..].chars().all(|c| "it".contains(c)) => {
                tty |= word.contains('t');
            }
            word if word.starts_with('-') => return cx.not_modelled(format!("crictl exec {word}")),
            word => {
                key = word;
                break;
            }
        }
    }
    let command: Vec<String> = rest.skip_while(|w| **w == "--").map(|w| (*w).to_owned()).collect();
    let Some(ran) = by_id(cx, key, false) else {
        return not_found(cx, "execing command in container", key);
    };
    exec(cx, &ran, &command, tty, |program| {
        format!(
            "FATA[0000] execing command in container: error executing command in container: failed to exec in container: OCI runtime \
             exec failed: exec failed: unable to start container process: exec: {program:?}: executable file not found in $PATH: unknown"
        )
    })
}

fn show_logs(cx: &mut Cx<'_>, words: &[&str]) -> i32 {
    let mut tail = None;
    let mut key = "";
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--tail" => tail = words.next().and_then(|n| n.parse().ok()),
            word if word.starts_with("--tail=") => tail = word["--tail=".len()..].parse().ok(),
            word if word.starts_with('-') => return cx.not_modelled(format!("crictl logs {word}")),
            word => key = word,
        }
    }
    match by_id(cx, key, false) {
        Some(ran) => logs(cx, &ran, tail),
        None => not_found(cx, &format!("getting the status of the container \"{key}\""), key),
    }
}

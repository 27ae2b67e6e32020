//! `docker` on a node: looking at containers that a kubelet has started. Starting containers by hand is refused by name.

use super::super::kubectl::printers::go_template::Template;
use super::super::kubectl::printers::tabwriter::TabWriter;
use super::{Ran, State, ago, all, exec, find, inspect, logs};
use crate::tools::Cx;

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let words: Vec<String> = cx.operands().to_vec();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ps", rest @ ..] | ["container", "ls" | "ps" | "list", rest @ ..] => ps(cx, rest),
        ["inspect", rest @ ..] | ["container", "inspect", rest @ ..] => inspect(cx, rest),
        ["exec", rest @ ..] | ["container", "exec", rest @ ..] => run_in(cx, rest),
        ["logs", rest @ ..] | ["container", "logs", rest @ ..] => show_logs(cx, rest),
        ["version" | "--version" | "-v" | "info", ..] | [] => cx.not_modelled("docker's version and help"),
        [command, ..] => cx.not_modelled(format!("docker {command}")),
    }
}

fn ps(cx: &mut Cx<'_>, words: &[&str]) -> i32 {
    let (mut everything, mut quiet, mut whole) = (false, false, false);
    let mut filter = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--all" => everything = true,
            "--quiet" => quiet = true,
            "--no-trunc" => whole = true,
            "-f" | "--filter" => filter = words.next().copied(),
            word if word.starts_with("--filter=") => filter = word.strip_prefix("--filter="),
            word if word.starts_with('-') && word[1..].chars().all(|c| "aq".contains(c)) => {
                everything |= word.contains('a');
                quiet |= word.contains('q');
            }
            word => return cx.not_modelled(format!("docker ps {word}")),
        }
    }
    let name = match filter.map(|f| f.split_once('=')) {
        None => "",
        Some(Some(("name", name))) => name,
        Some(_) => return cx.not_modelled("a filter of docker ps"),
    };
    let shown: Vec<Ran> = all(cx)
        .into_iter()
        .filter(|r| everything || r.state == State::Running)
        .filter(|r| r.docker_name().contains(name))
        .collect();
    let id = |r: &Ran| if whole { r.id.clone() } else { r.id[..12].to_owned() };
    if quiet {
        shown.iter().for_each(|r| cx.out.line(id(r)));
        return 0;
    }
    let mut table = TabWriter::with(10, 3);
    table.write("CONTAINER ID\tIMAGE\tCOMMAND\tCREATED\tSTATUS\tPORTS\tNAMES\n");
    for r in &shown {
        let image = if r.is_sandbox() { r.image.clone() } else { r.image_id()[..12].to_owned() };
        let command = r.command.join(" ");
        let command = if whole { command } else { ellipsis(&command, 20) };
        let status = match r.state {
            State::Running => format!("Up {}", ago(cx, r.created)),
            State::Exited { code, at } => format!("Exited ({code}) {} ago", ago(cx, at)),
        };
        table.write(&format!(
            "{}\t{image}\t\"{command}\"\t{} ago\t{status}\t\t{}\n",
            id(r),
            ago(cx, r.created),
            r.docker_name()
        ));
    }
    let text = table.flush();
    cx.out.print(text);
    0
}

/// At most `most` characters, the last one three dots if there were more.
fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn inspect(cx: &mut Cx<'_>, words: &[&str]) -> i32 {
    let mut format = None;
    let mut keys = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "-f" | "--format" => format = words.next().copied(),
            "--type" => drop(words.next()),
            word if word.starts_with("--format=") => format = word.strip_prefix("--format="),
            word if word.starts_with("--type=") => {}
            word if word.starts_with('-') => return cx.not_modelled(format!("docker inspect {word}")),
            word => keys.push(word),
        }
    }
    if keys.is_empty() {
        cx.out.err(
            "\"docker inspect\" requires at least 1 argument.\nSee 'docker inspect --help'.\n\nUsage:  docker inspect [OPTIONS] \
             NAME|ID [NAME|ID...]\n\nReturn low-level information on Docker objects",
        );
        return 1;
    }
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for key in keys {
        match find(cx, key) {
            Some(ran) => found.push(inspect::docker(cx, &ran)),
            None => missing.push(key),
        }
    }
    match format {
        None => {
            let body = found.join(",\n");
            cx.out.line(if body.is_empty() { "[]".to_owned() } else { format!("[\n{body}\n]") });
        }
        Some(text) => {
            let text = text.replace("{{json .}}", "{{.}}");
            let template = match Template::parse(&text) {
                Ok(template) => template,
                Err(why) => {
                    cx.out.err(format!("template parsing error: {why}"));
                    return 64;
                }
            };
            for json in &found {
                let value = serde_json::from_str(json).unwrap_or_default();
                match template.render(&value, true) {
                    Ok(text) => cx.out.line(text),
                    Err(why) => {
                        cx.out.err(format!("template parsing error: {why}"));
                        return 1;
                    }
                }
            }
        }
    }
    for key in &missing {
        cx.out.err(format!("Error: No such object: {key}"));
    }
    i32::from(!missing.is_empty())
}

fn run_in(cx: &mut Cx<'_>, words: &[&str]) -> i32 {
    let mut tty = false;
    let mut rest = words.iter();
    let mut key = None;
    for word in rest.by_ref() {
        match *word {
            "--interactive" => {}
            "--tty" => tty = true,
            word if word.starts_with("--") => return cx.not_modelled(format!("docker exec {word}")),
            word if word.starts_with('-') && word[1..].chars().all(|c| "it".contains(c)) => {
                tty |= word.contains('t');
            }
            word if word.starts_with('-') => return cx.not_modelled(format!("docker exec {word}")),
            word => {
                key = Some(word);
                break;
            }
        }
    }
    let command: Vec<String> = rest.map(|w| (*w).to_owned()).collect();
    let Some(key) = key.filter(|_| !command.is_empty()) else {
        cx.out.err(
            "\"docker exec\" requires at least 2 arguments.\nSee 'docker exec --help'.\n\nUsage:  docker exec [OPTIONS] CONTAINER \
             COMMAND [ARG...]\n\nExecute a command in a running container",
        );
        return 1;
    };
    let Some(ran) = find(cx, key) else {
        cx.out.err(format!("Error response from daemon: No such container: {key}"));
        return 1;
    };
    if ran.state != State::Running {
        cx.out.err(format!("Error response from daemon: Container {} is not running", ran.id));
        return 1;
    }
    exec(cx, &ran, &command, tty, |program| {
        format!(
            "OCI runtime exec failed: exec failed: unable to start container process: exec: {program:?}: executable file not \
             found in $PATH: unknown"
        )
    })
}

fn show_logs(cx: &mut Cx<'_>, words: &[&str]) -> i32 {
    let mut tail = None;
    let mut key = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--tail" | "-n" => tail = words.next().and_then(|n| n.parse().ok()),
            word if word.starts_with("--tail=") => tail = word["--tail=".len()..].parse().ok(),
            word if word.starts_with('-') => return cx.not_modelled(format!("docker logs {word}")),
            word => key = Some(word),
        }
    }
    let Some(key) = key else {
        cx.out.err("\"docker logs\" requires exactly 1 argument.\nSee 'docker logs --help'.\n\nUsage:  docker logs [OPTIONS] CONTAINER\n\nFetch the logs of a container");
        return 1;
    };
    match find(cx, key) {
        Some(ran) => logs(cx, &ran, tail),
        None => {
            cx.out.err(format!("Error response from daemon: No such container: {key}"));
            1
        }
    }
}

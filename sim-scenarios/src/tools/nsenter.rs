//! `nsenter -t PID -n COMMAND` (util-linux): a program of the node with the network of a container.
//!
//! With `-m` or `-a` the program is the container's own, as is everything else that it sees.

use super::{Cx, Place, ShellKind, containers};

/// Kinds of namespaces: letter, long option, name below `/proc/PID/ns`.
const KINDS: &[(char, &str, &str)] = &[
    ('m', "mount", "mnt"),
    ('u', "uts", "uts"),
    ('i', "ipc", "ipc"),
    ('n', "net", "net"),
    ('p', "pid", "pid"),
    ('C', "cgroup", "cgroup"),
    ('U', "user", "user"),
    ('T', "time", "time"),
];

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    target: Option<String>,
    kinds: Vec<char>,
    command: Vec<String>,
}

pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let words = cx.operands().to_vec();
    let asked = match read(&words) {
        Ok(asked) => asked,
        Err(word) => return cx.not_modelled(format!("nsenter {word}")),
    };
    let first = asked.kinds.first().and_then(|k| KINDS.iter().find(|(letter, ..)| letter == k));
    let kind = first.map_or("net", |(.., name)| name);
    let Some(target) = &asked.target else {
        if asked.kinds.is_empty() {
            return enter(cx, &cx.place.clone(), &asked.command);
        }
        cx.out.err(format!("nsenter: neither filename nor target pid supplied for ns/{kind}"));
        return 1;
    };
    let Ok(pid) = target.parse::<u32>() else {
        cx.out.err(format!("nsenter: failed to parse pid: '{target}'"));
        return 1;
    };
    if pid == 1 {
        return enter(cx, &cx.place.machine().clone(), &asked.command);
    }
    let Some(ran) = containers::with_pid(cx, pid) else {
        cx.out.err(format!("nsenter: cannot open /proc/{pid}/ns/{kind}: No such file or directory"));
        return 1;
    };
    if asked.kinds.contains(&'m') {
        return enter(cx, &ran.place(), &asked.command);
    }
    let Some(ns) = ran.netns(cx).filter(|_| asked.kinds.contains(&'n')) else {
        return enter(cx, &cx.place.clone(), &asked.command);
    };
    let machine = cx.place.machine().clone();
    let place = cx.cluster.netns_open(&machine, &format!("/proc/{pid}/ns/net"), ns);
    let status = enter(cx, &place, &asked.command);
    if !asked.command.is_empty() {
        cx.cluster.netns_close(&place);
    }
    status
}

fn read(words: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            asked.command = words.cloned().collect();
            break;
        }
        if !word.starts_with('-') {
            asked.command = std::iter::once(word).chain(words).cloned().collect();
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some(("target", pid)) => asked.target = Some(pid.to_owned()),
                None if long == "target" => asked.target = words.next().cloned(),
                None if long == "all" => asked.kinds.extend(KINDS.iter().map(|k| k.0)),
                None if long == "no-fork" => {}
                None => match KINDS.iter().find(|(_, name, _)| *name == long) {
                    Some((letter, ..)) => asked.kinds.push(*letter),
                    None => return Err(word.clone()),
                },
                Some(_) => return Err(word.clone()),
            }
            continue;
        }
        let mut letters = word[1..].chars();
        while let Some(letter) = letters.next() {
            match letter {
                't' => {
                    let glued: String = letters.by_ref().collect();
                    asked.target = if glued.is_empty() { words.next().cloned() } else { Some(glued) };
                }
                'a' => asked.kinds.extend(KINDS.iter().map(|k| k.0)),
                'F' => {}
                letter if KINDS.iter().any(|k| k.0 == letter) => asked.kinds.push(letter),
                _ => return Err(word.clone()),
            }
        }
    }
    Ok(asked)
}

/// Runs the command there, or opens a shell.
fn enter(cx: &mut Cx<'_>, place: &Place, command: &[String]) -> i32 {
    let Some(program) = command.first() else {
        cx.session.open_shell(place.clone(), ShellKind::Bash, cx.args, None);
        return 0;
    };
    if let Some(kind) = cx.shell_named(place, program).filter(|_| command.len() == 1 && cx.stdin.is_empty()) {
        cx.session.open_shell(place.clone(), kind, cx.args, None);
        return 0;
    }
    let stdin = cx.stdin;
    cx.exec(place, command, stdin).unwrap_or_else(|missing| {
        cx.out.err(format!("nsenter: failed to execute {}: No such file or directory", missing.program));
        127
    })
}

//! `ip netns`: named namespaces of a machine.

use sim_core::linux::Errno;
use sim_core::trace::NsId;

use super::link::netns_ids;
use super::words::{Words, refuse, shortens};
use super::{Failure, Options, Shown};
use crate::tools::printer::Printer;
use crate::tools::{Cx, Place, containers};

const COMMANDS: &[&str] = &[
    "list", "show", "lst", "list-id", "help", "add", "set", "delete", "identify", "pids", "exec", "monitor",
    "attach",
];

/// `ip netns …`. It works on the machine and not on one namespace, so it gets the tool's whole context.
pub(super) fn run(cx: &mut Cx<'_>, options: &Options, mut words: Words<'_>) -> (Shown, i32) {
    let word = words.next();
    let command = match word {
        None => "list",
        Some(word) => match COMMANDS.iter().find(|c| shortens(word, c)) {
            Some(command) => command,
            None => {
                let text = format!("Command \"{word}\" is unknown, try \"ip netns help\".");
                return (Err(refuse(text, 255)), 0);
            }
        },
    };
    match command {
        "list" | "show" | "lst" => (list(cx, options), 0),
        "list-id" => (list_id(cx, options), 0),
        "help" => (Err(refuse(include_str!("usage/netns.txt").trim_end(), 255)), 0),
        "add" => (add(cx, words.next()), 0),
        "delete" => (delete(cx, options, words.next()), 0),
        "exec" => exec(cx, options, &words.rest()),
        // No process but the command itself is in a namespace made by hand while a person types.
        "pids" => (pids(cx, words.next()), 0),
        "identify" => (Ok(identify(cx)), 0),
        other => (Err(Failure::NotModelled(format!("ip netns {other}"))), 0),
    }
}

/// The namespaces of this machine, the newest first.
pub(super) fn named(cx: &Cx<'_>) -> Vec<(String, NsId)> {
    let machine = cx.place.machine();
    let by_hand = cx.cluster.machines().named(machine).into_iter().map(|(name, ns)| (name.to_owned(), ns));
    // Those that `nsenter` has opened have a path for a name.
    let by_hand = by_hand.filter(|(name, _)| !name.contains('/'));
    by_hand.chain(containers::named_namespaces(cx)).collect()
}

fn list(cx: &Cx<'_>, options: &Options) -> Shown {
    let own = cx.cluster.netns(cx.place);
    let ids = own.map(|ns| netns_ids(cx.cluster.world.ns(ns))).unwrap_or_default();
    let mut p = Printer::new(options.style());
    for (name, ns) in named(cx) {
        p.open_object(None);
        p.any("name", &name, name.as_str());
        if let Some(id) = ids.iter().position(|other| *other == ns) {
            p.any("id", format_args!(" (id: {id})"), id as u64);
        }
        p.text("\n");
        p.close_object();
    }
    Ok(p.finish())
}

fn list_id(cx: &Cx<'_>, options: &Options) -> Shown {
    let own = cx.cluster.netns(cx.place);
    let ids = own.map(|ns| netns_ids(cx.cluster.world.ns(ns))).unwrap_or_default();
    let names = named(cx);
    let mut p = Printer::new(options.style());
    for (id, ns) in ids.iter().enumerate() {
        p.open_object(None);
        p.any("nsid", format_args!("nsid {id} "), id as u64);
        if let Some((name, _)) = names.iter().find(|(_, other)| other == ns) {
            p.any("name", format_args!("(iproute2 netns name: {name})"), name.as_str());
        }
        p.text("\n");
        p.close_object();
    }
    Ok(p.finish())
}

fn add(cx: &mut Cx<'_>, name: Option<&str>) -> Shown {
    let Some(name) = name else { return Err(refuse("No netns name specified", 1)) };
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(refuse(format!("Invalid netns name \"{name}\""), 255));
    }
    match cx.cluster.netns_add(cx.place, name) {
        Ok(_) => Ok(String::new()),
        Err(why) => Err(refuse(format!("Cannot create namespace file \"/run/netns/{name}\": {why}"), 1)),
    }
}

fn delete(cx: &mut Cx<'_>, options: &Options, name: Option<&str>) -> Shown {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None if options.all => named(cx).into_iter().map(|(name, _)| name).collect(),
        None => return Err(refuse("No netns name specified", 1)),
    };
    for name in names {
        if cx.cluster.netns_del(cx.place, &name).is_err() {
            let why = Errno::ENOENT;
            return Err(refuse(format!("Cannot remove namespace file \"/run/netns/{name}\": {why}"), 1));
        }
    }
    Ok(String::new())
}

fn pids(cx: &Cx<'_>, name: Option<&str>) -> Shown {
    let Some(name) = name else { return Err(refuse("No netns name specified", 1)) };
    place_named(cx, name).map(|_| String::new()).ok_or_else(|| cannot_open(name, 1))
}

/// The name of the namespace in which this runs; an empty line if it has none.
fn identify(cx: &Cx<'_>) -> String {
    match cx.place {
        Place::Netns { name, .. } => format!("{name}\n"),
        _ => "\n".to_owned(),
    }
}

/// Where a named namespace of this machine is.
pub(super) fn place_named(cx: &Cx<'_>, name: &str) -> Option<Place> {
    let host = Box::new(cx.place.machine().clone());
    let place = Place::Netns { host, name: name.to_owned() };
    cx.cluster.machine(&place).map(|_| place)
}

pub(super) fn cannot_open(name: &str, status: i32) -> Failure {
    refuse(format!("Cannot open network namespace \"{name}\": No such file or directory"), status)
}

fn exec(cx: &mut Cx<'_>, options: &Options, words: &[String]) -> (Shown, i32) {
    if options.all {
        for (name, _) in named(cx) {
            cx.out.line(format!("\nnetns: {name}"));
            if let Err(failure) = exec_in(cx, &name, words) {
                return (Err(failure), 0);
            }
        }
        return (Ok(String::new()), 0);
    }
    let Some((name, command)) = words.split_first() else {
        return (Err(refuse("No netns name specified", 1)), 0);
    };
    match exec_in(cx, name, command) {
        Ok(status) => (Ok(String::new()), status),
        Err(failure) => (Err(failure), 0),
    }
}

fn exec_in(cx: &mut Cx<'_>, name: &str, command: &[String]) -> Result<i32, Failure> {
    if command.is_empty() {
        return Err(refuse("No command specified", 1));
    }
    let Some(place) = place_named(cx, name) else {
        let own = containers::named_namespaces(cx).into_iter().find(|(own, _)| own == name);
        let (_, ns) = own.ok_or_else(|| cannot_open(name, 255))?;
        let machine = cx.place.machine().clone();
        let place = cx.cluster.netns_open(&machine, name, ns);
        let result = exec_at(cx, &place, command);
        cx.cluster.netns_close(&place);
        return result;
    };
    exec_at(cx, &place, command)
}

fn exec_at(cx: &mut Cx<'_>, place: &Place, command: &[String]) -> Result<i32, Failure> {
    let Some(program) = command.first() else { return Err(refuse("No command specified", 1)) };
    let place = place.clone();
    if let Some(shell) = cx.shell_named(&place, program).filter(|_| command.len() == 1 && cx.stdin.is_empty())
    {
        cx.session.open_shell(place, shell, cx.args, None);
        return Ok(0);
    }
    let stdin = cx.stdin;
    let missing = |_| refuse(format!("exec of \"{program}\" failed: No such file or directory"), 1);
    cx.exec(&place, command, stdin).map_err(missing)
}

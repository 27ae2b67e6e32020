//! `ssh [USER@]HOST [COMMAND…]`: a shell on a node or an outside host.
//!
//! Labs use it as a way to say where a command runs; the session itself is not carried by simulated packets.

use super::{Cx, Place, ShellKind};

/// Options that change nothing here, without and with a value.
const FLAGS: &str = "46AaCfNnqTtvXx";
const VALUES: &str = "iJloPp";

pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let mut words = cx.operands().to_vec().into_iter();
    let (mut host, mut tty) = (None, false);
    while let Some(word) = words.next() {
        match word.strip_prefix('-').and_then(|rest| rest.chars().next()) {
            Some(letter) if VALUES.contains(letter) => {
                if word.len() == 2 {
                    words.next();
                }
            }
            Some(letter) if FLAGS.contains(letter) => tty |= word.contains('t'),
            Some(_) => return cx.not_modelled(format!("ssh: option {word}")),
            None => {
                host = Some(word);
                break;
            }
        }
    }
    let Some(host) = host else {
        cx.out.err("usage: ssh [-l login_name] [-p port] destination [command [argument ...]]");
        return 255;
    };
    let name = host.rsplit('@').next().unwrap_or_default().to_owned();
    let Some(place) = machine_named(cx, &name) else {
        cx.out.err(format!("ssh: Could not resolve hostname {name}: Name or service not known"));
        return 255;
    };
    let command: Vec<String> = words.collect();
    if command.is_empty() {
        if cx.stdin.is_empty() {
            cx.session.open_shell(place, ShellKind::Bash, cx.args, Some(leave));
            return 0;
        }
        let script = String::from_utf8_lossy(cx.stdin).into_owned();
        return cx.with_tty(false, |cx| cx.script(&place, ShellKind::Bash, &script, b""));
    }
    let stdin = cx.stdin;
    cx.with_tty(tty, |cx| cx.script(&place, ShellKind::Bash, &command.join(" "), stdin))
}

fn leave(cx: &mut Cx<'_>, status: i32) -> i32 {
    let host = cx.operands().iter().rfind(|w| !w.starts_with('-')).cloned().unwrap_or_default();
    let name = host.rsplit('@').next().unwrap_or_default();
    cx.out.err(format!("Connection to {name} closed."));
    status
}

/// The machine with a name, or an address, on the node network.
fn machine_named(cx: &Cx<'_>, name: &str) -> Option<Place> {
    let by_name = [Place::Node(name.to_owned()), Place::Host(name.to_owned())];
    if let Some(place) = by_name.into_iter().find(|p| cx.cluster.machine(p).is_some()) {
        return Some(place);
    }
    if name == "workstation" {
        return Some(Place::Workstation);
    }
    let addr = name.parse().ok()?;
    let mut machines = cx.cluster.machines().whole();
    machines
        .find(|(_, machine)| cx.cluster.world.ns(machine.ns).is_local(addr))
        .map(|(place, _)| place.clone())
}

//! `conntrack` of conntrack-tools 1.4.7.
//!
//! Not modelled: making expectations (there are none), zones, labels, secmarks, making SCTP and GRE entries, `-U` without an address.

mod events;
mod formats;
mod options;
#[cfg(test)]
mod tests;

use sim_core::linux::conntrack::{Conntrack, Filter};
use sim_core::time::SimTime;

use super::Cx;
use super::privileges::NOT_PERMITTED;
use formats::line;
use options::{Command, Format, Mistake, Request, Table};

/// What the program writes and how it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    stdout: Vec<String>,
    stderr: Vec<String>,
    status: i32,
    /// Something real that is not modelled was asked for.
    not_modelled: Option<String>,
}

/// First words of what the program says of itself.
const NAME: &str = "conntrack v1.4.7 (conntrack-tools)";
/// Exit status after a wrong command line.
const BAD_USAGE: i32 = 2;

pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let now = cx.now();
    let Some(ns) = cx.cluster.netns(cx.place) else {
        return cx.not_modelled(format!("conntrack on {}", cx.place));
    };
    let words = cx.args.get(1..).unwrap_or_default();
    if let Ok(request) = options::parse(words) {
        if !cx.is_net_admin() && !matches!(request.command, Command::Help | Command::Version) {
            return refused(cx, &request);
        }
        if request.command == Command::Event {
            return events::run(cx, ns, &request);
        }
    }
    let answer = answer(words, &mut cx.cluster.world.ns_mut(ns).conntrack, now);
    if let Some(what) = answer.not_modelled {
        return cx.not_modelled(what);
    }
    // Standard output is written out line by line at a terminal, and at the end into anything else. At the near end of a
    // connection both streams come together again, output before errors.
    let first = cx.out.is_screen();
    let entries = |cx: &mut Cx<'_>| answer.stdout.iter().for_each(|l| cx.out.line(l));
    if first {
        entries(cx);
    }
    answer.stderr.iter().for_each(|l| cx.out.err(l));
    if !first {
        entries(cx);
    }
    answer.status
}

/// A command of who may not even look. Numbers that the program sums up are zero then.
fn refused(cx: &mut Cx<'_>, request: &Request) -> i32 {
    const WHY: &str = "Operation failed: sorry, you must be root or get CAP_NET_ADMIN capability to do this";
    if request.command == Command::Event {
        let text = format!("mnl_socket_bind: {NOT_PERMITTED}\n{NAME}: Can't open netlink socket");
        return cx.not_permitted(text, 1);
    }
    if request.command == Command::Flush {
        cx.out.err(format!("{NAME}: connection tracking table has been emptied."));
    }
    cx.out.err(format!("{NAME}: {WHY}"));
    if matches!(request.command, Command::Count | Command::Stats) {
        let nothing = perform(request, &mut Conntrack::default(), cx.now());
        nothing.stdout.iter().for_each(|l| cx.out.line(l));
    }
    1
}

/// Runs the program with the words after its name on a host's connection tracking.
fn answer(args: &[String], ct: &mut Conntrack, now: SimTime) -> Answer {
    match options::parse(args) {
        Ok(request) => perform(&request, ct, now),
        Err(Mistake::NotModelled(what)) => Answer { not_modelled: Some(what), ..Answer::default() },
        Err(Mistake::Failed(what)) => failed(&what),
        Err(Mistake::Usage(what)) => Answer {
            stderr: vec![
                format!("{NAME}: {what}"),
                "Try `conntrack -h' or 'conntrack --help' for more information.".to_owned(),
            ],
            status: BAD_USAGE,
            ..Answer::default()
        },
    }
}

fn perform(request: &Request, ct: &mut Conntrack, now: SimTime) -> Answer {
    // The kernel does not show entries whose time is over.
    ct.expire(now);
    ct.touched_by(port(now), now);
    let answer = act(request, ct, now);
    ct.left_by(now);
    answer
}

/// The port of the program's netlink socket, which is its process id: as many processes have been as milliseconds.
const fn port(now: SimTime) -> u32 {
    2000 + (now.0 / 1_000_000 % 2_000_000) as u32
}

fn act(request: &Request, ct: &mut Conntrack, now: SimTime) -> Answer {
    match (request.command, request.table) {
        (Command::Version, _) => say(vec![NAME.to_owned()]),
        (Command::Help, _) => {
            let text = include_str!("usage.txt").trim_end_matches('\n');
            say(text.lines().chain([""]).map(str::to_owned).collect())
        }
        (Command::Stats, Table::Expect) => {
            say(vec!["cpu=0   \texpect_new=0 expect_create=0 expect_delete=0 ".to_owned()])
        }
        (Command::Stats, _) => say(vec![ct.stats().to_string()]),
        (Command::Count, Table::Conntrack) => say(vec![ct.len().to_string()]),
        (Command::Count, _) => say(vec!["0".to_owned()]),
        (Command::Flush, Table::Expect) => note("expectation table has been emptied."),
        (Command::Flush, _) => {
            ct.delete(&Filter { ipv4: request.filter.ipv4, ..Filter::default() });
            note("connection tracking table has been emptied.")
        }
        (Command::List, Table::Expect) => note("0 expectations have been shown."),
        // No packet is on its way while a person types, so no entry is unconfirmed or dying.
        (Command::List, Table::Dying | Table::Unconfirmed) => entries(Vec::new(), "shown"),
        (Command::List, Table::Conntrack) => list(request, ct, now),
        (Command::Get, _) => get(request, ct, now),
        (Command::Create | Command::Add, _) => create(request, ct, now),
        (Command::Update, _) => {
            let changed = ct.update(&request.filter, &request.change, now);
            let lines = changed.iter().map(|c| line(c, request, now)).collect();
            Answer { status: i32::from(changed.is_empty()), ..entries(lines, "updated") }
        }
        // It needs time to pass.
        (Command::Event, _) => Answer { not_modelled: Some("conntrack -E".to_owned()), ..Answer::default() },
        (Command::Delete, _) => {
            let gone = ct.delete(&request.filter);
            let mut answer = entries(gone.iter().map(|c| line(c, request, now)).collect(), "deleted");
            answer.status = i32::from(gone.is_empty());
            answer
        }
    }
}

fn list(request: &Request, ct: &mut Conntrack, now: SimTime) -> Answer {
    let shown = ct.iter().filter(|(_, c)| request.filter.matches(c));
    let lines = shown.map(|(_, c)| line(c, request, now)).collect();
    if request.zero {
        ct.zero_counters(&request.filter);
    }
    let mut answer = entries(lines, "shown");
    if request.format == Format::Xml && !answer.stdout.is_empty() {
        answer.stdout.insert(0, formats::XML_HEAD.to_owned());
        answer.stdout.push(formats::XML_END.to_owned());
    }
    answer
}

fn create(request: &Request, ct: &mut Conntrack, now: SimTime) -> Answer {
    let made = request.entry.as_ref().is_some_and(|entry| ct.create(entry, now).is_ok());
    match (request.command, made) {
        (Command::Add, _) => note(&format!("{} flow entries have been added.", u8::from(made))),
        (_, true) => note("1 flow entries have been created."),
        (_, false) => failed("Such conntrack exists, try -U to update"),
    }
}

fn get(request: &Request, ct: &Conntrack, now: SimTime) -> Answer {
    let wanted = request.tuple;
    let found = ct.iter().find(|(_, c)| Some(c.orig) == wanted || Some(c.reply) == wanted);
    match found {
        Some((_, conn)) => {
            let mut answer = entries(vec![line(conn, request, now)], "shown");
            if request.format == Format::Xml {
                answer.stdout.insert(0, formats::XML_HEAD.to_owned());
            }
            answer
        }
        None => failed("such conntrack doesn't exist"),
    }
}

fn entries(stdout: Vec<String>, what: &str) -> Answer {
    let count = stdout.len();
    Answer { stdout, ..note(&format!("{count} flow entries have been {what}.")) }
}

fn note(what: &str) -> Answer {
    Answer { stderr: vec![format!("{NAME}: {what}")], ..Answer::default() }
}

fn say(stdout: Vec<String>) -> Answer {
    Answer { stdout, ..Answer::default() }
}

fn failed(why: &str) -> Answer {
    Answer { status: 1, ..note(&format!("Operation failed: {why}")) }
}

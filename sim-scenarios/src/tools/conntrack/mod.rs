//! `conntrack` of conntrack-tools 1.4.7: `-L`, `-D`, `-G`, `-F`, `-C`, `-S`, `-V`.
//!
//! Not modelled: events (`-E`), creating and changing entries (`-I`, `-A`, `-U`), expectations (there are none), and the
//! output formats `xml`, `save` and `userspace`.

mod options;
#[cfg(test)]
mod tests;

use sim_core::linux::conntrack::{Conn, Conntrack, Filter};
use sim_core::time::SimTime;

use super::Cx;
use options::{Command, Mistake, Request, Table};

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
    match (request.command, request.table) {
        (Command::Version, _) => say(vec![NAME.to_owned()]),
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
    entries(lines, "shown")
}

fn get(request: &Request, ct: &Conntrack, now: SimTime) -> Answer {
    let wanted = request.tuple;
    let found = ct.iter().find(|(_, c)| Some(c.orig) == wanted || Some(c.reply) == wanted);
    match found {
        Some((_, conn)) => entries(vec![line(conn, request, now)], "shown"),
        None => failed("such conntrack doesn't exist"),
    }
}

/// One entry as the options want it.
fn line(conn: &Conn, request: &Request, now: SimTime) -> String {
    let family = match (request.extended, conn.orig.src.is_ipv4()) {
        (false, _) => "",
        (true, true) => "ipv4     2 ",
        (true, false) => "ipv6     10 ",
    };
    let id = if request.id { format!(" id={}", id(conn)) } else { String::new() };
    format!("{family}{}{id}", conn.view(now))
}

/// A number that stays the same for an entry, as the kernel's keyed hash of it does.
fn id(conn: &Conn) -> u32 {
    let text = format!("{:?}{:?}", conn.orig, conn.reply);
    text.bytes().fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193))
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

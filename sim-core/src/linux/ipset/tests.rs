//! A session with ipset 7.17 on Linux 6.18, played again; and packets that are held against sets.
//!
//! In `session.txt` `$` starts a command, `<` is a line of its input, `?` is an exit status other than 0, everything else is output.
//! The kernel lists a hash in the order of its slots and draws initial values, so lines are compared without these.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Answer, Context, Dimension, Question, Sets};
use crate::linux::netfilter::words::split;
use crate::packet::{Fragment, IpPacket, Payload, Transport, Udp};
use crate::time::SimTime;

/// The lines of an output, sorted, without initial values.
fn lines(text: &str) -> Vec<String> {
    let plain = |l: &str| l.split(" initval").next().unwrap_or(l).to_owned();
    let mut lines: Vec<_> = text.lines().map(plain).collect();
    lines.sort();
    lines
}

fn play(
    sets: &mut Sets,
    command: &str,
    input: &str,
    now: SimTime,
    references: &BTreeMap<Arc<str>, u32>,
) -> String {
    let args: Vec<String> = split(command).iter().skip(1).map(|w| w.text.to_string()).collect();
    match sets.command(&args, Context { input, now, references }) {
        Ok((out, err)) => out + &err,
        Err(e) => format!("{}{}? {}\n", e.out, e.message, e.status),
    }
}

#[test]
fn commands_answer_as_ipset_does() {
    let (mut sets, mut references, mut now, mut wrong) =
        (Sets::default(), BTreeMap::new(), SimTime::ZERO, String::new());
    for exchange in format!("\n{}", include_str!("session.txt")).split("\n$ ").skip(1) {
        let (command, rest) = exchange.split_once('\n').unwrap_or((exchange, ""));
        if command.starts_with("iptables ") {
            references.insert("C".into(), 1);
            continue;
        }
        now = SimTime(now.0 + 1_000_000);
        let mut rest = rest.lines().peekable();
        let mut input = String::new();
        while let Some(line) = rest.next_if(|l| l.starts_with("< ")) {
            input += &format!("{}\n", &line[2..]);
        }
        let want: String = rest.map(|l| format!("{l}\n")).collect();
        let got = play(&mut sets, command, &input, now, &references);
        if lines(&got) != lines(&want) {
            let _ = writeln!(wrong, "$ {command}\n{input}--- the real tool\n{want}--- here\n{got}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn sets(commands: &[&str]) -> Sets {
    let mut sets = Sets::default();
    for command in commands {
        assert_eq!(
            play(&mut sets, &format!("ipset {command}"), "", SimTime::ZERO, &BTreeMap::new()),
            "",
            "{command}"
        );
    }
    sets
}

fn packet(src: &str, dst: &str, dport: u16) -> IpPacket {
    let ip = |t: &str| -> IpAddr { t.parse().unwrap() };
    let udp = Udp { sport: 40_000, dport, payload: Payload::Empty };
    IpPacket::new(ip(src), ip(dst), Transport::Udp(udp))
}

fn question<'q>(packet: &'q IpPacket, dimensions: &'q [Dimension], seconds: u64) -> Question<'q> {
    let now = SimTime::from_secs(seconds);
    Question { packet, icmp: None, iif: Some("eth0"), oif: None, dimensions, now, counts: true }
}

const SRC: Dimension = Dimension::Source;
const DST: Dimension = Dimension::Destination;

#[test]
fn a_packet_is_in_a_set_by_the_ends_that_are_asked_for() {
    let mut sets = sets(&[
        "create ip hash:ip",
        "add ip 10.0.0.1",
        "create net hash:net",
        "add net 10.0.0.0/8",
        "add net 10.1.0.0/16 nomatch",
        "add net 10.1.1.0/24",
        "create ipport hash:ip,port",
        "add ipport 10.0.0.2,udp:53",
        "create both hash:ip,port,net",
        "add both 10.0.0.2,udp:53,10.0.0.0/24",
        "create dev hash:net,iface",
        "add dev 10.0.0.0/24,eth0",
        "create port bitmap:port range 0-1000",
        "add port 53",
        "create all list:set",
        "add all ip",
        "add all ipport",
    ]);
    let plain = packet("10.0.0.1", "10.0.0.2", 53);
    let mut ask = |set: &str, packet: &IpPacket, dimensions: &[Dimension]| {
        sets.ask(set, &question(packet, dimensions, 0))
    };
    for (set, dimensions, answer) in [
        ("ip", &[SRC][..], Answer::Yes(None)),
        ("ip", &[DST], Answer::No),
        ("net", &[DST], Answer::Yes(None)),
        ("ipport", &[DST, DST], Answer::Yes(None)),
        ("ipport", &[DST, SRC], Answer::No),
        ("ipport", &[DST], Answer::No),
        ("both", &[DST, DST, SRC], Answer::Yes(None)),
        ("dev", &[SRC, SRC], Answer::Yes(None)),
        ("dev", &[SRC, DST], Answer::No),
        ("port", &[DST], Answer::Yes(None)),
        ("all", &[DST, DST], Answer::Yes(None)),
        ("nothing", &[SRC], Answer::No),
    ] {
        assert_eq!(ask(set, &plain, dimensions), answer, "{set} {dimensions:?}");
    }
    assert_eq!(ask("net", &packet("10.1.2.3", "10.0.0.1", 1), &[SRC]), Answer::Exception);
    assert_eq!(ask("net", &packet("10.1.1.3", "10.0.0.1", 1), &[SRC]), Answer::Yes(None));
    let later = IpPacket { frag: Some(Fragment { offset: 8, more: false }), ..plain };
    assert_eq!(ask("ipport", &later, &[DST, DST]), Answer::No);
    assert_eq!(ask("ip", &packet("fd00::1", "fd00::2", 1), &[SRC]), Answer::No);
}

#[test]
fn a_rule_puts_packets_in_until_their_time_is_over() {
    let mut sets = sets(&["create seen hash:ip timeout 10 counters"]);
    let one = packet("10.0.0.1", "10.0.0.2", 53);
    sets.put("seen", &question(&one, &[SRC], 0), None, false);
    assert_eq!(sets.ask("seen", &question(&one, &[SRC], 9)), Answer::Yes(Some((1, 28))));
    assert_eq!(sets.ask("seen", &question(&one, &[SRC], 10)), Answer::No);
    sets.put("seen", &question(&one, &[SRC], 11), Some(100), false);
    sets.put("seen", &question(&one, &[SRC], 12), Some(2), true);
    assert_eq!(sets.ask("seen", &question(&one, &[SRC], 14)), Answer::No);
    sets.put("seen", &question(&one, &[SRC], 15), None, false);
    sets.take("seen", &question(&one, &[SRC], 15));
    assert_eq!(sets.ask("seen", &question(&one, &[SRC], 15)), Answer::No);
}

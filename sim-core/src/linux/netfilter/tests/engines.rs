//! The compiled walk against the plain one: long chains of rules that differ in what an index looks at, among others that it does
//! not look at, and packets that match some of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::walk::{Host, untracked};
use crate::chance::Dice;
use crate::linux::conntrack::{CtState, CtView, Tuple};
use crate::linux::ipset::{Context, Sets};
use crate::linux::kmsg::KernelLog;
use crate::linux::netfilter::{Env, RestoreOptions, Ruleset, WalkEnd};
use crate::linux::{Skb, SkbCt};
use crate::packet::{Fragment, Icmp, IpPacket, Payload, Tcp, TcpFlags, TcpOptions, Transport, Udp};
use crate::time::SimTime;
use crate::trace::{Family, Hook, NsId, Recorder, Step, TableId, Tag, Trace};

const CHAINS: usize = 4;

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    select(choices)
}

/// A rule of chain number `chain`: few values, so that packets match and rules share shapes.
fn rule(chain: usize) -> impl Strategy<Value = String> {
    let dst = prop_oneof![
        4 => (0..6u8).prop_map(|n| format!(" -d 10.96.0.{n}/32")),
        1 => one_of(&["", " -d 10.96.0.0/30", " ! -d 10.96.0.2/32", " -d 10.0.0.2/255.0.0.2"]).prop_map(str::to_owned),
    ];
    let src = one_of(&["", "", "", " -s 10.244.1.1/32", " -s 10.244.0.0/16", " ! -s 10.244.1.0/24"]);
    let dev = one_of(&["", "", "", " -i eth0", " -i cali+", " ! -i eth0", " -i cali2", " -i lo"]);
    let protocol = prop_oneof![
        4 => (one_of(&["tcp", "udp"]), 0..4u16).prop_map(|(p, n)| format!(" -p {p} -m {p} --dport {}", 80 + n)),
        2 => one_of(&[
            "", " -p tcp", " ! -p udp", " -p udp -m udp ! --dport 80", " -p tcp -m tcp --dport 80:82", " -p icmp -m icmp --icmp-type 8",
            " -p tcp -m tcp --sport 40000 --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN", " -p udp -m multiport --dports 80,82", " -f",
        ]).prop_map(str::to_owned),
    ];
    // Before or after the protocol's match: what comes first decides what an index may look at.
    let other = one_of(&[
        "",
        "",
        "",
        "",
        " -m comment --comment x",
        " -m statistic --mode random --probability 0.5",
        " -m statistic --mode nth --every 3 --packet 0",
        " -m limit --limit 2/sec --limit-burst 2",
        " -m recent --set --name A --rsource",
        " -m recent --rcheck --seconds 1 --name A --rdest",
        " -m recent --update --hitcount 2 --name A --rsource",
        " -m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h",
        " -m quota --quota 200",
        " -m set --match-set seen src",
        " -m set ! --match-set seen dst",
        " -m ttl --ttl-lt 62",
        " -m mark --mark 0x1/0x1",
        " -m conntrack --ctstate NEW",
        " -m connmark ! --mark 0x2",
        " -m addrtype --dst-type LOCAL",
    ]);
    let target = prop_oneof![
        6 => one_of(&[
            "", " -j MARK --set-xmark 0x1/0x1", " -j MARK --set-xmark 0x0/0x3", " -j CONNMARK --set-xmark 0x2/0x2", " -j RETURN",
            " -j CONNMARK --restore-mark --nfmask 0x3 --ctmask 0x3", " -j TTL --ttl-dec 1", " -j SET --add-set seen src",
            " -j SET --del-set seen dst",
        ]).prop_map(str::to_owned),
        1 => one_of(&[" -j ACCEPT", " -j DROP"]).prop_map(str::to_owned),
        if chain + 1 < CHAINS { 3 } else { 0 } =>
            (chain + 1..CHAINS.max(chain + 2), one_of(&["-j", "-g"])).prop_map(|(c, j)| format!(" {j} C{c}")),
    ];
    (dst, src, dev, protocol, other, any::<bool>(), target).prop_map(|(d, s, i, p, o, first, t)| {
        let (f, p) = if p == " -f" { (" -f", String::new()) } else { ("", p) };
        // Only the first word pair of the protocol belongs to the head.
        let (head, tail) =
            p.split_once(" -m ").map_or((p.as_str(), String::new()), |(h, t)| (h, format!(" -m {t}")));
        let rest = if first { format!("{o}{tail}") } else { format!("{tail}{o}") };
        format!("{s}{d}{i}{head}{f}{rest}{t}")
    })
}

fn table() -> impl Strategy<Value = String> {
    let chains: Vec<_> = (0..CHAINS).map(|c| vec(rule(c), 0..40)).collect();
    chains.prop_map(|chains| {
        let declared: String = (1..CHAINS).map(|c| format!(":C{c} - [0:0]\n")).collect();
        let mut text = format!("*mangle\n:PREROUTING ACCEPT [0:0]\n{declared}");
        for (c, rules) in chains.iter().enumerate() {
            let name = if c == 0 { "PREROUTING".to_owned() } else { format!("C{c}") };
            for rule in rules {
                text += &format!("-A {name}{rule}\n");
            }
        }
        text + "COMMIT\n"
    })
}

#[derive(Clone, Debug)]
struct Probe {
    packet: IpPacket,
    iif: Option<&'static str>,
    ct: CtState,
    at: u64,
}

fn probe() -> impl Strategy<Value = Probe> {
    let addrs = (one_of(&["10.244.1.1", "10.244.2.1", "10.9.9.9"]), 0..7u8);
    let ports = (select(&[40_000, 40_001][..]), 79..84u16);
    let iif = select(&[Some("eth0"), Some("cali1"), Some("cali2"), Some("other"), None][..]);
    let ct = select(&[CtState::New, CtState::Established, CtState::Invalid][..]);
    (addrs, ports, 0..5u8, iif, ct, 0..3_000u64).prop_map(|((src, n), (sport, dport), kind, iif, ct, at)| {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let payload = Payload::from(&[0u8; 32][..]);
        let body = match kind {
            0 | 1 => Transport::Tcp(Tcp {
                sport,
                dport,
                seq: 1,
                ack: 0,
                flags: if kind == 0 { TcpFlags::SYN } else { TcpFlags::ACK },
                window: 1000,
                options: TcpOptions::default(),
                payload,
            }),
            2 | 3 => Transport::Udp(Udp { sport, dport, payload }),
            _ => Transport::Icmp(Icmp::EchoRequest { id: 1, seq: 1, payload }),
        };
        let mut packet = IpPacket::new(ip(src), ip(&format!("10.96.0.{n}")), body);
        if kind == 3 {
            packet.frag = Some(Fragment { offset: if dport % 2 == 0 { 0 } else { 16 }, more: dport == 81 });
        }
        Probe { packet, iif, ct, at: at * 1_000_000 }
    })
}

/// Everything that a walk leaves behind.
#[derive(Debug, PartialEq)]
struct Outcome {
    end: WalkEnd,
    mark: u32,
    ct: SkbCt,
    set_ct_mark: Option<u32>,
    ttl: u8,
    steps: Vec<Step>,
}

impl Probe {
    fn send(
        &self,
        set: &mut Ruleset,
        sets: &mut Sets,
        dice: &mut Dice,
        mut trace: Trace,
        plain: bool,
    ) -> Outcome {
        let mut skb = Skb::made(self.packet.clone(), Tag::default());
        let (src, dst) = (self.packet.src, self.packet.dst);
        let tuple = Tuple { src, dst, protocol: 17, sport: 1, dport: 2 };
        let tuples = (self.ct != CtState::Invalid).then_some((tuple, tuple));
        let mut env = Env {
            now: SimTime(self.at),
            ns: NsId(1),
            hook: Hook::Prerouting,
            bridged: false,
            iif: self.iif,
            oif: None,
            physin: None,
            physout: None,
            ct: CtView { state: self.ct, tuples, ..untracked() },
            set_ct_mark: None,
            ipvs: None,
            sets,
            log: &mut KernelLog::default(),
            dice,
            addrs: &Host,
        };
        let end = if plain {
            set.walk_plain(TableId::Mangle, &mut env, &mut skb, &mut trace)
        } else {
            set.walk(TableId::Mangle, &mut env, &mut skb, &mut trace)
        };
        let set_ct_mark = env.set_ct_mark;
        let steps = trace.events().map(|e| e.step.clone()).collect();
        let ttl = skb.ip().unwrap().ttl;
        Outcome { end, mark: skb.mark, ct: skb.ct, set_ct_mark, ttl, steps }
    }
}

/// One set, empty, that counts.
fn seen() -> Sets {
    let mut sets = Sets::default();
    let args = ["create", "seen", "hash:ip", "counters"].map(str::to_owned);
    sets.command(&args, Context { input: "", now: SimTime::ZERO, references: &BTreeMap::new() }).unwrap();
    sets
}

fn load(text: &str) -> Ruleset {
    let mut set = Ruleset::new(Family::V4);
    set.sets = seen();
    set.restore(text, RestoreOptions::default()).unwrap();
    set
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_engines_walk_alike(
        text in table(), probes in vec(probe(), 1..12), seed in any::<u64>(), change in rule(CHAINS - 1), at in 0..12usize,
    ) {
        let (mut compiled, mut plain, mut shown) = (load(&text), load(&text), load(&text));
        let mut dice = [seed, seed, seed].map(Dice::seeded);
        let mut sets = [seen(), seen(), seen()];
        for (n, probe) in probes.iter().enumerate() {
            if n == at {
                let more = format!("*mangle\n-I PREROUTING 1{change}\nCOMMIT\n");
                let noflush = RestoreOptions { noflush: true, ..RestoreOptions::default() };
                for set in [&mut compiled, &mut plain, &mut shown] {
                    set.restore(&more, noflush).unwrap();
                }
            }
            let got = probe.send(&mut compiled, &mut sets[0], &mut dice[0], Trace::default(), false);
            let want = probe.send(&mut plain, &mut sets[1], &mut dice[1], Trace::default(), true);
            prop_assert_eq!(&got, &want, "{}\n{:?}", text, probe);
            let mut all = probe.send(&mut shown, &mut sets[2], &mut dice[2], Trace::with_skipped_rules(), false);
            all.steps.retain(|s| !matches!(s, Step::Skipped { .. }));
            prop_assert_eq!(&all, &want, "{}\n{:?}", text, probe);
        }
        prop_assert_eq!(compiled.save(None, true), plain.save(None, true), "{}", text);
        prop_assert_eq!(shown.save(None, true), plain.save(None, true), "{}", text);
        prop_assert_eq!(&sets[0], &sets[1], "{}", text);
        prop_assert_eq!(compiled, plain);
    }
}

#[test]
fn a_rule_that_did_not_match_says_which_question_failed() {
    let mut set = load(
        "*mangle\n-A PREROUTING -d 10.96.0.1/32 -j DROP\n-A PREROUTING ! -p tcp -j DROP\n-A PREROUTING -i eth1 -j DROP\n\
         -A PREROUTING -p tcp -m comment --comment \"x y\" -m tcp --dport 81 -j DROP\n-A PREROUTING -m mark --mark 0x1 -j DROP\n\
         -A PREROUTING -f -j DROP\nCOMMIT\n",
    );
    let payload = Payload::Empty;
    let flags = TcpFlags::SYN;
    let tcp = Tcp {
        sport: 40_000,
        dport: 80,
        seq: 1,
        ack: 0,
        flags,
        window: 1000,
        options: TcpOptions::default(),
        payload,
    };
    let packet =
        IpPacket::new("10.244.1.1".parse().unwrap(), "10.96.0.2".parse().unwrap(), Transport::Tcp(tcp));
    let probe = Probe { packet, iif: Some("eth0"), ct: CtState::New, at: 0 };
    let trace = Trace::with_skipped_rules();
    assert!(trace.shows_skipped());
    let outcome = probe.send(&mut set, &mut seen(), &mut Dice::seeded(1), trace, false);
    let because = |step: &Step| match step {
        Step::Skipped { rule, because } => Some(format!("{} {because}", rule.number)),
        _ => None,
    };
    let said: Vec<_> = outcome.steps.iter().filter_map(because).collect();
    assert_eq!(
        said,
        [
            "1 -d 10.96.0.1/32",
            "2 ! -p tcp",
            "3 -i eth1",
            "4 -m tcp --dport 81",
            "5 -m mark --mark 0x1",
            "6 -f"
        ]
    );
}

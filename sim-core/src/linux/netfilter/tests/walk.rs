//! Packets that meet rules.

use std::net::IpAddr;

use proptest::prelude::*;

use super::rules::table;
use crate::chance::Dice;
use crate::linux::conntrack::{CtState, CtView, NatRange, Status, Tuple};
use crate::linux::ipset::Sets;
use crate::linux::kmsg::KernelLog;
use crate::linux::netfilter::{AddrType, AddrTypes, Env, NatTarget, RestoreOptions, Ruleset, WalkEnd};
use crate::linux::policy::Flow;
use crate::linux::{Skb, SkbCt};
use crate::packet::{IcmpError, IpPacket, Payload, Tcp, TcpFlags, TcpOptions, Transport, Udp};
use crate::time::SimTime;
use crate::trace::{Family, Hook, NoTrace, NsId, RejectWith, RuleAction, Step, TableId, Tag, Trace};

/// 10.0.0.1 is this host.
pub(super) struct Host;

impl AddrTypes for Host {
    fn addr_type(&self, flow: &Flow, _: Option<&str>) -> AddrType {
        if flow.dst == ip("10.0.0.1") { AddrType::Local } else { AddrType::Unicast }
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn view(state: CtState) -> CtView {
    CtView { state, ..untracked() }
}

pub(super) fn untracked() -> CtView {
    CtView {
        state: CtState::Untracked,
        reply: false,
        snat: false,
        dnat: false,
        mark: 0,
        status: Status(0),
        expires: SimTime::ZERO,
        tuples: None,
    }
}

pub(super) fn udp(src: &str, dst: &str, dport: u16) -> IpPacket {
    let body = Transport::Udp(Udp { sport: 40_000, dport, payload: Payload::from(&b"12345678"[..]) });
    IpPacket::new(ip(src), ip(dst), body)
}

pub(super) fn tcp(src: &str, dst: &str, dport: u16, flags: TcpFlags) -> IpPacket {
    let payload = Payload::Empty;
    let segment = Tcp {
        sport: 40_000,
        dport,
        seq: 1,
        ack: 0,
        flags,
        window: 65_535,
        options: TcpOptions { mss: Some(1460), ..TcpOptions::default() },
        payload,
    };
    IpPacket::new(ip(src), ip(dst), Transport::Tcp(segment))
}

pub(super) fn rules(text: &str) -> Ruleset {
    let mut set = Ruleset::new(Family::V4);
    set.restore(text, RestoreOptions::default()).unwrap();
    set
}

/// What one walk needs besides the rules and the packet.
pub(super) struct At {
    pub(super) hook: Hook,
    pub(super) iif: Option<&'static str>,
    pub(super) oif: Option<&'static str>,
    pub(super) ct: CtView,
    pub(super) now: SimTime,
    pub(super) dice: Dice,
}

impl At {
    pub(super) fn hook(hook: Hook) -> Self {
        let dice = Dice::scripted(Vec::new());
        Self { hook, iif: None, oif: None, ct: view(CtState::New), now: SimTime::ZERO, dice }
    }

    pub(super) fn walk(&mut self, set: &mut Ruleset, table: TableId, skb: &mut Skb) -> WalkEnd {
        self.traced(set, table, skb).0
    }

    fn traced(
        &mut self,
        set: &mut Ruleset,
        table: TableId,
        skb: &mut Skb,
    ) -> (WalkEnd, Vec<String>, Option<u32>) {
        let mut trace = Trace::default();
        let mut env = Env {
            now: self.now,
            ns: NsId(3),
            hook: self.hook,
            bridged: false,
            iif: self.iif,
            oif: self.oif,
            physin: None,
            physout: None,
            ct: self.ct,
            set_ct_mark: None,
            ipvs: None,
            sets: &mut Sets::default(),
            log: &mut KernelLog::default(),
            dice: &mut self.dice,
            addrs: &Host,
        };
        let end = set.walk(table, &mut env, skb, &mut trace);
        let set_ct_mark = env.set_ct_mark;
        let line = |step: &Step| match step {
            Step::Rule { rule, action } => format!("{} {} {action:?}", rule.chain, rule.number),
            other => format!("{other:?}"),
        };
        (end, trace.events().map(|e| line(e.step)).collect(), set_ct_mark)
    }
}

pub(super) fn skb(packet: IpPacket) -> Skb {
    Skb::made(packet, Tag::default())
}

fn dropped_by(end: &WalkEnd) -> Option<(&str, u32)> {
    match end {
        WalkEnd::Drop(rule) => Some((&rule.chain, rule.number)),
        _ => None,
    }
}

#[test]
fn a_jump_comes_back_and_a_goto_does_not() {
    let mut set = rules(
        "*filter\n:INPUT DROP [0:0]\n:A - [0:0]\n:B - [0:0]\n:C - [0:0]\n-A INPUT -j A\n-A INPUT -j C\n-A INPUT -j ACCEPT\n\
         -A A -j MARK --set-xmark 0x1/0x0\n-A A -g B\n-A A -j DROP\n-A B -j RETURN\n-A B -j DROP\n-A C -j RETURN\nCOMMIT\n",
    );
    let mut packet = skb(udp("10.0.0.9", "10.0.0.1", 53));
    let (end, steps, _) = At::hook(Hook::Input).traced(&mut set, TableId::Filter, &mut packet);
    assert_eq!(end, WalkEnd::Accept);
    assert_eq!(packet.mark, 1);
    assert_eq!(
        steps,
        [
            "INPUT 1 Jump",
            "A 1 Continue",
            "A 2 Goto",
            "B 1 Return",
            "INPUT 2 Jump",
            "C 1 Return",
            "INPUT 3 Accept"
        ]
    );
}

#[test]
fn the_policy_decides_at_the_end_and_has_number_0() {
    let mut set =
        rules("*filter\n:INPUT DROP [0:0]\n:A - [0:0]\n-A INPUT -g A\n-A INPUT -j ACCEPT\nCOMMIT\n");
    let mut packet = skb(udp("10.0.0.9", "10.0.0.1", 53));
    let (end, steps, _) = At::hook(Hook::Input).traced(&mut set, TableId::Filter, &mut packet);
    assert_eq!(dropped_by(&end), Some(("INPUT", 0)));
    assert_eq!(steps, ["INPUT 1 Goto", "INPUT 0 Drop"]);
    let WalkEnd::Drop(rule) = end else { return };
    assert_eq!(&*rule.text, "-P INPUT DROP");
    let saved = set.save(Some(TableId::Filter), true);
    // 20 bytes of IP, 8 of UDP, 8 of data.
    assert!(saved.contains(":INPUT DROP [1:36]\n") && saved.contains("[1:36] -A INPUT -g A\n"), "{saved}");
}

#[test]
fn what_is_not_loaded_accepts() {
    let mut set = Ruleset::new(Family::V4);
    assert!(set.is_empty(TableId::Filter, Hook::Input) && !set.needs_conntrack());
    let mut packet = skb(udp("10.0.0.9", "10.0.0.1", 53));
    assert_eq!(At::hook(Hook::Input).walk(&mut set, TableId::Filter, &mut packet), WalkEnd::Accept);
    set.table_mut(TableId::Nat);
    assert!(set.needs_conntrack() && set.is_empty(TableId::Nat, Hook::Forward));
}

#[test]
fn a_reject_says_what_the_sender_is_told() {
    let mut set = rules(
        "*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n-A FORWARD -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n",
    );
    let mut with = |packet| match At::hook(Hook::Forward).walk(&mut set, TableId::Filter, &mut skb(packet)) {
        WalkEnd::Reject { with, .. } => with,
        other => panic!("{other:?}"),
    };
    assert_eq!(with(tcp("10.0.0.9", "10.0.0.8", 80, TcpFlags::SYN)), RejectWith::TcpReset);
    assert_eq!(with(udp("10.0.0.9", "10.0.0.8", 80)), RejectWith::Icmp(IcmpError::HostProhibited));
}

/// The rules of a Service with two endpoints as kube-proxy writes them, and flannel's masquerade.
const SERVICE: &str = "*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-X - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-SERVICES -m comment --comment \"default/web:http cluster IP\" -m tcp -p tcp -d 10.96.0.9 --dport 80 -j KUBE-SVC-X
-A KUBE-SVC-X -m tcp -p tcp -d 10.96.0.9 --dport 80 ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ
-A KUBE-SVC-X -m recent --name KUBE-SEP-A --rcheck --seconds 100 --reap -j KUBE-SEP-A
-A KUBE-SVC-X -m recent --name KUBE-SEP-B --rcheck --seconds 100 --reap -j KUBE-SEP-B
-A KUBE-SVC-X -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-A
-A KUBE-SVC-X -j KUBE-SEP-B
-A KUBE-SEP-A -s 10.244.1.5 -j KUBE-MARK-MASQ
-A KUBE-SEP-A -m recent --name KUBE-SEP-A --set -m tcp -p tcp -j DNAT --to-destination 10.244.1.5:8080
-A KUBE-SEP-B -s 10.244.2.9 -j KUBE-MARK-MASQ
-A KUBE-SEP-B -m recent --name KUBE-SEP-B --set -m tcp -p tcp -j DNAT --to-destination 10.244.2.9:8080
COMMIT
";

fn backend(set: &mut Ruleset, src: &str, draws: Vec<u32>, seconds: u64) -> (String, u32) {
    let mut at =
        At { dice: Dice::scripted(draws), now: SimTime::from_secs(seconds), ..At::hook(Hook::Prerouting) };
    let mut packet = skb(tcp(src, "10.96.0.9", 80, TcpFlags::SYN));
    match at.walk(set, TableId::Nat, &mut packet) {
        WalkEnd::Nat {
            target: NatTarget::Dnat(NatRange { addrs: Some((a, _)), ports: Some((p, _)), .. }),
            ..
        } => (format!("{a}:{p}"), packet.mark),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_service_draws_a_backend_and_remembers_it_per_client() {
    let mut set = rules(SERVICE);
    let half = 1 << 30;
    assert_eq!(backend(&mut set, "10.244.1.7", vec![half - 1], 0), ("10.244.1.5:8080".to_owned(), 0));
    assert_eq!(backend(&mut set, "10.244.1.8", vec![half], 0), ("10.244.2.9:8080".to_owned(), 0));
    // Within 100 s the same backend, whatever would be drawn; afterwards a new draw.
    assert_eq!(backend(&mut set, "10.244.1.8", vec![0], 100), ("10.244.2.9:8080".to_owned(), 0));
    assert_eq!(backend(&mut set, "10.244.1.8", vec![0], 201), ("10.244.1.5:8080".to_owned(), 0));
    // From outside the pods, and from the backend itself, the connection is marked for masquerading.
    assert_eq!(backend(&mut set, "192.0.2.7", vec![0], 0), ("10.244.1.5:8080".to_owned(), 0x4000));
    assert_eq!(backend(&mut set, "10.244.1.5", vec![0], 0), ("10.244.1.5:8080".to_owned(), 0x4000));
}

#[test]
fn a_marked_packet_is_masqueraded_and_its_mark_removed() {
    let mut set = rules(SERVICE);
    let mut packet = skb(tcp("192.0.2.7", "10.244.1.5", 8080, TcpFlags::SYN));
    assert_eq!(At::hook(Hook::Postrouting).walk(&mut set, TableId::Nat, &mut packet), WalkEnd::Accept);
    packet.mark = 0x4000;
    let end = At::hook(Hook::Postrouting).walk(&mut set, TableId::Nat, &mut packet);
    let range = NatRange { fully_random: true, ..NatRange::default() };
    assert!(matches!(end, WalkEnd::Nat { target: NatTarget::Masquerade(r), .. } if r == range));
    assert_eq!(packet.mark, 0);
}

#[test]
fn lists_of_recent_end_with_their_last_rule() {
    let mut set = rules(SERVICE);
    backend(&mut set, "10.244.1.8", vec![1 << 30], 0);
    // The same rules again: the list stays, as the kernel counts its users.
    set.restore(SERVICE, RestoreOptions::default()).unwrap();
    assert_eq!(backend(&mut set, "10.244.1.8", vec![0], 1).0, "10.244.2.9:8080");
    set.restore("*nat\n:X - [0:0]\nCOMMIT\n", RestoreOptions::default()).unwrap();
    set.restore(SERVICE, RestoreOptions::default()).unwrap();
    assert_eq!(backend(&mut set, "10.244.1.8", vec![0], 2).0, "10.244.1.5:8080");
}

#[test]
fn states_and_flows_are_asked_of_connection_tracking() {
    let mut set = rules(
        "*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\n-A FORWARD -m conntrack --ctstate DNAT --ctorigdst 10.96.0.0/12 --ctorigdstport 80 -j ACCEPT\n\
         -A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n",
    );
    let orig = Tuple { src: ip("10.244.1.5"), dst: ip("10.96.0.9"), protocol: 6, sport: 40_000, dport: 80 };
    let reply =
        Tuple { src: ip("10.244.2.9"), dst: ip("10.244.1.5"), protocol: 6, sport: 8080, dport: 40_000 };
    let with_flow = CtView { dnat: true, tuples: Some((orig, reply)), ..view(CtState::New) };
    for (ct, want) in [
        (view(CtState::Invalid), Some(1)),
        (with_flow, None),
        (view(CtState::Established), None),
        (view(CtState::New), Some(4)),
        (untracked(), Some(4)),
    ] {
        let mut packet = skb(tcp("10.244.1.5", "10.244.2.9", 8080, TcpFlags::SYN));
        let end = At { ct, ..At::hook(Hook::Forward) }.walk(&mut set, TableId::Filter, &mut packet);
        assert_eq!(dropped_by(&end).map(|(_, n)| n), want, "{ct:?}");
    }
}

#[test]
fn notrack_and_connmark_change_what_later_rules_see() {
    let mut set = rules(
        "*raw\n-A PREROUTING -p udp -j CT --notrack\n-A PREROUTING -m conntrack --ctstate UNTRACKED -j DROP\nCOMMIT\n\
         *mangle\n-A PREROUTING -j CONNMARK --set-mark 0x7\n-A PREROUTING -m connmark --mark 0x7 -j CONNMARK --restore-mark\nCOMMIT\n",
    );
    let mut packet = skb(udp("10.0.0.9", "10.0.0.1", 53));
    let end = At::hook(Hook::Prerouting).walk(&mut set, TableId::Raw, &mut packet);
    assert_eq!((dropped_by(&end), &packet.ct), (Some(("PREROUTING", 2)), &SkbCt::NoTrack));
    let tuple = Tuple { src: ip("10.0.0.9"), dst: ip("10.0.0.1"), protocol: 17, sport: 40_000, dport: 53 };
    let ct = CtView { tuples: Some((tuple, tuple)), ..view(CtState::New) };
    let mut packet = skb(udp("10.0.0.9", "10.0.0.1", 53));
    let mut at = At { ct, ..At::hook(Hook::Prerouting) };
    let (_, _, set_ct_mark) = at.traced(&mut set, TableId::Mangle, &mut packet);
    assert_eq!((packet.mark, set_ct_mark), (7, Some(7)));
}

#[test]
fn every_kind_of_question_is_answered() {
    for (question, yes) in [
        ("-m addrtype --dst-type LOCAL", true),
        ("-m addrtype ! --src-type LOCAL", true),
        ("-m addrtype --src-type LOCAL", false),
        ("-i eth0", true),
        ("-i eth+", true),
        ("-i et", false),
        ("! -i eth0", false),
        ("-s 10.0.0.0/24 ! -d 10.0.0.0/31", false),
        ("-p tcp -m tcp --syn", true),
        ("-p tcp -m tcp ! --syn", false),
        ("-p tcp -m tcp --tcp-option 2", true),
        ("-p tcp -m tcp --tcp-option 8", false),
        ("-p tcp -m tcp --sport 40000 --dport 80:443", true),
        ("-p tcp -m tcp ! --dport 80:443", false),
        ("-p tcp -m multiport --dports 22,80:90", true),
        ("-p tcp -m multiport ! --ports 22,40000", false),
        ("-p udp", false),
        ("! -p udp", true),
        ("-f", false),
        ("! -f", true),
        ("-m pkttype --pkt-type unicast", true),
        ("-m physdev --physdev-is-bridged", false),
        ("-m physdev ! --physdev-is-bridged", true),
        ("-m mark --mark 0x1", false),
        ("-m connmark ! --mark 0x1", false),
        ("-m statistic --mode random --probability 1", true),
        ("-m statistic --mode random --probability 0", false),
        ("-m comment --comment x", true),
        ("-m conntrack --ctdir ORIGINAL", false),
    ] {
        let mut set = rules(&format!("*filter\n-A INPUT {question} -j DROP\nCOMMIT\n"));
        let mut packet = skb(tcp("10.0.0.9", "10.0.0.1", 80, TcpFlags::SYN));
        let mut at = At { iif: Some("eth0"), ..At::hook(Hook::Input) };
        let end = at.walk(&mut set, TableId::Filter, &mut packet);
        assert_eq!(dropped_by(&end).is_some(), yes, "{question}");
    }
}

#[test]
fn every_third_packet_and_two_a_second_pass() {
    let mut set = rules(
        "*filter\n-A INPUT -m statistic --mode nth --every 3 --packet 1 -j DROP\n-A OUTPUT -m limit --limit 2/sec --limit-burst 3 -j DROP\nCOMMIT\n",
    );
    let mut hits = |hook, at: u64| {
        let mut packet = skb(udp("10.0.0.9", "10.0.0.1", 53));
        let mut at = At { now: SimTime(at * 1_000_000), ..At::hook(hook) };
        dropped_by(&at.walk(&mut set, TableId::Filter, &mut packet)).is_some()
    };
    let nth: Vec<_> = (0..6).map(|_| hits(Hook::Input, 0)).collect();
    assert_eq!(nth, [false, true, false, false, true, false]);
    let limited: Vec<_> =
        [0, 0, 0, 0, 499, 500, 600, 5000, 5000, 5000, 5000].map(|ms| hits(Hook::Output, ms)).into();
    assert_eq!(limited, [true, true, true, false, false, true, false, true, true, true, false]);
}

proptest! {
    /// Every jump of a random table is entered from a built-in chain: if the table is taken, the walk ends.
    #[test]
    fn a_walk_always_ends((id, text) in table(Family::V4), seed in any::<u64>()) {
        let mut set = Ruleset::new(Family::V4);
        let hook = crate::linux::netfilter::table::hooks(id)[0];
        let entries: String = (0..9).map(|i| format!("-A {} -j C{i:02}\n", hook.chain())).collect();
        let open = text.strip_suffix("COMMIT\n").unwrap();
        let declared = text.lines().filter(|l| l.starts_with(":C")).count();
        let entries: String = entries.lines().take(declared).map(|l| format!("{l}\n")).collect();
        if set.restore(&format!("{open}{entries}COMMIT\n"), RestoreOptions::default()).is_err() {
            return Ok(());
        }
        let mut at = At { dice: Dice::seeded(seed), ..At::hook(hook) };
        for dport in [53, 80, 8080] {
            let mut packet = skb(tcp("10.0.0.9", "10.0.0.1", dport, TcpFlags::SYN));
            let (end, steps, _) = at.traced(&mut set, id, &mut packet);
            prop_assert!(!steps.is_empty() || end != WalkEnd::Accept);
        }
    }

    /// Recording changes nothing but the record.
    #[test]
    fn recording_does_not_change_the_walk((id, text) in table(Family::V4), seed in any::<u64>()) {
        let Some(mut set) = entered(id, &text) else { return Ok(()) };
        let mut other = set.clone();
        let hook = crate::linux::netfilter::table::hooks(id)[0];
        let mut packet = skb(udp("10.0.0.9", "10.0.0.1", 53));
        let mut same = packet.clone();
        let mut at = At { dice: Dice::seeded(seed), ..At::hook(hook) };
        let (end, ..) = at.traced(&mut set, id, &mut packet);
        let mut dice = Dice::seeded(seed);
        let mut env = Env { log: &mut KernelLog::default(),
            now: SimTime::ZERO, ns: NsId(3), hook, bridged: false, iif: None, oif: None, physin: None, physout: None,
            ct: view(CtState::New), set_ct_mark: None, ipvs: None, sets: &mut Sets::default(), dice: &mut dice, addrs: &Host,
        };
        prop_assert_eq!(other.walk(id, &mut env, &mut same, &mut NoTrace), end);
        prop_assert_eq!(same.mark, packet.mark);
        prop_assert_eq!(set.save(None, true), other.save(None, true));
    }
}

/// A random table whose first built-in chain jumps to its first user chain, if the kernel takes it.
fn entered(id: TableId, text: &str) -> Option<Ruleset> {
    let hook = crate::linux::netfilter::table::hooks(id)[0];
    let open = text.strip_suffix("COMMIT\n")?;
    let mut set = Ruleset::new(Family::V4);
    let text = format!("{open}-A {} -j C00\nCOMMIT\n", hook.chain());
    set.restore(&text, RestoreOptions::default()).ok()?;
    Some(set)
}

#[test]
fn what_a_rule_did_is_named() {
    let mut set = rules("*nat\n-A PREROUTING -p udp -j REDIRECT\nCOMMIT\n");
    let mut trace = Trace::default();
    let mut dice = Dice::seeded(1);
    let mut env = Env {
        now: SimTime::ZERO,
        ns: NsId(0),
        hook: Hook::Prerouting,
        bridged: false,
        iif: Some("eth0"),
        oif: None,
        physin: None,
        physout: None,
        ct: view(CtState::New),
        set_ct_mark: None,
        ipvs: None,
        sets: &mut Sets::default(),
        log: &mut KernelLog::default(),
        dice: &mut dice,
        addrs: &Host,
    };
    let mut packet = skb(udp("10.0.0.9", "10.0.0.1", 53));
    let end = set.walk(TableId::Nat, &mut env, &mut packet, &mut trace);
    assert!(matches!(end, WalkEnd::Nat { target: NatTarget::Redirect(_), .. }));
    let Step::Rule { rule, action } = trace.events().next().expect("a step").step else { panic!("no rule") };
    assert_eq!((*action, &*rule.text), (RuleAction::Dnat, "-A PREROUTING -p udp -j REDIRECT"));
}

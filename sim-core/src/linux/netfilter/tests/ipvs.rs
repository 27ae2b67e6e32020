//! `-m ipvs`: its texts, as `iptables-legacy -v -A` of 1.8.9 shows them without the kernel's help, and its answers (`xt_ipvs.c`).

use std::net::SocketAddr;

use super::walk::{Host, rules, skb, tcp, untracked};
use crate::chance::Dice;
use crate::linux::conntrack::{CtState, CtView, Tuple};
use crate::linux::ipset::Sets;
use crate::linux::ipvs::packet::Arriving;
use crate::linux::ipvs::{DestSpec, Ipvs, Persistence, SchedFlags, Scheduler, ServiceKey, ServiceSpec};
use crate::linux::kmsg::KernelLog;
use crate::linux::netfilter::{Env, RestoreOptions, Ruleset, WalkEnd};
use crate::packet::{IpPacket, TcpFlags, proto};
use crate::time::SimTime;
use crate::trace::{Family, Hook, NoTrace, NsId, TableId};

#[test]
fn texts_are_those_of_the_tool() {
    for (given, shown) in [
        ("--ipvs", "--ipvs"),
        ("! --ipvs", "! --ipvs"),
        ("! --vproto 17 --vaddr 10.0.0.0/8", "! --vproto 17 --vaddr 10.0.0.0/8"),
        ("--vdir ORIGINAL --vport 80 --vaddr 10.1.2.3", "--vaddr 10.1.2.3 --vport 80 --vdir ORIGINAL"),
        ("--vmethod gate --vport http --vdir reply", "--vport 80 --vdir REPLY --vmethod GATE"),
        ("--vportctl 21 ! --vmethod MASQ", "! --vmethod MASQ --vportctl 21"),
        ("--ipvs --vmethod ipip", "--vmethod IPIP"),
        ("--vaddr 1.2.3.4/255.0.255.0", "--vaddr 1.2.3.4"),
        ("! --vaddr 1.2.3.4/16 --vproto all", "--vproto 0 ! --vaddr 1.2.3.4/16"),
        ("--vport 70000", "--vport 4464"),
        ("--vport domain --vproto TCP", "--vproto 6 --vport 53"),
    ] {
        let mut set = rules(&format!("*filter\n-A OUTPUT -m ipvs {given} -j DROP\nCOMMIT\n"));
        let saved = set.save(Some(TableId::Filter), false);
        let want = format!("-A OUTPUT -m ipvs {shown} -j DROP");
        assert!(saved.lines().any(|l| l == want), "{want}: {saved}");
        let listed = set.command(&["-nL", "OUTPUT"].map(str::to_owned)).unwrap();
        assert!(listed.trim_end().ends_with(&format!(" {}", shown.replace("--", ""))), "{shown}: {listed}");
    }
}

#[test]
fn mistakes_are_named_as_by_the_tool() {
    for (given, wrong) in [
        ("", "IPVS: At least one option is required\n"),
        ("! --ipvs --vport 5", "! --ipvs cannot be together with other options\n"),
        ("--vport http ! --vdir reply", "ipvs: option \"--vdir\" cannot be inverted.\n"),
        ("--vproto foo", "unknown protocol \"foo\" specified\n"),
        ("--vdir x", "ipvs: Bad value for \"--vdir\" option: \"x\"\n"),
        ("--vmethod x", "ipvs: Bad value for \"--vmethod\" option: \"x\"\n"),
        ("--ipvs --ipvs", "ipvs: option \"--ipvs\" can only be used once.\n"),
        ("--vport 1:2", "Port \"1:2\" does not resolve to anything.\n"),
        (
            "--vaddr 1.2.3.4/x",
            "ipvs: bad value for option \"--vaddr\", neither a valid network mask nor valid CIDR (0-32).\n",
        ),
    ] {
        let mut set = Ruleset::new(Family::V4);
        let text = format!("*filter\n-A OUTPUT -m ipvs {given} -j DROP\nCOMMIT\n");
        let e = set.restore(&text, RestoreOptions::default()).expect_err(given);
        assert!(e.message.contains(wrong), "{given}: {}", e.message);
    }
}

const CLIENT: &str = "10.0.0.9";

/// A virtual server 10.96.0.10:80 that keeps its clients, with one real server, and a connection of a client of it.
fn connected() -> Ipvs {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let mut ipvs = Ipvs::default();
    let key = ServiceKey { protocol: proto::TCP, at: at("10.96.0.10:80") };
    let persistence = Some(Persistence { seconds: 300, prefix: 32 });
    let spec = ServiceSpec { key, scheduler: Scheduler::Rr, flags: SchedFlags::default(), persistence };
    ipvs.add_service(spec, SimTime::ZERO).unwrap();
    ipvs.add_dest(&key, DestSpec::new(at("10.244.1.5:8080"), 1), SimTime::ZERO).unwrap();
    let packet = tcp(CLIENT, "10.96.0.10", 80, TcpFlags::SYN);
    ipvs.incoming(&Arriving { packet: &packet, local: true, confirmed: false, now: SimTime::ZERO });
    ipvs
}

fn hit(question: &str, ipvs: Option<&Ipvs>, packet: IpPacket) -> bool {
    let mut set = rules(&format!("*filter\n-A OUTPUT -m ipvs {question} -j DROP\nCOMMIT\n"));
    let (src, dst) = (packet.src, packet.dst);
    let tuple = Tuple { src, dst, protocol: proto::TCP, sport: 1, dport: 2 };
    let mut env = Env {
        now: SimTime::ZERO,
        ns: NsId(0),
        hook: Hook::Output,
        bridged: false,
        iif: None,
        oif: Some("eth0"),
        physin: None,
        physout: None,
        ct: CtView { state: CtState::New, tuples: Some((tuple, tuple)), ..untracked() },
        set_ct_mark: None,
        ipvs,
        sets: &mut Sets::default(),
        log: &mut KernelLog::default(),
        dice: &mut Dice::seeded(1),
        addrs: &Host,
    };
    matches!(set.walk(TableId::Filter, &mut env, &mut skb(packet), &mut NoTrace), WalkEnd::Drop(_))
}

#[test]
fn only_packets_to_the_real_server_have_a_connection() {
    let ipvs = connected();
    let forward = || tcp(CLIENT, "10.244.1.5", 8080, TcpFlags::SYN);
    for (question, yes) in [
        ("--ipvs", true),
        ("! --ipvs", false),
        ("--vaddr 10.96.0.10 --vproto tcp --vport 80", true),
        ("--vaddr 10.96.0.0/16", true),
        ("! --vaddr 10.96.0.10", false),
        ("--vport 8080", false),
        ("! --vport 8080", true),
        ("--vproto udp", false),
        ("--vdir ORIGINAL", true),
        ("--vdir REPLY", false),
        ("--vmethod MASQ", true),
        ("! --vmethod GATE", true),
        ("--vmethod IPIP", false),
        ("--vportctl 80", true),
        ("--vportctl 21", false),
        ("! --vportctl 21", true),
    ] {
        assert_eq!(hit(question, Some(&ipvs), forward()), yes, "{question}");
    }
    // The answer, which has the virtual server's address already.
    let mut answer = tcp("10.96.0.10", CLIENT, 40_000, TcpFlags::SYN);
    if let crate::packet::Transport::Tcp(t) = &mut answer.body {
        t.sport = 80;
    }
    assert!(hit("--ipvs", Some(&ipvs), answer.clone()));
    assert!(!hit("--vport 80", Some(&ipvs), answer));
    // A packet that no virtual server has dealt with.
    assert!(hit("! --ipvs", None, forward()) && !hit("--ipvs", None, forward()));
    assert!(!hit("! --vport 8080", None, forward()));
}

//! What the smaller matches and targets do with packets.

use std::net::IpAddr;

use super::walk::{At, Host, rules, skb, tcp, udp, untracked};
use crate::chance::Dice;
use crate::linux::Skb;
use crate::linux::conntrack::{CtState, CtView, Status, Tuple};
use crate::linux::ipset::Sets;
use crate::linux::kmsg::KernelLog;
use crate::linux::netfilter::{AddrType, AddrTypes, Env, NatTarget, RestoreOptions, Ruleset, WalkEnd};
use crate::linux::policy::Flow;
use crate::packet::{MacAddr, TcpFlags, Transport};
use crate::time::SimTime;
use crate::trace::{Family, Hook, NoTrace, NsId, TableId};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Whether a SYN from 10.0.0.9 to 10.0.0.1 port 80, by eth0, matches.
fn hit(table: TableId, question: &str) -> bool {
    let hook = if table == TableId::Raw { Hook::Prerouting } else { Hook::Input };
    let mut set = rules(&format!("*{table}\n-A {} {question} -j DROP\nCOMMIT\n", hook.chain()));
    let mut packet = skb(tcp("10.0.0.9", "10.0.0.1", 80, TcpFlags::SYN));
    packet.frame.src = MacAddr([2, 0, 0, 0, 0, 9]);
    packet.ip_mut().unwrap().tos = 0xba;
    let at = At { iif: Some("eth0"), ..At::hook(hook) };
    let tuple = Tuple { src: ip("10.0.0.9"), dst: ip("10.0.0.1"), protocol: 6, sport: 1, dport: 2 };
    let ct = CtView {
        state: CtState::New,
        status: Status::SEEN_REPLY | Status::CONFIRMED,
        expires: SimTime::from_secs(15),
        tuples: Some((tuple, tuple)),
        ..untracked()
    };
    matches!(At { ct, ..at }.walk(&mut set, table, &mut packet), WalkEnd::Drop(_))
}

#[test]
fn every_question_is_answered() {
    // 44 bytes: IP, TCP with a maximum segment size of 1460. The type of service is EF with ECT(0).
    for (question, yes) in [
        ("-m length --length 44", true),
        ("-m length ! --length 40:50", false),
        ("-m mac --mac-source 02:00:00:00:00:09", true),
        ("-m mac ! --mac-source 2:0:0:0:0:9", false),
        ("-m iprange --src-range 10.0.0.1-10.0.0.9 --dst-range 10.0.0.1-10.0.0.1", true),
        ("-m iprange ! --src-range 10.0.0.1-10.0.0.9", false),
        ("-m ttl --ttl-eq 64", true),
        ("-m ttl --ttl-lt 64", false),
        ("-m ttl --ttl-gt 63", true),
        ("-m tos --tos 0xb8/0xfc", true),
        ("-m dscp --dscp-class EF", true),
        ("-m dscp ! --dscp 0x2e", false),
        ("-p tcp -m ecn --ecn-ip-ect 2 ! --ecn-tcp-cwr", true),
        ("-p tcp -m ecn --ecn-tcp-ece", false),
        ("-p tcp -m tcpmss --mss 1400:1460", true),
        ("-p tcp -m tcpmss ! --mss 1400:1460", false),
        ("-m policy --dir in --pol none", true),
        ("-m policy --dir in --pol ipsec", false),
        ("-m helper --helper ftp", false),
        ("-p esp -m esp --espspi 1", false),
        ("-m nfacct --nfacct-name x", true),
        ("-m conntrack --ctstatus SEEN_REPLY", true),
        ("-m conntrack ! --ctstatus ASSURED,EXPECTED", true),
        ("-m conntrack --ctstatus ASSURED", false),
        ("-m conntrack --ctexpire 10:15", true),
        ("-m conntrack ! --ctexpire 15", false),
    ] {
        assert_eq!(hit(TableId::Filter, question), yes, "{question}");
    }
}

/// 10.0.0.0/24 is behind eth0 with an MTU of 1400, everything else behind eth1 with 1500; 10.0.0.1 is this host.
struct Router;

impl AddrTypes for Router {
    fn addr_type(&self, flow: &Flow, dev: Option<&str>) -> AddrType {
        Host.addr_type(flow, dev)
    }
    fn device_towards(&self, flow: &Flow) -> Option<&str> {
        Some(if flow.dst.to_string().starts_with("10.0.0.") { "eth0" } else { "eth1" })
    }
    fn mtu_towards(&self, addr: IpAddr) -> Option<u32> {
        Some(if self.device_towards(&Flow::to(addr))? == "eth0" { 1400 } else { 1500 })
    }
}

fn walk(set: &mut Ruleset, table: TableId, hook: Hook, skb: &mut Skb) -> WalkEnd {
    let mut dice = Dice::seeded(1);
    let mut env = Env {
        now: SimTime::ZERO,
        ns: NsId(0),
        hook,
        bridged: false,
        iif: Some("eth0"),
        oif: None,
        physin: None,
        physout: None,
        ct: untracked(),
        set_ct_mark: None,
        ipvs: None,
        sets: &mut Sets::default(),
        log: &mut KernelLog::default(),
        dice: &mut dice,
        addrs: &Router,
    };
    set.walk(table, &mut env, skb, &mut NoTrace)
}

#[test]
fn a_reply_would_leave_where_the_packet_came_in_or_not() {
    let answers = |rule: &str, src: &str| {
        let mut set = rules(&format!("*raw\n-A PREROUTING -m rpfilter{rule} -j DROP\nCOMMIT\n"));
        let mut packet = skb(udp(src, "10.0.0.1", 53));
        matches!(walk(&mut set, TableId::Raw, Hook::Prerouting, &mut packet), WalkEnd::Drop(_))
    };
    assert!(answers("", "10.0.0.9") && !answers("", "192.0.2.1"));
    assert!(answers(" --loose", "192.0.2.1") && answers(" --invert", "192.0.2.1"));
    assert!(!answers("", "10.0.0.1") && answers(" --accept-local", "10.0.0.1"));
}

#[test]
fn headers_are_changed_for_the_rules_that_follow() {
    let mut set = rules(
        "*mangle\n:X - [0:0]\n-A FORWARD -j X\n-A FORWARD -m ttl --ttl-eq 5 -m dscp --dscp-class CS1 -j MARK --set-mark 7\n\
         -A X -j TTL --ttl-set 7\n-A X -j TTL --ttl-dec 2\n-A X -j DSCP --set-dscp-class CS1\n-A X -j TOS --or-tos 1\n\
         -A X -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n",
    );
    let mut packet = skb(tcp("192.0.2.1", "10.0.0.8", 80, TcpFlags::SYN));
    assert_eq!(walk(&mut set, TableId::Mangle, Hook::Forward, &mut packet), WalkEnd::Accept);
    assert_eq!(packet.mark, 7);
    let changed = packet.ip().unwrap();
    assert_eq!((changed.ttl, changed.tos), (5, 0x21));
    let Transport::Tcp(segment) = &changed.body else { panic!("{changed:?}") };
    assert_eq!(segment.options.mss, Some(1360));
    assert!(set.save(None, true).contains("[1:44] -A FORWARD -m ttl"), "{}", set.save(None, true));
}

#[test]
fn a_segment_size_is_lowered_and_never_raised() {
    for (size, want) in [(1400, 1400), (1500, 1460)] {
        let mut set = rules(&format!("*mangle\n-A FORWARD -p tcp -j TCPMSS --set-mss {size}\nCOMMIT\n"));
        let mut packet = skb(tcp("192.0.2.1", "10.0.0.8", 80, TcpFlags::SYN));
        walk(&mut set, TableId::Mangle, Hook::Forward, &mut packet);
        let Transport::Tcp(segment) = &packet.ip().unwrap().body else { panic!("no segment") };
        assert_eq!(segment.options.mss, Some(want));
    }
}

#[test]
fn a_network_is_translated_address_by_address() {
    let text =
        "*nat\n-A PREROUTING -j NETMAP --to 10.2.3.0/24\n-A POSTROUTING -j NETMAP --to 10.2.0.0/16\nCOMMIT\n";
    let mut set = rules(text);
    let mut end = |hook| walk(&mut set, TableId::Nat, hook, &mut skb(udp("10.9.8.7", "10.0.0.77", 53)));
    let WalkEnd::Nat { target: NatTarget::Dnat(to), .. } = end(Hook::Prerouting) else { panic!("no DNAT") };
    assert_eq!(to.addrs, Some((ip("10.2.3.77"), ip("10.2.3.77"))));
    let WalkEnd::Nat { target: NatTarget::Snat(to), .. } = end(Hook::Postrouting) else { panic!("no SNAT") };
    assert_eq!(to.addrs, Some((ip("10.2.8.7"), ip("10.2.8.7"))));
}

#[test]
fn nobody_listens_on_a_queue() {
    let mut set = rules(
        "*filter\n-A FORWARD -p tcp -j NFQUEUE --queue-num 1\n-A FORWARD -j NFQUEUE --queue-bypass\n-A FORWARD -j DROP\nCOMMIT\n",
    );
    let mut tcp = skb(tcp("10.0.0.9", "10.0.0.8", 80, TcpFlags::SYN));
    assert!(
        matches!(walk(&mut set, TableId::Filter, Hook::Forward, &mut tcp), WalkEnd::Drop(r) if r.number == 1)
    );
    let mut udp = skb(udp("10.0.0.9", "10.0.0.8", 80));
    assert_eq!(walk(&mut set, TableId::Filter, Hook::Forward, &mut udp), WalkEnd::Accept);
}

#[test]
fn a_bucket_for_each_source_and_a_quota_for_all() {
    let mut set = rules(
        "*filter\n-A INPUT -m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name a -j DROP\n\
         -A OUTPUT -m quota --quota 80 -j DROP\nCOMMIT\n",
    );
    let mut send = |hook, src: &str, ms: u64| {
        let mut at = At { now: SimTime(ms * 1_000_000), ..At::hook(hook) };
        matches!(at.walk(&mut set, TableId::Filter, &mut skb(udp(src, "10.0.0.1", 53))), WalkEnd::Drop(_))
    };
    let mut limited = |src, ms| send(Hook::Input, src, ms);
    let got = [
        ("10.0.0.9", 0),
        ("10.0.0.9", 0),
        ("10.0.0.9", 0),
        ("10.0.0.8", 0),
        ("10.0.0.9", 900),
        ("10.0.0.9", 2000),
    ];
    assert_eq!(got.map(|(src, ms)| limited(src, ms)), [true, true, false, true, false, true]);
    // 36 bytes each.
    assert_eq!([0, 1, 2, 3].map(|n| send(Hook::Output, "10.0.0.9", n)), [true, true, false, false]);
}

#[test]
fn what_exists_and_is_not_modelled_is_named_with_its_line() {
    for rule in [
        "-m string --string x --algo bm",
        "-m owner --uid-owner 0",
        "-j TPROXY --on-port 1",
        "-m u32 --u32 0=0",
    ] {
        let mut set = Ruleset::new(Family::V4);
        let text = format!("*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {rule}\nCOMMIT\n");
        let error = set.restore(&text, RestoreOptions::default()).unwrap_err();
        assert!(error.line == 3 && error.reason.ends_with("is not modelled"), "{error}");
    }
}

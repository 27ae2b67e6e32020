//! The data plane: exchanges between pods, bringing a cluster up, rule evaluation.

use std::hint::black_box;
use std::net::IpAddr;

use benches::services::{PORT, cluster_ip, dump};
use benches::{Failure, Rig};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sim_core::chance::Dice;
use sim_core::cluster::Cluster;
use sim_core::flow::Protocol;
use sim_core::kube::node::machine::Place;
use sim_core::linux::Skb;
use sim_core::linux::conntrack::Conntrack;
use sim_core::linux::ipset::Sets;
use sim_core::linux::kmsg::KernelLog;
use sim_core::linux::netfilter::{AddrType, AddrTypes, Env, RestoreOptions, Ruleset, WalkEnd};
use sim_core::linux::policy::Flow;
use sim_core::packet::{IpPacket, Payload, Tcp, TcpFlags, TcpOptions, Transport};
use sim_core::time::SimTime;
use sim_core::trace::{Family, Hook, NoTrace, NsId, TableId, Tag};

fn exchanges(c: &mut Criterion) {
    let mut group = c.benchmark_group("exchange");
    group.throughput(Throughput::Elements(1));
    for (name, service) in [("pod address", false), ("cluster IP", true)] {
        group.bench_function(name, |b| {
            let mut rig = Rig::new(service).expect("the rig comes up");
            let mut k = 0;
            b.iter(|| {
                rig.exchange(k).expect("an answer comes");
                k += 1;
            });
        });
    }
    group.finish();
}

/// A default cluster from nothing to the answer of the first ping between two nodes' pods.
fn up(c: &mut Criterion) {
    c.bench_function("cluster up and first ping answered", |b| {
        b.iter(|| first_ping().expect("the ping is answered"))
    });
}

fn first_ping() -> Result<(), Failure> {
    let mut cluster = Cluster::builder().build().map_err(|m| format!("{m:?}"))?;
    cluster.apply(PODS).map_err(|m| format!("{m:?}"))?;
    cluster.settle();
    let to: IpAddr = cluster.pod_ip("default", "b").ok_or("pod b has no address")?;
    let report = cluster.flow(&Place::pod("default", "a"), &to.to_string(), Protocol::Icmp);
    if report.verdict.is_delivered() { Ok(()) } else { Err(report.verdict.text(&cluster.world).into()) }
}

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  nodeName: node1
  containers: [{name: c, image: busybox, command: [sleep, infinity]}]
---
apiVersion: v1
kind: Pod
metadata: {name: b}
spec:
  nodeName: node2
  containers: [{name: c, image: busybox, command: [sleep, infinity]}]
";

/// A node with 5,000 Services: loading its dump, printing it, a change to one Service, and the first packet of a connection to the
/// first Service and to the last.
fn rules(c: &mut Criterion) {
    let mut group = c.benchmark_group("5000 Services");
    let text = dump(SERVICES).expect("the rules are good");
    let load = || {
        let mut rules = Ruleset::new(Family::V4);
        rules.restore(&text, RestoreOptions::default()).expect("the rules are good");
        rules
    };
    group.sample_size(20);
    group.bench_function("iptables-restore", |b| b.iter(|| black_box(load())));
    let mut rules = load();
    group.bench_function("iptables-save", |b| b.iter(|| black_box(rules.save(None, false))));
    let noflush = RestoreOptions { noflush: true, ..RestoreOptions::default() };
    group.bench_function("iptables-restore --noflush of one chain", |b| {
        b.iter(|| rules.restore(ONE_CHAIN, noflush).expect("the rules are good"));
    });
    group.sample_size(100);
    for (name, service) in [("first", 0), ("last", SERVICES - 2)] {
        group.bench_function(format!("packet to the {name}"), |b| {
            b.iter(|| black_box(walk(&mut rules, service, false)));
        });
    }
    group.sample_size(20);
    group.bench_function("packet to the last, rule by rule", |b| {
        b.iter(|| black_box(walk(&mut rules, SERVICES - 2, true)));
    });
    group.finish();
}

const SERVICES: u32 = 5000;
const ONE_CHAIN: &str = "*nat\n:KUBE-SVC-NEWCOMER - [0:0]\n-A KUBE-SVC-NEWCOMER -j RETURN\nCOMMIT\n";

/// No address is special.
struct Plain;

impl AddrTypes for Plain {
    fn addr_type(&self, _: &Flow, _: Option<&str>) -> AddrType {
        AddrType::Unicast
    }
}

/// Leads the first packet of a connection through the nat table at PREROUTING; it ends in a translation.
fn walk(rules: &mut Ruleset, service: u32, plain: bool) -> WalkEnd {
    let (src, dst) = (IpAddr::from([10, 244, 7, 7]), IpAddr::V4(cluster_ip(service)));
    let tcp = Tcp {
        sport: 40_000,
        dport: PORT,
        seq: 1,
        ack: 0,
        flags: TcpFlags::SYN,
        window: 65_535,
        options: TcpOptions { mss: Some(1460), ..TcpOptions::default() },
        payload: Payload::Empty,
    };
    let mut skb = Skb::made(IpPacket::new(src, dst, Transport::Tcp(tcp)), Tag::default());
    let mut dice = Dice::seeded(u64::from(service));
    let mut env = Env {
        now: SimTime::ZERO,
        ns: NsId(0),
        hook: Hook::Prerouting,
        bridged: false,
        iif: Some("cni0"),
        oif: None,
        physin: None,
        physout: None,
        ct: Conntrack::default().view(&skb),
        set_ct_mark: None,
        ipvs: None,
        sets: &mut Sets::default(),
        log: &mut KernelLog::default(),
        dice: &mut dice,
        addrs: &Plain,
    };
    let end = if plain {
        rules.walk_plain(TableId::Nat, &mut env, &mut skb, &mut NoTrace)
    } else {
        rules.walk(TableId::Nat, &mut env, &mut skb, &mut NoTrace)
    };
    assert!(matches!(end, WalkEnd::Nat { .. }), "{end:?}");
    end
}

criterion_group!(benches, exchanges, up, rules);
criterion_main!(benches);

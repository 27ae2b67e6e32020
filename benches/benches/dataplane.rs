//! The data plane: exchanges between pods, bringing a cluster up, rule evaluation.

use std::hint::black_box;
use std::net::IpAddr;

use benches::{Failure, Rig};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sim_core::cluster::Cluster;
use sim_core::flow::Protocol;
use sim_core::kube::node::machine::Place;
use sim_core::linux::netfilter::{RestoreOptions, Ruleset};
use sim_core::trace::Family;

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

/// Loading and printing a rule set of a thousand Services.
fn rules(c: &mut Criterion) {
    let mut text = String::from("*nat\n:KUBE-SERVICES - [0:0]\n");
    for i in 0..1000 {
        text += &format!(":KUBE-SVC-{i:016} - [0:0]\n");
    }
    for i in 0..1000 {
        text += &format!(
            "-A KUBE-SERVICES -d 10.96.{}.{}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-{i:016}\n",
            i / 250,
            i % 250 + 1
        );
    }
    text += "COMMIT\n";
    let load = || {
        let mut rules = Ruleset::new(Family::V4);
        rules.restore(&text, RestoreOptions::default()).expect("the rules are good");
        rules
    };
    c.bench_function("iptables-restore of 1000 Services", |b| b.iter(|| black_box(load())));
    let rules = load();
    c.bench_function("iptables-save of 1000 Services", |b| b.iter(|| black_box(rules.save(None, false))));
}

criterion_group!(benches, exchanges, up, rules);
criterion_main!(benches);

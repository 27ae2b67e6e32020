//! What may go between all pods of a cluster, with every port: how long it takes, and how much memory.
//!
//! `cargo run --release -p benches --bin policies -- PODS POLICIES` makes a cluster from a fixed seed (pods with three labels, policies with
//! one to three rules of one to three peers, four of five with ports, one peer in five an `ipBlock`) and prints one line:
//! `pods=… policies=… groups=… pairs=… with_connections=… seconds=… peak_mib=… digest=…`. Time counts from the plain data of the cluster to the last
//! ordered pair, on one core.
//!
//! The bars: 100 10 below 5 ms, 1000 100 below 0.5 s with less than 200 MiB, 5000 500 below 10 s.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use benches::{Failure, peak_mib};
use serde_json::{Value, json};
use sim_core::kube::objects::{Kind, Object, Protocol};
use sim_core::kube::policy::{Engine, NamedPort, Options, PodView, Snapshot};

/// Pods of one namespace.
const PODS_PER_NAMESPACE: usize = 20;

fn main() -> ExitCode {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [pods, policies] = numbers[..] else {
        eprintln!("usage: policies PODS POLICIES");
        return ExitCode::from(2);
    };
    match run(pods, policies) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("policies: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(pods: usize, policies: usize) -> Result<(), Failure> {
    let snapshot = Maker { state: 1 }.cluster(pods, policies)?;
    let begin = Instant::now();
    let engine = Engine::new(snapshot, Options::default());
    let table = engine.table();
    let (mut pairs, mut some, mut digest) = (0_u64, 0_u64, 0_u64);
    table.for_each(|from, to, set| {
        pairs += 1;
        some += u64::from(!set.is_none());
        let ports = set.ports(Protocol::Tcp).ranges().first().map_or(0, |(first, _)| u64::from(*first));
        let pair = (from as u64) << 32 | to as u64;
        digest = (digest ^ pair ^ ports << 20).wrapping_mul(0x100_0000_01b3).rotate_left(5);
    });
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "pods={pods} policies={policies} groups={} pairs={pairs} with_connections={some} seconds={seconds:.4} peak_mib={} digest={digest:016x}",
        table.group_count(),
        peak_mib()?,
    );
    Ok(())
}

/// Makes clusters from numbers that only look random: SplitMix64.
struct Maker {
    state: u64,
}

impl Maker {
    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % limit as u64) as usize
    }

    fn cluster(mut self, pods: usize, policies: usize) -> Result<Snapshot, Failure> {
        let spaces = pods.div_ceil(PODS_PER_NAMESPACE).max(1);
        let mut snapshot = Snapshot::default();
        for i in 0..spaces {
            let labels = [("team".to_owned(), format!("t{}", self.below(5)))];
            snapshot.namespaces.insert(format!("ns{i}"), labels.into());
        }
        for i in 0..pods {
            let labels = [
                ("app".to_owned(), format!("a{}", self.below(30))),
                ("tier".to_owned(), format!("t{}", self.below(5))),
                ("version".to_owned(), format!("v{}", self.below(4))),
            ];
            let port = 8000 + u16::try_from(self.below(5))?;
            let [high, low] = u16::try_from(i)?.to_be_bytes();
            snapshot.pods.push(PodView {
                namespace: format!("ns{}", i % spaces),
                name: format!("p{i}"),
                labels: labels.into(),
                node: format!("n{}", i % 50),
                addresses: vec![IpAddr::from([10, 244, high, low])],
                host_network: false,
                ports: vec![NamedPort { name: "http".to_owned(), protocol: Protocol::Tcp, port }],
            });
        }
        for i in 0..policies {
            let policy = self.policy(i, spaces);
            snapshot.policies.push(Arc::new(Object::from_value(&policy).map_err(|f| format!("{f:?}"))?));
        }
        Ok(snapshot)
    }

    fn policy(&mut self, number: usize, spaces: usize) -> Value {
        let types = [json!(["Ingress"]), json!(["Egress"]), json!(["Ingress", "Egress"])];
        let types = types[self.below(3)].clone();
        json!({
            "apiVersion": Kind::NetworkPolicy.api_version(), "kind": "NetworkPolicy",
            "metadata": {"name": format!("np{number}"), "namespace": format!("ns{}", self.below(spaces))},
            "spec": {
                "podSelector": self.selector(), "policyTypes": types,
                "ingress": self.rules("from"), "egress": self.rules("to"),
            },
        })
    }

    fn rules(&mut self, side: &str) -> Value {
        let count = 1 + self.below(3);
        (0..count)
            .map(|_| {
                let peers = 1 + self.below(3);
                let mut rule = json!({side: (0..peers).map(|_| self.peer()).collect::<Value>()});
                if self.below(5) > 0 {
                    let first = 80 + self.below(40);
                    rule["ports"] = match self.below(4) {
                        0 => json!([{"protocol": "TCP", "port": "http"}]),
                        1 => json!([{"protocol": "TCP", "port": first, "endPort": first + 10}]),
                        2 => json!([{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]),
                        _ => json!([{"protocol": "TCP", "port": first}]),
                    };
                }
                rule
            })
            .collect()
    }

    fn peer(&mut self) -> Value {
        match self.below(5) {
            0 => {
                let third = self.below(20);
                json!({"ipBlock": {"cidr": "10.244.0.0/16", "except": [format!("10.244.{third}.0/24")]}})
            }
            1 => json!({"namespaceSelector": {"matchLabels": {"team": format!("t{}", self.below(5))}}}),
            2 => {
                let team = json!({"matchLabels": {"team": format!("t{}", self.below(5))}});
                json!({"namespaceSelector": team, "podSelector": self.selector()})
            }
            _ => json!({"podSelector": self.selector()}),
        }
    }

    fn selector(&mut self) -> Value {
        match self.below(4) {
            0 => json!({}),
            1 => json!({"matchLabels": {"tier": format!("t{}", self.below(5))}}),
            2 => {
                json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": [format!("a{}", self.below(30))]}]})
            }
            _ => json!({"matchLabels": {"app": format!("a{}", self.below(30))}}),
        }
    }
}

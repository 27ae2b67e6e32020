//! kube-proxy on a node of a cluster with 10,000 Services of 10 endpoints each, in every mode: the first sync, a change of one endpoint,
//! everything printed, and the first packet of a connection to the first Service and to the last.

use std::hint::black_box;
use std::time::Duration;

use benches::proxy::{MODES, ProxiedNode};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const SERVICES: u32 = 10_000;
const ENDPOINTS: u32 = 10;

fn node(mode: &str) -> ProxiedNode {
    ProxiedNode::new(mode, SERVICES, ENDPOINTS).expect("the node is set up")
}

fn modes(c: &mut Criterion) {
    for mode in MODES {
        let mut group = c.benchmark_group(format!("{mode} mode, {SERVICES} Services"));
        group.sample_size(10).measurement_time(Duration::from_secs(10));
        group.bench_function("first sync", |b| {
            let sync = |mut node: ProxiedNode| {
                node.sync().expect("the rules are good");
                node
            };
            b.iter_batched(|| node(mode), sync, BatchSize::PerIteration);
        });
        let mut node = node(mode);
        node.sync().expect("the rules are good");
        group.bench_function("everything printed", |b| {
            b.iter(|| black_box(node.listing().expect("there is a listing")));
        });
        let mut n = 0;
        group.sample_size(50).measurement_time(Duration::from_secs(5));
        group.bench_function("one endpoint changed", |b| {
            b.iter(|| {
                n += 1;
                node.change_endpoint(n * 7919 % SERVICES, n);
                node.sync().expect("the rules are good");
            });
        });
        for (name, service) in [("first", 0), ("last", SERVICES - 1)] {
            let mut port = 1024;
            group.bench_function(format!("first packet to the {name}"), |b| {
                b.iter(|| {
                    port = if port == u16::MAX { 1024 } else { port + 1 };
                    node.first_packet(service, port).expect("it is sent");
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, modes);
criterion_main!(benches);

//! Cluster DNS over 10,000 Services: answers per CPU second, and what one change of an endpoint costs.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use sim_core::chance::Dice;
use sim_core::kube::dns::corefile::Nowhere;
use sim_core::kube::dns::resolver::Transport;
use sim_core::kube::dns::server::{Action, Client, Server, kubeadm_corefile};
use sim_core::kube::dns::wire::{Message, RecordType};
use sim_core::kube::objects::{EndpointSlice, Kind};
use sim_core::kube::store::{Store, StoreConfig};
use sim_core::kube::version::Version;
use sim_core::time::SimTime;
use sim_core::trace::SockId;

const SERVICES: u16 = 10_000;
/// Endpoints of each Service.
const ENDPOINTS: u8 = 3;

const CLIENT: Client = Client {
    addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 244, 1, 9)), 40_000),
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 53),
    transport: Transport::Udp,
    socket: SockId(1),
};

/// A store with the Services, every other one headless, and a server that has seen it.
fn cluster() -> Result<(Store, Server), Box<dyn std::error::Error>> {
    let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
    let now = SimTime::ZERO;
    for i in 0..SERVICES {
        let [high, low] = i.to_be_bytes();
        let ip = if i % 2 == 0 { format!("10.96.{high}.{low}") } else { "None".to_owned() };
        // The first addresses belong to others.
        let ip = if i < 16 { "None".to_owned() } else { ip };
        let ports = json!([{"name": "http", "port": 80, "protocol": "TCP"}]);
        let service =
            json!({"metadata": {"name": format!("s{i}")}, "spec": {"clusterIP": ip, "ports": ports}});
        store.create_value(Kind::Service, "default", &service, now).map_err(|e| e.message)?;
        let endpoints: Vec<_> = (0..ENDPOINTS)
            .map(|k| json!({"addresses": [format!("10.{}.{high}.{low}", 200 + k)], "conditions": {"ready": true}}))
            .collect();
        let slice = json!({
            "metadata": {"name": format!("s{i}-x"), "labels": {"kubernetes.io/service-name": format!("s{i}")}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        });
        store.create_value(Kind::EndpointSlice, "default", &slice, now).map_err(|e| e.message)?;
    }
    let corefile = kubeadm_corefile("cluster.local", Version::new(1, 34, 0));
    let corefile = corefile.replace("/etc/resolv.conf", "192.0.2.1");
    let mut server = Server::new(("Corefile", &corefile), &[], &Nowhere, 1)?;
    server.sync(&store, now);
    Ok((store, server))
}

fn answers(c: &mut Criterion) {
    let (_, mut server) = cluster().expect("the objects are taken");
    let mut group = c.benchmark_group("dns answers");
    group.throughput(Throughput::Elements(1));
    for (what, first, rtype) in [
        ("A of a cluster IP", 16, RecordType::A),
        ("A of a headless Service", 17, RecordType::A),
        ("SRV of a headless Service", 17, RecordType::SRV),
        ("NXDOMAIN", SERVICES, RecordType::A),
    ] {
        let name = |i: u16| format!("s{}.default.svc.cluster.local.", first + i * 2);
        let queries: Vec<Vec<u8>> =
            (0..1000).map(|i| Message::query(i, &name(i), rtype).to_bytes().expect("a query")).collect();
        let mut dice = Dice::seeded(2);
        let mut k = 0;
        group.bench_function(what, |b| {
            b.iter(|| {
                k = (k + 1) % queries.len();
                let actions = server.answer(black_box(&queries[k]), CLIENT, SimTime::ZERO, &mut dice);
                assert!(matches!(actions[..], [Action::Reply(..)]));
                actions
            });
        });
    }
    group.finish();
}

fn changes(c: &mut Criterion) {
    let (mut store, mut server) = cluster().expect("the objects are taken");
    let mut ready = false;
    c.bench_function("dns: one endpoint changes", |b| {
        b.iter_custom(|rounds| {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..rounds {
                ready = !ready;
                let slice = store.read::<EndpointSlice>("default", "s5000-x").expect("the slice is there");
                let mut slice = slice.clone();
                if let Some(endpoint) = slice.endpoints.first_mut() {
                    endpoint.conditions.ready = Some(ready);
                }
                store.update(slice, SimTime::ZERO).expect("the change is taken");
                let start = std::time::Instant::now();
                server.sync(&store, SimTime::ZERO);
                spent += start.elapsed();
            }
            spent
        });
    });
}

criterion_group!(benches, answers, changes);
criterion_main!(benches);

//! A cluster of 1,000 nodes and 30,000 pods from manifests: how long until it has settled, what it takes in memory, and what the deletion of
//! one pod costs then. `scale [NODES [DEPLOYMENTS [PODS]]]`; a second, smaller cluster shows that the last figure does not grow.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use benches::Failure;
use ipnet::{IpNet, Ipv4Net};
use sim_core::cluster::Cluster;
use sim_core::kube::config::{NodeConfig, Role};
use sim_core::kube::objects::Kind;
use sim_core::kube::store::DeleteOptions;

fn main() -> Result<(), Failure> {
    let sizes: Vec<u32> = std::env::args().skip(1).map(|a| a.parse()).collect::<Result<_, _>>()?;
    let size = |i: usize, default| sizes.get(i).copied().unwrap_or(default);
    let (nodes, deployments, pods) = (size(0, 1000), size(1, 1000), size(2, 30));
    run(nodes.div_ceil(10), deployments.div_ceil(10), pods)?;
    run(nodes, deployments, pods)
}

fn run(nodes: u32, deployments: u32, pods: u32) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let began = Instant::now();
    let mut cluster = cluster(nodes)?;
    let booted = began.elapsed();
    let text = manifests(deployments, pods);
    let began = Instant::now();
    cluster.apply(&text).map_err(|mistakes| format!("{mistakes:?}"))?;
    let applied = began.elapsed();
    let began = Instant::now();
    cluster.settle();
    let settled = began.elapsed();
    let ready = cluster.pods(Some("default")).filter(|p| p.is_ready()).count();
    writeln!(
        out,
        "{nodes} nodes, {ready} of {} pods ready: boot {booted:.2?}, apply {applied:.2?}, settle {settled:.2?}; peak {} MiB",
        deployments * pods,
        benches::peak_mib()?
    )?;
    let names: Vec<String> =
        cluster.pods(Some("default")).take(20).map(|p| p.metadata.name.clone()).collect();
    let began = Instant::now();
    for name in &names {
        let now = cluster.now();
        cluster.store.delete(Kind::Pod, "default", name, DeleteOptions::default(), now)?;
        cluster.settle();
    }
    let each = began.elapsed() / u32::try_from(names.len().max(1))?;
    writeln!(out, "  one pod's deletion settled in {each:.2?}")?;
    Ok(())
}

fn cluster(nodes: u32) -> Result<Cluster, Failure> {
    let node = |i: u32| {
        let ip = Ipv4Addr::from_bits(Ipv4Addr::new(172, 16, 0, 20).to_bits() + i);
        let first = Ipv4Addr::from_bits(Ipv4Addr::new(10, 128, 0, 0).to_bits() + (i << 8));
        let name = if i == 0 { "master".to_owned() } else { format!("node{i}") };
        NodeConfig::worker(&name, IpAddr::V4(ip), IpNet::V4(Ipv4Net::new_assert(first, 24)))
    };
    let built = Cluster::builder().configure(|config| {
        config.nodes = (0..=nodes).map(node).collect();
        config.nodes[0].role = Role::ControlPlane;
        config.networking.pod_subnet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 128, 0, 0), 10));
    });
    built.build().map_err(|mistakes| format!("{mistakes:?}").into())
}

fn manifests(deployments: u32, pods: u32) -> String {
    let mut text = String::new();
    for i in 0..deployments {
        let _ = write!(
            text,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web-{i}}}\nspec:\n  replicas: {pods}\n  selector: {{matchLabels: \
             {{app: web-{i}}}}}\n  template:\n    metadata: {{labels: {{app: web-{i}}}}}\n    spec: {{containers: [{{name: c, image: \
             \"nginx:1.27\"}}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web-{i}}}\nspec: {{selector: {{app: web-{i}}}, ports: \
             [{{port: 80}}]}}\n---\n"
        );
    }
    text
}

//! Nodes that nobody has looked at: nothing is done on them, and nobody can tell.

use std::fmt::Write as _;

use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;

use super::*;
use crate::kube::config::{NodeConfig, ProxyMode, Role};
use crate::kube::objects::Kind;
use crate::kube::store::DeleteOptions;
use crate::linux::nftables::{Input, Style};

fn cluster(cni: Cni, mode: ProxyMode, nodes: u8) -> Cluster {
    let node = |i: u8| {
        let pods = Ipv4Net::new_assert([10, 244, i, 0].into(), 24);
        NodeConfig::worker(&format!("node{i}"), [192, 168, 100, 100 + i].into(), IpNet::V4(pods))
    };
    let built = Cluster::builder().cni(cni).configure(|config| {
        config.nodes = (0..nodes).map(node).collect();
        config.nodes[0].role = Role::ControlPlane;
        config.networking.proxy_mode = mode;
    });
    built.build().unwrap()
}

fn nodes(cluster: &Cluster) -> Vec<NsId> {
    let places = cluster.config().nodes.iter().map(|n| Place::Node(n.name.clone()));
    places.filter_map(|place| cluster.netns(&place)).collect()
}

fn deployment(name: &str, replicas: u8) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: {replicas}\n  selector: {{matchLabels: \
         {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: c, image: nginx}}]}}\n"
    )
}

fn service(name: &str, kind: &str, local: bool) -> String {
    let policy = if local { "externalTrafficPolicy: Local, " } else { "" };
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{type: {kind}, {policy}selector: {{app: {name}}}, ports: \
         [{{port: 80}}]}}\n"
    )
}

#[test]
fn a_node_that_nobody_has_looked_at_stays_as_it_was() {
    let mut cluster = cluster(Cni::Flannel, ProxyMode::Iptables, 20);
    let waiting = |c: &Cluster| nodes(c).iter().filter(|ns| c.world.is_deferred(**ns)).count();
    // The kubelets of the nodes with cluster DNS probe it.
    assert!(waiting(&cluster) >= 17, "{}", waiting(&cluster));
    cluster.apply(&deployment("web", 40)).unwrap();
    cluster.apply(&service("web", "NodePort", false)).unwrap();
    cluster.settle();
    assert!(waiting(&cluster) >= 17, "{}", waiting(&cluster));
    let pods: Vec<IpAddr> = cluster.pods(Some("default")).filter_map(Pod::ip).collect();
    assert_eq!(pods.len(), 40);
    assert!(ping(&mut cluster, &Place::Node("node3".to_owned()), &pods[7].to_string()).is_some());
    assert!(waiting(&cluster) >= 15, "those on the way were looked at: {}", waiting(&cluster));
}

/// What a person can see of a node.
fn sight(cluster: &Cluster, ns: NsId) -> String {
    let ns = cluster.world.ns(ns);
    let mut text = ns.nf4().save(None, false) + &ns.nf6().save(None, false);
    let style = Style { handles: true, now: cluster.now(), ..Style::default() };
    let input = Input { file: None, text: "list ruleset" };
    text += &ns.nft().clone().run(input, style, false, &ns.interface_names()).out;
    text += &ns.clone().ipset(&["save".to_owned()], "", cluster.now()).unwrap().0;
    let _ = write!(text, "{:?}{:?}", ns.routes(), ns.neighbours());
    text
}

#[derive(Clone, Debug)]
enum Change {
    Deployment(u8, u8),
    Service(u8, &'static str, bool),
    Delete(u8),
    Look(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..3u8, 0..6u8).prop_map(|(i, n)| Change::Deployment(i, n)),
        (0..3u8, prop::sample::select(vec!["ClusterIP", "NodePort"]))
            .prop_map(|(i, kind)| Change::Service(i, kind, false)),
        (0..3u8).prop_map(|i| Change::Service(i, "NodePort", true)),
        (0..3u8).prop_map(Change::Delete),
        (0..4u8).prop_map(Change::Look),
    ]
}

fn make(cluster: &mut Cluster, change: &Change) {
    match change {
        Change::Deployment(i, n) => drop(cluster.apply(&deployment(&format!("web-{i}"), *n)).unwrap()),
        Change::Service(i, kind, local) => {
            drop(cluster.apply(&service(&format!("web-{i}"), kind, *local)));
        }
        Change::Delete(i) => {
            let now = cluster.now();
            let _ = cluster.store.delete(
                Kind::Service,
                "default",
                &format!("web-{i}"),
                DeleteOptions::default(),
                now,
            );
        }
        Change::Look(i) => {
            let ns = nodes(cluster)[usize::from(*i)];
            cluster.world.ns_mut(ns);
        }
    }
    cluster.settle();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nobody_can_tell_whether_somebody_looked_before(
        changes in prop::collection::vec(change(), 1..8),
        cni in prop::sample::select(vec![Cni::Flannel, Cni::FlannelHostGw, Cni::Bridge, Cni::Calico]),
        mode in prop::sample::select(vec![ProxyMode::Iptables, ProxyMode::Nftables, ProxyMode::Ipvs, ProxyMode::None]),
    ) {
        let mut late = cluster(cni, mode, 4);
        let mut early = late.fork();
        for ns in nodes(&early) {
            early.world.ns_mut(ns);
        }
        for change in &changes {
            make(&mut late, change);
            make(&mut early, change);
        }
        for ns in nodes(&late) {
            let (late, early) = (sight(&late, ns), sight(&early, ns));
            let odd = late.lines().zip(early.lines()).find(|(a, b)| a != b);
            prop_assert!(late == early, "{ns:?}: {odd:?}");
        }
    }
}

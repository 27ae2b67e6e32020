//! Network policies where calico enforces them: what reaches a pod before and after anything that policies look at has changed.

use super::*;
use crate::kube::objects::Kind;
use crate::kube::store::DeleteOptions;

/// Two pods at node2, one of them behind a Service, and one at node1 in another namespace.
const WORLD: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: test, labels: {stage: test}}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: test, labels: {app: other}}
spec: {nodeName: node1, containers: [{name: busybox, image: busybox, command: [sleep, '3600']}]}
";

const WEB: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: node2, containers: [{name: nginx, image: nginx}]}
";

fn policed() -> Cluster {
    let mut cluster = cluster(Cni::Calico);
    cluster.apply(WORLD).unwrap();
    cluster.settle();
    cluster
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

fn applied(cluster: &mut Cluster, yaml: &str) {
    cluster.apply(yaml).unwrap();
    cluster.settle();
}

fn deleted(cluster: &mut Cluster, kind: Kind, name: &str) {
    let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    let now = cluster.now();
    cluster.store.delete(kind, "default", name, options, now).unwrap();
    cluster.settle();
}

/// Who gets an answer of `web`: the pod beside it, the one of the other namespace, its node, and a machine outside.
fn answered(cluster: &mut Cluster) -> [bool; 4] {
    let web = cluster.pod_ip("default", "web").unwrap();
    let places = [
        Place::pod("default", "pod-a"),
        Place::pod("test", "other"),
        Place::Node("node2".to_owned()),
        Place::Node("node1".to_owned()),
    ];
    places.map(|from| {
        let report = cluster.flow(&from, &format!("{web}:80"), Protocol::Tcp);
        matches!(report.outcome, Outcome::Answered { .. })
    })
}

#[test]
fn a_policy_is_held_from_when_it_comes_until_it_goes() {
    let mut cluster = policed();
    assert_eq!(answered(&mut cluster), [true; 4]);
    applied(&mut cluster, &policy("deny", "{podSelector: {}}"));
    // A node reaches its own pods in any case.
    assert_eq!(answered(&mut cluster), [false, false, true, false]);
    let from = "from: [{namespaceSelector: {matchLabels: {stage: test}}}], ports: [{port: 80}]";
    applied(
        &mut cluster,
        &policy("allow", &format!("{{podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{{from}}}]}}")),
    );
    assert_eq!(answered(&mut cluster), [false, true, true, false]);
    // The namespace's labels count.
    applied(&mut cluster, "apiVersion: v1\nkind: Namespace\nmetadata: {name: test, labels: {stage: live}}\n");
    assert_eq!(answered(&mut cluster), [false, false, true, false]);
    deleted(&mut cluster, Kind::NetworkPolicy, "allow");
    deleted(&mut cluster, Kind::NetworkPolicy, "deny");
    assert_eq!(answered(&mut cluster), [true; 4]);
    assert_eq!(cluster.take_remarks(), [""; 0]);
}

#[test]
fn what_a_policy_drops_names_its_rule() {
    let mut cluster = policed();
    applied(&mut cluster, &policy("deny", "{podSelector: {}}"));
    let report = cluster.flow(&Place::pod("test", "other"), "svc-web.default:80", Protocol::Tcp);
    let text = format!("{:?}", report.verdicts);
    assert!(text.contains("Drop if no policies passed packet"), "{text}");
}

#[test]
fn replies_pass_and_what_a_pod_may_reach_is_asked_too() {
    let mut cluster = policed();
    let spec = "{podSelector: {matchLabels: {app: pod-a}}, policyTypes: [Ingress, Egress], egress: [{to: [{podSelector: {}}], \
                ports: [{port: 80}]}]}";
    applied(&mut cluster, &policy("only-web", spec));
    let a = Place::pod("default", "pod-a");
    assert!(get(&mut cluster, &a, "10.244.2.9:80").is_ok());
    assert!(
        get(&mut cluster, &a, "10.96.123.4:80").is_ok(),
        "by the Service, whose address is translated before"
    );
    assert_eq!(ping(&mut cluster, &a, "10.244.2.9"), None);
    assert!(get(&mut cluster, &Place::pod("test", "other"), "10.244.2.9:80").is_ok());
}

/// The new pod has the old one's name, and so its interface's.
#[test]
fn a_pod_that_takes_the_place_of_another_is_held_to_its_policies() {
    let mut cluster = policed();
    applied(&mut cluster, &policy("deny", "{podSelector: {matchLabels: {app: web}}}"));
    assert_eq!(answered(&mut cluster), [false, false, true, false]);
    deleted(&mut cluster, Kind::Pod, "web");
    applied(&mut cluster, WEB);
    assert_eq!(answered(&mut cluster), [false, false, true, false]);
    applied(&mut cluster, &WEB.replace("app: web", "app: free"));
    assert_eq!(answered(&mut cluster), [true; 4]);
}

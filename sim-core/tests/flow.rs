//! One question to the network, from YAML to the verdict.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use sim_core::cluster::{Cluster, Place};
use sim_core::flow::{FlowVerdict, Protocol};

const MANIFESTS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  nodeName: node2
  containers: [{name: c, image: busybox, command: [sleep, infinity]}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: node1
  containers: [{name: c, image: nginx}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}, ]
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec:
  selector: {app: nobody}
  ports: [{port: 80}]
"#;

fn cluster() -> Cluster {
    let mut cluster = Cluster::builder().seed(17).build().unwrap();
    cluster.apply(MANIFESTS).unwrap();
    cluster.settle();
    cluster
}

#[test]
fn a_connection_to_a_service_is_told_hop_by_hop() {
    let mut cluster = cluster();
    let report = cluster.flow(&Place::pod("default", "client"), "web:80", Protocol::Tcp);
    assert!(report.verdict.is_delivered(), "{}", report.to_text(&cluster.world));
    insta::assert_snapshot!(report.to_text(&cluster.world));
}

#[test]
fn a_service_without_endpoints_names_the_rule_that_refuses() {
    let mut cluster = cluster();
    let report = cluster.flow(&Place::pod("default", "client"), "nobody:80", Protocol::Tcp);
    let FlowVerdict::Rejected { verdict, .. } = &report.verdict else { panic!("{:?}", report.verdict) };
    assert!(verdict.to_string().contains("default/nobody has no endpoints"), "{verdict}");
}

/// The gateway knows no way back to a pod's own address, so nobody can be told.
#[test]
fn an_error_that_cannot_go_back_is_no_rejection() {
    let mut cluster = cluster();
    let report = cluster.flow(&Place::pod("default", "client"), "10.244.9.9", Protocol::Icmp);
    let FlowVerdict::Dropped { by, errno: None, .. } = &report.verdict else {
        panic!("{:?}", report.verdict)
    };
    assert_eq!(&*cluster.world.ns(*by).name, "gateway");
    assert!(report.reply().is_none(), "packets of other flows are no answer");
}

#[test]
fn equal_clusters_leave_equal_traces() {
    let digest = || {
        let report = cluster().flow(&Place::pod("default", "client"), "web:80", Protocol::Tcp);
        report.trace.digest()
    };
    assert_eq!(digest(), digest());
}

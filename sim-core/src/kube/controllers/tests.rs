use serde_json::{Value, json};

use super::*;
use crate::chance::Dice;
use crate::kube::objects::{
    EndpointSlice, Endpoints, Kind, Namespace, Object, Pod, PodPhase, Resource, Service,
};
use crate::kube::store::{DeleteOptions, PodPin, StoreConfig, set_pod_condition};

const NOW: SimTime = SimTime::from_secs(10);

/// A control plane with a tainted master and two nodes.
struct Plane {
    store: Store,
    controllers: Controllers,
}

impl Plane {
    fn new() -> Self {
        Self::with(StoreConfig::default())
    }

    fn with(config: StoreConfig) -> Self {
        let mut plane =
            Self { store: Store::new(config, Dice::seeded(1)), controllers: Controllers::default() };
        let taint = json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
        plane.create(Kind::Node, json!({"metadata": {"name": "master"}, "spec": {"taints": taint}}));
        plane.create(Kind::Node, json!({"metadata": {"name": "node1", "labels": {"disk": "ssd"}}}));
        plane.create(Kind::Node, json!({"metadata": {"name": "node2"}}));
        plane
    }

    fn create(&mut self, kind: Kind, body: Value) {
        self.store.create_value(kind, "default", &body, NOW).unwrap();
        self.reconcile();
    }

    fn reconcile(&mut self) -> bool {
        self.controllers.reconcile(&mut self.store, NOW)
    }

    fn pod(&mut self, name: &str, spec: Value) -> &Pod {
        let mut spec = spec;
        spec["containers"] =
            json!([{"name": "c", "image": "nginx", "ports": [{"name": "http", "containerPort": 8080}]}]);
        self.create(Kind::Pod, json!({"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec}));
        self.store.read::<Pod>("default", name).unwrap()
    }

    /// As the kubelet would.
    fn run(&mut self, name: &str, ip: &str, ready: bool) {
        let status = if ready { "True" } else { "False" };
        self.store
            .edit_status::<Pod>("default", name, NOW, |pod| {
                pod.status.phase = PodPhase::Running;
                pod.status.pod_ip = ip.to_owned();
                set_pod_condition(pod, "Ready", status, "", "", NOW);
            })
            .unwrap();
        self.reconcile();
    }

    fn only<T: Resource + 'static>(&self) -> T {
        let all: Vec<&T> = self.store.all::<T>(Some("default")).collect();
        assert_eq!(all.len(), 1);
        all[0].clone()
    }

    fn shown(&self, kind: Kind) -> String {
        let all: Vec<String> = self
            .store
            .iter(kind, Some("default"))
            .map(|o| serde_json::to_string_pretty(&o.to_value()).unwrap())
            .collect();
        all.join("\n")
    }

    fn delete(&mut self, kind: Kind, name: &str, grace_seconds: Option<i64>) {
        self.store
            .delete(kind, "default", name, DeleteOptions { grace_seconds, ..DeleteOptions::default() }, NOW)
            .unwrap();
        self.reconcile();
    }
}

fn service(spec: Value) -> Value {
    let mut spec = spec;
    spec["selector"] = json!({"app": "web"});
    json!({"metadata": {"name": "web"}, "spec": spec})
}

#[test]
fn pods_are_spread_over_the_nodes_that_take_them() {
    let mut plane = Plane::new();
    let nodes: Vec<String> =
        ["a", "b", "c", "d"].map(|name| plane.pod(name, json!({})).spec.node_name.clone()).to_vec();
    assert_eq!(nodes, ["node1", "node2", "node1", "node2"]);
    let events: Vec<&str> = plane.store.events().all().iter().map(|e| e.message.as_str()).collect();
    assert_eq!(events[0], "Successfully assigned default/a to node1");
}

#[test]
fn selectors_tolerations_names_and_pins_decide_first() {
    let mut config = StoreConfig::default();
    let pin = PodPin { node: Some("node2".to_owned()), ip: None };
    config.pins.pods.insert("default/pinned".to_owned(), pin);
    let mut plane = Plane::with(config);
    let node = |plane: &mut Plane, name: &str, spec: Value| plane.pod(name, spec).spec.node_name.clone();
    assert_eq!(node(&mut plane, "pinned", json!({})), "node2");
    assert_eq!(node(&mut plane, "ssd", json!({"nodeSelector": {"disk": "ssd"}})), "node1");
    let master = json!({"nodeSelector": {}, "tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["master"]}]},
        ]},
    }}});
    assert_eq!(node(&mut plane, "tolerant", master), "master");
    assert_eq!(node(&mut plane, "named", json!({"nodeName": "node2"})), "node2");
}

#[test]
fn a_pod_that_fits_nowhere_waits_and_says_why() {
    let mut plane = Plane::new();
    let pod = plane.pod("a", json!({"nodeSelector": {"disk": "tape"}})).clone();
    assert_eq!(pod.spec.node_name, "");
    let condition = pod.condition("PodScheduled").unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "Unschedulable"));
    insta::assert_snapshot!(condition.message, @"0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.");
    assert!(!plane.reconcile());
    plane.create(Kind::Node, json!({"metadata": {"name": "node3", "labels": {"disk": "tape"}}}));
    assert_eq!(plane.store.read::<Pod>("default", "a").unwrap().spec.node_name, "node3");
}

#[test]
fn a_host_port_is_given_once_per_node() {
    let mut plane = Plane::new();
    let mut node = |name: &str| {
        let spec = json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}]}]});
        plane.create(Kind::Pod, json!({"metadata": {"name": name}, "spec": spec}));
        plane.store.read::<Pod>("default", name).unwrap().spec.node_name.clone()
    };
    assert_eq!([node("a"), node("b"), node("c")], ["node1", "node2", ""]);
}

#[test]
fn a_service_without_pods_has_an_empty_slice() {
    let mut plane = Plane::new();
    plane.create(Kind::Service, service(json!({"ports": [{"port": 80, "targetPort": "http"}]})));
    insta::assert_snapshot!(plane.shown(Kind::EndpointSlice));
    insta::assert_snapshot!(plane.shown(Kind::Endpoints));
}

#[test]
fn endpoints_follow_pods() {
    let mut plane = Plane::new();
    plane.create(Kind::Service, service(json!({"ports": [{"port": 80, "targetPort": "http"}]})));
    let placeholder = plane.only::<EndpointSlice>().metadata.name;
    plane.pod("a", json!({}));
    plane.pod("b", json!({}));
    plane.run("a", "10.244.1.5", true);
    plane.run("b", "10.244.2.9", false);
    insta::assert_snapshot!(plane.shown(Kind::EndpointSlice));
    insta::assert_snapshot!(plane.shown(Kind::Endpoints));
    assert_eq!(plane.only::<EndpointSlice>().metadata.name, placeholder);

    plane.delete(Kind::Pod, "a", None);
    let slice = plane.only::<EndpointSlice>();
    let leaving = slice.endpoints.iter().find(|e| e.addresses == ["10.244.1.5"]).unwrap();
    let state = leaving.conditions;
    assert_eq!((state.ready, state.serving, state.terminating), (Some(false), Some(true), Some(true)));
    assert!(plane.only::<Endpoints>().subsets[0].addresses.is_empty());

    plane.delete(Kind::Pod, "a", Some(0));
    assert_eq!(plane.only::<EndpointSlice>().endpoints.len(), 1);

    plane.delete(Kind::Service, "web", None);
    assert_eq!(plane.shown(Kind::EndpointSlice), "");
    assert_eq!(plane.shown(Kind::Endpoints), "");
}

#[test]
fn unready_pods_are_published_where_the_service_says_so() {
    let mut plane = Plane::new();
    let spec = json!({"clusterIP": "None", "publishNotReadyAddresses": true, "ports": [{"port": 80}]});
    plane.create(Kind::Service, service(spec));
    plane.pod("a", json!({"hostname": "h", "subdomain": "web"}));
    plane.run("a", "10.244.1.5", false);
    let slice = plane.only::<EndpointSlice>();
    assert_eq!(slice.endpoints[0].conditions.ready, Some(true));
    assert_eq!(slice.endpoints[0].conditions.serving, Some(false));
    assert_eq!(slice.endpoints[0].hostname.as_deref(), Some("h"));
    assert!(slice.metadata.labels.contains_key("service.kubernetes.io/headless"));
    assert_eq!(plane.only::<Endpoints>().subsets[0].addresses[0].ip, "10.244.1.5");
}

#[test]
fn a_service_with_many_pods_has_several_slices() {
    let mut plane = Plane::new();
    plane.create(Kind::Service, service(json!({"ports": [{"port": 80}]})));
    for i in 0..150 {
        plane.pod(&format!("p{i}"), json!({}));
        plane.run(&format!("p{i}"), &format!("10.244.1.{}", i + 2), true);
    }
    let sizes = |plane: &Plane| {
        let all = plane.store.all::<EndpointSlice>(None);
        let mut sizes: Vec<usize> = all.map(|s| s.endpoints.len()).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(&plane), [50, 100]);
    plane.delete(Kind::Pod, "p0", Some(0));
    assert_eq!(sizes(&plane).iter().sum::<usize>(), 149);
}

#[test]
fn hand_written_endpoints_are_mirrored() {
    let mut plane = Plane::new();
    plane.create(Kind::Service, json!({"metadata": {"name": "mysql"}, "spec": {"ports": [{"port": 3306}]}}));
    plane.create(
        Kind::Endpoints,
        json!({
            "metadata": {"name": "mysql", "labels": {"x": "y"}},
            "subsets": [{"addresses": [{"ip": "10.32.1.149"}], "ports": [{"port": 3306}]}],
        }),
    );
    insta::assert_snapshot!(plane.shown(Kind::EndpointSlice));
    plane.delete(Kind::Endpoints, "mysql", None);
    assert_eq!(plane.shown(Kind::EndpointSlice), "");
}

#[test]
fn a_selector_that_changes_moves_the_endpoints() {
    let mut plane = Plane::new();
    plane.create(Kind::Service, service(json!({"ports": [{"port": 80}]})));
    plane.pod("a", json!({}));
    plane.run("a", "10.244.1.5", true);
    assert_eq!(plane.only::<EndpointSlice>().endpoints.len(), 1);
    let mut changed = plane.store.read::<Service>("default", "web").unwrap().clone();
    changed.spec.selector = [("app".to_owned(), "other".to_owned())].into_iter().collect();
    plane.store.update(changed, NOW).unwrap();
    plane.reconcile();
    assert!(plane.only::<EndpointSlice>().endpoints.is_empty());
    assert!(plane.only::<Endpoints>().subsets.is_empty());
}

#[test]
fn a_namespace_goes_when_it_is_empty() {
    let mut plane = Plane::new();
    plane.create(Kind::Namespace, json!({"metadata": {"name": "shop"}}));
    let body = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "node1", "containers": [{"name": "c", "image": "i"}]}});
    plane.store.create_value(Kind::Pod, "shop", &body, NOW).unwrap();
    plane.store.create_value(Kind::Service, "shop", &service(json!({"ports": [{"port": 80}]})), NOW).unwrap();
    plane.reconcile();
    plane.store.delete(Kind::Namespace, "", "shop", DeleteOptions::default(), NOW).unwrap();
    plane.reconcile();
    let namespace = plane.store.read::<Namespace>("", "shop").unwrap();
    assert_eq!(namespace.status.phase, "Terminating");
    assert!(plane.store.read::<Service>("shop", "web").is_none());
    assert!(plane.store.read::<Pod>("shop", "a").unwrap().metadata.is_terminating());
    let error = plane.store.create_value(Kind::Pod, "shop", &body, NOW).unwrap_err();
    assert_eq!(
        error.message,
        "pods \"a\" is forbidden: unable to create new content in namespace shop because it is being terminated"
    );
    let now = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    plane.store.delete(Kind::Pod, "shop", "a", now, NOW).unwrap();
    plane.reconcile();
    assert!(plane.store.read::<Namespace>("", "shop").is_none());
}

#[test]
fn the_api_server_is_a_service() {
    let mut plane = Plane::new();
    bootstrap::kubernetes_service(&mut plane.store, &["192.168.100.100".parse().unwrap()], 6443, NOW)
        .unwrap();
    plane.reconcile();
    assert_eq!(plane.only::<Service>().spec.cluster_ip, "10.96.0.1");
    insta::assert_snapshot!(plane.shown(Kind::EndpointSlice));
    insta::assert_snapshot!(plane.shown(Kind::Endpoints));
}

#[test]
fn nothing_changes_twice() {
    let mut plane = Plane::new();
    plane.create(Kind::Service, service(json!({"ports": [{"port": 80}]})));
    plane.pod("a", json!({}));
    plane.run("a", "10.244.1.5", true);
    assert!(!plane.reconcile());
    let objects: Vec<Object> =
        Kind::ALL.into_iter().flat_map(|k| plane.store.iter(k, None)).map(|o| (**o).clone()).collect();
    // Controllers that begin anew find everything in order.
    plane.controllers = Controllers::default();
    plane.reconcile();
    let again: Vec<Object> =
        Kind::ALL.into_iter().flat_map(|k| plane.store.iter(k, None)).map(|o| (**o).clone()).collect();
    assert_eq!(objects, again);
}

/// `(name of the pod, zones, nodes)` of every endpoint, by name.
fn hints(plane: &Plane) -> Vec<(String, Vec<String>, Vec<String>)> {
    let names = |list: &[crate::kube::objects::endpoint_slice::NamedHint]| {
        list.iter().map(|h| h.name.clone()).collect::<Vec<_>>()
    };
    let slices = plane.store.all::<EndpointSlice>(Some("default"));
    let mut all: Vec<_> = slices
        .flat_map(|s| &s.endpoints)
        .map(|e| {
            let name = e.target_ref.as_ref().map(|t| t.name.clone()).unwrap_or_default();
            let hints = e.hints.clone().unwrap_or_default();
            (name, names(&hints.for_zones), names(&hints.for_nodes))
        })
        .collect();
    all.sort();
    all
}

fn zoned(spec: Value, annotations: Value) -> Plane {
    let mut plane = Plane::new();
    for (node, zone) in [("node1", "a"), ("node2", "b")] {
        let mut object = plane.store.read::<crate::kube::objects::Node>("", node).unwrap().clone();
        object.metadata.labels.insert("topology.kubernetes.io/zone".to_owned(), zone.to_owned());
        plane.store.update(object, NOW).unwrap();
        plane
            .store
            .edit_status::<crate::kube::objects::Node>("", node, NOW, |node| {
                node.status.allocatable.insert("cpu".to_owned(), "2".to_owned());
                let ready = json!({"type": "Ready", "status": "True"});
                node.status.conditions = vec![serde_json::from_value(ready).unwrap()];
            })
            .unwrap();
    }
    let mut spec = spec;
    spec["selector"] = json!({"app": "web"});
    spec["ports"] = json!([{"port": 80, "targetPort": "http"}]);
    let metadata = json!({"name": "web", "annotations": annotations});
    plane.create(Kind::Service, json!({"metadata": metadata, "spec": spec}));
    for (i, node) in ["node1", "node1", "node1", "node2"].into_iter().enumerate() {
        plane.pod(&format!("p{i}"), json!({"nodeName": node}));
        plane.run(&format!("p{i}"), &format!("10.244.1.{}", 10 + i), true);
    }
    plane
}

#[test]
fn traffic_distribution_keeps_to_zone_and_node() {
    let close = zoned(json!({"trafficDistribution": "PreferClose"}), json!({}));
    assert_eq!(hints(&close)[3], ("p3".to_owned(), vec!["b".to_owned()], vec![]));
    let mut node = zoned(json!({"trafficDistribution": "PreferSameNode"}), json!({}));
    assert_eq!(hints(&node)[0], ("p0".to_owned(), vec!["a".to_owned()], vec!["node1".to_owned()]));
    node.run("p0", "10.244.1.10", false);
    assert_eq!(hints(&node)[0], ("p0".to_owned(), vec![], vec![]));
    assert_eq!(hints(&zoned(json!({}), json!({})))[0].1, Vec::<String>::new());
}

#[test]
fn topology_mode_shares_endpoints_by_cpus() {
    let mode = json!({"service.kubernetes.io/topology-mode": "Auto"});
    let mut plane = zoned(json!({}), mode);
    let for_b = |plane: &Plane| hints(plane).iter().filter(|(_, zones, _)| zones == &["b"]).count();
    // Two zones with as many CPUs and four endpoints: two each, although three are in zone a.
    assert_eq!(for_b(&plane), 2);
    for name in ["p0", "p1", "p3"] {
        plane.run(name, "10.244.1.99", false);
    }
    // One endpoint cannot serve two zones.
    assert!(hints(&plane).iter().all(|(_, zones, _)| zones.is_empty()));
}

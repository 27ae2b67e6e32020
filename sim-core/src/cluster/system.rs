//! What is in a cluster before anybody applies anything: nodes, the API server's own Service, cluster DNS.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::Cluster;
use super::topology::mistake;
use crate::diagnostic::Diagnostic;
use crate::kube::apps::runtime::Service as AppService;
use crate::kube::apps::{kube_proxy, node_cache};
use crate::kube::config::{ClusterConfig, Cni, Listen, NodeConfig, ProxyMode, Role};
use crate::kube::controllers::{DESIRED, MAXIMUM, bootstrap, owner_reference};
use crate::kube::dns::server::{kubeadm_corefile, release_of};
use crate::kube::node::Hands;
use crate::kube::node::kubelet::NO_NETWORK;
use crate::kube::node::machine::Place;
use crate::kube::objects::deployment::REVISION;
use crate::kube::objects::lease::{Lease, LeaseSpec};
use crate::kube::objects::meta::Condition;
use crate::kube::objects::node::{NodeAddress, NodeInfo, NodeSpec, NodeStatus};
use crate::kube::objects::priority_class::PriorityClass;
use crate::kube::objects::replica_set::{POD_TEMPLATE_HASH, ReplicaSetSpec};
use crate::kube::objects::storage::{DEFAULT_CLASS, StorageClass};
use crate::kube::objects::{
    Deployment, Kind, Node, Object, ObjectMeta, Protocol, ReplicaSet, ServiceAccount, Taint, TaintEffect,
    Timestamp,
};
use crate::kube::store::{ApiError, SYSTEM_CLASSES, Store, set_condition};
use crate::time::SimTime;

/// Seconds for which a kubelet's sign of life counts.
const LEASE_SECONDS: i32 = 40;
/// Port of the API server.
const API_PORT: u16 = 6443;

impl Cluster {
    /// Brings the control plane up.
    pub(super) fn boot(&mut self) -> Result<(), Diagnostic> {
        let config = self.config.clone();
        let mut hands = Hands {
            world: &mut self.world,
            store: &mut self.store,
            machines: &mut self.machines,
            apps: &mut self.apps,
            timers: &mut self.timers,
            config: &config,
            remarks: &mut self.remarks,
        };
        self.agents.set_up_nodes(&mut hands).map_err(|e| mistake("cluster", &e))?;
        self.api_server(&config)?;
        objects(&mut self.store, &config).map_err(|e| mistake("cluster", &e.message))?;
        self.settle();
        Ok(())
    }

    /// The API server's port is open; what it says over TLS is not modelled.
    fn api_server(&mut self, config: &ClusterConfig) -> Result<(), Diagnostic> {
        for node in config.nodes.iter().filter(|n| n.role == Role::ControlPlane) {
            let place = Place::Node(node.name.clone());
            let Some(ns) = self.netns(&place) else { continue };
            let listen = [Listen { port: API_PORT, protocol: Protocol::Tcp }];
            let started = self.apps.start(&mut self.world, place, ns, &listen, AppService::Plain);
            started.map_err(|(_, errno)| {
                mistake("cluster", &format!("{}: port {API_PORT}: {errno}", node.name))
            })?;
        }
        Ok(())
    }
}

fn objects(store: &mut Store, config: &ClusterConfig) -> Result<(), ApiError> {
    let now = SimTime::ZERO;
    for node in &config.nodes {
        store.create(node_object(node, config), now)?;
        store.create(lease(&node.name), now)?;
    }
    classes(store)?;
    let masters: Vec<&NodeConfig> = config.nodes.iter().filter(|n| n.role == Role::ControlPlane).collect();
    let addresses: Vec<IpAddr> = masters.iter().map(|m| m.ip).collect();
    bootstrap::kubernetes_service(store, &addresses, API_PORT, now)?;
    cluster_dns(store, config)?;
    kube_proxy(store, config)
}

/// kube-proxy's configuration, and its daemon set if its pods are to be seen.
fn kube_proxy(store: &mut Store, config: &ClusterConfig) -> Result<(), ApiError> {
    if config.networking.proxy_mode == ProxyMode::None && !config.networking.proxy_pods {
        return Ok(());
    }
    let map = kube_proxy::config_map(config);
    store.create_value(Kind::ConfigMap, "kube-system", &map, SimTime::ZERO)?;
    if config.networking.proxy_pods {
        let [account, set] = kube_proxy::manifests(config.kubernetes_version);
        store.create_value(Kind::ServiceAccount, "kube-system", &account, SimTime::ZERO)?;
        store.create_value(Kind::DaemonSet, "kube-system", &set, SimTime::ZERO)?;
    }
    Ok(())
}

/// What a node's kubelet renews as long as it lives.
fn lease(node: &str) -> Lease {
    Lease {
        metadata: ObjectMeta::namespaced("kube-node-lease", node),
        spec: LeaseSpec {
            holder_identity: node.to_owned(),
            lease_duration_seconds: Some(LEASE_SECONDS),
            ..LeaseSpec::default()
        },
    }
}

/// The priorities that every cluster has, and the class of storage that kind's clusters have.
fn classes(store: &mut Store) -> Result<(), ApiError> {
    let descriptions = [
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        "Used for system critical pods that must not be moved from their current node.",
    ];
    for ((name, value), description) in SYSTEM_CLASSES.into_iter().zip(descriptions) {
        let metadata = ObjectMeta { generation: Some(1), ..ObjectMeta::named(name) };
        let description = description.to_owned();
        store.create(
            PriorityClass { metadata, value, description, ..PriorityClass::default() },
            SimTime::ZERO,
        )?;
    }
    let annotations = BTreeMap::from([(DEFAULT_CLASS.to_owned(), "true".to_owned())]);
    let class = StorageClass {
        metadata: ObjectMeta { annotations, ..ObjectMeta::named("standard") },
        provisioner: "rancher.io/local-path".to_owned(),
        reclaim_policy: Some("Delete".to_owned()),
        volume_binding_mode: Some("WaitForFirstConsumer".to_owned()),
        ..StorageClass::default()
    };
    store.create(class, SimTime::ZERO)?;
    Ok(())
}

/// The Service kube-dns and the Deployment behind it, as kubeadm makes them.
fn cluster_dns(store: &mut Store, config: &ClusterConfig) -> Result<(), ApiError> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "annotations": {"prometheus.io/port": "9153", "prometheus.io/scrape": "true"},
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "clusterIP": config.networking.cluster_dns.to_string(),
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    });
    store.create_value(Kind::Service, "kube-system", &service, SimTime::ZERO)?;
    let corefile = kubeadm_corefile(&config.networking.dns_domain, config.kubernetes_version);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "coredns"},
        "data": {"Corefile": corefile},
    });
    store.create_value(Kind::ConfigMap, "kube-system", &map, SimTime::ZERO)?;
    let account = ObjectMeta::namespaced("kube-system", "coredns");
    store.create(ServiceAccount { metadata: account, ..ServiceAccount::default() }, SimTime::ZERO)?;
    for (kind, body) in dns_rights() {
        store.create_value(kind, "", &body, SimTime::ZERO)?;
    }
    let deployment = store.create_value(Kind::Deployment, "kube-system", &coredns(config), SimTime::ZERO)?;
    let Object::Deployment(deployment) = &*deployment else { return Ok(()) };
    store.create(coredns_set(deployment), SimTime::ZERO)?;
    if config.networking.node_local_dns {
        let networking = &config.networking;
        let ipvs = networking.proxy_mode == ProxyMode::Ipvs;
        for body in node_cache::manifests(&networking.dns_domain, networking.cluster_dns, ipvs) {
            let kind = Kind::from_manifest(
                body["apiVersion"].as_str().unwrap_or_default(),
                body["kind"].as_str().unwrap_or_default(),
            );
            if let Some(kind) = kind {
                store.create_value(kind, "kube-system", &body, SimTime::ZERO)?;
            }
        }
    }
    Ok(())
}

/// What cluster DNS may read; nobody is held to it.
fn dns_rights() -> [(Kind, Value); 2] {
    let name = json!({"name": "system:coredns"});
    let watch = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": name,
        "rules": [
            watch("", &["endpoints", "services", "pods", "namespaces"]),
            watch("discovery.k8s.io", &["endpointslices"]),
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": name,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
    });
    [(Kind::ClusterRole, role), (Kind::ClusterRoleBinding, binding)]
}

/// The replica set of cluster DNS, with the name that it has in every cluster of kubeadm's.
fn coredns_set(deployment: &Deployment) -> ReplicaSet {
    let hash = |labels: &mut BTreeMap<String, String>| {
        labels.insert(POD_TEMPLATE_HASH.to_owned(), COREDNS_HASH.to_owned());
    };
    let mut template = deployment.spec.template.clone();
    hash(&mut template.metadata.labels);
    let mut selector = deployment.spec.selector.clone().unwrap_or_default();
    hash(&mut selector.match_labels);
    let annotations = [(REVISION, "1"), (DESIRED, "2"), (MAXIMUM, "3")];
    ReplicaSet {
        metadata: ObjectMeta {
            labels: template.metadata.labels.clone(),
            annotations: annotations.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            owner_references: vec![owner_reference(&Object::from(deployment.clone()))],
            ..ObjectMeta::namespaced("kube-system", format!("coredns-{COREDNS_HASH}"))
        },
        spec: ReplicaSetSpec {
            replicas: deployment.spec.replicas,
            selector: Some(selector),
            template,
            ..ReplicaSetSpec::default()
        },
        ..ReplicaSet::default()
    }
}

/// Hash of the pod template that kubeadm 1.34 writes.
const COREDNS_HASH: &str = "66bc5c9577";

fn coredns(config: &ClusterConfig) -> Value {
    let release = release_of(config.kubernetes_version);
    let image = format!("registry.k8s.io/coredns/coredns:v{}", release.version);
    let mut tolerations = vec![json!({"key": "CriticalAddonsOnly", "operator": "Exists"})];
    tolerations.extend(
        role_taints(config.kubernetes_version.minor).map(|key| json!({"key": key, "effect": "NoSchedule"})),
    );
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "coredns", "labels": {"k8s-app": "kube-dns"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": {"k8s-app": "kube-dns"}},
                "spec": {
                    "dnsPolicy": "Default",
                    "priorityClassName": "system-cluster-critical",
                    "serviceAccountName": "coredns",
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "tolerations": tolerations,
                    "containers": [{
                        "name": "coredns",
                        "image": image,
                        "imagePullPolicy": "IfNotPresent",
                        "args": ["-conf", "/etc/coredns/Corefile"],
                        "ports": [
                            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
                            {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
                            {"containerPort": 9153, "name": "metrics", "protocol": "TCP"},
                        ],
                        "volumeMounts": [
                            {"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": true},
                        ],
                    }],
                    "volumes": [{
                        "name": "config-volume",
                        "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]},
                    }],
                },
            },
        },
    })
}

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
const MASTER: &str = "node-role.kubernetes.io/master";

/// The labels that kubeadm gives control-plane nodes: the new name since 1.20, the old one until 1.23 (KEP 2067).
fn role_labels(minor: u16) -> impl Iterator<Item = &'static str> {
    [(CONTROL_PLANE, minor >= 20), (MASTER, minor < 24)]
        .into_iter()
        .filter(|(_, there)| *there)
        .map(|(label, _)| label)
}

/// The taints that kubeadm gives them: the new name since 1.24, the old one until 1.24.
fn role_taints(minor: u16) -> impl Iterator<Item = &'static str> {
    [(MASTER, minor < 25), (CONTROL_PLANE, minor >= 24)]
        .into_iter()
        .filter(|(_, there)| *there)
        .map(|(key, _)| key)
}

fn node_object(node: &NodeConfig, config: &ClusterConfig) -> Node {
    let mut labels: BTreeMap<String, String> = [
        ("beta.kubernetes.io/arch", "amd64"),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", node.name.as_str()),
        ("kubernetes.io/os", "linux"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    let mut taints: Vec<Taint> = Vec::new();
    if node.role == Role::ControlPlane {
        let minor = config.kubernetes_version.minor;
        labels.extend(role_labels(minor).map(|label| (label.to_owned(), String::new())));
        if minor >= 20 {
            labels
                .insert("node.kubernetes.io/exclude-from-external-load-balancers".to_owned(), String::new());
        }
        taints.extend(role_taints(minor).map(|key| Taint { key: key.to_owned(), ..Taint::default() }));
    }
    if config.networking.cni == Cni::None {
        // What the node lifecycle controller puts on a node that is not ready.
        let key = "node.kubernetes.io/not-ready".to_owned();
        taints.push(Taint { key, ..Taint::default() });
    }
    labels.extend(node.labels.iter().map(|(k, v)| (k.clone(), v.clone())));
    taints.extend(node.taints.iter().map(|t| Taint {
        effect: match t.effect.as_str() {
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            _ => TaintEffect::NoSchedule,
        },
        key: t.key.clone(),
        value: t.value.clone(),
        time_added: None,
    }));
    Node {
        metadata: ObjectMeta { labels, ..ObjectMeta::named(&node.name) },
        spec: NodeSpec {
            pod_cidr: node.pod_cidr.to_string(),
            pod_cidrs: node.pod_cidrs().map(|c| c.to_string()).collect(),
            taints,
            ..NodeSpec::default()
        },
        status: node_status(node, config),
    }
}

/// What a kubelet reports when it comes back.
pub(super) fn report_ready(store: &mut Store, config: &ClusterConfig, node: &str, now: SimTime) {
    let Some(of) = config.nodes.iter().find(|n| n.name == node) else { return };
    let fresh = node_status(of, config);
    let at = Some(Timestamp::at(now));
    // It may have been deleted meanwhile.
    let _ = store.edit_status::<Node>("", node, now, |node| {
        for condition in fresh.conditions {
            let new = Condition { last_heartbeat_time: at, last_transition_time: at, ..condition };
            set_condition(&mut node.status.conditions, new);
        }
    });
}

fn node_status(node: &NodeConfig, config: &ClusterConfig) -> NodeStatus {
    let at = Timestamp::at(SimTime::ZERO);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        last_heartbeat_time: Some(at),
        last_transition_time: Some(at),
        reason: reason.to_owned(),
        message: message.to_owned(),
        ..Condition::default()
    };
    let resources: BTreeMap<String, String> = [
        ("cpu", "2"),
        ("ephemeral-storage", "50620216Ki"),
        ("hugepages-1Gi", "0"),
        ("hugepages-2Mi", "0"),
        ("memory", "4018120Ki"),
        ("pods", "110"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    let version = format!("v{}", config.kubernetes_version);
    let id = |what: &str| {
        crate::kube::node::cni::mac_of(&format!("{what} {}", node.name)).to_string().replace(':', "")
    };
    NodeStatus {
        addresses: node
            .ips()
            .map(|ip| NodeAddress { address: ip.to_string(), kind: "InternalIP".to_owned() })
            .chain([NodeAddress { address: node.name.clone(), kind: "Hostname".to_owned() }])
            .collect(),
        allocatable: resources.clone(),
        capacity: resources,
        conditions: vec![
            condition(
                "MemoryPressure",
                "False",
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available",
            ),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition(
                "PIDPressure",
                "False",
                "KubeletHasSufficientPID",
                "kubelet has sufficient PID available",
            ),
            if config.networking.cni == Cni::None {
                condition("Ready", "False", "KubeletNotReady", NO_NETWORK)
            } else {
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")
            },
        ],
        node_info: Some(NodeInfo {
            architecture: "amd64".to_owned(),
            boot_id: id("boot"),
            container_runtime_version: "containerd://2.1.5".to_owned(),
            kernel_version: "6.1.0-40-amd64".to_owned(),
            kube_proxy_version: String::new(),
            kubelet_version: version,
            machine_id: id("machine"),
            operating_system: "linux".to_owned(),
            os_image: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            system_uuid: id("system"),
            ..NodeInfo::default()
        }),
        ..NodeStatus::default()
    }
}

use serde_json::{Value, json};
use sim_core::chance::Dice;
use sim_core::kube::objects::{Kind, ObjectReference};
use sim_core::kube::store::{EventType, Store, StoreConfig};
use sim_core::kube::version::Version;
use sim_core::time::SimTime;

use super::super::resource::Resource;
use super::super::target::Found;
use super::{Look, describe};

fn described(kind: Kind, value: Value, store: &Store) -> String {
    let look = Look { store, now: SimTime::from_secs(150), events: true, version: Version::new(1, 34, 0) };
    describe(&Found { resource: Resource::Kind(kind), value }, look)
}

fn store() -> Store {
    let mut store = Store::new(StoreConfig::default(), Dice::seeded(0));
    let pod = ObjectReference {
        uid: "u1".into(),
        field_path: "spec.containers{busybox}".into(),
        ..Default::default()
    };
    store.event(
        &ObjectReference { uid: "u1".into(), ..Default::default() },
        EventType::Normal,
        "Scheduled",
        "default-scheduler",
        "Successfully assigned default/pod-a to node1",
        SimTime::ZERO,
    );
    for seconds in [10, 70] {
        store.event(
            &pod,
            EventType::Warning,
            "BackOff",
            "kubelet",
            "Back-off restarting",
            SimTime::from_secs(seconds),
        );
    }
    store
}

#[test]
fn a_pod() {
    let pod = json!({
        "metadata": {
            "name": "pod-a", "namespace": "default", "uid": "u1", "labels": {"app": "pod-a", "tier": "web"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "two\nlines"},
        },
        "spec": {
            "priority": 0, "serviceAccountName": "default", "nodeName": "node1",
            "containers": [{
                "name": "busybox", "image": "busybox", "command": ["sleep", "3600"],
                "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}],
                "resources": {"requests": {"cpu": "100m"}},
                "readinessProbe": {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
                "env": [{"name": "A", "value": "1"}, {"name": "IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
                "volumeMounts": [{"name": "kube-api-access-x2x7k", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
            }],
            "volumes": [{"name": "kube-api-access-x2x7k", "projected": {"sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt"}},
                {"downwardAPI": {"items": []}},
            ]}}],
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"operator": "Exists"},
            ],
        },
        "status": {
            "phase": "Running", "hostIP": "192.168.100.101", "podIP": "10.244.1.5", "podIPs": [{"ip": "10.244.1.5"}],
            "startTime": "2026-01-01T00:00:01Z", "qosClass": "Burstable",
            "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "False"}],
            "containerStatuses": [{
                "name": "busybox", "containerID": "containerd://abc", "imageID": "docker.io/library/busybox@sha256:1", "restartCount": 1,
                "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": "2026-01-01T00:00:02Z", "finishedAt": "2026-01-01T00:00:03Z"}},
            }],
        },
    });
    insta::assert_snapshot!(described(Kind::Pod, pod, &store()));
}

#[test]
fn a_service() {
    let service = json!({
        "metadata": {"name": "svc-a", "namespace": "default"},
        "spec": {
            "type": "NodePort", "clusterIP": "10.96.123.4", "clusterIPs": ["10.96.123.4"], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "selector": {"app": "pod-a"}, "sessionAffinity": "None",
            "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster",
            "ports": [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP", "nodePort": 30080}],
        },
    });
    insta::assert_snapshot!(described(Kind::Service, service, &store()));
}

#[test]
fn a_node() {
    let node = json!({
        "metadata": {"name": "master", "labels": {"node-role.kubernetes.io/control-plane": ""}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"], "taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]},
        "status": {
            "conditions": [{
                "type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:02:00Z", "lastTransitionTime": "2026-01-01T00:00:05Z",
                "reason": "KubeletReady", "message": "kubelet is posting ready status",
            }],
            "addresses": [{"type": "InternalIP", "address": "192.168.100.100"}, {"type": "Hostname", "address": "master"}],
            "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "nodeInfo": {"kubeletVersion": "v1.34.0", "architecture": "amd64"},
        },
    });
    insta::assert_snapshot!(described(Kind::Node, node, &store()));
}

#[test]
fn smaller_kinds() {
    let meta = json!({"name": "x", "namespace": "default", "labels": {"a": "b"}});
    let all = [
        described(
            Kind::Namespace,
            json!({"metadata": {"name": "shop"}, "status": {"phase": "Active"}}),
            &store(),
        ),
        described(Kind::ConfigMap, json!({"metadata": meta, "data": {"k": "v1\nv2"}}), &store()),
        described(
            Kind::Endpoints,
            json!({"metadata": meta, "subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 80, "protocol": "TCP"}]}]}),
            &store(),
        ),
        described(
            Kind::EndpointSlice,
            json!({
                "metadata": meta, "addressType": "IPv4", "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
                "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "nodeName": "node1", "targetRef": {"kind": "Pod", "name": "pod-a"}}],
            }),
            &store(),
        ),
    ];
    insta::assert_snapshot!(all.join("\n=====\n"));
}

#[test]
fn a_network_policy() {
    let policy = json!({
        "metadata": {"name": "web", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:05Z", "labels": {"a": "b"}},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [
                {
                    "from": [
                        {"namespaceSelector": {"matchLabels": {"ns": "x"}}, "podSelector": {"matchExpressions": [{"key": "pod", "operator": "In", "values": ["b", "a"]}]}},
                        {"podSelector": {}},
                        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}},
                    ],
                    "ports": [{"port": 80, "protocol": "TCP"}, {"port": 1000, "endPort": 2000, "protocol": "UDP"}, {"protocol": "SCTP"}],
                },
                {},
            ],
            "policyTypes": ["Ingress", "Egress"],
        },
    });
    insta::assert_snapshot!(described(Kind::NetworkPolicy, policy, &store()), @r"
    Name:         web
    Namespace:    default
    Created on:   2026-01-01 00:00:05 +0000 UTC
    Labels:       a=b
    Annotations:  <none>
    Spec:
      PodSelector:     app=web
      Allowing ingress traffic:
        To Port: 80/TCP
        To Port Range: 1000-2000/UDP
        To Port: <nil>/SCTP
        From:
          NamespaceSelector: ns=x
          PodSelector: pod in (a,b)
        From:
          PodSelector: <none>
        From:
          IPBlock:
            CIDR: 10.0.0.0/8
            Except: 10.1.0.0/16, 10.2.0.0/16
        ----------
        To Port: <any> (traffic allowed to all ports)
        From: <any> (traffic not restricted by source)
      Allowing egress traffic:
        <none> (Selected pods are isolated for egress connectivity)
      Policy Types: Ingress, Egress
    ");
    let deny = json!({
        "metadata": {"name": "deny", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:05Z"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    });
    insta::assert_snapshot!(described(Kind::NetworkPolicy, deny, &store()), @r"
    Name:         deny
    Namespace:    default
    Created on:   2026-01-01 00:00:05 +0000 UTC
    Labels:       <none>
    Annotations:  <none>
    Spec:
      PodSelector:     <none> (Allowing the specific traffic to all pods in this namespace)
      Not affecting ingress traffic
      Allowing egress traffic:
        <none> (Selected pods are isolated for egress connectivity)
      Policy Types: Egress
    ");
}

#[test]
fn a_custom_resource() {
    let policy = json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "deny", "creationTimestamp": "2026-01-01T00:00:05Z", "generation": 1, "uid": "u"},
        "spec": {
            "tier": "Admin", "priority": 5, "subject": {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "x"}}},
            "egress": [{"action": "Deny", "to": [{"networks": ["10.0.0.0/8"]}]}],
        },
    });
    insta::assert_snapshot!(described(Kind::ClusterNetworkPolicy, policy, &store()), @r"
    Name:         deny
    Namespace:    
    Labels:       <none>
    Annotations:  <none>
    API Version:  policy.networking.k8s.io/v1alpha2
    Kind:         ClusterNetworkPolicy
    Metadata:
      Creation Timestamp:  2026-01-01T00:00:05Z
      Generation:          1
      UID:                 u
    Spec:
      Egress:
        Action:  Deny
        To:
          Networks:
            10.0.0.0/8
      Priority:  5
      Subject:
        Namespaces:
          Match Labels:
            kubernetes.io/metadata.name:  x
      Tier:                               Admin
    Events:                               <none>
    ");
}

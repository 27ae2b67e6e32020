//! The cluster of a case, as objects of the API.

use serde_json::{Map, Value, json};
use sim_core::chance::Dice;
use sim_core::kube::objects::decode::decode;
use sim_core::kube::objects::pod::IpEntry;
use sim_core::kube::objects::{Kind, Namespace, Object, Pod};
use sim_core::kube::policy::{Endpoint, Engine, Options, Question, Snapshot, Verdict};
use sim_core::kube::store::{DeleteOptions, Store, StoreConfig};
use sim_core::time::SimTime;

use super::{list, text};

const NOW: SimTime = SimTime::ZERO;

/// A cluster without agents.
pub(super) struct Cluster {
    store: Store,
    /// Policies that this server does not take.
    beyond: Vec<Object>,
}

impl Cluster {
    /// The nodes, namespaces, pods, Services and policies that a case lists.
    pub(super) fn new(case: &Value) -> Result<Self, String> {
        let mut cluster =
            Self { store: Store::new(StoreConfig::default(), Dice::seeded(1)), beyond: Vec::new() };
        for node in list(case, "nodes") {
            let addresses = json!([{"type": "InternalIP", "address": node["ip"]}]);
            let mut body = json!({"metadata": {"name": node["name"], "labels": node["labels"]}});
            body["status"] = json!({"addresses": addresses});
            cluster.create(Kind::Node, "", &body)?;
        }
        for (name, labels) in case["namespaces"].as_object().into_iter().flatten() {
            cluster.namespace(name, labels)?;
        }
        for pod in list(case, "pods") {
            cluster.pod(pod)?;
        }
        for service in list(case, "services") {
            let mut spec: Map<String, Value> = service
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(field, _)| !matches!(field.as_str(), "ns" | "name"))
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect();
            if list(service, "ports").iter().any(|p| p.get("nodePort").is_some()) {
                spec.insert("type".to_owned(), json!("NodePort"));
            }
            let body = json!({"metadata": {"name": service["name"]}, "spec": spec});
            cluster.create(Kind::Service, text(service, "ns"), &body)?;
        }
        list(case, "policies").iter().try_for_each(|policy| cluster.policy(policy))?;
        Ok(cluster)
    }

    /// The engine for what is there now.
    pub(super) fn engine(&self, options: Options) -> Engine {
        let mut snapshot = Snapshot::of_store(&self.store);
        snapshot.policies.extend(self.beyond.iter().cloned().map(Into::into));
        Engine::new(snapshot, options)
    }

    /// One step's changes.
    pub(super) fn apply(&mut self, change: &Value) -> Result<(), String> {
        let (space, labels) = (text(change, "namespace"), &change["labels"]);
        match text(change, "op") {
            "create-policy" => self.policy(&change["policy"]),
            "update-policy" => {
                let meta = &change["policy"]["metadata"];
                self.remove_policies(|m| m == (text(meta, "namespace"), text(meta, "name")))?;
                self.policy(&change["policy"])
            }
            "delete-policy" => {
                let anywhere = change.get("namespace").is_none();
                self.remove_policies(|m| (anywhere || m.0 == space) && m.1 == text(change, "name"))
            }
            "delete-all-policies" => self.remove_policies(|_| true),
            "create-namespace" | "set-namespace-labels" => self.namespace(space, labels),
            "delete-namespace" => self.remove_namespace(space),
            "create-pod" => self.pod(&change["pod"]),
            "delete-pod" => self.remove(Kind::Pod, space, text(change, "pod")),
            "set-pod-labels" => {
                let mut pod =
                    self.store.read::<Pod>(space, text(change, "pod")).ok_or("no such pod")?.clone();
                pod.metadata.labels = serde_json::from_value(labels.clone()).map_err(|e| e.to_string())?;
                self.store.update(pod, NOW).map(drop).map_err(|e| e.message)
            }
            other => Err(format!("no such change: {other}")),
        }
    }

    pub(super) fn pod(&mut self, pod: &Value) -> Result<(), String> {
        let (space, name) = (text(pod, "ns"), text(pod, "name"));
        let ports = list(pod, "ports").iter().map(|port| {
            let mut own = json!({"containerPort": port["port"], "protocol": port["protocol"]});
            if let Some(name) = port.get("name") {
                own["name"] = name.clone();
            }
            own
        });
        let body = json!({
            "metadata": {"name": name, "labels": pod["labels"]},
            "spec": {
                "nodeName": text(pod, "node"),
                "hostNetwork": pod["hostNetwork"] == json!(true),
                "containers": [{"name": "c", "image": "i", "ports": ports.collect::<Vec<_>>()}],
            },
        });
        self.create(Kind::Pod, space, &body)?;
        let more = list(pod, "ips").iter().filter_map(Value::as_str);
        let all = [text(pod, "ip")].into_iter().filter(|ip| !ip.is_empty()).chain(more);
        let mut ips: Vec<IpEntry> = all.map(|ip| IpEntry { ip: ip.to_owned() }).collect();
        ips.dedup();
        let set = |pod: &mut Pod| {
            pod.status.pod_ip = ips.first().map(|e| e.ip.clone()).unwrap_or_default();
            pod.status.pod_ips = ips;
        };
        self.store.edit_status::<Pod>(space, name, NOW, set).map(drop).map_err(|e| e.message)
    }

    pub(super) fn create(&mut self, kind: Kind, space: &str, body: &Value) -> Result<(), String> {
        self.store.create_value(kind, space, body, NOW).map(drop).map_err(|e| e.message)
    }

    /// A policy, whose API version may be left out.
    fn policy(&mut self, policy: &Value) -> Result<(), String> {
        let kind = Kind::ALL.into_iter().find(|k| k.is_policy() && k.name() == text(policy, "kind"));
        let kind = kind.ok_or("no such kind of policy")?;
        let space = match text(&policy["metadata"], "namespace") {
            "" => "default",
            space => space,
        };
        match self.create(kind, space, policy) {
            // What the schema of this version refuses, that of another one may take: a custom resource has many.
            Err(e) if kind.is_custom() => {
                let decoded = decode(kind, policy).map_err(|_| e)?;
                self.beyond.push(decoded.object);
                Ok(())
            }
            done => done,
        }
    }

    fn namespace(&mut self, name: &str, labels: &Value) -> Result<(), String> {
        let Some(known) = self.store.read::<Namespace>("", name) else {
            return self.create(Kind::Namespace, "", &json!({"metadata": {"name": name, "labels": labels}}));
        };
        let mut known = known.clone();
        known.metadata.labels = serde_json::from_value(labels.clone()).map_err(|e| e.to_string())?;
        self.store.update(known, NOW).map(drop).map_err(|e| e.message)
    }

    fn remove(&mut self, kind: Kind, space: &str, name: &str) -> Result<(), String> {
        let at_once = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        self.store.delete(kind, space, name, at_once, NOW).map(drop).map_err(|e| e.message)
    }

    fn remove_policies(&mut self, which: impl Fn((&str, &str)) -> bool) -> Result<(), String> {
        let all = Kind::ALL.into_iter().filter(|k| k.is_policy()).flat_map(|k| self.store.iter(k, None));
        let keys: Vec<_> = all.map(|o| o.key()).filter(|k| which((&k.namespace, &k.name))).collect();
        keys.iter().try_for_each(|key| self.remove(key.kind, &key.namespace, &key.name))
    }

    /// A namespace with what is in it, as its controller empties it.
    fn remove_namespace(&mut self, space: &str) -> Result<(), String> {
        let kinds = [Kind::Pod, Kind::NetworkPolicy, Kind::Service];
        let inside = kinds.into_iter().flat_map(|kind| self.store.iter(kind, Some(space)));
        let keys: Vec<_> = inside.map(|o| o.key()).collect();
        keys.iter().try_for_each(|key| self.remove(key.kind, &key.namespace, &key.name))?;
        self.remove(Kind::Namespace, "", space)
    }
}

/// A pod as `namespace/name`.
pub(super) fn pod_of(engine: &Engine, name: &str) -> Result<Endpoint, String> {
    let (space, name) = name.split_once('/').ok_or_else(|| format!("{name} is no pod"))?;
    engine.pod(space, name).ok_or_else(|| format!("there is no pod {space}/{name}"))
}

/// What the policies say to a connection.
pub(super) fn ask(
    engine: &Engine,
    (from, to): (Endpoint, Endpoint),
    probe: &Value,
    by_service: bool,
) -> Result<Verdict, String> {
    let protocol = serde_json::from_value(probe["protocol"].clone()).map_err(|e| e.to_string())?;
    let port = probe["port"].as_u64().and_then(|p| u16::try_from(p).ok()).ok_or("the probe has no port")?;
    Ok(engine.ask(Question { from, to, protocol, port, by_service }))
}

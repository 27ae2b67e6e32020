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
    /// Whether the policies are those of a tool that asks no server.
    offline: bool,
}

impl Cluster {
    /// The nodes, namespaces, pods, Services and policies that a case lists.
    pub(super) fn new(case: &Value) -> Result<Self, String> {
        Self::made(case, false)
    }

    /// The same, with the policies as manifests have them, whatever a server would say.
    pub(super) fn offline(case: &Value) -> Result<Self, String> {
        Self::made(case, true)
    }

    fn made(case: &Value, offline: bool) -> Result<Self, String> {
        let store = Store::new(StoreConfig::default(), Dice::seeded(1));
        let mut cluster = Self { store, beyond: Vec::new(), offline };
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
        // A container for each port: two containers may name one alike.
        let containers = list(pod, "ports").iter().enumerate().map(|(i, port)| {
            let mut own = json!({"containerPort": port["port"], "protocol": port["protocol"]});
            if let Some(name) = port.get("name") {
                own["name"] = name.clone();
            }
            json!({"name": format!("c{i}"), "image": "i", "ports": [own]})
        });
        let plain = json!({"name": "c", "image": "i"});
        let containers: Vec<Value> = [plain].into_iter().chain(containers).collect();
        let body = json!({
            "metadata": {"name": name, "labels": pod["labels"]},
            "spec": {
                "nodeName": text(pod, "node"),
                "hostNetwork": pod["hostNetwork"] == json!(true),
                "containers": containers,
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
            Err(e) if kind.is_custom() || self.offline => {
                let mut object = decode(kind, policy).map_err(|_| e)?.object;
                if kind.namespaced() {
                    space.clone_into(&mut object.meta_mut().namespace);
                }
                self.beyond.push(object);
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

/// An end of a connection: a pod, `node:NAME` or an address.
pub(super) fn end(engine: &Engine, name: &str) -> Result<Endpoint, String> {
    if let Some(node) = name.strip_prefix("node:") {
        return engine.node(node).ok_or_else(|| format!("there is no node {node}"));
    }
    match name.parse() {
        Ok(address) => Ok(engine.at(address)),
        Err(_) => pod_of(engine, name),
    }
}

/// Where a connection ends: as [`end`], or behind `service:NAMESPACE/NAME` or `nodeport:NODE:PORT`; the port there; whether a Service led
/// there.
pub(super) fn destination(
    engine: &Engine,
    services: &[Value],
    name: &str,
    probe: &Value,
) -> Result<(Endpoint, u16, bool), String> {
    let port = number(&probe["port"]).ok_or("the probe has no port")?;
    if let Some(service) = name.strip_prefix("service:") {
        let (end, port) = behind(engine, service, port, probe)?;
        return Ok((end, port, true));
    }
    let Some(door) = name.strip_prefix("nodeport:") else { return Ok((end(engine, name)?, port, false)) };
    let wanted: Option<u16> = door.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let found = services.iter().find_map(|service| {
        let port =
            list(service, "ports").iter().find(|p| wanted.is_some() && number(&p["nodePort"]) == wanted)?;
        Some((format!("{}/{}", text(service, "ns"), text(service, "name")), number(&port["port"])?))
    });
    let (service, port) = found.ok_or_else(|| format!("nothing has {door}"))?;
    let (end, port) = behind(engine, &service, port, probe)?;
    Ok((end, port, true))
}

/// The pod and port behind a Service: the one that the probe names, or the first.
fn behind(engine: &Engine, service: &str, port: u16, probe: &Value) -> Result<(Endpoint, u16), String> {
    let (space, name) = service.split_once('/').ok_or("a Service has a namespace")?;
    let protocol = serde_json::from_value(probe["protocol"].clone()).map_err(|e| e.to_string())?;
    let ends = engine.snapshot().backends(space, name, protocol, port);
    let shown = |(pod, port): &(usize, u16)| {
        let pod = &engine.snapshot().pods[*pod];
        format!("{}/{}:{port}", pod.namespace, pod.name)
    };
    let wanted = probe["lands_on"].as_str();
    let found = ends.iter().find(|end| wanted.is_none_or(|wanted| shown(end) == wanted));
    let (pod, port) = found.ok_or_else(|| format!("{service} does not lead there: {ends:?}"))?;
    Ok((Endpoint::Pod(*pod), *port))
}

fn number(port: &Value) -> Option<u16> {
    port.as_u64().and_then(|p| u16::try_from(p).ok())
}

/// What the policies say to a connection.
pub(super) fn ask(
    engine: &Engine,
    (from, to): (Endpoint, Endpoint),
    probe: &Value,
    (port, by_service): (u16, bool),
) -> Result<Verdict, String> {
    let protocol = serde_json::from_value(probe["protocol"].clone()).map_err(|e| e.to_string())?;
    Ok(engine.ask(Question { from, to, protocol, port, by_service }))
}

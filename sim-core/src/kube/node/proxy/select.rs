//! Which endpoints of a service port count on one node.

use super::model::{Endpoint, ServicePort};

/// The node that asks.
#[derive(Clone, Copy, Debug)]
pub struct Viewpoint<'a> {
    /// Its name.
    pub node: &'a str,
    /// Its zone (`topology.kubernetes.io/zone`), empty if none.
    pub zone: &'a str,
}

/// The endpoints that count, in the order of their texts (`10.244.1.10:80` before `10.244.1.9:80`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// For policy Cluster; empty if no traffic of the service port has that policy.
    pub cluster: Vec<&'a Endpoint>,
    /// For policy Local; empty if no traffic of the service port has that policy.
    pub local: Vec<&'a Endpoint>,
    /// Whether there is a usable endpoint anywhere in the cluster.
    pub any: bool,
}

impl<'a> Selection<'a> {
    /// Every endpoint that is used here for anything, in order, each once.
    #[must_use]
    pub fn all(&self) -> Vec<&'a Endpoint> {
        let mut all = self.cluster.clone();
        all.extend(self.local.iter().filter(|e| !self.cluster.iter().any(|c| c.at == e.at)));
        if all.len() > self.cluster.len() && !self.cluster.is_empty() {
            all.sort_by_cached_key(|e| e.at.to_string());
        }
        all
    }
}

/// Picks the endpoints. `endpoints` are those of all slices of the service port, each address once, sorted by text.
#[must_use]
pub fn select<'a>(service: &ServicePort, endpoints: &'a [Endpoint], from: Viewpoint<'_>) -> Selection<'a> {
    let mut chosen = Selection::default();
    // Pods and the node itself take the cluster set even when the external policy is Local.
    if !service.internal_local || service.externally_reachable() {
        let topology = topology(endpoints, from);
        chosen.cluster = endpoints.iter().filter(|e| e.ready && topology.admits(e, from)).collect();
        if chosen.cluster.is_empty() {
            chosen.cluster = endpoints.iter().filter(|e| e.serving && e.terminating).collect();
        }
        chosen.any = !chosen.cluster.is_empty();
    }
    if service.internal_local || service.external_policy_local() {
        let here = || endpoints.iter().filter(|e| e.node.as_deref() == Some(from.node));
        chosen.local = here().filter(|e| e.ready).collect();
        if chosen.local.is_empty() {
            chosen.local = here().filter(|e| e.serving && e.terminating).collect();
        }
        chosen.any |= endpoints.iter().any(|e| e.ready || (e.serving && e.terminating));
    }
    chosen
}

/// Whether the selection can differ from node to node.
#[must_use]
pub fn depends_on_node(service: &ServicePort, endpoints: &[Endpoint]) -> bool {
    service.internal_local
        || service.external_policy_local()
        || endpoints.iter().any(|e| !e.node_hints.is_empty() || !e.zone_hints.is_empty())
}

/// How hints narrow the cluster set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topology {
    SameNode,
    SameZone,
    Everywhere,
}

impl Topology {
    fn admits(self, e: &Endpoint, from: Viewpoint<'_>) -> bool {
        match self {
            Self::SameNode => e.node_hints.iter().any(|n| n == from.node),
            Self::SameZone => e.zone_hints.iter().any(|z| z == from.zone),
            Self::Everywhere => true,
        }
    }
}

/// One ready endpoint without a hint switches a kind of hint off; so does a node or zone that no endpoint is meant for.
fn topology(endpoints: &[Endpoint], from: Viewpoint<'_>) -> Topology {
    let ready = || endpoints.iter().filter(|e| e.ready);
    let usable = |kind: Topology, hinted: fn(&Endpoint) -> bool| {
        ready().all(hinted) && ready().any(|e| kind.admits(e, from))
    };
    if usable(Topology::SameNode, |e| !e.node_hints.is_empty()) {
        Topology::SameNode
    } else if !from.zone.is_empty() && usable(Topology::SameZone, |e| !e.zone_hints.is_empty()) {
        Topology::SameZone
    } else {
        Topology::Everywhere
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::kube::node::proxy::model::PortKey;
    use crate::kube::objects::Protocol;

    fn service() -> ServicePort {
        let key = PortKey {
            namespace: "ns".into(),
            name: "svc".into(),
            port: String::new(),
            protocol: Protocol::Tcp,
        };
        ServicePort::internal(key, "10.96.0.7".parse().unwrap(), 80)
    }

    fn endpoint(at: &str, node: &str) -> Endpoint {
        Endpoint::ready(at.parse().unwrap(), Some(node))
    }

    fn texts(endpoints: &[&Endpoint]) -> Vec<String> {
        endpoints.iter().map(|e| e.at.to_string()).collect()
    }

    const HERE: Viewpoint<'_> = Viewpoint { node: "here", zone: "a" };

    #[test]
    fn ready_endpoints_of_the_cluster_are_used() {
        let all =
            [endpoint("10.0.0.1:80", "here"), Endpoint { ready: false, ..endpoint("10.0.0.2:80", "there") }];
        let chosen = select(&service(), &all, HERE);
        assert_eq!(texts(&chosen.cluster), ["10.0.0.1:80"]);
        assert!(chosen.any && chosen.local.is_empty());
    }

    #[test]
    fn terminating_endpoints_serve_when_no_ready_one_is_left() {
        let leaving = Endpoint { ready: false, terminating: true, ..endpoint("10.0.0.2:80", "there") };
        let gone = Endpoint { serving: false, ..leaving.clone() };
        assert_eq!(texts(&select(&service(), &[gone, leaving.clone()], HERE).cluster), ["10.0.0.2:80"]);
        let all = [endpoint("10.0.0.1:80", "here"), leaving];
        assert_eq!(texts(&select(&service(), &all, HERE).cluster), ["10.0.0.1:80"]);
    }

    #[test]
    fn one_missing_hint_switches_hints_off() {
        let near = Endpoint { zone_hints: smallvec!["a".into()], ..endpoint("10.0.0.1:80", "here") };
        let far = Endpoint { zone_hints: smallvec!["b".into()], ..endpoint("10.0.0.2:80", "there") };
        let all = [near.clone(), far.clone()];
        assert_eq!(texts(&select(&service(), &all, HERE).cluster), ["10.0.0.1:80"]);
        let all = [near, far, endpoint("10.0.0.3:80", "there")];
        assert_eq!(select(&service(), &all, HERE).cluster.len(), 3);
    }

    #[test]
    fn policy_local_keeps_the_cluster_set_for_those_inside() {
        let outside = ServicePort { node_port: Some(30080), external_local: true, ..service() };
        let all = [endpoint("10.0.0.1:80", "there")];
        let chosen = select(&outside, &all, HERE);
        assert!(chosen.any && chosen.local.is_empty());
        assert_eq!(texts(&chosen.all()), ["10.0.0.1:80"]);
        let unreachable = ServicePort { external_local: true, ..service() };
        assert!(!depends_on_node(&unreachable, &all));
    }
}

//! kube-proxy's health servers: its own on port 10256, and one on the health check node port of each Service that has one
//! (`pkg/proxy/healthcheck`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::kube::apps::runtime::{AppId, Apps, Service as AppService};
use crate::kube::apps::site::Site;
use crate::kube::config::{Listen, ProxyMode};
use crate::kube::node::machine::Place;
use crate::kube::objects::{EndpointSlice, Node, Protocol, Service};
use crate::kube::store::{Store, needs_health_check};
use crate::linux::World;
use crate::trace::NsId;

/// Port on which kube-proxy says how it is (`--healthz-bind-address`).
pub const HEALTHZ_PORT: u16 = 10_256;
/// Port of the loopback address on which it says which mode it is in (`--metrics-bind-address`).
pub const METRICS_PORT: u16 = 10_249;
/// Taint that the cluster autoscaler puts on a node that it is about to remove.
const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";
/// Label that takes a Service out of kube-proxy's hands.
const LABEL_PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";

/// The health servers of one node.
#[derive(Clone, Debug, Default)]
pub struct HealthServers {
    own: Option<AppId>,
    /// What it tells of its mode, and that mode.
    mode: Option<(AppId, ProxyMode)>,
    services: BTreeMap<u16, AppId>,
}

/// A health check node port, whose it is, and on which nodes its endpoints are ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    port: u16,
    namespace: String,
    name: String,
    /// Addresses of ready endpoints by node.
    ready: BTreeMap<String, BTreeSet<String>>,
}

/// Every Service that has a health check node port.
#[must_use]
pub fn checked(store: &Store) -> Vec<Checked> {
    let with_port = store
        .all::<Service>(None)
        .filter(|s| needs_health_check(s) && !s.metadata.labels.contains_key(LABEL_PROXY_NAME));
    let one = |service: &Service| {
        let (namespace, name) = (&service.metadata.namespace, &service.metadata.name);
        let mut ready: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let slices = store.all::<EndpointSlice>(Some(namespace)).filter(|s| s.service_name() == Some(name));
        for endpoint in slices.flat_map(|s| &s.endpoints).filter(|e| e.conditions.is_ready()) {
            if let (Some(node), Some(ip)) = (&endpoint.node_name, endpoint.addresses.first()) {
                ready.entry(node.clone()).or_default().insert(ip.clone());
            }
        }
        let port = service.spec.health_check_node_port?;
        Some(Checked { port, namespace: namespace.clone(), name: name.clone(), ready })
    };
    with_port.filter_map(one).collect()
}

impl HealthServers {
    /// Ends them all: kube-proxy has ended.
    pub fn stop(&mut self, apps: &mut Apps, world: &mut World) {
        let all = self.own.take().into_iter().chain(self.mode.take().map(|(id, _)| id));
        for id in all.chain(std::mem::take(&mut self.services).into_values()) {
            apps.stop(world, id);
        }
    }

    /// kube-proxy tells of its mode, as long as nobody else has the port.
    pub fn tell_mode(
        &mut self,
        (node, ns): (&str, NsId),
        mode: ProxyMode,
        apps: &mut Apps,
        world: &mut World,
    ) {
        let site = Site::ProxyMode { mode };
        match &mut self.mode {
            Some((_, told)) if *told == mode => {}
            Some((id, told)) => {
                apps.replace_site(*id, site);
                *told = mode;
            }
            None => {
                let at = (
                    Some(Ipv4Addr::LOCALHOST.into()),
                    Listen { port: METRICS_PORT, protocol: Protocol::Tcp },
                );
                let started =
                    apps.start_at(world, Place::Node(node.to_owned()), ns, &[at], AppService::Site(site));
                self.mode = started.ok().map(|id| (id, mode));
            }
        }
    }

    /// Brings the servers of a node in step. A port that somebody else listens on has no server, as in reality, and is told.
    pub fn sync(
        &mut self,
        (node, ns): (&str, NsId),
        checked: &[Checked],
        store: &Store,
        apps: &mut Apps,
        world: &mut World,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let mut start = |port, site, apps: &mut Apps, world: &mut World| {
            let listen = [Listen { port, protocol: Protocol::Tcp }];
            let started =
                apps.start(world, Place::Node(node.to_owned()), ns, &listen, AppService::Site(site));
            started.map_err(|(at, errno)| problems.push(format!("port {}: {errno}", at.port))).ok()
        };
        let healthz = Site::ProxyHealth { eligible: eligible(store, node) };
        match self.own {
            Some(id) => apps.replace_site(id, healthz),
            None => self.own = start(HEALTHZ_PORT, healthz, apps, world),
        }
        let mut kept = BTreeMap::new();
        for service in checked {
            let local = service.ready.get(node).map_or(0, BTreeSet::len);
            let (namespace, name) = (service.namespace.clone(), service.name.clone());
            let site = Site::ServiceHealth { namespace, name, local };
            let id = match self.services.remove(&service.port) {
                Some(id) => {
                    apps.replace_site(id, site);
                    Some(id)
                }
                None => start(service.port, site, apps, world),
            };
            kept.extend(id.map(|id| (service.port, id)));
        }
        for id in std::mem::replace(&mut self.services, kept).into_values() {
            apps.stop(world, id);
        }
        problems
    }
}

/// Whether a load balancer should send anything to the node, as far as kube-proxy knows.
fn eligible(store: &Store, node: &str) -> bool {
    store.read::<Node>("", node).is_none_or(|n| {
        !n.metadata.is_terminating() && n.spec.taints.iter().all(|taint| taint.key != TO_BE_DELETED)
    })
}

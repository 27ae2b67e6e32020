//! Who gives Services of type LoadBalancer their addresses.
//!
//! In the modes `cloud` and `proxy` this is the service controller of a cloud provider
//! (<https://github.com/kubernetes/cloud-provider>, `controllers/service`): a finalizer, its events, and a load balancer that is made
//! at once. In the mode `l2` it is MetalLB's controller. Left out: sharing an address, and `loadBalancerClass` other than none.
//!
//! A Service has an address of each of its families. One that only prefers two is content with the family that has a pool.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::kube::config::LoadBalancerMode;
use crate::kube::objects::service::{IpFamilyPolicy, LoadBalancerIngress, LoadBalancerStatus};
use crate::kube::objects::{IpFamily, Kind, Object, ObjectReference, Service, ServiceType};
use crate::kube::store::{Change, ChangeKind, EventType, Store};
use crate::time::SimTime;

/// Keeps a Service until its load balancer is gone.
const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

type Name = (String, String);

/// Which Service has which addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadBalancerController {
    mode: Option<LoadBalancerMode>,
    pools: Vec<IpNet>,
    held: BTreeMap<Name, Vec<IpAddr>>,
    /// Services that found no address.
    pending: BTreeSet<Name>,
    dirty: BTreeMap<Name, Option<Box<Service>>>,
}

impl LoadBalancerController {
    pub(super) fn new(mode: LoadBalancerMode, pools: Vec<IpNet>) -> Self {
        let mode = Some(mode).filter(|mode| *mode != LoadBalancerMode::None);
        Self { mode, pools, ..Self::default() }
    }

    pub(super) fn note(&mut self, change: &Change) {
        if self.mode.is_none() {
            return;
        }
        let Object::Service(service) = &*change.object else { return };
        let old = match change.old.as_deref() {
            Some(Object::Service(old)) if change.what == ChangeKind::Modified => Some(old.clone()),
            _ => None,
        };
        let name = (service.metadata.namespace.clone(), service.metadata.name.clone());
        self.dirty.entry(name).or_insert(old);
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        let Some(mode) = self.mode else { return };
        for (name, old) in std::mem::take(&mut self.dirty) {
            let service = store.read::<Service>(&name.0, &name.1).cloned();
            let mut turn = Turn { store, now, mode };
            match service {
                Some(service) if wants(&service) && !service.metadata.is_terminating() => {
                    turn.tell_changes(&service, old.as_deref());
                    self.ensure(&mut turn, &name, service);
                }
                Some(service) => {
                    turn.tell_changes(&service, old.as_deref());
                    self.give_back(&mut turn, &name, Some(service));
                }
                None => self.give_back(&mut turn, &name, None),
            }
        }
    }

    /// Gives a Service its addresses, unless it has some that still fit.
    fn ensure(&mut self, turn: &mut Turn<'_>, name: &Name, service: Service) {
        let wanted: Option<IpAddr> = service.spec.load_balancer_ip.parse().ok();
        let fits = |ips: &&Vec<IpAddr>| {
            wanted.is_none_or(|wanted| ips[..] == [wanted])
                && self
                    .families(&service)
                    .is_some_and(|f| f.iter().copied().eq(ips.iter().map(|i| family(*i))))
        };
        let held = self.held.get(name).filter(fits);
        let shown: Vec<IpAddr> =
            service.status.load_balancer.ingress.iter().filter_map(|i| i.ip.parse().ok()).collect();
        if held.is_some_and(|held| *held == shown) {
            return;
        }
        let was_pending = self.pending.remove(name);
        if turn.is_cloud() && !was_pending {
            turn.event(&service, EventType::Normal, "EnsuringLoadBalancer", "Ensuring load balancer");
        }
        let service = turn.add_finalizer(service);
        self.held.remove(name);
        match self.choose(&service, wanted) {
            Ok(ips) => {
                turn.publish(&service, &ips);
                self.held.insert(name.clone(), ips);
            }
            Err(why) => {
                self.pending.insert(name.clone());
                turn.refuse(&service, &why);
            }
        }
    }

    /// The families of which a Service gets an address; none if the pools do not suffice.
    fn families(&self, service: &Service) -> Option<Vec<IpFamily>> {
        let there = |f: &IpFamily| self.pools.iter().any(|pool| family(pool.addr()) == *f);
        let all = &service.spec.ip_families;
        let found: Vec<IpFamily> = all.iter().copied().filter(there).collect();
        let enough = match service.spec.ip_family_policy {
            Some(IpFamilyPolicy::PreferDualStack) => !found.is_empty(),
            _ => found.len() == all.len(),
        };
        enough.then_some(found)
    }

    /// The first free address of each family, or the one that is asked for.
    fn choose(&self, service: &Service, wanted: Option<IpAddr>) -> Result<Vec<IpAddr>, String> {
        let free = |ip: &IpAddr| !self.held.values().flatten().any(|held| held == ip);
        match wanted {
            Some(ip) if service.spec.ip_families != [family(ip)] => Err(format!(
                "requested loadBalancer IP(s) [\"{ip}\"] does not match the ipFamily of the service"
            )),
            Some(ip) if !self.pools.iter().any(|pool| pool.contains(&ip)) => {
                Err(format!("[\"{ip}\"] is not allowed in config"))
            }
            Some(ip) if !free(&ip) => Err(format!(
                "can't change sharing key for {:?}, address also in use by {}",
                key(service),
                self.owner(ip)
            )),
            Some(ip) => Ok(vec![ip]),
            None => {
                let first = |f: &IpFamily| {
                    let pools = self.pools.iter().filter(|pool| family(pool.addr()) == *f);
                    pools.flat_map(addresses).find(free)
                };
                let chosen = self.families(service).and_then(|all| all.iter().map(first).collect());
                chosen.ok_or_else(|| "no available IPs".to_owned())
            }
        }
    }

    fn owner(&self, ip: IpAddr) -> String {
        let owner = self.held.iter().find(|(_, held)| held.contains(&ip));
        owner.map(|((namespace, name), _)| format!("{namespace}/{name}")).unwrap_or_default()
    }

    /// Takes the addresses of a Service that wants none any more; those that wait for one are looked at again.
    fn give_back(&mut self, turn: &mut Turn<'_>, name: &Name, service: Option<Service>) {
        let had = self.held.remove(name).is_some();
        let waited = self.pending.remove(name);
        if let Some(service) = service {
            turn.clean_up(service, had || waited);
        }
        if had {
            for name in self.pending.clone() {
                if let Some(service) = turn.store.read::<Service>(&name.0, &name.1).cloned() {
                    self.ensure(turn, &name, service);
                }
            }
        }
    }
}

const fn family(ip: IpAddr) -> IpFamily {
    if ip.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 }
}

/// What a pool hands out: in IPv6 not the address of all routers of the subnet.
fn addresses(pool: &IpNet) -> impl Iterator<Item = IpAddr> + use<> {
    let routers = pool.addr().is_ipv6() && pool.prefix_len() < 127;
    pool.hosts().skip(usize::from(routers))
}

fn wants(service: &Service) -> bool {
    service.spec.service_type() == ServiceType::LoadBalancer && service.spec.load_balancer_class.is_none()
}

fn key(service: &Service) -> String {
    format!("{}/{}", service.metadata.namespace, service.metadata.name)
}

/// One look at a Service.
struct Turn<'a> {
    store: &'a mut Store,
    now: SimTime,
    mode: LoadBalancerMode,
}

impl Turn<'_> {
    /// Whether a cloud's service controller speaks; else it is MetalLB's.
    fn is_cloud(&self) -> bool {
        self.mode != LoadBalancerMode::L2
    }

    fn event(&mut self, service: &Service, kind: EventType, reason: &str, message: &str) {
        let from = if self.is_cloud() { "service-controller" } else { "metallb-controller" };
        let about = reference(service);
        self.store.event(&about, kind, reason, from, message, self.now);
    }

    /// The service controller tells which changes it reacts to.
    fn tell_changes(&mut self, new: &Service, old: Option<&Service>) {
        let Some(old) = old.filter(|_| self.is_cloud()) else { return };
        let mut told: Vec<(&str, String)> = Vec::new();
        let mut compare = |reason, before: String, after: String| {
            if before != after {
                told.push((reason, format!("{before} -> {after}")));
            }
        };
        if wants(old) != wants(new) {
            compare("Type", go(old.spec.kind), go(new.spec.kind));
        } else if wants(new) {
            let list = |s: &Service| format!("[{}]", s.spec.load_balancer_source_ranges.join(" "));
            compare("LoadBalancerSourceRanges", list(old), list(new));
            compare("LoadbalancerIP", old.spec.load_balancer_ip.clone(), new.spec.load_balancer_ip.clone());
            let policy = |s: &Service| go(s.spec.external_traffic_policy);
            compare("ExternalTrafficPolicy", policy(old), policy(new));
            let check = |s: &Service| s.spec.health_check_node_port.unwrap_or(0).to_string();
            compare("HealthCheckNodePort", check(old), check(new));
        }
        for (reason, message) in told {
            self.event(new, EventType::Normal, reason, &message);
        }
    }

    fn add_finalizer(&mut self, mut service: Service) -> Service {
        if !self.is_cloud() || service.metadata.finalizers.iter().any(|f| f == FINALIZER) {
            return service;
        }
        service.metadata.finalizers.push(FINALIZER.to_owned());
        match self.store.update(service.clone(), self.now).as_deref() {
            Ok(Object::Service(stored)) => (**stored).clone(),
            // Nothing stands in the way of a finalizer on an object that was just read.
            _ => service,
        }
    }

    fn publish(&mut self, service: &Service, ips: &[IpAddr]) {
        let mode = if self.mode == LoadBalancerMode::Proxy { "Proxy" } else { "VIP" };
        let ingress = |ip: &IpAddr| LoadBalancerIngress {
            ip: ip.to_string(),
            ip_mode: Some(mode.to_owned()),
            ..LoadBalancerIngress::default()
        };
        self.set_status(service, LoadBalancerStatus { ingress: ips.iter().map(ingress).collect() });
        if self.is_cloud() {
            self.event(service, EventType::Normal, "EnsuredLoadBalancer", "Ensured load balancer");
        } else {
            let quoted: Vec<String> = ips.iter().map(|ip| format!("\"{ip}\"")).collect();
            let message = format!("Assigned IP [{}]", quoted.join(" "));
            self.event(service, EventType::Normal, "IPAllocated", &message);
        }
    }

    fn refuse(&mut self, service: &Service, why: &str) {
        self.set_status(service, LoadBalancerStatus::default());
        if self.is_cloud() {
            let message = format!("Error syncing load balancer: failed to ensure load balancer: {why}");
            self.event(service, EventType::Warning, "SyncLoadBalancerFailed", &message);
        } else {
            let message = format!("Failed to allocate IP for {:?}: {why}", key(service));
            self.event(service, EventType::Warning, "AllocationFailed", &message);
        }
    }

    fn clean_up(&mut self, mut service: Service, known: bool) {
        if known && self.is_cloud() {
            self.event(&service, EventType::Normal, "DeletingLoadBalancer", "Deleting load balancer");
        }
        if !service.status.load_balancer.ingress.is_empty() && known {
            self.set_status(&service, LoadBalancerStatus::default());
        }
        if known && self.is_cloud() {
            self.event(&service, EventType::Normal, "DeletedLoadBalancer", "Deleted load balancer");
        }
        let before = service.metadata.finalizers.len();
        service.metadata.finalizers.retain(|f| f != FINALIZER);
        if service.metadata.finalizers.len() != before {
            service.metadata.resource_version.clear();
            // An object that went by other means is as it should be.
            let _ = self.store.update(service, self.now);
        }
    }

    fn set_status(&mut self, service: &Service, status: LoadBalancerStatus) {
        let (namespace, name) = (&service.metadata.namespace, &service.metadata.name);
        // A Service that is gone needs no status.
        let _ =
            self.store.edit_status::<Service>(namespace, name, self.now, |s| s.status.load_balancer = status);
    }
}

/// A value as the API spells it; `None` is Go's empty text.
fn go<T: serde::Serialize>(value: Option<T>) -> String {
    let value = value.and_then(|v| serde_json::to_value(v).ok());
    value.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// How events name a Service.
pub(crate) fn reference(service: &Service) -> ObjectReference {
    ObjectReference {
        api_version: "v1".to_owned(),
        kind: Kind::Service.name().to_owned(),
        namespace: service.metadata.namespace.clone(),
        name: service.metadata.name.clone(),
        uid: service.metadata.uid.clone(),
        resource_version: service.metadata.resource_version.clone(),
        ..ObjectReference::default()
    }
}

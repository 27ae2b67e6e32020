//! The door: a running cluster.
//!
//! A [`Cluster`] joins the ground floor (a [`World`] of network namespaces), the API server's memory (a [`Store`]), the controllers, and
//! the agents of every node, and moves virtual time. Whoever wants to use the network from inside takes a [`Place`], finds its namespace
//! with [`Cluster::netns`], opens sockets in [`Cluster::world`], and lets time pass with [`Cluster::wait`].

mod builder;
mod policy;
mod resolve;
mod run;
mod system;
#[cfg(test)]
mod tests;
mod topology;

use std::net::IpAddr;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::kube::apps::logs::Logs;
use crate::kube::apps::runtime::{AppId, Apps, Service};
use crate::kube::config::{ClusterConfig, Listen};
use crate::kube::controllers::Controllers;
use crate::kube::node::{NodeAgents, Timer};
use crate::kube::objects::{Kind, Object, Pod, manifest};
use crate::kube::store::{Applied, Store};
use crate::linux::{Errno, World};
use crate::time::{EventQueue, SimTime};
use crate::trace::{NsId, SockId, Trace};

pub use crate::kube::node::files::{FileKind, Files};
pub use crate::kube::node::machine::{Base, Libc, Machine, Machines, Place, ToolSet};
pub use builder::ClusterBuilder;

/// A running cluster, as plain data: a clone goes its own way from here.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Namespaces, wires, packets.
    pub world: World,
    /// The API server's memory.
    pub store: Store,
    config: Arc<ClusterConfig>,
    machines: Machines,
    apps: Apps,
    controllers: Controllers,
    agents: NodeAgents,
    timers: EventQueue<Timer>,
    /// What a person should know of the run: a guess that was made, a field without effect.
    remarks: Vec<String>,
    /// The store's revision that controllers and agents have seen.
    seen: u64,
}

/// What `apply` did with one manifest.
#[derive(Clone, Debug)]
pub struct AppliedObject {
    /// The object as it is now.
    pub object: Arc<Object>,
    /// Whether it is new, changed, or as it was.
    pub what: Applied,
}

impl Cluster {
    /// Switches a cluster on and lets it come up: nodes are ready and cluster DNS answers.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: ClusterConfig) -> Result<Self, Vec<Diagnostic>> {
        let mistakes = config.mistakes();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut cluster = topology::build(Arc::new(config)).map_err(|e| vec![e])?;
        cluster.boot().map_err(|e| vec![e])?;
        Ok(cluster)
    }

    /// A configuration to be filled in.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// What it was made from.
    #[must_use]
    pub fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// Virtual time now.
    #[must_use]
    pub const fn now(&self) -> SimTime {
        self.world.now()
    }

    /// Applies manifests as `kubectl apply -f -` does, in the namespace `default` where they name none. Nothing comes to rest by
    /// itself: see [`Cluster::settle`].
    ///
    /// # Errors
    /// What is wrong with the text, or what the API server refuses; in the latter case the manifests before it are applied.
    pub fn apply(&mut self, yaml: &str) -> Result<Vec<AppliedObject>, Vec<Diagnostic>> {
        let manifests = manifest::parse(yaml, "manifest", 1, self.config.kubernetes_version)?;
        let mut done = Vec::with_capacity(manifests.len());
        for manifest in manifests {
            let namespace = match manifest.object.meta().namespace.as_str() {
                "" if manifest.kind.namespaced() => "default".to_owned(),
                namespace => namespace.to_owned(),
            };
            let now = self.now();
            match self.store.apply(manifest.kind, &namespace, &manifest.value, now) {
                Ok((object, what)) => done.push(AppliedObject { object, what }),
                Err(e) => {
                    let (line, column) = (manifest.position.line, manifest.position.column);
                    return Err(vec![Diagnostic {
                        line,
                        column,
                        ..topology::mistake("manifest", &e.message)
                    }]);
                }
            }
        }
        self.reconcile();
        Ok(done)
    }

    /// A machine: its files, programs, host name.
    #[must_use]
    pub fn machine(&self, place: &Place) -> Option<&Machine> {
        self.machines.get(place)
    }

    /// A machine, whose files a tool may change.
    pub fn machine_mut(&mut self, place: &Place) -> Option<&mut Machine> {
        self.machines.get_mut(place)
    }

    /// Every machine.
    #[must_use]
    pub const fn machines(&self) -> &Machines {
        &self.machines
    }

    /// The network namespace of a place.
    #[must_use]
    pub fn netns(&self, place: &Place) -> Option<NsId> {
        self.machine(place).map(|m| m.ns)
    }

    /// `ip netns add NAME` on a machine; says where it is.
    ///
    /// # Errors
    /// EEXIST: the name is taken. ENOENT: there is no such machine.
    pub fn netns_add(&mut self, on: &Place, name: &str) -> Result<Place, Errno> {
        let host = on.machine().clone();
        let place = Place::Netns { host: Box::new(host.clone()), name: name.to_owned() };
        if self.machines.get(&place).is_some() {
            return Err(Errno::EEXIST);
        }
        let machine = self.machines.get(&host).ok_or(Errno::ENOENT)?.clone();
        let ns = self.world.add_bare_netns(name);
        self.world.inherit_sysctls(machine.ns, ns);
        self.machines.insert(place.clone(), Machine { ns, ..machine });
        Ok(place)
    }

    /// `ip netns del NAME` on a machine: its interfaces are gone, and the other ends of its veth pairs.
    ///
    /// # Errors
    /// ENOENT: there is no such namespace.
    pub fn netns_del(&mut self, on: &Place, name: &str) -> Result<(), Errno> {
        let host = Box::new(on.machine().clone());
        let place = Place::Netns { host, name: name.to_owned() };
        let machine = self.machines.remove_named(&place).ok_or(Errno::ENOENT)?;
        self.world.remove_netns(machine.ns);
        Ok(())
    }

    /// A place with the programs and files of a machine and the network of some namespace, as `nsenter` makes it; it is there until
    /// [`Cluster::netns_close`].
    pub fn netns_open(&mut self, on: &Place, name: &str, ns: NsId) -> Place {
        let host = on.machine().clone();
        let place = Place::Netns { host: Box::new(host.clone()), name: name.to_owned() };
        if let Some(machine) = self.machines.get(&host).cloned() {
            self.machines.insert(place.clone(), Machine { ns, ..machine });
        }
        place
    }

    /// Forgets a place of [`Cluster::netns_open`]; the namespace stays.
    pub fn netns_close(&mut self, place: &Place) {
        self.machines.remove_named(place);
    }

    /// Where a namespace belongs, for people: a pod's first container, a node, a host; none for the underlay.
    #[must_use]
    pub fn place_of(&self, ns: NsId) -> Option<Place> {
        let whole = self.machines.whole().find(|(_, m)| m.ns == ns).map(|(p, _)| p.clone());
        let whole = whole.or_else(|| self.machines.named_place(ns).cloned());
        whole.or_else(|| self.agents.pod_of(ns).map(|(namespace, name)| Place::pod(namespace, name)))
    }

    /// Pods of all namespaces or of one, ordered by namespace and name.
    pub fn pods<'a>(&'a self, namespace: Option<&'a str>) -> impl Iterator<Item = &'a Pod> {
        self.store.all::<Pod>(namespace)
    }

    /// A pod's address, once it has one.
    #[must_use]
    pub fn pod_ip(&self, namespace: &str, name: &str) -> Option<IpAddr> {
        self.store.read::<Pod>(namespace, name)?.ip()
    }

    /// Whether an object is there.
    #[must_use]
    pub fn exists(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.store.find(kind, namespace, name).is_some()
    }

    /// The server process that holds a socket: its number, where it runs, and how many sockets it opened before this one.
    #[must_use]
    pub fn process_of(&self, ns: NsId, sock: SockId) -> Option<(u32, &Place, usize)> {
        self.apps.owner(ns, sock)
    }

    /// What containers have written.
    #[must_use]
    pub const fn logs(&self) -> &Logs {
        self.apps.logs()
    }

    /// Whether a socket of a node is one of kube-proxy's health servers.
    #[must_use]
    pub fn is_proxy_health(&self, ns: NsId, sock: SockId) -> bool {
        self.apps.is_proxy_health(ns, sock)
    }

    /// Starts a server process on a machine, for whoever builds a network of their own.
    ///
    /// # Errors
    /// EADDRINUSE and the like; ENOENT if there is no such machine. Nothing was started.
    pub fn start_server(
        &mut self,
        place: &Place,
        listen: &[Listen],
        service: Service,
    ) -> Result<AppId, Errno> {
        let ns = self.netns(place).ok_or(Errno::ENOENT)?;
        let started = self.apps.start(&mut self.world, place.clone(), ns, listen, service);
        let id = started.map_err(|(_, errno)| errno)?;
        self.apps.store_changed(&self.store, self.world.now());
        Ok(id)
    }

    /// A copy that goes its own way: for what-if questions.
    #[must_use]
    pub fn fork(&self) -> Self {
        self.clone()
    }

    /// Records every step of every packet from now on.
    pub fn start_recording(&mut self) {
        self.world.start_recording();
    }

    /// Stops recording and gives what was recorded.
    pub fn take_trace(&mut self) -> Trace {
        self.world.take_trace()
    }

    /// Takes what a person should know of the run so far, each remark once.
    pub fn take_remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }
}

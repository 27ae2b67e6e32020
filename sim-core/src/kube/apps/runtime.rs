//! Server processes: who listens where, and what they do when a socket is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::conversation::Conversation;
use super::ingress::IngressNginx;
use super::logs::Logs;
use super::name_server::NameServer;
use super::site::Site;
use crate::kube::config::Listen;
use crate::kube::dns::upstream::Upstream;
use crate::kube::node::machine::{Machines, Place};
use crate::kube::objects::Protocol;
use crate::kube::store::Store;
use crate::linux::{Errno, World};
use crate::time::SimTime;
use crate::trace::{NsId, SockId};

mod serving;

pub(super) use serving::{framed, take_message};

/// A server process, by its number; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(pub u32);

/// All server processes of all machines.
#[derive(Clone, Debug, Default)]
pub struct Apps {
    running: BTreeMap<AppId, App>,
    /// What containers have written.
    logs: Logs,
    /// Those of them that are name servers: only they and the next follow the store and have timers.
    name_servers: BTreeSet<AppId>,
    /// Those that are ingress controllers.
    ingresses: BTreeSet<AppId>,
    /// What a person should know, and has not been told yet.
    remarks: Vec<String>,
    last: u32,
    /// Which process holds a socket; for look-ups only.
    owners: FxHashMap<(NsId, SockId), AppId>,
    /// Processes that have ended by themselves, with their status.
    exits: Vec<(Place, i32)>,
}

/// What processes may look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// API objects.
    pub store: &'a Store,
    /// Files and host names.
    pub machines: &'a Machines,
}

/// What a server does with who connects.
#[derive(Clone, Debug)]
pub enum Service {
    /// Speaks HTTP over TCP.
    Site(Site),
    /// `CoreDNS`.
    Dns(Box<NameServer>),
    /// ingress-nginx.
    Ingress(Box<IngressNginx>),
    /// The resolver outside the cluster.
    Upstream(Upstream),
    /// Something of its own.
    Talk(Arc<dyn Conversation>),
    /// Sends back what it gets (UDP), or takes it and says nothing (TCP).
    Plain,
}

/// One process.
#[derive(Clone, Debug)]
struct App {
    place: Place,
    ns: NsId,
    service: Service,
    started: SimTime,
    /// Its listening and bound sockets.
    open: Vec<SockId>,
    connections: BTreeMap<SockId, Connection>,
    /// Lines for the log of its container.
    written: Vec<String>,
}

/// A TCP connection that a process has accepted.
#[derive(Clone, Debug, Default)]
struct Connection {
    received: Vec<u8>,
    unsent: Vec<u8>,
    /// Close it once everything is sent.
    closing: bool,
    /// Reset it.
    reset: bool,
}

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Apps {
    /// Starts a process that listens on these ports.
    ///
    /// # Errors
    /// The port that is taken; nothing was started.
    pub fn start(
        &mut self,
        world: &mut World,
        place: Place,
        ns: NsId,
        listen: &[Listen],
        service: Service,
    ) -> Result<AppId, (Listen, Errno)> {
        let at: Vec<(Option<IpAddr>, Listen)> = listen.iter().map(|l| (None, *l)).collect();
        self.start_at(world, place, ns, &at, service)
    }

    /// Starts a process that listens on these addresses (none: all) and ports.
    ///
    /// # Errors
    /// The port that is taken; nothing was started.
    pub fn start_at(
        &mut self,
        world: &mut World,
        place: Place,
        ns: NsId,
        listen: &[(Option<IpAddr>, Listen)],
        service: Service,
    ) -> Result<AppId, (Listen, Errno)> {
        let open = listen_all(world, ns, listen)?;
        self.last += 1;
        let id = AppId(self.last);
        self.owners.extend(open.iter().map(|sock| ((ns, *sock), id)));
        let app = App {
            place,
            ns,
            service,
            started: world.now(),
            open,
            connections: BTreeMap::new(),
            written: Vec::new(),
        };
        if matches!(app.service, Service::Ingress(_)) {
            self.ingresses.insert(id);
        }
        self.running.insert(id, app);
        if let Some(App { service: Service::Dns(dns), .. }) = self.running.get_mut(&id) {
            self.name_servers.insert(id);
            let mut opened = Vec::new();
            dns.begin(world, ns, &mut opened);
            self.owners.extend(opened.into_iter().map(|sock| ((ns, sock), id)));
            self.listen_to(id, world.now());
        }
        Ok(id)
    }

    /// The process that holds a socket: its number, its place, and how many of its sockets are older.
    #[must_use]
    pub fn owner(&self, ns: NsId, sock: SockId) -> Option<(u32, &Place, usize)> {
        let id = self.owners.get(&(ns, sock))?;
        let app = self.running.get(id)?;
        let older = app.open.iter().position(|s| *s == sock).unwrap_or(app.open.len());
        Some((id.0, &app.place, older))
    }

    /// Whether a socket belongs to one of kube-proxy's health servers.
    #[must_use]
    pub fn is_proxy_health(&self, ns: NsId, sock: SockId) -> bool {
        let app = self.owners.get(&(ns, sock)).and_then(|id| self.running.get(id));
        let is = |s: &Service| {
            matches!(
                s,
                Service::Site(Site::ProxyHealth { .. } | Site::ProxyMode { .. } | Site::ServiceHealth { .. })
            )
        };
        app.is_some_and(|app| is(&app.service))
    }

    /// Changes what an HTTP server answers from now on.
    pub fn replace_site(&mut self, id: AppId, site: Site) {
        if let Some(app) = self.running.get_mut(&id) {
            app.service = Service::Site(site);
        }
    }

    /// Ends a process: its sockets are closed.
    pub fn stop(&mut self, world: &mut World, id: AppId) {
        let Some(app) = self.running.remove(&id) else { return };
        self.name_servers.remove(&id);
        self.ingresses.remove(&id);
        for sock in app.open.iter().chain(app.connections.keys()) {
            self.owners.remove(&(app.ns, *sock));
            world.close(app.ns, *sock);
        }
        for sock in app.service.sockets() {
            self.owners.remove(&(app.ns, sock));
            world.close(app.ns, sock);
        }
    }

    /// A socket has become ready: whether it belongs to a process here.
    pub fn on_ready(&mut self, world: &mut World, view: View<'_>, ns: NsId, sock: SockId) -> bool {
        let Some(id) = self.owners.get(&(ns, sock)).copied() else { return false };
        let Some(app) = self.running.get_mut(&id) else { return false };
        let mut opened = Vec::new();
        app.on_ready(world, view, sock, &mut opened);
        let written = std::mem::take(&mut app.written);
        if let Place::Container { namespace, pod, container: Some(container) } = &app.place {
            for line in written {
                self.logs.write(namespace, pod, container, line, world.now());
            }
        }
        self.owners.extend(opened.into_iter().map(|sock| ((ns, sock), id)));
        self.listen_to(id, world.now());
        let Some(app) = self.running.get(&id) else { return true };
        let gone =
            !app.open.contains(&sock) && !app.connections.contains_key(&sock) && !app.service.holds(sock);
        if gone {
            self.owners.remove(&(ns, sock));
        }
        true
    }

    /// What containers have written.
    #[must_use]
    pub const fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The same, for the kubelet.
    pub(crate) const fn logs_mut(&mut self) -> &mut Logs {
        &mut self.logs
    }

    /// The store has changed: name servers and ingress controllers take it in.
    pub fn store_changed(&mut self, store: &Store, now: SimTime) {
        for id in &self.name_servers {
            if let Some(App { service: Service::Dns(dns), .. }) = self.running.get_mut(id) {
                dns.store_changed(store, now);
            }
        }
        for id in &self.ingresses {
            if let Some(App { service: Service::Ingress(nginx), .. }) = self.running.get_mut(id) {
                nginx.store_changed(store);
                self.remarks.extend_from_slice(nginx.remarks());
            }
        }
    }

    /// What a person should know since the last call.
    pub fn take_remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// When a process wants to do something by itself.
    #[must_use]
    pub fn next_timer(&self) -> Option<SimTime> {
        let times =
            self.name_servers.iter().chain(&self.ingresses).map(|id| match &self.running.get(id)?.service {
                Service::Dns(dns) => dns.next_timer(),
                Service::Ingress(nginx) => nginx.next_timer(),
                _ => None,
            });
        times.flatten().min()
    }

    /// Lets processes do what is due.
    pub fn on_timer(&mut self, world: &mut World, view: View<'_>) {
        let now = world.now();
        self.ingresses_on_timer(world, view);
        for id in self.name_servers.clone() {
            let Some(App { service: Service::Dns(dns), ns, place, open, .. }) = self.running.get_mut(&id)
            else {
                continue;
            };
            if dns.next_timer().is_none_or(|at| at > now) {
                continue;
            }
            let mut opened = Vec::new();
            let reloaded = dns.on_timer(world, *ns, view.machines.get(place), &mut opened);
            self.logs.print(place, reloaded.log, now);
            if reloaded.moved {
                open.drain(..).for_each(|sock| world.close(*ns, sock));
                match listen_all(world, *ns, &dns.listens()) {
                    Ok(new) => *open = new,
                    Err((at, errno)) => {
                        let line = format!("listen tcp :{}: bind: {errno}", at.port);
                        self.logs.print(place, [line], now);
                        self.exits.push((place.clone(), 1));
                    }
                }
                opened.extend(open.iter().copied());
            }
            let ns = *ns;
            self.owners.extend(opened.into_iter().map(|sock| ((ns, sock), id)));
            self.listen_to(id, now);
        }
    }

    fn ingresses_on_timer(&mut self, world: &mut World, view: View<'_>) {
        for id in &self.ingresses {
            let Some(app) = self.running.get_mut(id) else { continue };
            let mut opened = Vec::new();
            if let Service::Ingress(nginx) = &mut app.service {
                for finished in nginx.on_timer(world, app.ns, &mut opened) {
                    app.tell(world, view, finished, &mut opened);
                }
            }
            let written = std::mem::take(&mut app.written);
            self.logs.print(&app.place, written, world.now());
            self.owners.extend(opened.into_iter().map(|sock| ((app.ns, sock), *id)));
        }
    }

    /// Takes what a name server has printed, and notes its end.
    fn listen_to(&mut self, id: AppId, now: SimTime) {
        let Some(App { service: Service::Dns(dns), place, .. }) = self.running.get_mut(&id) else { return };
        let lines = dns.take_log();
        if !lines.is_empty() {
            self.logs.print(place, lines, now);
        }
        if let Some(status) = dns.exit() {
            self.exits.push((place.clone(), status));
            self.name_servers.remove(&id);
        }
    }

    /// Takes the processes that have ended by themselves: where they ran, and their status.
    pub fn take_exits(&mut self) -> Vec<(Place, i32)> {
        std::mem::take(&mut self.exits)
    }
}

/// Opens listening sockets, all or none.
fn listen_all(
    world: &mut World,
    ns: NsId,
    listen: &[(Option<IpAddr>, Listen)],
) -> Result<Vec<SockId>, (Listen, Errno)> {
    // Servers listen on `[::]`, for both families, where there is IPv6.
    let has_v6 =
        world.bare(ns).ifaces().filter(|i| !i.is_loopback()).any(|i| {
            i.addrs.iter().any(|a| a.addr().is_ipv6() && !crate::linux::ipv6::is_link_local(a.addr()))
        });
    let any = if has_v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { ANY };
    let mut open = Vec::new();
    for &(host, at) in listen {
        let local = SocketAddr::new(host.unwrap_or(any), at.port);
        let opened = match at.protocol {
            Protocol::Tcp => world.tcp_listen(ns, local, 511),
            Protocol::Udp => world.udp_bind(ns, local),
            Protocol::Sctp => Err(Errno::EINVAL),
        };
        match opened {
            Ok(sock) => open.push(sock),
            Err(errno) => {
                open.into_iter().for_each(|sock| world.close(ns, sock));
                return Err((at, errno));
            }
        }
    }
    Ok(open)
}

impl Service {
    fn holds(&self, sock: SockId) -> bool {
        match self {
            Self::Dns(dns) => dns.sockets().any(|s| s == sock),
            Self::Ingress(nginx) => nginx.holds(sock),
            _ => false,
        }
    }

    /// Sockets that it has opened by itself.
    fn sockets(&self) -> Vec<SockId> {
        match self {
            Self::Dns(dns) => dns.sockets().collect(),
            Self::Ingress(nginx) => nginx.sockets().collect(),
            _ => Vec::new(),
        }
    }
}

/// How long a process takes from its start to its first `accept`.
pub const START_TIME: Duration = Duration::from_millis(40);

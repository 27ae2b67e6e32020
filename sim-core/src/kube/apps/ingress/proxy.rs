//! The process: connections of clients on one side, connections to endpoints on the other.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::access_log::{Asked, Entry};
use super::configuration::Configuration;
use super::exchange::{self, Exchange, Parsed};
use super::location::{self, Location, Target};
use super::options::Options;
use super::{exchange::forwarded, pages};
use crate::kube::apps::http::{self, Request, Response};
use crate::kube::config::Listen;
use crate::kube::objects::ingress::ServiceBackendPort;
use crate::kube::objects::{EndpointSlice, Protocol, Service, ServicePort, ServiceType, Timestamp};
use crate::kube::store::Store;
use crate::linux::World;
use crate::linux::socket::{TcpRead, TcpState};
use crate::time::SimTime;
use crate::trace::{NsId, SockId};

/// Where requests go that no Ingress wants.
const DEFAULT_BACKEND: &str = "upstream-default-backend";

/// An nginx of an ingress-nginx controller.
#[derive(Clone, Debug)]
pub struct IngressNginx {
    options: Options,
    configuration: Configuration,
    /// The store's revision that the configuration was made of.
    revision: Option<u64>,
    exchanges: BTreeMap<SockId, Exchange>,
    /// Whose turn it is, by Service and port.
    turns: BTreeMap<(String, String, String), usize>,
    /// Requests so far, for their identifiers.
    requests: u64,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The client's connection.
    pub client: SockId,
    /// What it is sent.
    pub bytes: Vec<u8>,
    /// Whether the connection ends then.
    pub close: bool,
    /// The line of the access log, if there is one.
    pub line: Option<String>,
}

/// What becomes of a client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More must come first, or an endpoint is being asked.
    Wait,
    /// It is answered at once.
    Answer(Finished),
}

/// A client, and what it has sent.
#[derive(Debug)]
pub struct Client<'a> {
    /// Its connection.
    pub sock: SockId,
    /// Its address.
    pub ip: IpAddr,
    /// The port of nginx that it is connected to.
    pub port: u16,
    /// What it has sent and nobody has read.
    pub received: &'a mut Vec<u8>,
}

impl IngressNginx {
    /// A controller that has looked at nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            configuration: Configuration::default(),
            revision: None,
            exchanges: BTreeMap::new(),
            turns: BTreeMap::new(),
            requests: 0,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> Vec<Listen> {
        self.options.listen()
    }

    /// The store has changed.
    pub fn store_changed(&mut self, store: &Store) {
        if self.revision != Some(store.revision()) {
            self.revision = Some(store.revision());
            self.configuration = Configuration::of(&self.options, store);
        }
    }

    /// What a person should know of the Ingresses.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.configuration.remarks
    }

    /// Whether a socket is one of its connections to endpoints.
    #[must_use]
    pub fn holds(&self, sock: SockId) -> bool {
        self.exchanges.contains_key(&sock)
    }

    /// Its connections to endpoints.
    pub fn sockets(&self) -> impl Iterator<Item = SockId> {
        self.exchanges.keys().copied()
    }

    /// When it gives an endpoint up.
    #[must_use]
    pub fn next_timer(&self) -> Option<SimTime> {
        self.exchanges.values().map(|e| e.deadline).min()
    }

    /// Whether a client waits for an endpoint.
    #[must_use]
    pub fn is_busy(&self, client: SockId) -> bool {
        self.exchanges.values().any(|e| e.client == client)
    }

    /// A client is gone: nobody waits for the answer.
    pub fn abandon(&mut self, world: &mut World, ns: NsId, client: SockId) {
        let socks: Vec<SockId> =
            self.exchanges.iter().filter(|(_, e)| e.client == client).map(|(s, _)| *s).collect();
        for sock in socks {
            self.exchanges.remove(&sock);
            world.close(ns, sock);
        }
    }

    /// A client has sent something.
    pub fn on_client(
        &mut self,
        (world, ns): (&mut World, NsId),
        store: &Store,
        client: Client<'_>,
        opened: &mut Vec<SockId>,
    ) -> Step {
        if self.is_busy(client.sock) {
            return Step::Wait;
        }
        let now = Timestamp::at(world.now());
        let (request, length, body) = match http::parse(client.received) {
            http::Parsed::Incomplete => return self.too_large(&client, store, now),
            http::Parsed::Bad => {
                let request = Request {
                    method: "GET".to_owned(),
                    target: "/".to_owned(),
                    http11: false,
                    headers: Vec::new(),
                    body: 0,
                };
                client.received.clear();
                return reply(client.sock, pages::page(400, &request, now), &request, None);
            }
            http::Parsed::Request(request, length) => {
                let body = client.received[length - request.body..length].to_vec();
                (request, length, body)
            }
        };
        client.received.drain(..length);
        self.store_changed(store);
        self.requests += 1;
        let mut entry = Entry {
            client: client.ip,
            began: world.now(),
            length,
            upstream: self.upstream(&request),
            asked: Vec::new(),
            id: request_id(ns, self.requests),
        };
        if client.port == self.options.healthz_port {
            return reply(client.sock, pages::health(&request, now), &request, None);
        }
        if client.port == self.options.https_port {
            return reply(client.sock, pages::plain_on_https(&request, now), &request, None);
        }
        match self.decide(&request, client.ip, store, now) {
            Decision::Answer(response) => {
                if entry.upstream == DEFAULT_BACKEND {
                    // The default backend is nginx itself, on a port of its own.
                    let answer = Some((response.body.len(), "404".to_owned()));
                    let endpoint = SocketAddr::from(([127, 0, 0, 1], 8181));
                    entry.asked.push(Asked { endpoint, answer, took: Duration::ZERO, failure: 404 });
                }
                reply(client.sock, response, &request, Some((&entry, world.now())))
            }
            Decision::Ask { endpoints, target, location } => {
                let id = entry.id.clone();
                let settings = Arc::clone(&location.settings);
                let bytes = forwarded(&request, &body, &target, client.ip, client.port, &settings, &id);
                let exchange = Exchange {
                    client: client.sock,
                    request,
                    bytes,
                    sent: 0,
                    received: Vec::new(),
                    others: endpoints,
                    deadline: world.now(),
                    connected: false,
                    settings,
                    endpoint: None,
                    entry,
                };
                match self.ask(world, ns, exchange, 502, opened) {
                    None => Step::Wait,
                    Some(finished) => Step::Answer(finished),
                }
            }
        }
    }

    /// A body that is announced as too long is refused before it has come.
    fn too_large(&mut self, client: &Client<'_>, store: &Store, now: Timestamp) -> Step {
        let Some(request) = http::head(client.received) else { return Step::Wait };
        self.store_changed(store);
        let host = request.header("Host").unwrap_or_default();
        let limit = self.configuration.route(host, request.path()).map_or(0, |l| l.settings.body_limit);
        if limit == 0 || request.body as u64 <= limit {
            return Step::Wait;
        }
        reply(client.sock, pages::page(413, &request, now), &request, None)
    }

    /// What the access log calls the endpoints of a request.
    fn upstream(&self, request: &Request) -> String {
        let host = request.header("Host").unwrap_or_default();
        let path = location::normalised(request.path());
        let server = self.configuration.server(host);
        let found = server.zip(path).and_then(|(server, path)| location::find(&server.locations, &path));
        match found.map(|l| &l.target) {
            Some(Target::Service { namespace, name, port }) => {
                let port = if port.number > 0 { port.number.to_string() } else { port.name.clone() };
                format!("{namespace}-{name}-{port}")
            }
            _ => DEFAULT_BACKEND.to_owned(),
        }
    }

    /// What nginx does with a request.
    fn decide(&mut self, request: &Request, client: IpAddr, store: &Store, now: Timestamp) -> Decision {
        let host = request.header("Host").unwrap_or_default().to_owned();
        let answer = |response| Decision::Answer(response);
        let page = |status| answer(pages::page(status, request, now));
        let Some(path) = location::normalised(request.path()) else { return page(400) };
        let Some(server) = self.configuration.server(&host) else { return page(404) };
        let Some(found) = location::find(&server.locations, &path) else { return page(404) };
        let settings = &found.settings;
        if settings.body_limit > 0 && request.body as u64 > settings.body_limit {
            return page(413);
        }
        if settings.force_ssl_redirect || (settings.ssl_redirect && server.tls) {
            let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
            let to = format!("https://{name}{}", request.target);
            return answer(pages::redirect(308, to, request, now));
        }
        if !settings.allows(client) {
            return page(403);
        }
        if let Some((to, status)) = &settings.redirect {
            return answer(pages::redirect(*status, to.clone(), request, now));
        }
        if let Some(root) = settings.app_root.as_ref().filter(|_| path == "/") {
            return answer(pages::redirect(302, format!("http://{host}{root}"), request, now));
        }
        let Target::Service { namespace, name, port } = &found.target else { return page(404) };
        let mut endpoints = endpoints(store, namespace, name, port);
        if endpoints.is_empty() {
            return page(503);
        }
        let query = request.target.split_once('?').map(|(_, query)| query);
        let target = location::rewritten(found, &path, query).unwrap_or_else(|| request.target.clone());
        let key = (namespace.clone(), name.clone(), format!("{}{}", port.name, port.number));
        let tries = if settings.tries == 0 { endpoints.len() } else { settings.tries as usize };
        let location = found.clone();
        let turn = self.turns.entry(key).or_default();
        let start = *turn % endpoints.len();
        *turn = start + 1;
        endpoints.rotate_left(start);
        let mut asked: Vec<SocketAddr> = endpoints.iter().copied().cycle().take(tries).collect();
        asked.reverse();
        Decision::Ask { endpoints: asked, target, location }
    }

    /// Connects to the next endpoint; the answer if there is none left. `failure` is the status of the last one.
    fn ask(
        &mut self,
        world: &mut World,
        ns: NsId,
        mut exchange: Exchange,
        failure: u16,
        opened: &mut Vec<SockId>,
    ) -> Option<Finished> {
        let mut failure = failure;
        while let Some(endpoint) = exchange.others.pop() {
            exchange.sent = 0;
            exchange.connected = false;
            exchange.received.clear();
            exchange.deadline = world.now() + exchange.settings.connect_timeout;
            exchange.endpoint = Some((endpoint, world.now()));
            if let Ok(sock) = world.tcp_connect(ns, None, endpoint) {
                opened.push(sock);
                self.exchanges.insert(sock, exchange);
                return None;
            }
            failure = 502;
            exchange.note(None, failure, world.now());
        }
        let now = Timestamp::at(world.now());
        let response = pages::page(failure, &exchange.request, now);
        let bytes = response.to_bytes(&exchange.request);
        let line = Some(exchange.entry.line(&exchange.request, &bytes, world.now()));
        Some(Finished { client: exchange.client, bytes, close: response.close, line })
    }

    /// A connection to an endpoint has become ready.
    pub fn on_endpoint(
        &mut self,
        world: &mut World,
        ns: NsId,
        sock: SockId,
        opened: &mut Vec<SockId>,
    ) -> Option<Finished> {
        let exchange = self.exchanges.get_mut(&sock)?;
        if world.take_error(ns, sock).is_some() {
            return self.failed(world, ns, sock, 502, opened);
        }
        match world.bare(ns).sockets.tcp_state(sock) {
            None | Some(TcpState::Closed) => return self.failed(world, ns, sock, 502, opened),
            Some(TcpState::SynSent | TcpState::SynReceived) => return None,
            Some(_) => {}
        }
        if !exchange.connected {
            exchange.connected = true;
            exchange.deadline = world.now() + exchange.settings.read_timeout;
        }
        while exchange.sent < exchange.bytes.len() {
            match world.tcp_send(ns, sock, &exchange.bytes[exchange.sent..]) {
                Ok(0) => break,
                Ok(n) => exchange.sent += n,
                Err(_) => return self.failed(world, ns, sock, 502, opened),
            }
        }
        let mut ended = false;
        loop {
            match world.tcp_recv(ns, sock) {
                Ok(TcpRead::Data(bytes)) => {
                    exchange.received.extend(bytes);
                    exchange.deadline = world.now() + exchange.settings.read_timeout;
                }
                Ok(TcpRead::WouldBlock) => break,
                Ok(TcpRead::Eof) | Err(_) => {
                    ended = true;
                    break;
                }
            }
        }
        match exchange::read(&exchange.received, &exchange.request.method, ended) {
            Parsed::Incomplete => None,
            Parsed::Bad => self.failed(world, ns, sock, 502, opened),
            Parsed::Complete(answer) => {
                let mut exchange = self.exchanges.remove(&sock)?;
                world.close(ns, sock);
                exchange.note(Some(&answer), 0, world.now());
                let bytes = answer.to_bytes(&exchange.request, Timestamp::at(world.now()));
                let line = Some(exchange.entry.line(&exchange.request, &bytes, world.now()));
                Some(Finished {
                    client: exchange.client,
                    bytes,
                    close: answer.closes(&exchange.request),
                    line,
                })
            }
        }
    }

    /// An endpoint was no help: the next one, or an error page.
    fn failed(
        &mut self,
        world: &mut World,
        ns: NsId,
        sock: SockId,
        status: u16,
        opened: &mut Vec<SockId>,
    ) -> Option<Finished> {
        let mut exchange = self.exchanges.remove(&sock)?;
        world.close(ns, sock);
        exchange.note(None, status, world.now());
        if !exchange.may_go_on() {
            exchange.others.clear();
        }
        self.ask(world, ns, exchange, status, opened)
    }

    /// Gives up the endpoints that have taken too long.
    pub fn on_timer(&mut self, world: &mut World, ns: NsId, opened: &mut Vec<SockId>) -> Vec<Finished> {
        let now = world.now();
        let late: Vec<SockId> =
            self.exchanges.iter().filter(|(_, e)| e.deadline <= now).map(|(s, _)| *s).collect();
        late.into_iter().filter_map(|sock| self.failed(world, ns, sock, 504, opened)).collect()
    }
}

enum Decision {
    Answer(Response),
    Ask { endpoints: Vec<SocketAddr>, target: String, location: Location },
}

/// nginx answers by itself.
fn reply(client: SockId, response: Response, request: &Request, entry: Option<(&Entry, SimTime)>) -> Step {
    let bytes = response.to_bytes(request);
    let line = entry.map(|(entry, now)| entry.line(request, &bytes, now));
    Step::Answer(Finished { client, bytes, close: response.close, line })
}

/// nginx' `$request_id`: 32 hexadecimal digits.
fn request_id(ns: NsId, number: u64) -> String {
    let mix = |seed: u64| {
        let x = ((number << 2) ^ (u64::from(ns.0) << 34) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    };
    format!("{:016x}{:016x}", mix(1), mix(2))
}

/// The ready endpoints of a Service's port, as its slices have them.
fn endpoints(store: &Store, namespace: &str, name: &str, port: &ServiceBackendPort) -> Vec<SocketAddr> {
    let Some(service) = store.read::<Service>(namespace, name) else { return Vec::new() };
    if service.spec.service_type() == ServiceType::ExternalName {
        return Vec::new();
    }
    let wanted = |p: &&ServicePort| {
        if port.name.is_empty() { i32::from(p.port) == port.number } else { p.name == port.name }
    };
    let Some(wanted) = service.spec.ports.iter().find(wanted) else { return Vec::new() };
    let mut found = Vec::new();
    let slices = store.all::<EndpointSlice>(Some(namespace)).filter(|s| s.service_name() == Some(name));
    for slice in slices {
        let number = slice
            .ports
            .iter()
            .filter(|p| p.protocol.unwrap_or_default() == Protocol::Tcp)
            .find(|p| p.name.as_deref().unwrap_or_default() == wanted.name)
            .and_then(|p| p.port);
        let Some(number) = number else { continue };
        let ready = slice.endpoints.iter().filter(|e| e.conditions.is_ready());
        for address in ready.filter_map(|e| e.addresses.first()?.parse::<IpAddr>().ok()) {
            let at = SocketAddr::new(address, number);
            if !found.contains(&at) {
                found.push(at);
            }
        }
    }
    found
}

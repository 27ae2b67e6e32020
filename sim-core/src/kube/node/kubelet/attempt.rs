//! One probe of a container: a request or a connection from the node through the network, or a command in the container.
//!
//! The words of failures are those of Go's HTTP client and of the kubelet's probers (`pkg/probe`).

use std::net::SocketAddr;

use super::container::ContainerRun;
use super::{Kubelet, probes::ProbeKind};
use crate::kube::apps::command;
use crate::kube::node::agents::Hands;
use crate::kube::node::machine::Place;
use crate::kube::node::question::{Progress, Question};
use crate::kube::objects::container::{HttpGetAction, Probe};
use crate::kube::objects::{Container, IntOrString, Protocol};
use crate::linux::Errno;
use crate::trace::SockId;

type Key = (String, String);

/// A probe under way.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) key: Key,
    /// The container's place, and its run.
    pub(super) container: (usize, u32),
    pub(super) kind: ProbeKind,
    /// Whether the cluster is not at rest before its end.
    pub(super) awaited: bool,
    question: Question,
    /// What Go's client calls the request: `Get "http://…"`; empty for a mere connection.
    request: String,
    /// Seconds that a gRPC client tries for.
    grpc: Option<u32>,
    at: SocketAddr,
}

/// What came of a probe: whether it holds, and what the event says.
pub(super) type Finding = (bool, String);

impl Attempt {
    /// What a failure says, with the name of the request in front.
    fn failed(&self, why: &str) -> Finding {
        let why = if self.request.is_empty() { why.to_owned() } else { format!("{}: {why}", self.request) };
        (false, why)
    }

    /// A gRPC client tries again until its time is over.
    fn never_connected(&self, seconds: u32) -> Finding {
        let at = self.at.to_string();
        let why =
            format!("timeout: failed to connect service {at:?} within {seconds}s: context deadline exceeded");
        (false, why)
    }

    fn refused(&self, errno: Errno) -> Finding {
        if let Some(seconds) = self.grpc {
            return self.never_connected(seconds);
        }
        self.failed(&format!("dial tcp {}: connect: {}", self.at, go_text(errno)))
    }

    /// Nothing came in time.
    pub(super) fn timed_out(&self) -> Finding {
        if let Some(seconds) = self.grpc {
            return self.never_connected(seconds);
        }
        if self.request.is_empty() {
            return (false, format!("dial tcp {}: i/o timeout", self.at));
        }
        self.failed("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    }

    fn judge(&self, progress: Progress) -> Option<Finding> {
        Some(match progress {
            Progress::Waiting => return None,
            Progress::Refused(errno) => self.refused(errno),
            Progress::Broken(errno) => self.failed(&format!("read tcp: {}", go_text(errno))),
            Progress::Answered(_) if self.request.is_empty() => (true, String::new()),
            Progress::Answered(answer) => match status(&answer) {
                None if answer.is_empty() => self.failed("EOF"),
                None => {
                    self.failed("net/http: HTTP/1.x transport connection broken: malformed HTTP response")
                }
                Some(code) if (200..400).contains(&code) => (true, String::new()),
                Some(code) => (false, format!("HTTP probe failed with statuscode: {code}")),
            },
        })
    }
}

/// An error number as Go prints it.
fn go_text(errno: Errno) -> String {
    errno.to_string().to_lowercase()
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|b| *b == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()
}

impl Kubelet {
    /// Begins a probe; what came of it, if that is known at once.
    pub(super) fn attempt(
        &mut self,
        key: &Key,
        i: usize,
        (kind, spec, awaited): (ProbeKind, &Probe, bool),
        hands: &mut Hands<'_>,
    ) -> Result<SockId, Finding> {
        let Some(run) = self.pods.get(key) else { return Err((true, String::new())) };
        let c = &run.containers[i];
        if let Some(exec) = &spec.exec {
            return Err(exec_probe(key, c, &exec.command, hands));
        }
        let ip = run.sandbox.as_ref().and_then(|s| s.ips.first().copied());
        let version = hands.config.kubernetes_version;
        let asked = match (&spec.http_get, &spec.tcp_socket) {
            (Some(http), _) => {
                if http.scheme.as_deref() == Some("HTTPS") {
                    let pod = format!("pod {}/{}", key.0, key.1);
                    hands.remark(format!("{pod}: TLS is not modelled, its HTTPS probes are sent as HTTP"));
                }
                address(&http.host, &http.port, &c.spec, ip).map(|(host, at)| {
                    let (url, text) = request(http, &host, at, (version.major, version.minor));
                    (at, Question::ask(text), format!("Get {url:?}"))
                })
            }
            (None, Some(tcp)) => address(&tcp.host, &tcp.port, &c.spec, ip)
                .map(|(_, at)| (at, Question::connect(), String::new())),
            (None, None) => {
                let own = format!("pod {}/{}", key.0, key.1);
                hands.remark(format!(
                    "{own}: gRPC is not modelled, a connection counts as a health check that holds"
                ));
                let port = spec.grpc.as_ref().and_then(|g| g["port"].as_i64()).unwrap_or(0);
                let port = IntOrString::Int(i32::try_from(port).unwrap_or(0));
                address("", &port, &c.spec, ip).map(|(_, at)| (at, Question::connect(), String::new()))
            }
        };
        let (at, question, request) = asked.map_err(|why| (false, why))?;
        let grpc = spec.grpc.as_ref().map(|_| spec.timeout_seconds.unwrap_or(1).max(1));
        let container = (i, c.restarts);
        let attempt = Attempt { key: key.clone(), container, kind, awaited, question, request, grpc, at };
        match hands.world.tcp_connect(self.ns, None, at) {
            Ok(sock) => {
                self.awaited_attempts += usize::from(awaited);
                self.attempts.insert(sock, attempt);
                Ok(sock)
            }
            Err(errno) => Err(attempt.refused(errno)),
        }
    }

    /// Whether a socket of the node belongs to a probe; it has become ready.
    pub fn on_ready(&mut self, sock: SockId, hands: &mut Hands<'_>) -> bool {
        let Some(attempt) = self.attempts.get_mut(&sock) else { return false };
        let progress = attempt.question.on_ready(hands.world, self.ns, sock);
        if let Some(finding) = attempt.judge(progress) {
            self.finish(sock, finding, hands);
        }
        true
    }

    /// A probe has had its time.
    pub(super) fn probe_deadline(&mut self, sock: SockId, hands: &mut Hands<'_>) {
        if let Some(finding) = self.attempts.get(&sock).map(Attempt::timed_out) {
            self.finish(sock, finding, hands);
        }
    }

    fn finish(&mut self, sock: SockId, finding: Finding, hands: &mut Hands<'_>) {
        let Some(attempt) = self.drop_attempt(sock, hands) else { return };
        let (i, restarts) = attempt.container;
        self.probed(&attempt.key, (i, restarts), attempt.kind, finding, hands);
    }

    /// Ends a probe without asking what came of it.
    pub(super) fn drop_attempt(&mut self, sock: SockId, hands: &mut Hands<'_>) -> Option<Attempt> {
        let attempt = self.attempts.remove(&sock)?;
        self.awaited_attempts -= usize::from(attempt.awaited);
        // The kubelet's sockets linger no longer than they must.
        hands.world.abort(self.ns, sock);
        Some(attempt)
    }
}

/// Whom a probe asks: the host as the URL names it, and the address.
fn address(
    host: &str,
    port: &IntOrString,
    container: &Container,
    ip: Option<std::net::IpAddr>,
) -> Result<(String, SocketAddr), String> {
    let number = match port {
        IntOrString::Int(n) => u16::try_from(*n).ok(),
        IntOrString::String(name) => {
            let named = container.ports.iter().find(|p| p.name == *name && p.protocol != Protocol::Udp);
            named.map(|p| p.container_port).or_else(|| name.parse().ok())
        }
    };
    let Some(number) = number else { return Err(format!("couldn't find port: {port}")) };
    let own = host.is_empty().then_some(ip).flatten().or_else(|| host.parse().ok());
    let Some(ip) = own else { return Err(format!("dial tcp: lookup {host}: no such host")) };
    let at = SocketAddr::new(ip, number);
    Ok((at.to_string(), at))
}

/// The URL and the text of an HTTP request.
fn request(http: &HttpGetAction, host: &str, at: SocketAddr, (major, minor): (u16, u16)) -> (String, String) {
    let path = if http.path.starts_with('/') { http.path.clone() } else { format!("/{}", http.path) };
    let url = format!("{}://{at}{path}", http.scheme.as_deref().unwrap_or("HTTP").to_lowercase());
    let named = |name: &str| http.http_headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
    let host = named("Host").map_or(host, |h| h.value.as_str());
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n");
    if named("User-Agent").is_none() {
        text.push_str(&format!("User-Agent: kube-probe/{major}.{minor}\r\n"));
    }
    if named("Accept").is_none() {
        text.push_str("Accept: */*\r\n");
    }
    for header in http.http_headers.iter().filter(|h| !h.name.eq_ignore_ascii_case("Host")) {
        text.push_str(&format!("{}: {}\r\n", header.name, header.value));
    }
    text.push_str("Connection: close\r\n\r\n");
    (url, text)
}

/// A command in the container.
fn exec_probe(key: &Key, c: &ContainerRun, line: &[String], hands: &mut Hands<'_>) -> Finding {
    let place = Place::Container {
        namespace: key.0.clone(),
        pod: key.1.clone(),
        container: Some(c.spec.name.clone()),
    };
    let Some(machine) = hands.machines.get(&place) else { return (true, String::new()) };
    let listens = |port: u16| {
        let sockets = &hands.world.bare(machine.ns).sockets;
        sockets.listening().any(|s| s.local.port() == port)
    };
    match command::run(line, machine).or_else(|| command::ask_server(line, listens)) {
        Some((status, output)) => (status == 0, output),
        None => {
            hands.remark(format!(
                "pod {}/{}: the probe command {line:?} is not modelled and taken to succeed",
                key.0, key.1
            ));
            (true, String::new())
        }
    }
}

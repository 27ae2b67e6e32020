//! The ways through the API server into pods and Services: `…/pods/NAME/proxy/PATH`, `…/services/NAME/proxy/PATH`.
//!
//! The API server's own connection to the pod is a real one, from its machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use sim_core::kube::objects::{Endpoints, Kind, Pod, Service};
use sim_core::kube::store::{ApiError, Store};
use sim_core::trace::NsId;

use super::super::cluster_info;
use super::super::ctl::Ctl;
use super::super::value::{list, name, text};
use super::{Answer, Refusal};
use crate::tools::Place;
use crate::tools::net::http::{Head, Reader};
use crate::tools::net::{self, Stream};

/// The API server's dialer gives up after this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent on.
pub(crate) struct Sent<'a> {
    /// `GET`, …
    pub(crate) method: &'a str,
    /// The path that the API server was asked for.
    pub(crate) target: &'a str,
    /// Header fields of the client.
    pub(crate) headers: &'a [(String, String)],
    /// What stands behind them.
    pub(crate) body: &'a [u8],
}

/// Where `[scheme:]name[:port]` of a kind leads.
pub(super) fn find(store: &Store, kind: Kind, space: &str, id: &str, path: String) -> Answer {
    let parts: Vec<&str> = id.split(':').collect();
    let (scheme, own, port) = match parts.as_slice() {
        [own] => ("", *own, ""),
        [own, port] => ("", *own, *port),
        [scheme, own, port] => (*scheme, *own, *port),
        _ => return Refusal::unknown().into(),
    };
    if scheme == "https" {
        return Answer::NotModelled;
    }
    let target = match kind {
        Kind::Service => of_service(store, space, own, port).and_then(|found| {
            found.ok_or_else(|| Refusal::unavailable(format!("no endpoints available for service {id:?}")))
        }),
        Kind::Pod => of_pod(store, space, own, port),
        _ => return Answer::NotModelled,
    };
    match target {
        Ok(address) => Answer::Through(address, path),
        Err(refusal) => refusal.into(),
    }
}

/// Without a port: the first that a container declares.
fn of_pod(store: &Store, space: &str, own: &str, port: &str) -> Result<SocketAddr, Refusal> {
    let missing = || Refusal::of(&ApiError::not_found(Kind::Pod, own), Kind::Pod, own);
    let pod = store.read::<Pod>(space, own).ok_or_else(missing)?;
    let declared = pod.spec.containers.iter().flat_map(|c| &c.ports).map(|p| p.container_port).next();
    let port = port.parse().ok().or(declared).unwrap_or(80);
    let ip = pod.ip().ok_or_else(|| Refusal::bad("address not allowed"))?;
    Ok(SocketAddr::new(ip, port))
}

/// Without a port: the one that has no name.
fn of_service(store: &Store, space: &str, own: &str, port: &str) -> Result<Option<SocketAddr>, Refusal> {
    let missing = || Refusal::of(&ApiError::not_found(Kind::Service, own), Kind::Service, own);
    let service = store.read::<Service>(space, own).ok_or_else(missing)?;
    let port_name = match port.parse::<u16>() {
        Err(_) => port,
        Ok(n) => {
            let named = service.spec.ports.iter().find(|p| p.port == n).map(|p| p.name.as_str());
            let none = || Refusal::unavailable(format!("no service port {n} found for service {own:?}"));
            named.ok_or_else(none)?
        }
    };
    let Some(endpoints) = store.read::<Endpoints>(space, own) else { return Ok(None) };
    for subset in endpoints.subsets.iter().filter(|s| !s.addresses.is_empty()) {
        let port = subset.ports.iter().find(|p| p.name == port_name).map(|p| p.port);
        let address = subset.addresses.first().and_then(|a| a.ip.parse::<IpAddr>().ok());
        if let (Some(port), Some(ip)) = (port, address) {
            return Ok(Some(SocketAddr::new(ip, port)));
        }
    }
    Ok(None)
}

/// Asks the pod: the head and the body of its answer.
///
/// # Errors
/// It cannot be reached, or does not speak HTTP.
pub(crate) fn ask(
    ctl: &mut Ctl<'_, '_>,
    sent: &Sent<'_>,
    to: SocketAddr,
    path: &str,
) -> Result<(Head, Vec<u8>), Refusal> {
    let failed = |why: &str| Refusal::unavailable(format!("error trying to reach service: {why}"));
    let Some(ns) = server(ctl) else { return Err(failed("no control plane")) };
    let until = ctl.now() + PATIENCE;
    let stream = match net::connect_in(ctl.cx, ns, None, to, Some(until)) {
        Ok(stream) => stream,
        Err(net::Failure::Errno(errno)) => {
            return Err(failed(&format!("dial tcp {to}: connect: {}", errno.message().to_lowercase())));
        }
        Err(_) => return Err(failed(&format!("dial tcp {to}: i/o timeout"))),
    };
    let mut reader = Reader::new(stream, Some(until));
    let asked = stream.send(ctl.cx, &request(sent, to, path)).ok();
    let answer = asked.and_then(|()| reader.head(ctl.cx).ok());
    let body = answer.as_ref().map(|head| reader.body(ctl.cx, head, sent.method == "HEAD").0);
    Stream::close(stream, ctl.cx);
    answer.zip(body).ok_or_else(|| failed("EOF"))
}

fn request(sent: &Sent<'_>, to: SocketAddr, path: &str) -> Vec<u8> {
    let mut head = format!("{} {path} HTTP/1.1\r\nHost: {to}\r\n", sent.method);
    for (name, value) in sent.headers {
        if !["host", "connection", "x-forwarded-for"].contains(&name.to_lowercase().as_str()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    let uri = sent.target.split('?').next().unwrap_or("");
    head += &format!("X-Forwarded-For: {}\r\nX-Forwarded-Uri: {uri}\r\n\r\n", Ipv4Addr::LOCALHOST);
    [head.as_bytes(), sent.body].concat()
}

/// The network namespace of the machine on which the API server runs.
fn server(ctl: &Ctl<'_, '_>) -> Option<NsId> {
    let url = cluster_info::server(ctl);
    let host = url.trim_start_matches("https://").rsplit_once(':')?.0.trim_matches(['[', ']']).to_owned();
    let nodes = ctl.store().iter(Kind::Node, None).map(|n| n.to_value());
    let node = nodes
        .into_iter()
        .find(|n| list(n, "/status/addresses").iter().any(|a| text(a, "/address") == host))?;
    let place = Place::Node(name(&node).to_owned());
    ctl.cx.cluster.machine(&place).map(|m| m.ns)
}

//! Ends of connections as people name them.

use std::fmt;
use std::net::IpAddr;

use super::verdict::Verdict;
use super::{Endpoint, Engine, Question};
use crate::kube::objects::Protocol;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownEnd {
    /// Nothing has this name.
    NoSuch(String),
    /// A Service that has no such port, or no pod behind it.
    Empty(String),
}

impl fmt::Display for UnknownEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuch(name) => write!(f, "there is no {name}"),
            Self::Empty(name) => write!(f, "no pod is behind that port of {name}"),
        }
    }
}

impl std::error::Error for UnknownEnd {}

/// One place where a connection may end, and what the policies say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The end.
    pub end: Endpoint,
    /// Its name: `pod/shop/web-0`.
    pub name: String,
    /// The port there.
    pub port: u16,
    /// What the policies say.
    pub verdict: Verdict,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}: {}", self.name, self.port, self.verdict)
    }
}

/// A Service by namespace and name.
type ServiceName = (String, String);

impl Engine {
    /// May one end reach another at a port, and which policy and rule decides?
    ///
    /// An end is `pod/NAMESPACE/NAME` (or `NAMESPACE/NAME`, or `NAME` in the namespace `default`), `node/NAME`, or an address. The
    /// destination may be `service/NAMESPACE/NAME` or a cluster IP as well; then there is an answer for every pod behind it. A Service without
    /// a selector leads nowhere here.
    ///
    /// # Errors
    /// There is no such end, or nothing behind that port of the Service.
    pub fn may_reach(
        &self,
        from: &str,
        to: &str,
        protocol: Protocol,
        port: u16,
    ) -> Result<Vec<Reached>, UnknownEnd> {
        let source = self.end(from)?;
        let ask = |end: Endpoint, port: u16, by_service: bool| Reached {
            end,
            name: self.name(end),
            port,
            verdict: self.ask(Question { from: source, to: end, protocol, port, by_service }),
        };
        let Some((namespace, name)) = self.service(to) else {
            return Ok(vec![ask(self.end(to)?, port, false)]);
        };
        if !self.snapshot.services.iter().any(|s| s.namespace == namespace && s.name == name) {
            return Err(UnknownEnd::NoSuch(to.to_owned()));
        }
        let ends = self.snapshot.backends(&namespace, &name, protocol, port);
        if ends.is_empty() {
            return Err(UnknownEnd::Empty(to.to_owned()));
        }
        Ok(ends.into_iter().map(|(pod, port)| ask(Endpoint::Pod(pod), port, true)).collect())
    }

    /// The name of an end: `pod/shop/web-0`, `node/node1`, `203.0.113.7`.
    #[must_use]
    pub fn name(&self, end: Endpoint) -> String {
        let pod = |i: usize| self.snapshot.pods.get(i).map(|p| format!("pod/{}/{}", p.namespace, p.name));
        let node = |i: usize| self.snapshot.nodes.get(i).map(|n| format!("node/{}", n.name));
        match end {
            Endpoint::Pod(i) => pod(i).unwrap_or_default(),
            Endpoint::Node(i) => node(i).unwrap_or_default(),
            Endpoint::Outside(address) => address.to_string(),
        }
    }

    fn end(&self, text: &str) -> Result<Endpoint, UnknownEnd> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(self.at(address));
        }
        let found = match *text.split('/').collect::<Vec<_>>() {
            ["node", name] => self.node(name),
            ["pod", namespace, name] | [namespace, name] => self.pod(namespace, name),
            [name] => self.pod("default", name),
            _ => None,
        };
        found.ok_or_else(|| UnknownEnd::NoSuch(text.to_owned()))
    }

    /// The Service that somebody means.
    fn service(&self, text: &str) -> Option<ServiceName> {
        if let Ok(address) = text.parse::<IpAddr>() {
            let found = self.snapshot.services.iter().find(|s| s.cluster_ips.contains(&address))?;
            return Some((found.namespace.clone(), found.name.clone()));
        }
        match *text.split('/').collect::<Vec<_>>() {
            ["service" | "svc", namespace, name] => Some((namespace.to_owned(), name.to_owned())),
            _ => None,
        }
    }
}

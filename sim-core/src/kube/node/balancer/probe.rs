//! Asking a node by HTTP whether it is healthy.

use std::net::SocketAddr;

use crate::kube::node::question::{Progress, Question};
use crate::linux::World;
use crate::trace::{NsId, SockId};

/// One question under way.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    /// Number of the node.
    pub(super) node: usize,
    /// Whom it asks.
    pub(super) at: SocketAddr,
    question: Question,
}

/// What has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Waiting,
    Healthy,
    Unhealthy,
}

impl Probe {
    pub(super) fn new(node: usize, at: SocketAddr) -> Self {
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: {at}\r\nUser-Agent: load-balancer\r\nConnection: close\r\n\r\n"
        );
        Self { node, at, question: Question::ask(request) }
    }

    /// The socket has become ready.
    pub(super) fn on_ready(&mut self, world: &mut World, ns: NsId, sock: SockId) -> Outcome {
        match self.question.on_ready(world, ns, sock) {
            Progress::Waiting => Outcome::Waiting,
            Progress::Answered(answer) if answer.starts_with(b"HTTP/1.1 200 ") => Outcome::Healthy,
            _ => Outcome::Unhealthy,
        }
    }
}

//! Asking a node by HTTP whether it is healthy.

use std::net::SocketAddr;

use crate::linux::World;
use crate::linux::socket::{TcpRead, TcpState};
use crate::trace::{NsId, SockId};

/// One question under way.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    /// Number of the node.
    pub(super) node: usize,
    /// Whom it asks.
    pub(super) at: SocketAddr,
    asked: bool,
    answer: Vec<u8>,
}

/// What has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Waiting,
    Healthy,
    Unhealthy,
}

impl Probe {
    pub(super) const fn new(node: usize, at: SocketAddr) -> Self {
        Self { node, at, asked: false, answer: Vec::new() }
    }

    /// The socket has become ready.
    pub(super) fn on_ready(&mut self, world: &mut World, ns: NsId, sock: SockId) -> Outcome {
        if world.take_error(ns, sock).is_some() {
            return Outcome::Unhealthy;
        }
        match world.ns(ns).sockets.tcp_state(sock) {
            None => return Outcome::Unhealthy,
            Some(TcpState::SynSent | TcpState::SynReceived) => return Outcome::Waiting,
            Some(_) => {}
        }
        if !self.asked {
            self.asked = true;
            let question = format!(
                "GET /healthz HTTP/1.1\r\nHost: {}\r\nUser-Agent: load-balancer\r\nConnection: close\r\n\r\n",
                self.at
            );
            if world.tcp_send(ns, sock, question.as_bytes()).is_err() {
                return Outcome::Unhealthy;
            }
        }
        loop {
            match world.tcp_recv(ns, sock) {
                Ok(TcpRead::Data(bytes)) => self.answer.extend(bytes),
                Ok(TcpRead::WouldBlock) => return Outcome::Waiting,
                Ok(TcpRead::Eof) | Err(_) => break,
            }
        }
        if self.answer.starts_with(b"HTTP/1.1 200 ") { Outcome::Healthy } else { Outcome::Unhealthy }
    }
}

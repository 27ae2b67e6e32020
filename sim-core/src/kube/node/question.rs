//! One question over TCP, as kubelets and load balancers ask whether somebody is healthy.

use crate::linux::socket::{TcpRead, TcpState};
use crate::linux::{Errno, World};
use crate::trace::{NsId, SockId};

/// A question under way on a socket that is connecting.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    /// What is sent once the connection stands; none: that it stands is the answer.
    request: Option<Vec<u8>>,
    asked: bool,
    answer: Vec<u8>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not there yet.
    Waiting,
    /// No connection.
    Refused(Errno),
    /// The connection broke before there was an answer.
    Broken(Errno),
    /// Everything that came, until the other side closed; empty for a question without a request.
    Answered(Vec<u8>),
}

impl Question {
    /// Whether a connection can be had.
    pub(super) fn connect() -> Self {
        Self::default()
    }

    /// What comes back for a request.
    pub(super) fn ask(request: String) -> Self {
        Self { request: Some(request.into_bytes()), ..Self::default() }
    }

    /// The socket has become ready.
    pub(super) fn on_ready(&mut self, world: &mut World, ns: NsId, sock: SockId) -> Progress {
        if let Some(e) = world.take_error(ns, sock) {
            return if self.asked { Progress::Broken(e.errno) } else { Progress::Refused(e.errno) };
        }
        match world.bare(ns).sockets.tcp_state(sock) {
            None => return Progress::Refused(Errno::ECONNRESET),
            Some(TcpState::SynSent | TcpState::SynReceived) => return Progress::Waiting,
            Some(_) => {}
        }
        let Some(request) = &self.request else { return Progress::Answered(Vec::new()) };
        if !self.asked {
            self.asked = true;
            if let Err(e) = world.tcp_send(ns, sock, request) {
                return Progress::Broken(e);
            }
        }
        loop {
            match world.tcp_recv(ns, sock) {
                Ok(TcpRead::Data(bytes)) => self.answer.extend(bytes),
                Ok(TcpRead::WouldBlock) => return Progress::Waiting,
                Ok(TcpRead::Eof) => return Progress::Answered(std::mem::take(&mut self.answer)),
                Err(e) => return Progress::Broken(e),
            }
        }
    }
}

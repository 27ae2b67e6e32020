//! TCP connections, blocking.

use std::net::{IpAddr, SocketAddr};

use sim_core::linux::Errno;
use sim_core::linux::socket::{TcpRead, TcpState};
use sim_core::time::SimTime;
use sim_core::trace::{NsId, SockId};

use super::super::Cx;
use super::{Failure, kernel_limit, netns, wait};

/// An open connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    ns: NsId,
    sock: SockId,
}

/// `connect(2)`. Without `until` the kernel's timers decide (about 130 s of SYN retries).
pub(crate) fn connect(cx: &mut Cx<'_>, to: SocketAddr, until: Option<SimTime>) -> Result<Stream, Failure> {
    connect_from(cx, None, to, until)
}

/// The same from an own address.
pub(crate) fn connect_from(
    cx: &mut Cx<'_>,
    source: Option<IpAddr>,
    to: SocketAddr,
    until: Option<SimTime>,
) -> Result<Stream, Failure> {
    let ns = netns(cx)?;
    connect_in(cx, ns, source, to, until)
}

/// The same on another machine, for what a server there does on a client's behalf.
pub(crate) fn connect_in(
    cx: &mut Cx<'_>,
    ns: NsId,
    source: Option<IpAddr>,
    to: SocketAddr,
    until: Option<SimTime>,
) -> Result<Stream, Failure> {
    let local = source.map(|ip| SocketAddr::new(ip, 0));
    let sock = cx.cluster.world.tcp_connect(ns, local, to)?;
    let stream = Stream { ns, sock };
    let limit = until.unwrap_or_else(|| kernel_limit(cx));
    let mut failed = None;
    let waited = wait(cx, Some(limit), |cluster| {
        failed = cluster.world.take_error(ns, sock).map(|e| e.errno);
        let state = cluster.world.ns(ns).sockets.tcp_state(sock);
        failed.is_some() || !matches!(state, Some(TcpState::SynSent | TcpState::SynReceived))
    });
    let outcome = match (failed, waited) {
        (Some(errno), _) => Err(Failure::Errno(errno)),
        (None, Ok(())) => Ok(stream),
        (None, Err(failure)) => Err(failure),
    };
    if outcome.is_err() {
        stream.close(cx);
    }
    outcome
}

impl Stream {
    /// One that a listener has accepted.
    pub(crate) const fn accepted(ns: NsId, sock: SockId) -> Self {
        Self { ns, sock }
    }

    /// Writes all of `bytes`.
    pub(crate) fn send(self, cx: &mut Cx<'_>, mut bytes: &[u8]) -> Result<(), Failure> {
        let Self { ns, sock } = self;
        while !bytes.is_empty() {
            let mut sent = cx.cluster.world.tcp_send(ns, sock, bytes);
            if matches!(sent, Ok(0) | Err(Errno::EAGAIN)) {
                wait(cx, None, |cluster| {
                    sent = cluster.world.tcp_send(ns, sock, bytes);
                    !matches!(sent, Ok(0) | Err(Errno::EAGAIN))
                })?;
            }
            bytes = bytes.get(sent?..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads what is there, waiting for it; nothing at the end of the stream.
    pub(crate) fn recv(self, cx: &mut Cx<'_>, until: Option<SimTime>) -> Result<Vec<u8>, Failure> {
        let Self { ns, sock } = self;
        let mut read = Ok(TcpRead::WouldBlock);
        wait(cx, until, |cluster| {
            read = cluster.world.tcp_recv(ns, sock);
            read != Ok(TcpRead::WouldBlock)
        })?;
        match read? {
            TcpRead::Data(bytes) => Ok(bytes),
            TcpRead::WouldBlock | TcpRead::Eof => Ok(Vec::new()),
        }
    }

    /// The address it was opened from.
    pub(crate) fn local_addr(self, cx: &Cx<'_>) -> Option<SocketAddr> {
        cx.cluster.world.ns(self.ns).sockets.local_addr(self.sock)
    }

    /// Closes it.
    pub(crate) fn close(self, cx: &mut Cx<'_>) {
        cx.cluster.world.close(self.ns, self.sock);
    }
}

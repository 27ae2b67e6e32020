//! `nc -l`, and the exchange of datagrams of `nc -u`.
//!
//! Nobody types at the terminal: standard input is what was piped in, and a terminal from which nothing comes. A server ends with its
//! first connection unless it keeps on (`-k`); of datagrams it hears the first sender only, as `connect` makes it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sim_core::linux::Errno;
use sim_core::trace::{NsId, SockId};

use super::talk;
use crate::tools::out::Held;
use crate::tools::{Cx, SIGINT_STATUS, net};

/// Whose words and ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    OpenBsd,
    Busybox,
}

/// A server that is asked for.
pub(super) struct Listen {
    pub(super) style: Style,
    /// The address; none is any.
    pub(super) host: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) udp: bool,
    pub(super) keep: bool,
    pub(super) verbose: bool,
    pub(super) numeric: bool,
    pub(super) wait: Option<Duration>,
}

/// Listens, and returns the exit status.
pub(super) fn listen(cx: &mut Cx<'_>, request: &Listen) -> i32 {
    // busybox opens a socket of both families.
    let any: IpAddr = match request.style {
        Style::Busybox => Ipv6Addr::UNSPECIFIED.into(),
        Style::OpenBsd => Ipv4Addr::UNSPECIFIED.into(),
    };
    let local = SocketAddr::new(request.host.unwrap_or(any), request.port);
    let opened = net::netns(cx).and_then(|ns| {
        let world = &mut cx.cluster.world;
        let sock = if request.udp { world.udp_bind(ns, local) } else { world.tcp_listen(ns, local, 1) };
        sock.map(|sock| (ns, sock))
    });
    let (ns, sock) = match opened {
        Ok(opened) => opened,
        Err(errno) => return failed(cx, request, errno),
    };
    cx.out.hold(Held::Socket(ns, sock));
    let own = cx.cluster.world.ns(ns).sockets.local_addr(sock).unwrap_or(local);
    if request.verbose {
        cx.out.err(match request.style {
            Style::OpenBsd => format!("Listening on {} {}", own.ip(), own.port()),
            Style::Busybox => format!("listening on {own} ..."),
        });
    }
    let status =
        if request.udp { datagrams(cx, request, ns, sock) } else { connections(cx, request, ns, sock) };
    cx.cluster.world.close(ns, sock);
    status
}

fn failed(cx: &mut Cx<'_>, request: &Listen, errno: Errno) -> i32 {
    let call = if request.style == Style::Busybox { "bind: " } else { "" };
    let text = net::strerror(cx, errno);
    cx.out.err(format!("nc: {call}{text}"));
    1
}

fn connections(cx: &mut Cx<'_>, request: &Listen, ns: NsId, listener: SockId) -> i32 {
    let mut input = cx.stdin.to_vec();
    loop {
        // OpenBSD's waits for connections as long as it takes.
        let until = if request.style == Style::Busybox { net::deadline(cx, request.wait) } else { None };
        let mut accepted = None;
        let waited = net::wait(cx, until, |cluster| {
            accepted = cluster.world.tcp_accept(ns, listener);
            accepted.is_some()
        });
        let Some(sock) = accepted else {
            return match waited {
                Err(net::Failure::TimedOut) => {
                    cx.out.err("nc: timed out");
                    1
                }
                _ => SIGINT_STATUS,
            };
        };
        cx.out.hold(Held::Socket(ns, sock));
        if request.style == Style::Busybox {
            cx.cluster.world.close(ns, listener);
        }
        announce(cx, request, ns, sock);
        let status = talk(cx, net::Stream::accepted(ns, sock), &std::mem::take(&mut input), request.wait);
        if !request.keep || status == SIGINT_STATUS {
            return status;
        }
    }
}

/// `-v`: who has come.
fn announce(cx: &mut Cx<'_>, request: &Listen, ns: NsId, sock: SockId) {
    let sockets = &cx.cluster.world.ns(ns).sockets;
    let (Some(own), Some(peer), true) = (sockets.local_addr(sock), sockets.peer_addr(sock), request.verbose)
    else {
        return;
    };
    let name = if request.numeric { None } else { net::name_of(cx, peer.ip()) };
    cx.out.err(match request.style {
        Style::OpenBsd => {
            let name = name.unwrap_or_else(|| peer.ip().to_string());
            format!("Connection received on {name} {}", peer.port())
        }
        Style::Busybox => {
            let (own, peer) = (mapped(own), mapped(peer));
            let name = name
                .map_or_else(|| peer.clone(), |n| format!("{n}:{}", peer.rsplit(':').next().unwrap_or("")));
            format!("connect to {own} from {name} ({peer})")
        }
    });
}

/// An IPv4 address as a socket of both families shows it.
fn mapped(addr: SocketAddr) -> String {
    match addr.ip() {
        IpAddr::V4(v4) => format!("[{}]:{}", v4.to_ipv6_mapped(), addr.port()),
        IpAddr::V6(_) => addr.to_string(),
    }
}

/// Hears the first sender, and answers with standard input.
fn datagrams(cx: &mut Cx<'_>, request: &Listen, ns: NsId, sock: SockId) -> i32 {
    let mut first = None;
    let until = if request.style == Style::Busybox { net::deadline(cx, request.wait) } else { None };
    let waited = net::wait(cx, until, |cluster| {
        first = cluster.world.recv(ns, sock).ok().flatten();
        first.is_some()
    });
    let Some(first) = first else {
        return if matches!(waited, Err(net::Failure::TimedOut)) { 1 } else { SIGINT_STATUS };
    };
    if !request.keep
        && let Err(errno) = cx.cluster.world.udp_connect(ns, sock, first.from)
    {
        return failed(cx, request, errno);
    }
    announce(cx, request, ns, sock);
    cx.out.write(first.bytes());
    exchange(cx, ns, sock, first.from, request.wait)
}

/// Sends standard input as one datagram and prints what comes until `idle` has passed in silence, or until it is interrupted.
pub(super) fn exchange(
    cx: &mut Cx<'_>,
    ns: NsId,
    sock: SockId,
    peer: SocketAddr,
    idle: Option<Duration>,
) -> i32 {
    // What a pipe holds is read in pieces of this size.
    const PIECE: usize = 16384;
    let input = cx.stdin.to_vec();
    for piece in input.chunks(PIECE) {
        if cx.cluster.world.udp_send(ns, sock, peer, piece.into()).is_err() {
            return 1;
        }
    }
    loop {
        let until = net::deadline(cx, idle);
        let mut got = Ok(None);
        let waited = net::wait(cx, until, |cluster| {
            got = cluster.world.recv(ns, sock);
            !matches!(got, Ok(None))
        });
        match (got, waited) {
            (Ok(Some(received)), _) => cx.out.write(received.bytes()),
            (Err(_), _) => return 1,
            (Ok(None), Err(net::Failure::TimedOut)) => return 0,
            (Ok(None), _) => return SIGINT_STATUS,
        }
        if cx.out.interrupted() {
            return SIGINT_STATUS;
        }
    }
}

/// The client of `-u`.
pub(super) fn client(cx: &mut Cx<'_>, to: SocketAddr, idle: Option<Duration>) -> Result<i32, Errno> {
    let ns = net::netns(cx)?;
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let sock = cx.cluster.world.udp_bind(ns, SocketAddr::new(any, 0))?;
    cx.out.hold(Held::Socket(ns, sock));
    let connected = cx.cluster.world.udp_connect(ns, sock, to);
    let status = connected.map(|()| exchange(cx, ns, sock, to, idle));
    cx.cluster.world.close(ns, sock);
    status
}

//! `nc`: the applet in busybox images, OpenBSD's netcat (Debian 1.219) elsewhere.

mod busybox;
mod listen;
mod openbsd;
pub(crate) mod services;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sim_core::linux::Errno;

use super::{Cx, net};

pub(crate) use busybox::run as run_busybox;
pub(crate) use openbsd::run as run_openbsd;

/// Sends one byte to a UDP port `times` times, a second apart, and says whether the port took it all in silence. Only an ICMP
/// error tells a closed port from one that does not answer.
fn udp_probe(cx: &mut Cx<'_>, to: SocketAddr, times: u64) -> Result<(), Errno> {
    let ns = net::netns(cx)?;
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let sock = cx.cluster.world.udp_bind(ns, SocketAddr::new(any, 0))?;
    let mut result = cx.cluster.world.udp_connect(ns, sock, to);
    for round in 0..times {
        if result.is_err() || cx.out.interrupted() {
            break;
        }
        if round > 1 {
            cx.pause(Duration::from_secs(1));
        }
        result = cx.cluster.world.udp_send(ns, sock, to, b"X"[..].into());
    }
    cx.cluster.world.close(ns, sock);
    result
}

/// Sends what stood on standard input and prints what comes back until the peer closes or `idle` has passed in silence.
fn talk(cx: &mut Cx<'_>, stream: net::Stream, input: &[u8], idle: Option<Duration>) -> i32 {
    let mut sent = stream.send(cx, input);
    while sent.is_ok() {
        let until = net::deadline(cx, idle);
        match stream.recv(cx, until) {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => cx.out.write(&bytes),
            Err(failure) => sent = Err(failure),
        }
        if cx.out.interrupted() {
            break;
        }
    }
    stream.close(cx);
    match sent {
        Ok(()) | Err(net::Failure::TimedOut) => 0,
        Err(net::Failure::Interrupted) => super::SIGINT_STATUS,
        Err(net::Failure::Errno(_)) => 1,
    }
}

/// The TCP port of a service by its name.
pub(super) fn port_of(service: &str) -> Option<u16> {
    services::port(service, false)
}

#[cfg(test)]
mod tests;

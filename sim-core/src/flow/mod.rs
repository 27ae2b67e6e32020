//! One question to the network: from here to there, what happens?
//!
//! ```no_run
//! use sim_core::cluster::{Cluster, Place};
//! use sim_core::flow::{Outcome, Protocol};
//!
//! let mut cluster = Cluster::builder().build().map_err(|mistakes| mistakes[0].message.clone())?;
//! let report = cluster.flow(&Place::Node("node1".into()), "192.168.100.102", Protocol::Icmp);
//! assert!(matches!(report.outcome, Outcome::Answered { ttl: Some(64), .. }));
//! # Ok::<(), String>(())
//! ```

mod picture;
mod report;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use report::FlowVerdict;
use report::{Roles, judge};

use crate::cluster::{Cluster, Place};
use crate::kube::dns::resolver::LookupError;
use crate::linux::Errno;
use crate::linux::socket::{ReceivedBody, TcpState, errno_of};
use crate::packet::{Icmp, IcmpError, Payload};
use crate::time::SimTime;
use crate::trace::{DropReason, NsId, PacketId, SockId, Step, Trace, Verdict};

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Opens a connection, and closes it.
    Tcp,
    /// Sends a datagram, and waits for one.
    Udp,
    /// Sends an echo request.
    Icmp,
}

/// The answer to a question to the network.
#[derive(Clone, Debug)]
pub struct FlowReport {
    /// Where it started.
    pub from: Place,
    /// What was asked for, as it was written.
    pub to: String,
    /// The address and port that the packets were sent to; port 0 with ICMP. None if the name has no address.
    pub destination: Option<SocketAddr>,
    /// How it ended for who asked.
    pub outcome: Outcome,
    /// What was spoken.
    pub protocol: Protocol,
    /// How it ended on the way: where, and why.
    pub verdict: FlowVerdict,
    /// How each packet ended, in order: in which namespace, which packet.
    pub verdicts: Vec<(NsId, PacketId, Verdict)>,
    /// When it started.
    pub started: SimTime,
    /// How long it took.
    pub took: Duration,
    /// Every step of every packet, without those of the name's look-up.
    pub trace: Trace,
    roles: Roles,
}

/// How a flow ended for who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer came: the connection stood, a datagram or echo reply arrived.
    Answered {
        /// Who it came from, as who asked sees it.
        from: IpAddr,
        /// Its time to live on arrival; not known with TCP.
        ttl: Option<u8>,
    },
    /// An error.
    Failed {
        /// What the program is told.
        errno: Errno,
        /// The ICMP error behind it, and who sent that.
        icmp: Option<(IcmpError, IpAddr)>,
    },
    /// Nothing came back.
    Silent,
    /// The name has no address.
    Unresolved(LookupError),
    /// The target is not `HOST`, `HOST:PORT` or `[ADDRESS]:PORT` with a port where the protocol needs one, or the place is not there.
    Unusable,
}

/// How long an answer is waited for: a TCP connection attempt with its retries takes 127 seconds.
const PATIENCE: Duration = Duration::from_secs(130);
/// How long a datagram or echo is waited for.
const DATAGRAM_PATIENCE: Duration = Duration::from_secs(5);
/// Time for the packets after the answer: the end of a connection.
const AFTERMATH: Duration = Duration::from_millis(100);

impl Cluster {
    /// Sends one flow from a place to `HOST[:PORT]`, where the host is a name as that place resolves it, or an address. Everything that
    /// happens on the way is recorded; a recording that was on ends.
    ///
    /// The cluster is the one after the flow: connection tracking knows it, neighbours are known. To ask without a trace, ask a
    /// [fork](Cluster::fork).
    pub fn flow(&mut self, from: &Place, to: &str, protocol: Protocol) -> FlowReport {
        self.flow_in_detail(from, to, protocol, false)
    }

    /// The same; with `skipped`, the trace also shows every rule that was tried and did not match, and why.
    pub fn flow_in_detail(
        &mut self,
        from: &Place,
        to: &str,
        protocol: Protocol,
        skipped: bool,
    ) -> FlowReport {
        let (destination, early) = match self.destination(from, to, protocol) {
            Ok(destination) => (Some(destination), None),
            Err(outcome) => (None, Some(outcome)),
        };
        let started = self.now();
        if skipped {
            self.world.start_recording_with_skipped_rules();
        } else {
            self.start_recording();
        }
        let ns = self.netns(from);
        let outcome = match (destination, ns) {
            (Some(at), Some(ns)) => match protocol {
                Protocol::Tcp => self.tcp_flow(ns, at),
                Protocol::Udp => self.datagram_flow(ns, at),
                Protocol::Icmp => self.echo_flow(ns, at.ip()),
            },
            _ => early.unwrap_or(Outcome::Unusable),
        };
        let took = self.now().since(started);
        self.advance(AFTERMATH);
        let trace = self.take_trace();
        let verdicts = verdicts(&trace);
        let roles = Roles::find(&trace, ns, destination);
        let verdict = judge(&trace, roles, ns, destination, &outcome);
        FlowReport {
            from: from.clone(),
            to: to.to_owned(),
            destination,
            outcome,
            protocol,
            verdict,
            verdicts,
            started,
            took,
            trace,
            roles,
        }
    }

    fn destination(&mut self, from: &Place, to: &str, protocol: Protocol) -> Result<SocketAddr, Outcome> {
        let (host, port) = split(to).ok_or(Outcome::Unusable)?;
        let port = match (protocol, port) {
            (Protocol::Icmp, _) => 0,
            (_, Some(port)) => port,
            (_, None) => return Err(Outcome::Unusable),
        };
        let addresses = self.resolve(from, host).map_err(Outcome::Unresolved)?;
        let first = addresses.first().ok_or(Outcome::Unresolved(LookupError::NoData))?;
        Ok(SocketAddr::new(*first, port))
    }

    fn tcp_flow(&mut self, ns: NsId, to: SocketAddr) -> Outcome {
        let sock = match self.world.tcp_connect(ns, None, to) {
            Ok(sock) => sock,
            Err(errno) => return Outcome::Failed { errno, icmp: None },
        };
        let mut outcome = Outcome::Silent;
        self.wait(self.now() + PATIENCE, |c| {
            if let Some(error) = c.world.take_error(ns, sock) {
                outcome = Outcome::Failed { errno: error.errno, icmp: error.icmp };
                return true;
            }
            let stands = c.world.bare(ns).sockets.tcp_state(sock) == Some(TcpState::Established);
            if stands {
                outcome = Outcome::Answered { from: to.ip(), ttl: None };
            }
            stands
        });
        self.world.close(ns, sock);
        outcome
    }

    fn datagram_flow(&mut self, ns: NsId, to: SocketAddr) -> Outcome {
        let any = if to.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) };
        let opened = self.world.udp_bind(ns, SocketAddr::new(any, 0));
        // Connected, so that ICMP errors come back as error numbers.
        let connected = opened.and_then(|sock| self.world.udp_connect(ns, sock, to).map(|()| sock));
        let sent = connected
            .and_then(|sock| self.world.udp_send(ns, sock, to, Payload::from(&b"ksim"[..])).map(|()| sock));
        match sent {
            Ok(sock) => self.answer(ns, sock),
            Err(errno) => Outcome::Failed { errno, icmp: None },
        }
    }

    fn echo_flow(&mut self, ns: NsId, to: IpAddr) -> Outcome {
        let opened = self.world.icmp_open(ns, None);
        let sent = opened.and_then(|sock| {
            self.world.icmp_echo(ns, sock, to, 1, Payload::from(vec![0; 56])).map(|()| sock)
        });
        match sent {
            Ok(sock) => self.answer(ns, sock),
            Err(errno) => Outcome::Failed { errno, icmp: None },
        }
    }

    fn answer(&mut self, ns: NsId, sock: SockId) -> Outcome {
        let mut outcome = Outcome::Silent;
        self.wait(self.now() + DATAGRAM_PATIENCE, |c| {
            if let Some(error) = c.world.take_error(ns, sock) {
                outcome = Outcome::Failed { errno: error.errno, icmp: error.icmp };
                return true;
            }
            match c.world.recv(ns, sock) {
                Ok(None) => return false,
                Err(errno) => outcome = Outcome::Failed { errno, icmp: None },
                Ok(Some(got)) => match got.body {
                    ReceivedBody::Icmp(Icmp::Error { error, .. }) => {
                        let (errno, _) = errno_of(error, got.to.is_ipv6());
                        outcome = Outcome::Failed { errno, icmp: Some((error, got.from.ip())) };
                    }
                    _ => outcome = Outcome::Answered { from: got.from.ip(), ttl: Some(got.ttl) },
                },
            }
            true
        });
        self.world.close(ns, sock);
        outcome
    }
}

/// Host and port of a target.
fn split(to: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = to.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match to.split_once(':') {
        // More than one colon: an IPv6 address.
        Some((_, rest)) if rest.contains(':') => Some((to, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => (!to.is_empty()).then_some((to, None)),
    }
}

/// How packets ended. The copies that a flood brings to hosts they are not for do not count, unless no other copy went anywhere.
fn verdicts(trace: &Trace) -> Vec<(NsId, PacketId, Verdict)> {
    let ends = trace.events().filter_map(|e| match e.step {
        Step::End(verdict) => Some((e.ns, e.packet, verdict.clone())),
        _ => None,
    });
    let all: Vec<_> = ends.collect();
    let stray = |v: &Verdict| matches!(v, Verdict::Dropped { reason: DropReason::OtherHost });
    let arrived: BTreeSet<PacketId> = all.iter().filter(|(_, _, v)| !stray(v)).map(|(_, p, _)| *p).collect();
    all.into_iter().filter(|(_, p, v)| !stray(v) || !arrived.contains(p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_perhaps_a_port() {
        assert_eq!(split("svc-a:80"), Some(("svc-a", Some(80))));
        assert_eq!(split("10.0.0.1"), Some(("10.0.0.1", None)));
        assert_eq!(split("[fd00::1]:80"), Some(("fd00::1", Some(80))));
        assert_eq!(split("fd00::1"), Some(("fd00::1", None)));
        assert_eq!(split("a:b"), None);
        assert_eq!(split(""), None);
    }
}

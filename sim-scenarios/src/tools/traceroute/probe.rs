//! Probes: datagrams or echo requests with a TTL, and what comes back of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sim_core::linux::Errno;
use sim_core::linux::socket::{ErrorOrigin, PmtuDiscovery, ReceivedBody, SockOptions};
use sim_core::packet::{Icmp, IcmpError, Transport};
use sim_core::time::SimTime;
use sim_core::trace::{NsId, SockId};

use crate::tools::out::Held;
use crate::tools::{Cluster, Cx, net};

/// How probes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// UDP, the port one higher each time.
    Udp,
    /// UDP to one port.
    UdpFixed,
    /// ICMP echo requests.
    Icmp,
}

/// What is the same for all probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) method: Method,
    pub(super) dst: IpAddr,
    pub(super) source: Option<IpAddr>,
    /// First port, or first sequence number.
    pub(super) port: u16,
    /// Bytes of data.
    pub(super) size: usize,
    pub(super) pmtu: PmtuDiscovery,
    pub(super) tos: u8,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) from: IpAddr,
    /// How long it took.
    pub(super) time: Duration,
    /// The error; none if the destination answered as wanted.
    pub(super) error: Option<IcmpError>,
    /// The host itself has found the error.
    pub(super) local: bool,
}

/// A probe under way.
pub(super) struct Probe {
    ns: NsId,
    sock: SockId,
    sent: SimTime,
    seq: u16,
    dst: IpAddr,
}

impl Probe {
    /// Sends probe number `number`.
    pub(super) fn send(
        cx: &mut Cx<'_>,
        plan: &Plan,
        ttl: u8,
        number: u16,
    ) -> Result<Self, (&'static str, Errno)> {
        let ns = net::netns(cx).map_err(|e| ("socket", e))?;
        let seq = match plan.method {
            Method::Udp | Method::Icmp => plan.port.wrapping_add(number),
            Method::UdpFixed => plan.port,
        };
        let options =
            SockOptions { ttl, tos: plan.tos, pmtu: plan.pmtu, recverr: true, ..SockOptions::default() };
        let unspecified = match plan.dst {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let data: Vec<u8> = (0..plan.size).map(|i| 0x40 + (i & 0x3f) as u8).collect();
        let world = &mut cx.cluster.world;
        let sent = world.now();
        let sock = match plan.method {
            Method::Icmp => world.icmp_open(ns, None).map_err(|e| ("socket", e))?,
            Method::Udp | Method::UdpFixed => {
                let local = SocketAddr::new(plan.source.unwrap_or(unspecified), 0);
                world.udp_bind(ns, local).map_err(|e| ("bind", e))?
            }
        };
        let probe = Self { ns, sock, sent, seq, dst: plan.dst };
        let outcome = world.set_options(ns, sock, options).map_err(|e| ("setsockopt", e)).and_then(|()| {
            if plan.method == Method::Icmp {
                if let Some(source) = plan.source {
                    world.icmp_bind(ns, sock, source).map_err(|e| ("bind", e))?;
                }
                world.icmp_echo(ns, sock, plan.dst, seq, data.into()).map_err(|e| ("send", e))
            } else {
                let to = SocketAddr::new(plan.dst, seq);
                world.udp_connect(ns, sock, to).map_err(|e| ("connect", e))?;
                world.udp_send(ns, sock, to, data.into()).map_err(|e| ("send", e))
            }
        });
        cx.out.hold(Held::Socket(ns, sock));
        match outcome {
            // What the route said will come as an answer.
            Err(("send", Errno::EHOSTUNREACH)) | Ok(()) => Ok(probe),
            Err(("send", Errno::EMSGSIZE)) => Ok(probe),
            Err(problem) => {
                probe.close(cx);
                Err(problem)
            }
        }
    }

    /// What has come back, if anything has.
    pub(super) fn look(&self, cluster: &mut Cluster) -> Option<Reply> {
        let now = cluster.now();
        let reply = |from, error, local| Some(Reply { from, time: now.since(self.sent), error, local });
        let world = &mut cluster.world;
        while let Some(queued) = world.pop_queued_error(self.ns, self.sock) {
            match (queued.origin, queued.mtu) {
                (ErrorOrigin::Icmp { error, from }, _) => {
                    let done = error == IcmpError::PortUnreachable && from == self.dst;
                    return reply(from, Some(error).filter(|_| !done), false);
                }
                (ErrorOrigin::Local, Some(mtu)) => {
                    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
                    return reply(self.dst, Some(IcmpError::FragmentationNeeded { mtu }), true);
                }
                (ErrorOrigin::Local, None) => {}
            }
        }
        while let Ok(Some(got)) = world.recv(self.ns, self.sock) {
            let from = got.from.ip();
            match &got.body {
                ReceivedBody::Icmp(Icmp::EchoReply { seq, .. }) if *seq == self.seq => {
                    return reply(from, None, false);
                }
                ReceivedBody::Icmp(Icmp::Error { error, quote }) => match &quote.body {
                    Transport::Icmp(Icmp::EchoRequest { seq, .. }) if *seq == self.seq => {
                        return reply(from, Some(*error), false);
                    }
                    _ => {}
                },
                ReceivedBody::Datagram(_) => return reply(from, None, false),
                ReceivedBody::Icmp(_) => {}
            }
        }
        None
    }

    /// Waits for an answer.
    pub(super) fn wait(&self, cx: &mut Cx<'_>, until: SimTime) -> Option<Reply> {
        let mut found = None;
        cx.wait(until, |cluster| {
            found = self.look(cluster);
            found.is_some()
        });
        found
    }

    pub(super) fn close(&self, cx: &mut Cx<'_>) {
        cx.cluster.world.close(self.ns, self.sock);
    }
}

/// The mark behind the time of an answer that is an error.
pub(super) fn mark(error: IcmpError) -> Option<String> {
    Some(match error {
        IcmpError::TtlExceeded | IcmpError::ReassemblyTimeout | IcmpError::PortUnreachable => return None,
        IcmpError::NetUnreachable | IcmpError::BeyondScope => "!N".to_owned(),
        IcmpError::HostUnreachable => "!H".to_owned(),
        IcmpError::ProtocolUnreachable => "!P".to_owned(),
        IcmpError::FragmentationNeeded { mtu } => format!("!F-{mtu}"),
        IcmpError::AdminProhibited | IcmpError::PolicyFail | IcmpError::RejectRoute => "!X".to_owned(),
        IcmpError::NetProhibited => "!<9>".to_owned(),
        IcmpError::HostProhibited => "!<10>".to_owned(),
    })
}

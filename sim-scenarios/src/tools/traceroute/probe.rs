//! Probes: datagrams or echo requests with a TTL, and what comes back of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sim_core::linux::Errno;
use sim_core::linux::socket::{ErrorOrigin, PmtuDiscovery, ReceivedBody, SockOptions};
use sim_core::linux::tap::TapId;
use sim_core::packet::{FrameBody, Icmp, IcmpError, IpPacket, Tcp, TcpFlags, TcpOptions, Transport};
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
    /// The SYN of a connection that is not wanted: the kernel knows no socket for the answer and resets it.
    TcpSyn,
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
    /// TTL with which an ICMP error arrived.
    pub(super) ttl: Option<u8>,
}

/// Where a probe's answer comes in.
#[derive(Clone, Copy)]
enum Ear {
    Socket(SockId),
    /// A raw socket.
    Raw(TapId),
}

/// A probe under way.
pub(super) struct Probe {
    ns: NsId,
    ear: Ear,
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
            Method::TcpSyn => return Self::send_syn(cx, ns, plan, ttl),
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
            Method::Udp | Method::UdpFixed | Method::TcpSyn => {
                let local = SocketAddr::new(plan.source.unwrap_or(unspecified), 0);
                world.udp_bind(ns, local).map_err(|e| ("bind", e))?
            }
        };
        let probe = Self { ns, ear: Ear::Socket(sock), sent, seq, dst: plan.dst };
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

    /// A SYN like that of a real connection, from a port of its own.
    fn send_syn(cx: &mut Cx<'_>, ns: NsId, plan: &Plan, ttl: u8) -> Result<Self, (&'static str, Errno)> {
        // `ip_local_port_range`
        let port = 32768 + (net::draw(cx) % 28232) as u16;
        let tcp = Tcp {
            sport: port,
            dport: plan.port,
            seq: net::draw(cx),
            ack: 0,
            flags: TcpFlags::SYN,
            window: 5840,
            options: TcpOptions {
                mss: Some(1460),
                sack_permitted: true,
                timestamps: Some((cx.now().since_start().as_millis() as u32, 0)),
                window_scale: Some(2),
                ..TcpOptions::default()
            },
            payload: b""[..].into(),
        };
        let unspecified = match plan.dst {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let packet = IpPacket {
            src: plan.source.unwrap_or(unspecified),
            dst: plan.dst,
            ttl,
            tos: plan.tos,
            id: 0,
            df: true,
            frag: None,
            bad_checksum: false,
            body: Transport::Tcp(tcp),
        };
        let world = &mut cx.cluster.world;
        let tap = world.raw_open(ns);
        cx.out.hold(Held::Tap(ns, tap));
        let probe = Self { ns, ear: Ear::Raw(tap), sent: world.now(), seq: port, dst: plan.dst };
        match world.raw_send(ns, packet) {
            Ok(()) | Err(Errno::EHOSTUNREACH | Errno::EMSGSIZE) => Ok(probe),
            Err(errno) => {
                probe.close(cx);
                Err(("send", errno))
            }
        }
    }

    /// An answer to a SYN: a segment to its port, or an error that quotes it.
    fn look_raw(&self, cluster: &mut Cluster, tap: TapId) -> Option<Reply> {
        for seen in cluster.world.tap_take(self.ns, tap) {
            let FrameBody::Ip(p) = &seen.frame.body else { continue };
            let time = seen.at.since(self.sent);
            match &p.body {
                Transport::Tcp(t) if t.dport == self.seq && p.src == self.dst => {
                    return Some(Reply { from: p.src, time, error: None, local: false, ttl: None });
                }
                Transport::Icmp(Icmp::Error { error, quote }) => {
                    let ours = matches!(&quote.body, Transport::Tcp(t) if t.sport == self.seq);
                    if ours {
                        return Some(Reply {
                            from: p.src,
                            time,
                            error: Some(*error),
                            local: false,
                            ttl: None,
                        });
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// What has come back, if anything has.
    pub(super) fn look(&self, cluster: &mut Cluster) -> Option<Reply> {
        let sock = match self.ear {
            Ear::Socket(sock) => sock,
            Ear::Raw(tap) => return self.look_raw(cluster, tap),
        };
        let now = cluster.now();
        let reply =
            |from, error, local| Some(Reply { from, time: now.since(self.sent), error, local, ttl: None });
        let world = &mut cluster.world;
        while let Some(queued) = world.pop_queued_error(self.ns, sock) {
            match (queued.origin, queued.mtu) {
                (ErrorOrigin::Icmp { error, from }, _) => {
                    let done = error == IcmpError::PortUnreachable && from == self.dst;
                    let answer = reply(from, Some(error).filter(|_| !done), false);
                    return answer.map(|r| Reply { ttl: queued.ttl, ..r });
                }
                (ErrorOrigin::Local, Some(mtu)) => {
                    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
                    return reply(self.dst, Some(IcmpError::FragmentationNeeded { mtu }), true);
                }
                (ErrorOrigin::Local, None) => {}
            }
        }
        while let Ok(Some(got)) = world.recv(self.ns, sock) {
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
        match self.ear {
            Ear::Socket(sock) => cx.cluster.world.close(self.ns, sock),
            Ear::Raw(tap) => cx.cluster.world.tap_close(self.ns, tap),
        }
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

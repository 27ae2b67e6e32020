//! System calls of programs: what they do on sockets, and what they are answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Act, World};
use crate::chance::Dice;
use crate::linux::ipv6::is_link_local;
use crate::linux::policy::Flow;
use crate::linux::socket::{QueuedError, Received, SockError, SockOptions, Sockets, TcpRead};
use crate::linux::stack::{Cx, Path};
use crate::linux::{Errno, Netns};
use crate::packet::{IpPacket, Payload};
use crate::trace::{NsId, Recorder, SockId};

impl World {
    /// `socket(AF_INET, SOCK_DGRAM)` and `bind`; port 0 takes an ephemeral one.
    ///
    /// # Errors
    /// `EADDRINUSE`, or `EADDRNOTAVAIL` if the address is not local.
    pub fn udp_bind(&mut self, ns: NsId, local: SocketAddr) -> Result<SockId, Errno> {
        self.check_local(ns, local.ip())?;
        let (sockets, dice) = self.sockets(ns);
        sockets.udp_bind(local, dice, u64::from(ns.0))
    }

    /// `connect` on a UDP socket: the source address is settled by the route.
    ///
    /// # Errors
    /// No route, or no such socket; `EINVAL` for an IPv6 address of a link, if none is named.
    pub fn udp_connect(&mut self, ns: NsId, sock: SockId, remote: SocketAddr) -> Result<(), Errno> {
        let remote = SocketAddr::new(meant(remote.ip()), remote.port());
        // A link has to be named with an address that is of one only (`ip6_datagram_connect`); `sendto` takes the first there is.
        let device = self.bare(ns).sockets.options(sock).and_then(|o| o.device);
        if Netns::is_scoped(remote.ip()) && device.is_none() {
            return Err(Errno::EINVAL);
        }
        let src = self.source_for(ns, sock, remote.ip())?;
        self.stack(ns).sockets.udp_connect(sock, src, remote)
    }

    /// `sendto` on a UDP socket.
    ///
    /// # Errors
    /// What Linux answers: `ENETUNREACH`, `EPERM`, `EMSGSIZE`, a pending error, …
    pub fn udp_send(
        &mut self,
        ns: NsId,
        sock: SockId,
        dst: SocketAddr,
        payload: Payload,
    ) -> Result<(), Errno> {
        self.act(ns, UdpSend { sock, dst, payload })
    }

    /// `socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)` as ping uses it, with an identifier or a random one.
    ///
    /// # Errors
    /// No identifier is free.
    pub fn icmp_open(&mut self, ns: NsId, id: Option<u16>) -> Result<SockId, Errno> {
        let (sockets, dice) = self.sockets(ns);
        sockets.icmp_open(id, dice, u64::from(ns.0))
    }

    /// Binds an echo socket to a source address.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` if the address is not local.
    pub fn icmp_bind(&mut self, ns: NsId, sock: SockId, source: IpAddr) -> Result<(), Errno> {
        self.check_local(ns, source)?;
        self.stack(ns).sockets.icmp_bind(sock, source)
    }

    /// Sends an echo request.
    ///
    /// # Errors
    /// What Linux answers.
    pub fn icmp_echo(
        &mut self,
        ns: NsId,
        sock: SockId,
        dst: IpAddr,
        seq: u16,
        payload: Payload,
    ) -> Result<(), Errno> {
        self.act(ns, Echo { sock, dst, seq, payload })
    }

    /// Takes the next datagram or ICMP message of a socket.
    ///
    /// # Errors
    /// The socket's pending error.
    pub fn recv(&mut self, ns: NsId, sock: SockId) -> Result<Option<Received>, Errno> {
        self.stack(ns).sockets.recv(sock)
    }

    /// Opens a listening TCP socket.
    ///
    /// # Errors
    /// `EADDRINUSE`, or `EADDRNOTAVAIL` if the address is not local.
    pub fn tcp_listen(&mut self, ns: NsId, local: SocketAddr, backlog: usize) -> Result<SockId, Errno> {
        self.check_local(ns, local.ip())?;
        let (sockets, dice) = self.sockets(ns);
        sockets.tcp_listen(local, backlog, dice, u64::from(ns.0))
    }

    /// Starts a TCP connection; `from` binds it to a local address or port.
    ///
    /// # Errors
    /// What `connect` answers at once: `ENETUNREACH` and the like; `EINVAL` for a link-local address, as Linux answers if no interface
    /// is named with it. Later failures are found with [`World::take_error`].
    pub fn tcp_connect(
        &mut self,
        ns: NsId,
        from: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<SockId, Errno> {
        self.act(ns, Connect { from, remote })
    }

    /// Takes the next connection from a listener's queue.
    pub fn tcp_accept(&mut self, ns: NsId, listener: SockId) -> Option<SockId> {
        self.stack(ns).sockets.tcp_accept(listener)
    }

    /// Queues bytes for sending.
    ///
    /// # Errors
    /// `EPIPE`, `ENOTCONN`, a pending error.
    pub fn tcp_send(&mut self, ns: NsId, sock: SockId, bytes: &[u8]) -> Result<usize, Errno> {
        self.act(ns, TcpSend { sock, bytes })
    }

    /// Reads what has arrived.
    ///
    /// # Errors
    /// A pending error.
    pub fn tcp_recv(&mut self, ns: NsId, sock: SockId) -> Result<TcpRead, Errno> {
        self.act(ns, TcpRecv { sock })
    }

    /// `shutdown(SHUT_WR)`: sends what is queued, then FIN.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn tcp_shutdown(&mut self, ns: NsId, sock: SockId) -> Result<(), Errno> {
        self.act(ns, Shutdown { sock })
    }

    /// `sendto` on a raw socket whose packets bring their own IP header (`IP_HDRINCL`): addresses, ports, flags and checksum are
    /// sent as they are; a source that is unspecified and a TTL of 0 are filled in.
    ///
    /// # Errors
    /// What Linux answers: `ENETUNREACH`, `EPERM`, `EMSGSIZE`, …
    pub fn raw_send(&mut self, ns: NsId, packet: IpPacket) -> Result<(), Errno> {
        self.act(ns, RawSend { packet })
    }

    /// Closes any socket.
    pub fn close(&mut self, ns: NsId, sock: SockId) {
        self.act(ns, Close { sock });
    }

    /// Closes a TCP connection with a reset (`SO_LINGER` with 0 seconds).
    pub fn abort(&mut self, ns: NsId, sock: SockId) {
        self.act(ns, Abort { sock });
    }

    /// Reads and clears a socket's pending error.
    pub fn take_error(&mut self, ns: NsId, sock: SockId) -> Option<SockError> {
        self.stack(ns).sockets.take_error(sock)
    }

    /// Takes the next entry of a socket's error queue.
    pub fn pop_queued_error(&mut self, ns: NsId, sock: SockId) -> Option<QueuedError> {
        self.stack(ns).sockets.pop_queued_error(sock)
    }

    /// Sets a socket's options.
    ///
    /// # Errors
    /// There is no such socket.
    pub fn set_options(&mut self, ns: NsId, sock: SockId, options: SockOptions) -> Result<(), Errno> {
        self.stack(ns).sockets.set_options(sock, options)
    }

    fn sockets(&mut self, ns: NsId) -> (&mut Sockets, &mut Dice) {
        self.deferred.changes(ns);
        (&mut self.namespaces[ns.0 as usize].ns.sockets, &mut self.dice)
    }

    fn check_local(&self, ns: NsId, addr: IpAddr) -> Result<(), Errno> {
        let ok = addr.is_unspecified() || addr.is_multicast() || self.bare(ns).is_local(addr);
        if ok { Ok(()) } else { Err(Errno::EADDRNOTAVAIL) }
    }

    fn source_for(&mut self, ns: NsId, sock: SockId, dst: IpAddr) -> Result<IpAddr, Errno> {
        self.carry_out(ns);
        let ns = self.bare(ns);
        let bound = ns.sockets.local_addr(sock).ok_or(Errno::EBADF)?.ip();
        let path = sendable(ns, Some(sock), dst)?;
        if !bound.is_unspecified() {
            return Ok(bound);
        }
        Ok(connected(ns, path, dst)?.0)
    }
}

struct UdpSend {
    sock: SockId,
    dst: SocketAddr,
    payload: Payload,
}

impl Act<Result<(), Errno>> for UdpSend {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<(), Errno> {
        let dst = SocketAddr::new(meant(self.dst.ip()), self.dst.port());
        let path = sendable(ns, Some(self.sock), dst.ip())?;
        let mtu = ns.path_mtu(&path, dst.ip(), cx.now);
        let src = ns.source_of(&path, dst.ip());
        let packet = ns.sockets.udp_datagram(self.sock, src, dst, mtu, self.payload)?;
        send_packet(ns, cx, path, packet, self.sock, dst)
    }
}

struct RawSend {
    packet: IpPacket,
}

impl Act<Result<(), Errno>> for RawSend {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<(), Errno> {
        let path = sendable(ns, None, self.packet.dst)?;
        ns.send_local_on(path, self.packet, None, cx)
    }
}

struct Echo {
    sock: SockId,
    dst: IpAddr,
    seq: u16,
    payload: Payload,
}

impl Act<Result<(), Errno>> for Echo {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<(), Errno> {
        let dst = meant(self.dst);
        let path = sendable(ns, Some(self.sock), dst)?;
        let mtu = ns.path_mtu(&path, dst, cx.now);
        let src = ns.source_of(&path, dst);
        let packet = ns.sockets.icmp_echo(self.sock, src, dst, mtu, self.seq, self.payload)?;
        send_packet(ns, cx, path, packet, self.sock, SocketAddr::new(dst, 0))
    }
}

/// The unspecified address means this host (`ip_route_output_key`).
const fn meant(dst: IpAddr) -> IpAddr {
    match dst {
        IpAddr::V4(a) if a.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(a) if a.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}

/// The path of a packet from a socket; a broadcast address needs `SO_BROADCAST`, which no socket here has.
fn sendable(ns: &Netns, sock: Option<SockId>, dst: IpAddr) -> Result<Path, Errno> {
    let device = sock.and_then(|s| ns.sockets.options(s)).and_then(|o| o.device);
    let path = match device {
        Some(_) if Netns::is_scoped(dst) => ns.path_on_link(dst, device),
        _ => {
            // The address that the socket is bound to, or has got by connecting. In IPv6 the route stays the one that was looked up
            // for connecting, without it (`ip6_sk_dst_lookup_flow`).
            let keeps = |s: &SockId| dst.is_ipv4() || ns.sockets.peer_addr(*s).is_none();
            let src = sock.filter(keeps).and_then(|s| ns.sockets.local_addr(s)).map(|a| a.ip());
            let flow = Flow { src: src.filter(|a| !a.is_unspecified()), ..Flow::to(dst) };
            if sock.is_some_and(|s| !keeps(&s)) { ns.kept_path(&flow) } else { ns.path_of(&flow) }
        }
    };
    let path = path.map_err(|no| no.errno)?;
    if path.broadcast { Err(Errno::EACCES) } else { Ok(path) }
}

/// The source address of a socket that is connected by a path, and its path. In IPv4 the route is looked up once more with the address
/// (`ip_route_connect`).
fn connected(ns: &Netns, path: Path, dst: IpAddr) -> Result<(IpAddr, Path), Errno> {
    let src = ns.source_of(&path, dst);
    let again = || ns.path_of(&Flow { src: Some(src), ..Flow::to(dst) }).map_err(|no| no.errno);
    Ok((src, if dst.is_ipv4() { again()? } else { path }))
}

fn send_packet<R: Recorder>(
    ns: &mut Netns,
    cx: &mut Cx<'_, R>,
    path: Path,
    packet: IpPacket,
    sock: SockId,
    dst: SocketAddr,
) -> Result<(), Errno> {
    let len = packet.len();
    let sent = ns.send_local_on(path, packet, Some(sock), cx);
    sent.inspect_err(|errno| ns.not_sent(sock, *errno, (dst, len), cx.now))
}

struct Connect {
    from: Option<SocketAddr>,
    remote: SocketAddr,
}

impl Act<Result<SockId, Errno>> for Connect {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<SockId, Errno> {
        let remote = SocketAddr::new(meant(self.remote.ip()), self.remote.port());
        if is_link_local(remote.ip()) {
            return Err(Errno::EINVAL);
        }
        let bound = self.from.filter(|a| !a.ip().is_unspecified());
        let flow = Flow { src: bound.map(|a| a.ip()), ..Flow::to(remote.ip()) };
        let path = ns.path_of(&flow).map_err(|no| no.errno)?;
        // There is nobody there to talk to (`tcp_v4_connect`).
        if path.broadcast || (remote.is_ipv4() && remote.ip().is_multicast()) {
            return Err(Errno::ENETUNREACH);
        }
        let (local, path) = match bound {
            Some(bound) => (bound, path),
            None => {
                let (src, path) = connected(ns, path, remote.ip())?;
                (SocketAddr::new(src, self.from.map_or(0, |a| a.port())), path)
            }
        };
        let mtu = ns.path_mtu(&path, remote.ip(), cx.now);
        let place = u64::from(ns.id.0);
        let sock = ns.sockets.tcp_connect(local, remote, mtu, cx.now, cx.dice, place)?;
        ns.sockets.hold(Some(sock));
        // As with UDP, IPv6 looks the route up once, before it has chosen the source (`tcp_v6_connect`).
        if bound.is_none() && remote.is_ipv6() {
            ns.sockets.keep_early_route(sock);
        }
        ns.flush_sockets(cx);
        Ok(sock)
    }
}

struct TcpSend<'a> {
    sock: SockId,
    bytes: &'a [u8],
}

impl Act<Result<usize, Errno>> for TcpSend<'_> {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<usize, Errno> {
        ns.sockets.hold(Some(self.sock));
        let sent = ns.sockets.tcp_send(self.sock, self.bytes, cx.now);
        ns.flush_sockets(cx);
        sent
    }
}

struct TcpRecv {
    sock: SockId,
}

impl Act<Result<TcpRead, Errno>> for TcpRecv {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<TcpRead, Errno> {
        ns.sockets.hold(Some(self.sock));
        let read = ns.sockets.tcp_recv(self.sock);
        ns.flush_sockets(cx);
        read
    }
}

struct Shutdown {
    sock: SockId,
}

impl Act<Result<(), Errno>> for Shutdown {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<(), Errno> {
        ns.sockets.hold(Some(self.sock));
        let done = ns.sockets.tcp_shutdown(self.sock, cx.now);
        ns.flush_sockets(cx);
        done
    }
}

struct Abort {
    sock: SockId,
}

impl Act<()> for Abort {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) {
        ns.sockets.hold(Some(self.sock));
        ns.sockets.tcp_abort(self.sock);
        ns.flush_sockets(cx);
    }
}

struct Close {
    sock: SockId,
}

impl Act<()> for Close {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) {
        ns.sockets.hold(Some(self.sock));
        ns.sockets.close(self.sock, cx.now);
        ns.flush_sockets(cx);
    }
}

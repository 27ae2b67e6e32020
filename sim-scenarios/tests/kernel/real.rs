//! The kernel's side.

use std::collections::BTreeMap;
use std::io::{ErrorKind, IoSliceMut, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{
    Ipv4PacketInfo, Ipv4RecvErr, Ipv4RecvTtl, Ipv4Ttl, Ipv6RecvErr, Ipv6RecvHopLimit, Ipv6RecvPacketInfo,
    Ipv6Ttl, Linger, RcvBufForce,
};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    SockaddrStorage, bind, connect, recvfrom, recvmsg, sendto, setsockopt, socket,
};
use sim_core::trace::NsId;

use crate::frame;
use crate::side::{Datagram, Echo, Errno, Options, Progress, Side, Sock};
use crate::sim::Seen;
use crate::space::Spaces;

/// `IP_MTU_DISCOVER`.
#[derive(Clone, Copy)]
struct MtuDiscover;

nix::setsockopt_impl!(
    MtuDiscover,
    libc::IPPROTO_IP,
    libc::IP_MTU_DISCOVER,
    libc::c_int,
    nix::sys::socket::sockopt::SetStruct<'_, libc::c_int>
);

/// `IPV6_MTU_DISCOVER`.
#[derive(Clone, Copy)]
struct MtuDiscover6;

nix::setsockopt_impl!(
    MtuDiscover6,
    libc::IPPROTO_IPV6,
    libc::IPV6_MTU_DISCOVER,
    libc::c_int,
    nix::sys::socket::sockopt::SetStruct<'_, libc::c_int>
);

enum Socket {
    Udp(UdpSocket),
    /// Its identifier, and whether it is one of IPv6.
    Echo(OwnedFd, u16, bool),
    Listener(TcpListener),
    Conn(TcpStream),
    Closed,
}

/// Namespaces, and the sockets of the test in them.
pub(crate) struct Real {
    pub(crate) spaces: Spaces,
    taps: Vec<(NsId, OwnedFd)>,
    socks: Vec<Socket>,
    /// Sockets up to here are servers.
    servers: usize,
    start: Instant,
    pub(crate) seen: Seen,
}

fn name(errno: nix::errno::Errno) -> Errno {
    format!("{errno:?}")
}

fn io_name(e: &std::io::Error) -> Errno {
    e.raw_os_error().map_or_else(|| e.to_string(), |n| name(nix::errno::Errno::from_raw(n)))
}

fn addr(of: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = of.as_sockaddr_in().map(|a| SocketAddr::V4((*a).into()));
    v4.or_else(|| of.as_sockaddr_in6().map(|a| SocketAddr::V6((*a).into())))
}

impl Real {
    /// A side over namespaces, with a tap in each.
    pub(crate) fn new(spaces: Spaces) -> Result<Self, String> {
        let mut taps = Vec::new();
        for id in spaces.of.keys() {
            let tap = spaces.inside(*id, || {
                let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
                let tap = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
                setsockopt(&tap, RcvBufForce, &(4 << 20))?;
                Ok::<_, nix::errno::Errno>(tap)
            })?;
            taps.push((*id, tap.map_err(|e| format!("tap: {e}"))?));
        }
        Ok(Self { spaces, taps, socks: Vec::new(), servers: 0, start: Instant::now(), seen: Seen::default() })
    }

    /// The sockets opened so far are the servers'.
    pub(crate) fn servers_stand(&mut self) {
        self.servers = self.socks.len();
    }

    /// Forgets everything of earlier probes.
    pub(crate) fn forget(&mut self) -> Result<(), String> {
        self.socks.truncate(self.servers);
        self.spaces.forget()?;
        for id in self.spaces.of.keys() {
            self.spaces.inside(*id, || {
                flush_conntrack();
                flush_recent();
            })?;
        }
        Ok(())
    }

    /// The probe begins.
    pub(crate) fn begin(&mut self) {
        self.drain();
        self.start = Instant::now();
    }

    fn keep(&mut self, socket: Socket) -> Sock {
        self.socks.push(socket);
        self.socks.len() - 1
    }

    /// Takes what the taps have.
    fn drain(&mut self) -> BTreeMap<String, Vec<String>> {
        let mut frames: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut buf = vec![0; 70_000];
        for (id, tap) in &self.taps {
            let space = &self.spaces.of[id];
            while let Ok((len, from)) = recvfrom::<LinkAddr>(tap.as_raw_fd(), &mut buf) {
                let Some(from) = from else { continue };
                let Some(dev) = space.devices.get(&from.ifindex()) else { continue };
                let out = from.pkttype() == libc::PACKET_OUTGOING;
                if out && dev == "lo" {
                    continue;
                }
                if let Some(text) = frame::text(&buf[..len]) {
                    let place = format!("{}|{dev} {}", space.name, if out { "out" } else { "in" });
                    frames.entry(place).or_default().push(text);
                }
            }
        }
        frames
    }

    fn conntrack(&self) -> BTreeMap<String, Vec<String>> {
        let read = || std::fs::read_to_string("/proc/thread-self/net/nf_conntrack").unwrap_or_default();
        let of = |id: &NsId| {
            self.spaces.inside(*id, read).unwrap_or_default().lines().map(tuples).collect::<Vec<_>>()
        };
        let all = self.spaces.of.iter().map(|(id, space)| (space.name.clone(), of(id)));
        all.filter(|(_, l)| !l.is_empty()).collect()
    }
}

/// A line of `/proc/net/nf_conntrack` without what changes from one moment to the next.
fn tuples(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let protocol = words.get(2).copied().unwrap_or_default();
    let number = |w: &&&str| !w.bytes().all(|b| b.is_ascii_digit());
    let dull = |w: &&&str| !["mark=", "zone=", "use=", "secctx="].iter().any(|p| w.starts_with(p));
    let rest: Vec<String> = words.iter().skip(4).filter(number).filter(dull).map(|w| short(w)).collect();
    format!("{protocol} {}", rest.join(" "))
}

/// `src=` and `dst=` with IPv6 addresses as they are written elsewhere.
fn short(word: &str) -> String {
    let address = |(key, value): (&str, &str)| Some((key.to_owned(), value.parse::<Ipv6Addr>().ok()?));
    word.split_once('=').and_then(address).map_or_else(|| word.to_owned(), |(key, a)| format!("{key}={a}"))
}

/// `conntrack -F`, without a process.
fn flush_conntrack() {
    let Ok(fd) =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)
    else {
        return;
    };
    // struct nlmsghdr: IPCTNL_MSG_CT_DELETE of NFNL_SUBSYS_CTNETLINK, NLM_F_REQUEST | NLM_F_ACK; struct nfgenmsg.
    let mut message = Vec::with_capacity(20);
    message.extend(20_u32.to_ne_bytes());
    message.extend(((1_u16 << 8) | 2).to_ne_bytes());
    message.extend(5_u16.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend([0; 4]);
    if nix::sys::socket::send(fd.as_raw_fd(), &message, MsgFlags::empty()).is_ok() {
        let _ = nix::sys::socket::recv(fd.as_raw_fd(), &mut [0; 4096], MsgFlags::empty());
    }
}

/// Empties the lists of `-m recent`.
fn flush_recent() {
    let Ok(lists) = std::fs::read_dir("/proc/thread-self/net/xt_recent") else { return };
    for list in lists.flatten() {
        let _ = std::fs::write(list.path(), "/");
    }
}

fn set(fd: &impl std::os::fd::AsFd, v6: bool, with: Options) -> Result<(), Errno> {
    let (ttl, pmtu) = (with.ttl.map(i32::from), i32::from(with.pmtu));
    if v6 {
        ttl.map_or(Ok(()), |ttl| setsockopt(fd, Ipv6Ttl, &ttl)).map_err(name)?;
        setsockopt(fd, Ipv6RecvHopLimit, &true).map_err(name)?;
        return setsockopt(fd, MtuDiscover6, &pmtu).map_err(name);
    }
    ttl.map_or(Ok(()), |ttl| setsockopt(fd, Ipv4Ttl, &ttl)).map_err(name)?;
    setsockopt(fd, MtuDiscover, &pmtu).map_err(name)
}

/// Addresses and TTL that came with a message.
struct Came {
    len: usize,
    from: Option<SocketAddr>,
    to: IpAddr,
    ttl: u8,
}

/// The next message of a socket; none if there is none.
fn receive(fd: std::os::fd::RawFd, buf: &mut [u8]) -> Result<Option<Came>, Errno> {
    let mut iov = [IoSliceMut::new(buf)];
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo, libc::c_int);
    let got = match recvmsg::<SockaddrStorage>(fd, &mut iov, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
        Err(nix::errno::Errno::EAGAIN) => return Ok(None),
        other => other.map_err(name)?,
    };
    let from = got.address.as_ref().and_then(addr);
    let mut came = Came { len: got.bytes, from, to: IpAddr::V4(Ipv4Addr::UNSPECIFIED), ttl: 0 };
    for message in got.cmsgs().map_err(name)? {
        match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                came.to = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into();
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                came.to = Ipv6Addr::from(info.ipi6_addr.s6_addr).into();
            }
            ControlMessageOwned::Ipv4Ttl(t) | ControlMessageOwned::Ipv6HopLimit(t) => came.ttl = t as u8,
            _ => {}
        }
    }
    Ok(Some(came))
}

fn reset_on_close(fd: &impl std::os::fd::AsFd) {
    let _ = setsockopt(fd, Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
}

impl Side for Real {
    fn udp(&mut self, at: NsId, local: SocketAddr, with: Options) -> Result<Sock, Errno> {
        let sock = self.spaces.inside(at, || UdpSocket::bind(local))?.map_err(|e| io_name(&e))?;
        sock.set_nonblocking(true).map_err(|e| io_name(&e))?;
        set(&sock, local.is_ipv6(), with)?;
        if local.is_ipv6() {
            setsockopt(&sock, Ipv6RecvPacketInfo, &true).map_err(name)?;
            setsockopt(&sock, Ipv6RecvErr, &with.recverr).map_err(name)?;
        } else {
            setsockopt(&sock, Ipv4PacketInfo, &true).map_err(name)?;
            setsockopt(&sock, Ipv4RecvTtl, &true).map_err(name)?;
            setsockopt(&sock, Ipv4RecvErr, &with.recverr).map_err(name)?;
        }
        Ok(self.keep(Socket::Udp(sock)))
    }

    fn udp_connect(&mut self, sock: Sock, to: SocketAddr) -> Result<(), Errno> {
        let Socket::Udp(s) = &self.socks[sock] else { return Err("no socket".to_owned()) };
        s.connect(to).map_err(|e| io_name(&e))
    }

    fn udp_send(&mut self, sock: Sock, to: SocketAddr, connected: bool, bytes: &[u8]) -> Result<(), Errno> {
        let Socket::Udp(s) = &self.socks[sock] else { return Err("no socket".to_owned()) };
        let sent = if connected { s.send(bytes) } else { s.send_to(bytes, to) };
        sent.map(drop).map_err(|e| io_name(&e))
    }

    fn udp_recv(&mut self, sock: Sock) -> Result<Option<Datagram>, Errno> {
        let Socket::Udp(s) = &self.socks[sock] else { return Ok(None) };
        let mut buf = vec![0; 70_000];
        let Some(came) = receive(s.as_raw_fd(), &mut buf)? else { return Ok(None) };
        let from = came.from.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        buf.truncate(came.len);
        Ok(Some(Datagram { from, to: came.to, ttl: came.ttl, bytes: buf }))
    }

    fn errors(&mut self, sock: Sock) -> Vec<String> {
        let Socket::Udp(s) = &self.socks[sock] else { return Vec::new() };
        std::iter::from_fn(|| queued(s.as_fd())).collect()
    }

    fn echo(&mut self, at: NsId, v6: bool, id: u16, with: Options) -> Result<Sock, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let (family, protocol) = if v6 {
            (AddressFamily::Inet6, SockProtocol::IcmpV6)
        } else {
            (AddressFamily::Inet, SockProtocol::Icmp)
        };
        let open = || socket(family, SockType::Raw, flags, protocol);
        let fd = self.spaces.inside(at, open)?.map_err(name)?;
        set(&fd, v6, with)?;
        Ok(self.keep(Socket::Echo(fd, id, v6)))
    }

    fn echo_send(&mut self, sock: Sock, to: IpAddr, seq: u16, size: usize) -> Result<(), Errno> {
        let Socket::Echo(fd, id, v6) = &self.socks[sock] else { return Err("no socket".to_owned()) };
        let mut message = vec![if *v6 { 128 } else { 8 }, 0, 0, 0];
        message.extend(id.to_be_bytes());
        message.extend(seq.to_be_bytes());
        message.resize(8 + size, b'p');
        if !v6 {
            let sum = checksum(&message).to_be_bytes();
            message[2..4].copy_from_slice(&sum);
        }
        let to = SockaddrStorage::from(SocketAddr::new(to, 0));
        sendto(fd.as_raw_fd(), &message, &to, MsgFlags::empty()).map(drop).map_err(name)
    }

    fn echo_recv(&mut self, sock: Sock) -> Result<Option<Echo>, Errno> {
        let Socket::Echo(fd, id, v6) = &self.socks[sock] else { return Ok(None) };
        let mut buf = vec![0; 70_000];
        loop {
            let Some(came) = receive(fd.as_raw_fd(), &mut buf)? else { return Ok(None) };
            let b = &buf[..came.len];
            let echo = match came.from {
                Some(from) if *v6 => echo6(b, *id, from.ip(), came.ttl),
                _ => echo(b, *id),
            };
            if let Some(echo) = echo {
                return Ok(Some(echo));
            }
        }
    }

    fn listen(&mut self, at: NsId, local: SocketAddr) -> Result<Sock, Errno> {
        let listener = self.spaces.inside(at, || TcpListener::bind(local))?.map_err(|e| io_name(&e))?;
        listener.set_nonblocking(true).map_err(|e| io_name(&e))?;
        Ok(self.keep(Socket::Listener(listener)))
    }

    fn accept(&mut self, sock: Sock) -> Option<(Sock, SocketAddr, SocketAddr)> {
        let Socket::Listener(l) = &self.socks[sock] else { return None };
        let (conn, peer) = l.accept().ok()?;
        let own = conn.local_addr().ok()?;
        conn.set_nonblocking(true).ok()?;
        reset_on_close(&conn);
        Some((self.keep(Socket::Conn(conn)), peer, own))
    }

    fn connect(&mut self, at: NsId, local: SocketAddr, to: SocketAddr) -> Result<Sock, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let family = if to.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let open = || socket(family, SockType::Stream, flags, None);
        let fd = self.spaces.inside(at, open)?.map_err(name)?;
        reset_on_close(&fd);
        bind(fd.as_raw_fd(), &SockaddrStorage::from(local)).map_err(name)?;
        match connect(fd.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) | Err(nix::errno::Errno::EINPROGRESS) => Ok(self.keep(Socket::Conn(TcpStream::from(fd)))),
            Err(e) => Err(name(e)),
        }
    }

    fn progress(&mut self, sock: Sock) -> Progress {
        let Socket::Conn(conn) = &mut self.socks[sock] else { return Progress::Closed };
        // A connected program asks for data, not for `SO_ERROR`: that would take soft errors, of which it learns nothing.
        if conn.peer_addr().is_err()
            && let Ok(Some(e)) = conn.take_error()
        {
            return Progress::Failed(io_name(&e));
        }
        let mut buf = [0; 4096];
        match conn.read(&mut buf) {
            Ok(0) => Progress::Closed,
            Ok(len) => Progress::Data(buf[..len].to_vec()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                Progress::Pending
            }
            Err(e) => Progress::Failed(io_name(&e)),
        }
    }

    fn write(&mut self, sock: Sock, bytes: &[u8]) {
        if let Socket::Conn(conn) = &mut self.socks[sock] {
            let _ = conn.write(bytes);
        }
    }

    fn local(&mut self, sock: Sock) -> String {
        let addr = match &self.socks[sock] {
            Socket::Udp(s) => s.local_addr(),
            Socket::Conn(s) => s.local_addr(),
            Socket::Listener(s) => s.local_addr(),
            Socket::Echo(..) | Socket::Closed => return String::new(),
        };
        addr.map_or_else(|_| String::new(), |a| a.to_string())
    }

    fn close(&mut self, sock: Sock) {
        self.socks[sock] = Socket::Closed;
    }

    fn finish(&mut self) {
        let conntrack = self.conntrack();
        self.seen = Seen { frames: self.drain(), conntrack };
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn wait(&mut self, until: Duration) {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(self.socks.len());
        for socket in &self.socks {
            let fd = match socket {
                Socket::Udp(s) => s.as_fd(),
                Socket::Echo(s, ..) => s.as_fd(),
                Socket::Listener(s) => s.as_fd(),
                Socket::Conn(s) => s.as_fd(),
                Socket::Closed => continue,
            };
            fds.push(PollFd::new(fd, PollFlags::POLLIN | PollFlags::POLLERR));
        }
        let left = until.saturating_sub(self.elapsed()).as_millis().clamp(1, 10_000);
        let _ = poll(&mut fds, PollTimeout::from(left as u16));
    }
}

/// The next entry of an error queue.
fn queued(fd: BorrowedFd<'_>) -> Option<String> {
    let mut buf = [0; 2048];
    let mut iov = [IoSliceMut::new(&mut buf)];
    let mut control = nix::cmsg_space!([u8; 512]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let got = recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut iov, Some(&mut control), flags).ok()?;
    for message in got.cmsgs().ok()? {
        let (e, from) = match message {
            ControlMessageOwned::Ipv4RecvErr(e, from) => {
                (e, from.map(|a| IpAddr::from(Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr)))))
            }
            ControlMessageOwned::Ipv6RecvErr(e, from) => {
                (e, from.map(|a| IpAddr::from(Ipv6Addr::from(a.sin6_addr.s6_addr))))
            }
            _ => continue,
        };
        let mut text = name(nix::errno::Errno::from_raw(e.ee_errno as i32));
        match from {
            Some(from) if matches!(e.ee_origin, 2 | 3) => {
                text += &format!(" icmp {}/{} from {from}", e.ee_type, e.ee_code);
            }
            _ => text += " local",
        }
        if e.ee_info != 0 {
            text += &format!(" mtu {}", e.ee_info);
        }
        return Some(text);
    }
    Some("an entry without details".to_owned())
}

fn checksum(b: &[u8]) -> u16 {
    let words = b.chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], *c.get(1).unwrap_or(&0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What a packet means to an echo socket, if it is for it.
fn echo(b: &[u8], id: u16) -> Option<Echo> {
    let header = usize::from(b.first()? & 15) * 4;
    let from = IpAddr::from([b[12], b[13], b[14], b[15]]);
    let m = b.get(header..)?;
    let word = |b: &[u8], at: usize| Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]));
    match *m.first()? {
        0 if word(m, 4)? == id => {
            Some(Echo::Reply { from, ttl: b[8], seq: word(m, 6)?, len: m.len().saturating_sub(8) })
        }
        ty @ (3 | 11) => {
            let quote = m.get(8..)?;
            let inner = quote.get(usize::from(quote.first()? & 15) * 4..)?;
            let ours = *quote.get(9)? == 1 && *inner.first()? == 8 && word(inner, 4)? == id;
            let mtu = if (ty, m[1]) == (3, 4) { format!(" mtu {}", word(m, 6)?) } else { String::new() };
            ours.then(|| Echo::Error { from, text: format!("icmp {ty}/{}{mtu}", m[1]) })
        }
        _ => None,
    }
}

/// What an ICMPv6 message means to an echo socket, if it is for it.
fn echo6(m: &[u8], id: u16, from: IpAddr, ttl: u8) -> Option<Echo> {
    let word = |b: &[u8], at: usize| Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]));
    match *m.first()? {
        129 if word(m, 4)? == id => {
            Some(Echo::Reply { from, ttl, seq: word(m, 6)?, len: m.len().saturating_sub(8) })
        }
        ty @ 1..=4 => {
            let quote = m.get(8..)?;
            let (mut next, mut inner) = (*quote.get(6)?, quote.get(40..)?);
            if next == 44 {
                (next, inner) = (*inner.first()?, inner.get(8..)?);
            }
            let ours = next == 58 && *inner.first()? == 128 && word(inner, 4)? == id;
            let mtu = if ty == 2 { format!(" mtu {}", word(m, 6)?) } else { String::new() };
            ours.then(|| Echo::Error { from, text: format!("icmp {ty}/{}{mtu}", m[1]) })
        }
        _ => None,
    }
}

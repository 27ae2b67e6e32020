//! UDP sockets: binding, demultiplexing, the receive queue.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::types::{Input, PmtuDiscovery, Received, ReceivedBody, SockOptions};
use super::{Kind, Sockets, port};
use crate::chance::{Chance, Dice, Purpose};
use crate::linux::Errno;
use crate::packet::{IcmpError, IpPacket, Payload, Transport, Udp};
use crate::trace::{DropReason, SockId};

/// `net.core.rmem_default`: what the queued datagrams of one socket may cost the kernel, in bytes.
const RECEIVE_BUFFER: usize = 212_992;
/// The largest UDP payload in an IPv4 packet, in bytes, and in an IPv6 packet, whose length does not count its header.
const MAX_PAYLOAD: usize = 65_507;
const MAX_PAYLOAD_V6: usize = 65_527;

/// State of a UDP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UdpSocket {
    pub(super) local: SocketAddr,
    pub(super) remote: Option<SocketAddr>,
    queue: VecDeque<Received>,
    /// Memory that the queue stands for, in bytes.
    queued: usize,
    ip_id: u16,
}

impl UdpSocket {
    /// Bytes of data that wait to be read.
    pub(super) fn readable(&self) -> usize {
        self.queue.iter().map(|r| r.bytes().len()).sum()
    }
}

/// Sockets by local port, with what demultiplexing needs to know of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UdpPorts(FxHashMap<u16, SmallVec<[Entry; 1]>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    id: SockId,
    local: IpAddr,
    v6only: bool,
    remote: Option<SocketAddr>,
}

impl UdpPorts {
    /// The socket for a datagram: among those on the port, the most specific (`__udp4_lib_lookup`, `compute_score`).
    pub(super) fn find(&self, dst: SocketAddr, src: SocketAddr) -> Option<SockId> {
        let best = self.0.get(&dst.port())?.iter().filter_map(|e| Some((e.score(dst.ip(), src)?, e.id)));
        // The newest of equals, as the kernel adds sockets at the head of the chain.
        best.max_by_key(|&(score, id)| (score, id)).map(|(_, id)| id)
    }

    fn taken(&self, local: SocketAddr, v6only: bool) -> bool {
        let clash = |e: &Entry| port::overlap((local.ip(), v6only), (e.local, e.v6only));
        self.0.get(&local.port()).is_some_and(|on_port| on_port.iter().any(clash))
    }

    fn entry_mut(&mut self, port: u16, id: SockId) -> Option<&mut Entry> {
        self.0.get_mut(&port)?.iter_mut().find(|e| e.id == id)
    }

    pub(super) fn set_v6only(&mut self, port: u16, id: SockId, v6only: bool) {
        if let Some(entry) = self.entry_mut(port, id) {
            entry.v6only = v6only;
        }
    }

    pub(super) fn remove(&mut self, port: u16, id: SockId) {
        if let Some(on_port) = self.0.get_mut(&port) {
            on_port.retain(|e| e.id != id);
            if on_port.is_empty() {
                self.0.remove(&port);
            }
        }
    }
}

impl Entry {
    fn score(&self, dst: IpAddr, src: SocketAddr) -> Option<u32> {
        let address = port::address_score((self.local, self.v6only), dst)?;
        match self.remote {
            None => Some(address),
            Some(remote) if remote == src => Some(address + 8),
            Some(_) => None,
        }
    }
}

impl Sockets {
    /// Opens a UDP socket on `local`; the address may be unspecified, and port 0 asks for an ephemeral one.
    ///
    /// # Errors
    /// `EADDRINUSE` if a socket has the port on an overlapping address, or no ephemeral port is free.
    pub fn udp_bind(&mut self, local: SocketAddr, dice: &mut Dice, place: u64) -> Result<SockId, Errno> {
        let v6only = SockOptions::default().v6only;
        let ports = &self.udp_ports;
        let local = match local.port() {
            0 => port::ephemeral(dice, place, 1, |p| !ports.taken(SocketAddr::new(local.ip(), p), v6only))
                .map(|p| SocketAddr::new(local.ip(), p)),
            _ => Some(local).filter(|l| !ports.taken(*l, v6only)),
        };
        let local = local.ok_or(Errno::EADDRINUSE)?;
        let ip_id = dice.bits(Purpose::Identifier, place) as u16;
        let id = self.insert(Kind::Udp(UdpSocket {
            local,
            remote: None,
            queue: VecDeque::new(),
            queued: 0,
            ip_id,
        }));
        let entry = Entry { id, local: local.ip(), v6only, remote: None };
        self.udp_ports.0.entry(local.port()).or_default().push(entry);
        Ok(id)
    }

    /// Fixes the peer: only its datagrams are received, and ICMP errors about datagrams to it are reported. A socket that
    /// was bound to no address gets `src`, the address that the route to the peer prefers.
    ///
    /// # Errors
    /// `EBADF` if there is no such socket.
    pub fn udp_connect(&mut self, id: SockId, src: IpAddr, remote: SocketAddr) -> Result<(), Errno> {
        let socket = self.udp_mut(id)?;
        if socket.local.ip().is_unspecified() {
            socket.local.set_ip(src);
        }
        socket.remote = Some(remote);
        let local = socket.local;
        if let Some(entry) = self.udp_ports.entry_mut(local.port(), id) {
            entry.local = local.ip();
            entry.remote = Some(remote);
        }
        Ok(())
    }

    /// Makes the datagram that `sendto(2)` sends, for the stack to send. `src` is the address that the route prefers (or
    /// that the sender asks for by `IP_PKTINFO`), used if the socket is bound to none; `mtu` is the route's, in bytes.
    ///
    /// # Errors
    /// A pending error of the socket; `EMSGSIZE` for too much data, or for more than the route's MTU if the socket forbids
    /// fragments; `EBADF`.
    pub fn udp_datagram(
        &mut self,
        id: SockId,
        src: IpAddr,
        dst: SocketAddr,
        mtu: u32,
        payload: Payload,
    ) -> Result<IpPacket, Errno> {
        let slot = self.slots.get_mut(&id).ok_or(Errno::EBADF)?;
        let Kind::Udp(socket) = &mut slot.kind else { return Err(Errno::EBADF) };
        if payload.len() > if dst.is_ipv4() { MAX_PAYLOAD } else { MAX_PAYLOAD_V6 } {
            return Err(Errno::EMSGSIZE);
        }
        slot.common.check_error()?;
        let src = if socket.local.ip().is_unspecified() { src } else { socket.local.ip() };
        let udp = Udp { sport: socket.local.port(), dport: dst.port(), payload };
        let mut packet = IpPacket::new(src, dst.ip(), Transport::Udp(udp));
        slot.common.options.stamp(&mut packet, mtu).inspect_err(|&errno| {
            slot.common.local_error(errno, dst, Some(mtu));
        })?;
        // `ip_select_ident`: a connected socket counts, an unconnected one sends 0 with DF.
        if socket.remote.is_some() || !packet.df {
            socket.ip_id = socket.ip_id.wrapping_add(1);
            packet.id = socket.ip_id;
        }
        Ok(packet)
    }

    pub(super) fn udp_input(&mut self, packet: &IpPacket, udp: &Udp) -> Input {
        let Some(id) = self.udp_ports.find(packet.destination(), packet.source()) else {
            return Input::Refused;
        };
        let Some(slot) = self.slots.get_mut(&id) else { return Input::Refused };
        let Kind::Udp(socket) = &mut slot.kind else { return Input::Refused };
        let cost = memory_cost(udp.payload.len());
        if socket.queued + cost > RECEIVE_BUFFER {
            return Input::Dropped { socket: Some(id), reason: DropReason::SocketQueueFull };
        }
        socket.queued += cost;
        socket.queue.push_back(Received {
            from: SocketAddr::new(packet.src, udp.sport),
            to: packet.dst,
            ttl: packet.ttl,
            body: ReceivedBody::Datagram(udp.payload.clone()),
        });
        Self::announce(&mut self.ready, id, &mut slot.common);
        Input::Delivered(id)
    }

    /// Finds the socket that sent `sent` and tells it of the error.
    pub(super) fn udp_icmp_error(
        &mut self,
        error: IcmpError,
        outer: &IpPacket,
        sent: &IpPacket,
    ) -> Option<SockId> {
        let id = self.udp_ports.find(sent.source(), sent.destination())?;
        let slot = self.slots.get_mut(&id)?;
        let Kind::Udp(socket) = &slot.kind else { return None };
        if slot.common.icmp_error(error, outer, sent, socket.remote.is_some()) {
            Self::announce(&mut self.ready, id, &mut slot.common);
        }
        Some(id)
    }

    fn udp_mut(&mut self, id: SockId) -> Result<&mut UdpSocket, Errno> {
        match self.slots.get_mut(&id).map(|s| &mut s.kind) {
            Some(Kind::Udp(socket)) => Ok(socket),
            _ => Err(Errno::EBADF),
        }
    }
}

impl UdpSocket {
    pub(super) fn pop(&mut self) -> Option<Received> {
        let received = self.queue.pop_front()?;
        if let ReceivedBody::Datagram(payload) = &received.body {
            self.queued -= memory_cost(payload.len());
        }
        Some(received)
    }
}

impl SockOptions {
    /// Writes the socket's options into a packet that is about to leave by a route of MTU `mtu` bytes.
    pub(super) fn stamp(self, packet: &mut IpPacket, mtu: u32) -> Result<(), Errno> {
        packet.ttl = self.ttl;
        packet.tos = self.tos;
        let fits = packet.len() as u64 <= u64::from(mtu);
        packet.df = match self.pmtu {
            PmtuDiscovery::Dont => false,
            PmtuDiscovery::Want => fits,
            PmtuDiscovery::Do if !fits => return Err(Errno::EMSGSIZE),
            PmtuDiscovery::Do | PmtuDiscovery::Probe => true,
        };
        Ok(())
    }
}

/// What the kernel accounts for one queued datagram (`truesize`): the `sk_buff` and the power of two that holds headers,
/// data and `skb_shared_info`.
const fn memory_cost(payload: usize) -> usize {
    const SK_BUFF: usize = 256;
    const SHARED_INFO_AND_HEADERS: usize = 320 + 92;
    SK_BUFF + (payload + SHARED_INFO_AND_HEADERS).next_power_of_two()
}

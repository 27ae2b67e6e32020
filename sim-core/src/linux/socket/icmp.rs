//! The socket of `ping`: a raw ICMP socket that sees the echo replies with its identifier and the errors about its requests.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::types::{Input, Received, ReceivedBody};
use super::{Kind, Sockets};
use crate::chance::{Chance, Dice, Purpose};
use crate::linux::Errno;
use crate::packet::{Icmp, IcmpError, IpPacket, Payload, Transport};
use crate::trace::{DropReason, SockId};

/// Messages kept for a reader. The kernel counts bytes; for a ping it comes to about this.
const MAX_QUEUED: usize = 256;

/// State of an echo socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EchoSocket {
    pub(super) id: u16,
    /// Source address it is bound to.
    pub(super) source: Option<IpAddr>,
    pub(super) queue: VecDeque<Received>,
    ip_id: u16,
}

impl Sockets {
    /// Opens an echo socket with the given identifier, or one that is drawn.
    ///
    /// # Errors
    /// None today; the type leaves room for limits.
    pub fn icmp_open(&mut self, id: Option<u16>, dice: &mut Dice, place: u64) -> Result<SockId, Errno> {
        let echo_id = id.unwrap_or_else(|| dice.bits(Purpose::Identifier, place) as u16);
        let ip_id = dice.bits(Purpose::Identifier, place) as u16;
        let sock =
            self.insert(Kind::Icmp(EchoSocket { id: echo_id, source: None, queue: VecDeque::new(), ip_id }));
        self.echo_ids.entry(echo_id).or_default().push(sock);
        Ok(sock)
    }

    /// The identifier in the echo requests of a socket.
    #[must_use]
    pub fn icmp_id(&self, id: SockId) -> Option<u16> {
        match &self.slots.get(&id)?.kind {
            Kind::Icmp(socket) => Some(socket.id),
            _ => None,
        }
    }

    /// Fixes the source address of an echo socket's requests; it must be local.
    ///
    /// # Errors
    /// `EBADF` if there is no such socket.
    pub fn icmp_bind(&mut self, id: SockId, source: IpAddr) -> Result<(), Errno> {
        match self.slots.get_mut(&id).map(|s| &mut s.kind) {
            Some(Kind::Icmp(socket)) => {
                socket.source = Some(source);
                Ok(())
            }
            _ => Err(Errno::EBADF),
        }
    }

    /// Makes an echo request, for the stack to send by a route of MTU `mtu` bytes.
    ///
    /// # Errors
    /// A pending error of the socket; `EMSGSIZE` as for UDP; `EBADF`.
    pub fn icmp_echo(
        &mut self,
        id: SockId,
        src: IpAddr,
        dst: IpAddr,
        mtu: u32,
        seq: u16,
        payload: Payload,
    ) -> Result<IpPacket, Errno> {
        let slot = self.slots.get_mut(&id).ok_or(Errno::EBADF)?;
        let Kind::Icmp(socket) = &mut slot.kind else { return Err(Errno::EBADF) };
        slot.common.check_error()?;
        let echo = Icmp::EchoRequest { id: socket.id, seq, payload };
        let mut packet = IpPacket::new(socket.source.unwrap_or(src), dst, Transport::Icmp(echo));
        slot.common.options.stamp(&mut packet, mtu).inspect_err(|&errno| {
            slot.common.local_error(errno, SocketAddr::new(dst, 0), Some(mtu));
        })?;
        socket.ip_id = socket.ip_id.wrapping_add(1);
        packet.id = socket.ip_id;
        Ok(packet)
    }

    pub(super) fn icmp_input(&mut self, packet: &IpPacket, message: &Icmp) -> Input {
        let Icmp::EchoReply { id, .. } = message else {
            return Input::Dropped { socket: None, reason: DropReason::NoSocket };
        };
        self.deliver_echo(*id, packet, message)
            .map_or(Input::Dropped { socket: None, reason: DropReason::NoSocket }, Input::Delivered)
    }

    /// Gives an ICMP error to the sockets whose echo request it quotes, as a message and, with `IP_RECVERR`, as an error.
    pub(super) fn icmp_icmp_error(
        &mut self,
        error: IcmpError,
        echo_id: u16,
        outer: &IpPacket,
        sent: &IpPacket,
    ) -> Option<SockId> {
        let Transport::Icmp(message) = &outer.body else { return None };
        for sock in self.echo_ids.get(&echo_id)? {
            if let Some(slot) = self.slots.get_mut(sock) {
                slot.common.icmp_error(error, outer, sent, false);
            }
        }
        self.deliver_echo(echo_id, outer, message)
    }

    /// Every raw socket that wants a message gets a copy of it; the first is named.
    fn deliver_echo(&mut self, echo_id: u16, packet: &IpPacket, message: &Icmp) -> Option<SockId> {
        let socks = self.echo_ids.get(&echo_id)?;
        for sock in socks {
            let Some(slot) = self.slots.get_mut(sock) else { continue };
            let Kind::Icmp(socket) = &mut slot.kind else { continue };
            if socket.queue.len() >= MAX_QUEUED {
                continue;
            }
            socket.queue.push_back(Received {
                from: SocketAddr::new(packet.src, 0),
                to: packet.dst,
                ttl: packet.ttl,
                body: ReceivedBody::Icmp(message.clone()),
            });
            Self::announce(&mut self.ready, *sock, &mut slot.common);
        }
        socks.first().copied()
    }
}

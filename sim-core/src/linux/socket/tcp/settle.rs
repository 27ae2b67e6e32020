//! What follows from a step of a connection: packets out, timers, readiness, the end.

use super::super::types::{PmtuDiscovery, SockOptions};
use super::super::{Kind, Slot, Sockets};
use super::{Connection, Flow, TcpState};
use crate::packet::{IpPacket, Tcp, TcpFlags, Transport};
use crate::trace::SockId;

impl Sockets {
    /// Brings table, queues and timers in line with a connection that has just done something.
    pub(super) fn settle(&mut self, id: SockId) {
        let Some(Slot { common, kind: Kind::Tcp(connection) }) = self.slots.get_mut(&id) else { return };
        let outbox = std::mem::take(&mut connection.outbox);
        for segment in outbox {
            self.output.push_back((Some(id), wrap(connection, common.options, segment)));
        }
        let due = connection.timer.map(|(at, _)| at);
        if due != connection.armed {
            if let Some(old) = connection.armed {
                self.tcp.timers.remove(&(old, id));
            }
            if let Some(new) = due {
                self.tcp.timers.insert((new, id));
            }
            connection.armed = due;
        }
        if let Some(failure) = connection.failure.take() {
            common.error = Some(failure);
        }
        let handed_out = connection.parent.is_none();
        if std::mem::take(&mut connection.news) && handed_out && !connection.orphan {
            Self::announce(&mut self.ready, id, common);
        }
        let flow = (connection.local, connection.remote);
        let (state, orphan, parent) = (connection.state, connection.orphan, connection.parent);
        if let Some(parent) = parent.filter(|_| state != TcpState::SynReceived) {
            self.leave_nursery(id, parent, state);
        }
        if state == TcpState::Closed {
            self.bury(id, flow, orphan || parent.is_some());
        }
    }

    /// A handshake that a listener watches over has ended, well or badly.
    fn leave_nursery(&mut self, id: SockId, parent: SockId, state: TcpState) {
        if let Ok((_, connection)) = self.connection_mut(id) {
            connection.parent = None;
        }
        let Some(Slot { common, kind: Kind::Listener(listener) }) = self.slots.get_mut(&parent) else {
            return;
        };
        listener.half_open.remove(&id);
        if state != TcpState::Closed {
            listener.queue.push_back(id);
            Self::announce(&mut self.ready, parent, common);
        }
    }

    /// A closed connection gives its addresses back; if no application holds it, it goes.
    fn bury(&mut self, id: SockId, flow: Flow, nobody_holds_it: bool) {
        if self.tcp.flows.get(&flow) == Some(&id) {
            self.tcp.flows.remove(&flow);
        }
        if nobody_holds_it {
            self.slots.remove(&id);
        }
    }
}

/// Puts a segment into a packet.
fn wrap(connection: &mut Connection, options: SockOptions, segment: Tcp) -> IpPacket {
    // `ip_build_and_send_pkt`: a SYN-ACK carries no identification.
    let syn_ack = segment.flags.has(TcpFlags::SYN.with(TcpFlags::ACK));
    let mut packet = IpPacket::new(connection.local.ip(), connection.remote.ip(), Transport::Tcp(segment));
    packet.ttl = options.ttl;
    packet.tos = options.tos;
    packet.df = options.pmtu != PmtuDiscovery::Dont;
    if !syn_ack {
        connection.ip_id = connection.ip_id.wrapping_add(1);
        packet.id = connection.ip_id;
    }
    packet
}

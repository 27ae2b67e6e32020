//! What an ICMP message quotes: a packet that may itself be a message about another one, in tunnels or not.

use std::sync::Arc;

use super::{FrameBody, Icmp, IpPacket, Payload, Transport, Udp};

/// Bytes of a packet after which no quote of it says anything (RFC 4443, 2.4 c).
const ROOM: usize = 1280;
/// Bytes that a message takes at least before what it quotes: its own header and that of IPv4.
const MESSAGE: usize = 28;
/// The same for a frame in a tunnel.
const TUNNEL: usize = 50;

impl IpPacket {
    /// The packet as a message about it quotes it. A tunnel that carries messages about itself would make them longer without end.
    #[must_use]
    pub fn quoted(&self) -> Box<Self> {
        let mut quote = Box::new(self.clone());
        cut(&mut quote.body);
        quote
    }
}

/// Empties the first packet in a packet that is too far in to be seen.
fn cut(mut body: &mut Transport) {
    let mut room = ROOM;
    loop {
        body = match body {
            Transport::Icmp(Icmp::Error { quote, .. } | Icmp::Redirect { quote, .. }) => {
                let Some(rest) = room.checked_sub(MESSAGE) else {
                    let protocol = quote.protocol();
                    quote.body = Transport::Other { protocol, payload: Payload::Empty };
                    return;
                };
                room = rest;
                &mut quote.body
            }
            Transport::Udp(Udp { payload: Payload::Vxlan { frame, .. }, .. }) => match &mut frame.body {
                FrameBody::Ip(inner) => {
                    room = room.saturating_sub(TUNNEL);
                    &mut inner.body
                }
                FrameBody::Arp(_) => return,
            },
            Transport::Other { payload: Payload::Ip(inner), .. } => &mut inner.body,
            Transport::Piece { whole, .. } => Arc::make_mut(whole),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::IcmpError;

    #[test]
    fn messages_about_messages_do_not_grow_without_end() {
        let (a, b) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let udp = Transport::Udp(Udp { sport: 1, dport: 2, payload: Payload::Empty });
        let mut packet = IpPacket::new(a, b, udp);
        let mut lengths = Vec::new();
        for _ in 0..200 {
            let error = Icmp::Error { error: IcmpError::HostUnreachable, quote: packet.quoted() };
            packet = IpPacket::new(b, a, Transport::Icmp(error));
            lengths.push(packet.len());
        }
        assert_eq!(lengths[2], 28 * 4);
        assert_eq!(lengths[199], 576);
        let depth = std::iter::successors(Some(&packet), |p| match &p.body {
            Transport::Icmp(message) => message.quote(),
            _ => None,
        });
        assert_eq!(depth.count(), ROOM / MESSAGE + 3);
    }
}

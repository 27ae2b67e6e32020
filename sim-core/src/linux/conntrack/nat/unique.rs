//! The search for a translation whose replies can be told apart (`get_unique_tuple`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::NatRange;
use crate::chance::{Chance, Dice, Purpose};
use crate::linux::conntrack::{Conn, Conntrack, ProtoState, Status, TcpState, Tuple};
use crate::linux::jhash::jhash4;
use crate::packet::proto;
use crate::time::SimTime;
use crate::trace::NatKind;

/// Ports tried from one random starting point, at most.
const ATTEMPTS: u32 = 128;
/// With so few attempts left, a TCP flow may take the place of one that is over.
const DESPERATE: u32 = 32;
/// No further round is made once a round has become shorter than this.
const SHORTEST_ROUND: u32 = 16;

/// One search.
pub(super) struct Search<'a> {
    pub(super) ct: &'a mut Conntrack,
    pub(super) conn: &'a Conn,
    pub(super) kind: NatKind,
    pub(super) range: &'a NatRange,
    pub(super) dice: &'a mut Dice,
    pub(super) place: u64,
    pub(super) now: SimTime,
}

impl Search<'_> {
    /// The tuple that the flow's packets shall have after the translation. It may be taken if nothing better was found.
    pub(super) fn run(&mut self, current: Tuple) -> Tuple {
        let any_port = self.range.random || self.range.fully_random;
        // 1. Keep what is, or what the same source has already.
        if self.kind == NatKind::Source && !any_port {
            if self.allows_source(&current) {
                if !self.is_taken(&current) {
                    return current;
                }
            } else if let Some(mapped) = self.existing_mapping(&current)
                && !self.is_taken(&mapped)
            {
                return mapped;
            }
        }
        // 2. An address of the range.
        let mut tuple = current;
        if let Some((first, last)) = self.range.addrs {
            let addr = self.pick_address(&current, first, last);
            match self.kind {
                NatKind::Source => tuple.src = addr,
                NatKind::Destination => tuple.dst = addr,
            }
        }
        // 3. A port of the range, the same as before if possible.
        if !any_port {
            let good = match self.range.ports {
                Some((min, max)) => {
                    self.port_in_range(&tuple, min, max) && (min == max || !self.is_taken(&tuple))
                }
                None => !self.is_taken(&tuple),
            };
            if good {
                return tuple;
            }
        }
        self.pick_port(tuple)
    }

    /// Whether another flow gets the replies to this tuple.
    pub(super) fn is_taken(&mut self, tuple: &Tuple) -> bool {
        let Some(reply) = tuple.inverted() else { return false };
        let Some((id, _)) = self.ct.table.find(&reply, self.now) else { return false };
        // An entry of the same packet's twin (see `confirm`) is not in the way.
        let taken = self.ct.table.get(id).is_some_and(|other| other.orig != self.conn.orig);
        self.ct.stats.found += u64::from(taken);
        taken
    }

    /// As `is_taken`, but a TCP flow that is over makes way for a SYN with a higher sequence number.
    fn is_taken_for_good(&mut self, tuple: &Tuple, attempts_left: u32) -> bool {
        if !self.is_taken(tuple) {
            return false;
        }
        let Some((id, _)) = tuple.inverted().and_then(|reply| self.ct.table.lookup(&reply)) else {
            return false;
        };
        let gives_way = attempts_left <= DESPERATE
            && self
                .ct
                .table
                .get(id)
                .is_some_and(|old| old.reply.inverted() == Some(*tuple) && yields(old, self.conn));
        if gives_way {
            self.ct.table.remove(id);
        }
        !gives_way
    }

    fn allows_source(&self, tuple: &Tuple) -> bool {
        self.range.addrs.is_none_or(|(first, last)| (first..=last).contains(&tuple.src))
            && self.range.ports.is_none_or(|(min, max)| self.port_in_range(tuple, min, max))
    }

    fn port_in_range(&self, tuple: &Tuple, min: u16, max: u16) -> bool {
        match (tuple.protocol, self.kind) {
            (proto::ICMP | proto::ICMPV6, _) | (proto::TCP | proto::UDP | proto::SCTP, NatKind::Source) => {
                (min..=max).contains(&tuple.sport)
            }
            (proto::TCP | proto::UDP | proto::SCTP, NatKind::Destination) => {
                (min..=max).contains(&tuple.dport)
            }
            _ => true,
        }
    }

    /// The source that the same socket's other flows have, so that a peer sees one address and port.
    fn existing_mapping(&self, current: &Tuple) -> Option<Tuple> {
        self.ct
            .table
            .of_source(current)
            .filter(|other| !other.is_expired(self.now))
            .filter_map(|other| other.reply.inverted())
            .map(|mapped| Tuple { dst: current.dst, dport: current.dport, ..mapped })
            .find(|mapped| self.allows_source(mapped))
    }

    /// An address between two, always the same for the same source and destination (`find_best_ips_proto`).
    fn pick_address(&self, tuple: &Tuple, first: IpAddr, last: IpAddr) -> IpAddr {
        if first == last {
            return first;
        }
        let (source, destination) = (words(tuple.src), words(tuple.dst));
        let count = if tuple.src.is_ipv4() { 1 } else { 4 };
        let seed = if self.range.persistent { 0 } else { destination[count - 1] };
        let mut hash = jhash4(source, seed);
        let (low, high) = (words(first), words(last));
        let mut picked = low;
        let mut free = false;
        for i in 0..count {
            // Words are in network order; arithmetic needs the host's.
            let (min, max) = (u32::from_be(low[i]), u32::from_be(high[i]));
            let (start, span) =
                if free { (0, u32::MAX) } else { (min, max.wrapping_sub(min).wrapping_add(1)) };
            let offset = (u64::from(hash) * u64::from(span)) >> 32;
            picked[i] = start.wrapping_add(offset as u32).to_be();
            free |= picked[i] != high[i];
            if !self.range.persistent {
                hash ^= destination[i];
            }
        }
        match first {
            IpAddr::V4(_) => Ipv4Addr::from_bits(u32::from_be(picked[0])).into(),
            IpAddr::V6(_) => Ipv6Addr::from(bytes(picked)).into(),
        }
    }

    /// A free port, tried in rounds from random starting points (`nf_nat_l4proto_unique_tuple`).
    fn pick_port(&mut self, mut tuple: Tuple) -> Tuple {
        let icmp = matches!(tuple.protocol, proto::ICMP | proto::ICMPV6);
        if !icmp && !matches!(tuple.protocol, proto::TCP | proto::UDP | proto::SCTP) {
            return tuple;
        }
        let Some((min, size)) = self.port_span(&tuple, icmp) else { return tuple };
        let random = self.kind == NatKind::Source || self.range.random || self.range.fully_random;
        let mut offset = if random { self.draw() } else { 0 };
        let mut attempts = size.min(ATTEMPTS);
        loop {
            for i in 0..attempts {
                let port = min.wrapping_add((offset % size) as u16);
                if icmp || self.kind == NatKind::Source {
                    tuple.sport = port;
                } else {
                    tuple.dport = port;
                }
                if !self.is_taken_for_good(&tuple, attempts - i) {
                    return tuple;
                }
                offset = u32::from((offset as u16).wrapping_add(1));
            }
            if attempts >= size || attempts < SHORTEST_ROUND {
                return tuple;
            }
            attempts /= 2;
            offset = self.draw();
        }
    }

    /// First port and number of ports to choose from; none if the port must stay.
    fn port_span(&self, tuple: &Tuple, icmp: bool) -> Option<(u16, u32)> {
        if let Some((a, b)) = self.range.ports {
            let (min, max) = (a.min(b), a.max(b));
            return Some((min, u32::from(max - min) + 1));
        }
        if icmp {
            return Some((0, 65_536));
        }
        if self.kind == NatKind::Destination {
            return None;
        }
        // A privileged port stays privileged: servers of old looked at that.
        Some(match tuple.sport {
            0..512 => (1, 511),
            512..1024 => (600, 424),
            _ => (1024, 64_512),
        })
    }

    fn draw(&mut self) -> u32 {
        self.dice.bits(Purpose::NatPort, self.place) >> 16
    }
}

/// Whether a translated TCP flow is over and the new one's sequence number shows that it is not a part of it.
fn yields(old: &Conn, new: &Conn) -> bool {
    let (ProtoState::Tcp(was), ProtoState::Tcp(is)) = (&old.proto, &new.proto) else { return false };
    is.state() == TcpState::SynSent
        && was.state() >= TcpState::TimeWait
        && old.status.has(Status::SRC_NAT)
        && !old.status.has(Status::FIXED_TIMEOUT)
        && is.has_advanced_past(was)
}

/// An address as the kernel's `union nf_inet_addr` holds it on a little-endian machine.
fn words(addr: IpAddr) -> [u32; 4] {
    match addr {
        IpAddr::V4(a) => [a.to_bits().to_be(), 0, 0, 0],
        IpAddr::V6(a) => {
            let b = a.to_bits();
            [96, 64, 32, 0].map(|shift| ((b >> shift) as u32).to_be())
        }
    }
}

fn bytes(words: [u32; 4]) -> [u8; 16] {
    let bits = words.iter().fold(0u128, |all, w| all << 32 | u128::from(u32::from_be(*w)));
    bits.to_be_bytes()
}

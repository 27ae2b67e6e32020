//! A router in a box, and what it does to flows.

mod basics;
mod errors;
mod listening;
mod nat;
mod properties;
mod tcp;

use std::net::IpAddr;

use super::{Conntrack, CtState, NatRange};
use crate::chance::Dice;
use crate::linux::Skb;
use crate::packet::{
    Icmp, IcmpError, IpPacket, Payload, Sctp, SctpChunk, Tcp, TcpFlags, TcpOptions, Transport, Udp,
};
use crate::time::SimTime;
use crate::trace::{DropReason, Hook, IfId, NatKind, Tag};

/// Connection tracking of a router, with one DNAT and one SNAT rule at most, which apply to every flow.
struct Router {
    ct: Conntrack,
    dice: Dice,
    now: SimTime,
    dnat: Option<NatRange>,
    snat: Option<NatRange>,
    /// A nat table is loaded.
    nat: bool,
}

impl Router {
    fn new() -> Self {
        Self {
            ct: Conntrack::default(),
            dice: Dice::seeded(17),
            now: SimTime::ZERO,
            dnat: None,
            snat: None,
            nat: true,
        }
    }

    fn dnat(mut self, addr: &str, port: u16) -> Self {
        self.dnat = Some(to(addr, Some(port)));
        self
    }

    fn snat(mut self, addr: &str) -> Self {
        self.snat = Some(to(addr, None));
        self
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += std::time::Duration::from_millis(milliseconds);
    }

    /// A packet comes in and is tracked and translated up to the routing decision.
    fn receive(&mut self, packet: IpPacket) -> Result<Skb, DropReason> {
        let mut skb = Skb::made(packet, Tag::default());
        skb.iif = Some(IfId(1));
        self.ct.track(&mut skb, self.now)?;
        self.nat_hook(&mut skb, Hook::Prerouting)?;
        Ok(skb)
    }

    /// The packet leaves.
    fn send(&mut self, mut skb: Skb) -> Result<IpPacket, DropReason> {
        self.nat_hook(&mut skb, Hook::Postrouting)?;
        self.ct.confirm(&mut skb, self.now)?;
        Ok(skb.ip().unwrap().clone())
    }

    fn forward(&mut self, packet: IpPacket) -> Result<IpPacket, DropReason> {
        let skb = self.receive(packet)?;
        self.send(skb)
    }

    /// The packet is forwarded; what rules in FORWARD would call it.
    fn state(&mut self, packet: IpPacket) -> CtState {
        let skb = self.receive(packet).unwrap();
        let state = self.ct.view(&skb).state;
        self.send(skb).unwrap();
        state
    }

    /// The router itself makes a packet because of another.
    fn answer(&mut self, packet: IpPacket, about: &Skb) -> Result<IpPacket, DropReason> {
        let mut skb = Skb::made(packet, Tag::default());
        self.ct.attach(&mut skb, about);
        self.ct.track(&mut skb, self.now)?;
        self.nat_hook(&mut skb, Hook::Output)?;
        self.send(skb)
    }

    fn nat_hook(&mut self, skb: &mut Skb, hook: Hook) -> Result<(), DropReason> {
        if !self.nat {
            return Ok(());
        }
        let (kind, range) = match hook {
            Hook::Prerouting | Hook::Output => (NatKind::Destination, &self.dnat),
            _ => (NatKind::Source, &self.snat),
        };
        if self.ct.nat_pending(skb, kind) {
            self.ct.nat_setup(skb, kind, range.as_ref(), &mut self.dice, 0, self.now)?;
        }
        self.ct.nat_apply(skb, hook)?;
        Ok(())
    }

    /// The table as `conntrack -L` shows it.
    fn list(&self) -> Vec<String> {
        self.ct.iter().map(|(_, c)| c.view(self.now).to_string()).collect()
    }
}

fn to(addr: &str, port: Option<u16>) -> NatRange {
    let addr = ip(addr);
    NatRange { addrs: Some((addr, addr)), ports: port.map(|p| (p, p)), ..NatRange::default() }
}

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn end(s: &str) -> (IpAddr, u16) {
    let s: std::net::SocketAddr = s.parse().unwrap();
    (s.ip(), s.port())
}

fn udp(src: &str, dst: &str) -> IpPacket {
    let ((src, sport), (dst, dport)) = (end(src), end(dst));
    IpPacket::new(src, dst, Transport::Udp(Udp { sport, dport, payload: Payload::from(&b"hello"[..]) }))
}

fn tcp(src: &str, dst: &str, flags: &str, seq: u32, ack: u32, data: usize) -> IpPacket {
    let ((src, sport), (dst, dport)) = (end(src), end(dst));
    let bits = flags.chars().map(|c| match c {
        'F' => TcpFlags::FIN,
        'S' => TcpFlags::SYN,
        'R' => TcpFlags::RST,
        'P' => TcpFlags::PSH,
        'A' => TcpFlags::ACK,
        'U' => TcpFlags::URG,
        _ => TcpFlags(0),
    });
    let flags = bits.fold(TcpFlags::default(), TcpFlags::with);
    let payload = Payload::from(vec![0; data]);
    let tcp = Tcp { sport, dport, seq, ack, flags, window: 64_240, options: TcpOptions::default(), payload };
    IpPacket::new(src, dst, Transport::Tcp(tcp))
}

fn ping(src: &str, dst: &str, id: u16) -> IpPacket {
    let echo = Icmp::EchoRequest { id, seq: 1, payload: Payload::Empty };
    IpPacket::new(ip(src), ip(dst), Transport::Icmp(echo))
}

fn pong(src: &str, dst: &str, id: u16) -> IpPacket {
    let echo = Icmp::EchoReply { id, seq: 1, payload: Payload::Empty };
    IpPacket::new(ip(src), ip(dst), Transport::Icmp(echo))
}

/// An ICMP error from `src` to the sender of `quote`.
fn error(src: &str, error: IcmpError, quote: &IpPacket) -> IpPacket {
    let icmp = Icmp::Error { error, quote: Box::new(quote.clone()) };
    IpPacket::new(ip(src), quote.src, Transport::Icmp(icmp))
}

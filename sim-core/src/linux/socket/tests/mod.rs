//! Tests of the sockets, by theme.

mod datagram;
mod pair;
mod random;
mod tcp;

use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::chance::Dice;
use crate::packet::IcmpError;

const A: &str = "10.244.1.5";
const B: &str = "10.244.2.9";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(address), port)
}

/// A table with its own dice.
#[derive(Clone, Debug)]
struct Host {
    sockets: Sockets,
    dice: Dice,
    now: SimTime,
}

impl Host {
    fn new(seed: u64) -> Self {
        Self { sockets: Sockets::default(), dice: Dice::seeded(seed), now: SimTime::ZERO }
    }

    fn udp(&mut self, address: &str, port: u16) -> Result<SockId, Errno> {
        self.sockets.udp_bind(at(address, port), &mut self.dice, 0)
    }

    fn listen(&mut self, address: &str, port: u16, backlog: usize) -> SockId {
        self.sockets.tcp_listen(at(address, port), backlog, &mut self.dice, 0).unwrap()
    }

    fn connect(&mut self, from: SocketAddr, to: SocketAddr) -> SockId {
        self.sockets.tcp_connect(from, to, 1500, self.now, &mut self.dice, 0).unwrap()
    }

    fn input(&mut self, packet: &IpPacket) -> Input {
        let mut arrival = Arrival { now: self.now, mtu: 1500, dice: &mut self.dice, place: 0 };
        self.sockets.input(packet, &mut arrival)
    }

    fn output(&mut self) -> Vec<IpPacket> {
        std::iter::from_fn(|| self.sockets.pop_output()).map(|(_, packet)| packet).collect()
    }

    /// What leaves, one word per segment.
    fn sent(&mut self) -> Vec<String> {
        self.output().iter().map(word).collect()
    }
}

/// `S`, `SA`, `PA3` (three bytes), …
fn word(packet: &IpPacket) -> String {
    let Transport::Tcp(segment) = &packet.body else { return packet.to_string() };
    let flags = [(2, 'S'), (1, 'F'), (4, 'R'), (8, 'P'), (16, 'A')];
    let letters: String =
        flags.iter().filter(|(bit, _)| segment.flags.0 & bit != 0).map(|(_, letter)| *letter).collect();
    match segment.payload.len() {
        0 => letters,
        bytes => format!("{letters}{bytes}"),
    }
}

/// An ICMP error from `from` about `packet`.
fn icmp_about(packet: &IpPacket, error: IcmpError, from: &str) -> IpPacket {
    let quote = Box::new(packet.clone());
    IpPacket::new(ip(from), packet.src, Transport::Icmp(Icmp::Error { error, quote }))
}

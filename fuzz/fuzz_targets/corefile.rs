//! Corefiles and messages to the server that they make.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use sim_core::chance::Dice;
use sim_core::kube::dns::corefile::Nowhere;
use sim_core::kube::dns::server::{Client, Server, Transport};
use sim_core::time::SimTime;
use sim_core::trace::SockId;

const CLIENT: Client = Client {
    addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 244, 1, 9)), 40_000),
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 53),
    transport: Transport::Udp,
    socket: SockId(1),
};

fuzz_target!(|input: (&str, &[u8])| {
    let (text, query) = input;
    let bound = [IpAddr::V4(Ipv4Addr::new(10, 244, 0, 2))];
    if let Ok(mut server) = Server::new(("Corefile", text), &bound, &Nowhere, 1) {
        let _ = (server.listens(), server.banner());
        let _ = server.answer(query, CLIENT, SimTime::ZERO, &mut Dice::seeded(1));
    }
});

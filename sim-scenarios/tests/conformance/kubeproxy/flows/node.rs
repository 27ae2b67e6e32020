//! A node with kube-proxy's rules, and everything else behind its gateway.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::Value;
use sim_core::kube::node::proxy::iptables::{Changes, base_rules, block, sync};
use sim_core::kube::node::proxy::nftables;
use sim_core::kube::node::proxy::select::{Viewpoint, select};
use sim_core::linux::netfilter::RestoreOptions;
use sim_core::linux::nftables::{Input, Interfaces, Style};
use sim_core::linux::route::Route;
use sim_core::linux::{NetError, World};
use sim_core::packet::{IpPacket, MacAddr, Payload, Sctp, Tcp, TcpFlags, TcpOptions, Transport, Udp};
use sim_core::trace::{IfId, NsId};

use super::super::input::{Config, ports};
use super::addr;

/// The addresses of the gateway.
const GATEWAYS: [&str; 2] = ["192.168.0.254/24", "2001:db8::fe/64"];

/// The node and its surroundings.
pub(super) struct Node {
    pub(super) world: World,
    pub(super) ns: NsId,
    pub(super) eth0: IfId,
    pub(super) outside: NsId,
    addresses: Vec<IpAddr>,
}

impl Node {
    /// Builds it, and loads the rules that the back end writes for a stage's Services.
    pub(super) fn new(config: &Config<'_>, stage: &Value, backend: &str) -> Result<Self, String> {
        let mut world = World::new(1);
        let (ns, outside) = (world.add_netns("node"), world.add_netns("outside"));
        let (eth0, gateway) = world.add_veth((ns, "eth0"), (outside, "eth0")).map_err(text)?;
        let mut node = Self { world, ns, eth0, outside, addresses: Vec::new() };
        node.addresses(config).map_err(text)?;
        node.everything_by_the_gateway(gateway).map_err(text)?;
        match backend {
            "iptables" => node.iptables(config, stage)?,
            "nftables" => node.nftables(config, stage)?,
            other => return Err(format!("no runner for backend {other}")),
        }
        Ok(node)
    }

    /// Whether the node has an address.
    pub(super) fn has_address(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.addresses.contains(&ip)
    }

    fn addresses(&mut self, config: &Config<'_>) -> Result<(), NetError> {
        let stack = self.world.ns_mut(self.ns);
        for (name, value) in [
            ("net.ipv4.ip_forward", "1"),
            ("net.ipv6.conf.all.forwarding", "1"),
            ("net.ipv4.conf.all.route_localnet", "1"),
            ("net.ipv4.conf.all.send_redirects", "0"),
            ("net.ipv4.conf.eth0.send_redirects", "0"),
        ] {
            // All of them exist.
            let _ = stack.sysctl_set(name, value);
        }
        for address in config.interface_addresses("eth0") {
            stack.addr_add("eth0", address)?;
            self.addresses.push(address.addr());
        }
        stack.link_set("eth0", true)
    }

    /// The node sends everything to the gateway, and the gateway everything to the node.
    fn everything_by_the_gateway(&mut self, gateway: IfId) -> Result<(), NetError> {
        let mac = |world: &World, ns, dev| world.ns(ns).iface(dev).map_or(MacAddr::default(), |i| i.mac);
        let (node_mac, gateway_mac) =
            (mac(&self.world, self.ns, self.eth0), mac(&self.world, self.outside, gateway));
        for address in GATEWAYS.iter().filter_map(|g| g.parse::<IpNet>().ok()) {
            let Some(node) = self.addresses.iter().copied().find(|a| address.contains(a)) else { continue };
            let outside = self.world.ns_mut(self.outside);
            outside.addr_add("eth0", address)?;
            outside.link_set("eth0", true)?;
            outside.neigh_add("eth0", node, node_mac)?;
            outside.route_add(Route::default_via(node, gateway))?;
            let stack = self.world.ns_mut(self.ns);
            stack.neigh_add("eth0", address.addr(), gateway_mac)?;
            stack.route_add(Route::default_via(address.addr(), self.eth0))?;
        }
        Ok(())
    }

    fn iptables(&mut self, config: &Config<'_>, stage: &Value) -> Result<(), String> {
        // nfacct objects only count, and the model has none.
        let settings =
            sim_core::kube::node::proxy::iptables::Settings { nfacct: false, ..config.iptables()? };
        let here = Viewpoint { node: config.node(), zone: "" };
        let mut blocks = BTreeMap::new();
        for (service, endpoints) in ports(&stage["services"], &stage["endpointSlices"])? {
            let block = block(&settings, &service, &select(&service, &endpoints, here));
            blocks.insert(service.key.clone(), Arc::new(block));
        }
        for rules in [base_rules(&settings, true), sync(&settings, &blocks, Changes::ALL)] {
            let options = RestoreOptions { noflush: true, ..RestoreOptions::default() };
            self.world
                .ns_mut(self.ns)
                .netfilter(settings.family, |r| r.restore(&rules, options))
                .map_err(|e| format!("{e}\n{rules}"))?;
        }
        Ok(())
    }

    fn nftables(&mut self, config: &Config<'_>, stage: &Value) -> Result<(), String> {
        let settings = config.nftables()?;
        let here = Viewpoint { node: config.node(), zone: "" };
        let mut rules = nftables::base(&settings);
        for (service, endpoints) in ports(&stage["services"], &stage["endpointSlices"])? {
            rules +=
                &nftables::block(&settings, &service, &select(&service, &endpoints, here)).text(&settings);
        }
        let input = Input { file: Some("rules"), text: &rules };
        let answer = self
            .world
            .ns_mut(self.ns)
            .nftables(|r| r.run(input, Style::default(), false, &Interfaces::none()));
        if answer.status == 0 { Ok(()) } else { Err(answer.err) }
    }
}

/// The first packet of a flow.
pub(super) fn packet(flow: &Value, sport: u16) -> Result<IpPacket, String> {
    let dport = flow["dport"].as_u64().and_then(|p| u16::try_from(p).ok()).ok_or("dport")?;
    let transport = match flow["protocol"].as_str() {
        Some("tcp") => Transport::Tcp(Tcp {
            sport,
            dport,
            seq: 1,
            ack: 0,
            flags: TcpFlags::SYN,
            window: 64_240,
            options: TcpOptions::default(),
            payload: Payload::Empty,
        }),
        Some("udp") => Transport::Udp(Udp { sport, dport, payload: Payload::Empty }),
        Some("sctp") => Transport::Sctp(Sctp::init(sport, dport)),
        other => return Err(format!("protocol {other:?}")),
    };
    Ok(IpPacket::new(addr(&flow["src"])?, addr(&flow["dst"])?, transport))
}

fn text(e: NetError) -> String {
    e.to_string()
}

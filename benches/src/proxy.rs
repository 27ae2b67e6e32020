//! kube-proxy on one node with many Services.
//!
//! Every Service has a TCP port and its own endpoints. Every tenth has a node port too.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sim_core::kube::node::proxy::agent::NodeProxy;
use sim_core::kube::node::proxy::iptables::{self, base_rules};
use sim_core::kube::node::proxy::ipvs;
use sim_core::kube::node::proxy::mode::{Iptables, Ipvs, Mode, Nftables, Shared};
use sim_core::kube::node::proxy::model::{Endpoint, PortKey, ServicePort};
use sim_core::kube::node::proxy::nftables;
use sim_core::kube::node::proxy::services::{Entry, ServiceMap};
use sim_core::kube::objects::Protocol;
use sim_core::linux::World;
use sim_core::linux::ipvs::Scheduler;
use sim_core::linux::netfilter::RestoreOptions;
use sim_core::linux::nftables::{Input, Style};
use sim_core::linux::route::Route;
use sim_core::packet::{IpPacket, MacAddr, Payload, Tcp, TcpFlags, TcpOptions, Transport};
use sim_core::trace::{Family, NsId};

use crate::Failure;

/// The modes, by name.
pub const MODES: [&str; 3] = ["iptables", "nftables", "ipvs"];

/// A node, the Services of its cluster, and its kube-proxy.
#[derive(Debug)]
pub struct ProxiedNode {
    /// The node's world.
    pub world: World,
    /// The node.
    pub ns: NsId,
    services: ServiceMap,
    proxy: NodeProxy,
    endpoints: u32,
}

const PORT: u16 = 80;
const SPARE: u16 = 8081;

impl ProxiedNode {
    /// A node without rules for Services, in one of [`MODES`], in a cluster with so many Services of so many endpoints.
    ///
    /// # Errors
    /// No such mode, or the node cannot be set up.
    pub fn new(mode: &str, services: u32, endpoints: u32) -> Result<Self, Failure> {
        let node_ip: IpAddr = [192, 168, 100, 101].into();
        let today = iptables::Settings::kubeadm("10.244.0.0/16".parse()?);
        let kube_proxy = mode == "iptables";
        let base = base_rules(&today, kube_proxy);
        let mode = match mode {
            "iptables" => Mode::Iptables(Box::new(Iptables::new(today))),
            "nftables" => Mode::Nftables(Box::new(Nftables::new(nftables::Settings {
                family: Family::V4,
                detector: today.detector,
                masquerade_all: false,
                mark: today.mark,
                node_port_addresses: vec![node_ip],
                node_ip: Some(node_ip),
                service_subnets: vec!["10.96.0.0/12".parse()?],
            }))),
            "ipvs" => Mode::Ipvs(Box::new(Ipvs::new(ipvs::Settings {
                family: Family::V4,
                detector: today.detector,
                masquerade_all: false,
                random_fully: true,
                mark: today.mark,
                scheduler: Scheduler::Rr,
                layout: ipvs::Layout::OutFilter,
                node_port_addresses: None,
                node_ip: Some(node_ip),
            }))),
            other => return Err(format!("no mode {other}").into()),
        };
        let mut world = World::new(1);
        let ns = world.add_netns("node");
        let stack = world.ns_mut(ns);
        let eth0 = stack.add_dummy("eth0", MacAddr::ZERO)?;
        stack.addr_add("eth0", "192.168.100.101/24".parse()?)?;
        stack.link_set("eth0", true)?;
        stack.route_add(Route::default_via([192, 168, 100, 1].into(), eth0))?;
        let options = RestoreOptions { noflush: true, ..RestoreOptions::default() };
        stack.netfilter(Family::V4, |rules| rules.restore(&base, options))?;
        let mut map = ServiceMap::new(Family::V4);
        for i in 0..services {
            map.set(key(i), Some(entry(i, endpoints, 8080)));
        }
        let proxy = NodeProxy::new("node1", "", ns, mode);
        Ok(Self { world, ns, services: map, proxy, endpoints })
    }

    /// Writes what has changed; everything the first time.
    ///
    /// # Errors
    /// The rules are refused.
    pub fn sync(&mut self) -> Result<(), Failure> {
        let changed = self.services.take_changed();
        let now = self.world.now();
        let ns = self.world.ns_mut(self.ns);
        self.proxy.sync(&self.services, &changed, &mut Shared::alone(), ns, now)?;
        Ok(())
    }

    /// Everything that was written, as the tools print it: `iptables-save`, `nft list ruleset`, `ipset save`, and virtual servers with
    /// their real servers.
    ///
    /// # Errors
    /// A tool refuses to.
    pub fn listing(&mut self) -> Result<String, Failure> {
        let style = Style { now: self.world.now(), ..Style::default() };
        let stack = self.world.ns_mut(self.ns);
        let mut text = stack.nf4().save(None, false);
        let interfaces = stack.interface_names();
        let ruleset = Input { file: None, text: "list ruleset" };
        text += &stack.nftables(|rules| rules.run(ruleset, style, false, &interfaces)).out;
        if stack.ipvs().is_enabled() {
            let saved = stack.ipset(&["save".to_owned()], "", style.now);
            text += &saved.map_err(|e| e.message)?.0;
            let ipvs = stack.ipvs();
            for service in ipvs.services() {
                writeln!(text, "{:?} {:?}", service.key, service.scheduler)?;
                for real in ipvs.dests(service) {
                    writeln!(text, "  -> {} {}", real.at, real.weight)?;
                }
            }
        }
        Ok(text)
    }

    /// Puts another endpoint in the place of one of a Service's.
    pub fn change_endpoint(&mut self, service: u32, n: u32) {
        let mut entry = entry(service, self.endpoints, 8080);
        if let Some(last) = entry.endpoints.last_mut() {
            last.at.set_port(SPARE + (n % 1000) as u16);
        }
        self.services.set(key(service), Some(entry));
    }

    /// Sends the first packet of a connection to a Service.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn first_packet(&mut self, service: u32, sport: u16) -> Result<(), Failure> {
        let tcp = Tcp {
            sport,
            dport: PORT,
            seq: 1,
            ack: 0,
            flags: TcpFlags::SYN,
            window: 65_535,
            options: TcpOptions { mss: Some(1460), ..TcpOptions::default() },
            payload: Payload::Empty,
        };
        let packet =
            IpPacket::new([192, 168, 100, 101].into(), cluster_ip(service).into(), Transport::Tcp(tcp));
        self.world.raw_send(self.ns, packet)?;
        Ok(())
    }
}

const fn cluster_ip(i: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a60_0100 + i)
}

fn key(i: u32) -> PortKey {
    PortKey {
        namespace: format!("team-{:02}", i / 125),
        name: format!("service-{i:05}"),
        port: "http".to_owned(),
        protocol: Protocol::Tcp,
    }
}

fn entry(i: u32, endpoints: u32, port: u16) -> Entry {
    let mut service = ServicePort::internal(key(i), cluster_ip(i).into(), PORT);
    if i % 10 == 9 {
        service.node_port = Some(30_000 + (i / 10) as u16);
    }
    let at = |n: u32| SocketAddr::from((Ipv4Addr::from_bits(0x0af4_0100 + endpoints * i + n), port));
    Entry { service, endpoints: (0..endpoints).map(|n| Endpoint::ready(at(n), Some("node2"))).collect() }
}

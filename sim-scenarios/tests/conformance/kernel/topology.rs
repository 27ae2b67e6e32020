//! Builds the recorded cluster: an underlay switch, nodes with a bridge, pods, a client that is the gateway, the world behind it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;
use sim_core::linux::World;
use sim_core::linux::netfilter::RestoreOptions;
use sim_core::linux::nftables::{Input, Interfaces, Nftables, Style};
use sim_core::linux::route::Route;
use sim_core::linux::tunnel::{VXLAN_OVERHEAD, Vxlan};
use sim_core::packet::MacAddr;
use sim_core::trace::{Family, NsId, SockId};

use super::rules;

/// A node of the recording.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
    pub(crate) pod_cidr: IpNet,
}

/// A pod of the recording.
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) ip: IpAddr,
}

/// The cluster as built.
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) spaces: BTreeMap<String, NsId>,
    /// Listening sockets: where, which, whose, TCP or UDP, port.
    pub(crate) servers: Vec<Server>,
    case: Value,
    topology: Value,
}

/// A listening socket.
pub(crate) struct Server {
    pub(crate) ns: NsId,
    pub(crate) sock: SockId,
    pub(crate) name: String,
    pub(crate) tcp: bool,
    pub(crate) port: u16,
}

pub(crate) fn addr(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not an address"))
}

pub(crate) fn net(text: &str) -> Result<IpNet, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not a prefix"))
}

fn str_of<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("no {key} in the topology"))
}

/// The address at the end of a prefix' network part plus `n`.
fn nth(cidr: &IpNet, n: u32) -> IpAddr {
    match cidr.network() {
        IpAddr::V4(a) => IpAddr::V4((a.to_bits() + n).into()),
        IpAddr::V6(a) => IpAddr::V6((a.to_bits() + u128::from(n)).into()),
    }
}

const WORLD_NET: &str = "203.0.113.1/24";

impl Lab {
    /// Builds a topology with the knobs of a case.
    pub(crate) fn build(topology: &Value, case: &Value, seed: u64) -> Result<Self, String> {
        let mut lab = Self {
            world: World::new(seed),
            nodes: nodes(topology)?,
            pods: pods(topology)?,
            spaces: BTreeMap::new(),
            servers: Vec::new(),
            case: case.clone(),
            topology: topology.clone(),
        };
        lab.wire(topology, case)?;
        for i in 0..lab.nodes.len() {
            lab.node(i, &case["knobs"], topology)?;
        }
        for i in 0..lab.pods.len() {
            lab.pod(i, &case["knobs"])?;
        }
        lab.load_rules(case, topology)?;
        lab.listen_everywhere()?;
        Ok(lab)
    }

    fn space(&mut self, name: &str) -> NsId {
        let id = self.world.add_netns(name);
        self.spaces.insert(name.to_owned(), id);
        id
    }

    /// The namespace of that name.
    pub(crate) fn ns(&self, name: &str) -> Result<NsId, String> {
        self.spaces.get(name).copied().ok_or_else(|| format!("no namespace {name}"))
    }

    fn wire(&mut self, topology: &Value, case: &Value) -> Result<(), String> {
        let underlay = self.space("underlay");
        let u = self.world.ns_mut(underlay);
        u.add_bridge("br0", MacAddr([2, 0, 0, 0, 0, 1])).map_err(str_err)?;
        u.link_set("br0", true).map_err(str_err)?;
        let mut hosts: Vec<(String, IpAddr, u8)> =
            self.nodes.iter().enumerate().map(|(i, n)| (n.name.clone(), n.ip, 11 + i as u8)).collect();
        let mut outside = Vec::new();
        for external in topology["external"].as_array().into_iter().flatten() {
            let (name, ip) = (str_of(external, "name")?.to_owned(), addr(str_of(external, "ip")?)?);
            if name == "client" {
                hosts.push((name, ip, 0x64));
            } else {
                outside.push((name, ip));
            }
        }
        for (name, ip, last) in hosts {
            let ns = self.space(&name);
            self.plain(ns, case)?;
            let port = format!("u-{name}");
            let delay = Duration::from_micros(50);
            self.world.add_wire((underlay, &port), (ns, "eth0"), delay).map_err(str_err)?;
            let u = self.world.ns_mut(underlay);
            u.set_master(&port, "br0").map_err(str_err)?;
            u.link_set(&port, true).map_err(str_err)?;
            let host = self.world.ns_mut(ns);
            host.set_mac("eth0", MacAddr([2, 0, 0, 0, 0, last])).map_err(str_err)?;
            host.addr_add("eth0", IpNet::new_assert(ip, 24)).map_err(str_err)?;
            host.link_set("eth0", true).map_err(str_err)?;
        }
        let client = self.ns("client")?;
        for (name, ip) in outside {
            let ns = self.space(&name);
            self.plain(ns, case)?;
            self.world.add_veth((client, "eth1"), (ns, "eth0")).map_err(str_err)?;
            let c = self.world.ns_mut(client);
            c.addr_add("eth1", net(WORLD_NET)?).map_err(str_err)?;
            c.link_set("eth1", true).map_err(str_err)?;
            let w = self.world.ns_mut(ns);
            w.addr_add("eth0", IpNet::new_assert(ip, 24)).map_err(str_err)?;
            w.link_set("eth0", true).map_err(str_err)?;
            let eth0 = w.iface_id("eth0").ok_or("eth0")?;
            w.route_add(Route::default_via(net(WORLD_NET)?.addr(), eth0)).map_err(str_err)?;
        }
        self.world.ns_mut(client).sysctl_set("net.ipv4.ip_forward", "1").map_err(str_err)?;
        self.client_routes(topology)
    }

    fn client_routes(&mut self, topology: &Value) -> Result<(), String> {
        let client = self.ns("client")?;
        let external = topology["external"].as_array().into_iter().flatten();
        for route in external.flat_map(|e| e["routes"].as_array().into_iter().flatten()) {
            // "10.96.0.0/16 via node3 (10.0.0.13)"
            let words: Vec<&str> = route.as_str().unwrap_or_default().split_whitespace().collect();
            let [dst, "via", _, via] = words[..] else { return Err(format!("odd route {route}")) };
            let via = addr(via.trim_matches(['(', ')']))?;
            let c = self.world.ns_mut(client);
            let eth0 = c.iface_id("eth0").ok_or("eth0")?;
            let dst = if dst.contains('/') { net(dst)? } else { IpNet::from(addr(dst)?) };
            c.route_add(Route::via(dst, via, eth0)).map_err(str_err)?;
        }
        Ok(())
    }

    /// What every namespace of the recording has: no IPv6, no reverse path filter, ICMP limits as the case says.
    fn plain(&mut self, ns: NsId, case: &Value) -> Result<(), String> {
        let node = self.nodes.iter().find(|n| self.spaces.get(&n.name) == Some(&ns)).is_some();
        let knob = |name: &str| case["knobs"][name].as_i64();
        let bridge_nf = if node { knob("bridge_nf_call_iptables").unwrap_or(1) } else { 0 };
        let stack = self.world.ns_mut(ns);
        let mut set = |name: &str, value: i64| stack.sysctl_set(name, &value.to_string()).map_err(str_err);
        set("net.ipv6.conf.all.disable_ipv6", 1)?;
        set("net.bridge.bridge-nf-call-iptables", bridge_nf)?;
        if knob("icmp_ratelimit") == Some(0) {
            set("net.ipv4.icmp_ratelimit", 0)?;
        }
        Ok(())
    }

    fn node(&mut self, i: usize, knobs: &Value, topology: &Value) -> Result<(), String> {
        let ns = self.ns(&self.nodes[i].name)?;
        let n = i as u8 + 1;
        let (own, pod_cidr) = (self.nodes[i].ip, self.nodes[i].pod_cidr);
        let number = |name: &str, default: u64| knobs[name].as_u64().unwrap_or(default);
        let mode = knobs["mode"].as_str().unwrap_or("host-gw");
        let stack = self.world.ns_mut(ns);
        stack.add_bridge("cni0", MacAddr([0x0a, 0, 0, 0, n, 1])).map_err(str_err)?;
        let bridge_addr = IpNet::new_assert(nth(&pod_cidr, 1), pod_cidr.prefix_len());
        stack.addr_add("cni0", bridge_addr).map_err(str_err)?;
        stack.set_mtu("cni0", number("pod_mtu", 1500) as u32).map_err(str_err)?;
        stack.link_set("cni0", true).map_err(str_err)?;
        let eth0 = stack.iface_id("eth0").ok_or("eth0")?;
        if knobs["node_default_route"].as_bool() != Some(false)
            && let Some(gateway) = topology["node_default_gateway"].as_str()
        {
            stack.route_add(Route::default_via(addr(gateway)?, eth0)).map_err(str_err)?;
        }
        if mode == "vxlan" {
            let mtu = number("vxlan_mtu", 1450) as u32;
            // More than the underlay leaves room for is taken only by a device that is bound to none.
            let room = stack.iface(eth0).map_or(0, |e| e.mtu) - VXLAN_OVERHEAD;
            let vxlan = Vxlan {
                vni: 1,
                local: own,
                underlay: Some(eth0).filter(|_| mtu <= room),
                port: 8472,
                fdb: indexmap::IndexMap::default(),
                learned: None,
                ttl: Default::default(),
                tos: 0,
            };
            stack.add_vxlan("flannel.1", vtep_mac(n), vxlan).map_err(str_err)?;
            stack.set_mtu("flannel.1", mtu).map_err(str_err)?;
            stack.link_set("flannel.1", true).map_err(str_err)?;
            stack.addr_add("flannel.1", IpNet::from(nth(&pod_cidr, 0))).map_err(str_err)?;
        }
        for (j, other) in self.nodes.iter().enumerate().filter(|(j, _)| *j != i) {
            let stack = self.world.ns_mut(ns);
            if mode == "vxlan" {
                let (gateway, mac) = (nth(&other.pod_cidr, 0), vtep_mac(j as u8 + 1));
                let dev = stack.iface_id("flannel.1").ok_or("flannel.1")?;
                let route = Route { onlink: true, ..Route::via(other.pod_cidr, gateway, dev) };
                stack.route_add(route).map_err(str_err)?;
                stack.neigh_add("flannel.1", gateway, mac).map_err(str_err)?;
                stack.fdb_set("flannel.1", mac, other.ip).map_err(str_err)?;
            } else {
                stack.route_add(Route::via(other.pod_cidr, other.ip, eth0)).map_err(str_err)?;
            }
        }
        let stack = self.world.ns_mut(ns);
        let mut set = |name: &str, value: u64| stack.sysctl_set(name, &value.to_string()).map_err(str_err);
        set("net.ipv4.ip_forward", number("ip_forward", 1))?;
        set("net.ipv4.conf.all.route_localnet", number("route_localnet", 1))?;
        for dev in ["all", "eth0", "cni0"] {
            set(&format!("net.ipv4.conf.{dev}.rp_filter"), number("rp_filter", 0))?;
        }
        Ok(())
    }

    fn pod(&mut self, i: usize, knobs: &Value) -> Result<(), String> {
        let (name, ip) = (self.pods[i].name.clone(), self.pods[i].ip);
        let node_name = self.pods[i].node.clone();
        let node = self.ns(&node_name)?;
        let gateway =
            self.nodes.iter().find(|n| n.name == node_name).map(|n| nth(&n.pod_cidr, 1)).ok_or("node")?;
        let mtu = knobs["pod_mtu"].as_u64().unwrap_or(1500) as u32;
        let ns = self.space(&name);
        self.plain(ns, &serde_json::json!({ "knobs": knobs }))?;
        let port = format!("v-{name}");
        self.world.add_veth((node, &port), (ns, "eth0")).map_err(str_err)?;
        let n = self.world.ns_mut(node);
        n.set_mtu(&port, mtu).map_err(str_err)?;
        n.set_master(&port, "cni0").map_err(str_err)?;
        n.link_set(&port, true).map_err(str_err)?;
        n.set_hairpin(&port, knobs["hairpin"].as_u64() != Some(0)).map_err(str_err)?;
        let IpAddr::V4(v4) = ip else { return Err("the recordings are IPv4".to_owned()) };
        let [_, _, a, b] = v4.octets();
        let p = self.world.ns_mut(ns);
        p.set_mac("eth0", MacAddr([0x0a, 0, 0, 0, a, b])).map_err(str_err)?;
        p.set_mtu("eth0", mtu).map_err(str_err)?;
        p.addr_add("eth0", IpNet::new_assert(ip, 24)).map_err(str_err)?;
        p.link_set("eth0", true).map_err(str_err)?;
        let eth0 = p.iface_id("eth0").ok_or("eth0")?;
        p.route_add(Route::default_via(gateway, eth0)).map_err(str_err)
    }

    /// Puts other Services into force on every node, as kube-proxy does when it writes all its rules anew.
    pub(crate) fn set_services(&mut self, services: Vec<Value>) -> Result<(), String> {
        for node in self.nodes.iter().map(|n| self.ns(&n.name)).collect::<Result<Vec<_>, _>>()? {
            let empty = "*nat\nCOMMIT\n*filter\nCOMMIT\n";
            let flushed = self
                .world
                .ns_mut(node)
                .netfilter(Family::V4, |r| r.restore(empty, RestoreOptions::default()));
            flushed.map_err(str_err)?;
        }
        let (mut case, topology) = (self.case.clone(), self.topology.clone());
        case["services"] = Value::Array(services);
        self.load_rules(&case, &topology)
    }

    fn load_rules(&mut self, case: &Value, topology: &Value) -> Result<(), String> {
        for i in 0..self.nodes.len() {
            if case["knobs"]["rules"] == "none" {
                continue;
            }
            let ns = self.ns(&self.nodes[i].name)?;
            if case["knobs"]["rules"] == "nft" {
                let text = rules::nft(&self.nodes[i], &self.pods, case, topology)?;
                let input = Input { file: Some("rules"), text: &text };
                let load = |r: &mut Nftables| r.run(input, Style::default(), false, &Interfaces::none());
                let answer = self.world.ns_mut(ns).nftables(load);
                if answer.status != 0 {
                    return Err(answer.err);
                }
                continue;
            }
            let text = rules::text(&self.nodes[i], &self.pods, case, topology)?;
            let loaded = self.world.ns_mut(ns).netfilter(Family::V4, |r| {
                r.restore(&text, RestoreOptions { noflush: true, ..Default::default() })
            });
            loaded
                .map_err(|e| format!("{e}: {}", text.lines().nth(e.line as usize - 1).unwrap_or_default()))?;
        }
        Ok(())
    }

    /// Every pod, the client and the world listen on TCP 8080 and UDP 5353.
    fn listen_everywhere(&mut self) -> Result<(), String> {
        let mut names: Vec<String> = self.pods.iter().map(|p| p.name.clone()).collect();
        names.extend(["client".to_owned(), "world".to_owned()]);
        for name in names {
            self.listen(&name, true, SocketAddr::from(([0, 0, 0, 0], 8080)))?;
            self.listen(&name, false, SocketAddr::from(([0, 0, 0, 0], 5353)))?;
        }
        Ok(())
    }

    /// Opens a listening socket.
    pub(crate) fn listen(&mut self, name: &str, tcp: bool, at: SocketAddr) -> Result<(), String> {
        let ns = self.ns(name)?;
        let opened = if tcp { self.world.tcp_listen(ns, at, 64) } else { self.world.udp_bind(ns, at) };
        let sock = opened.map_err(str_err)?;
        self.servers.push(Server { ns, sock, name: name.to_owned(), tcp, port: at.port() });
        Ok(())
    }
}

pub(crate) fn vtep_mac(n: u8) -> MacAddr {
    MacAddr([0x0e, 0, 0, 0, 0, n])
}

pub(crate) fn str_err(e: impl std::fmt::Display) -> String {
    e.to_string()
}

fn nodes(topology: &Value) -> Result<Vec<Node>, String> {
    let list = topology["nodes"].as_array().ok_or("no nodes")?.iter();
    list.map(|n| {
        Ok(Node {
            name: str_of(n, "name")?.to_owned(),
            ip: addr(str_of(n, "ip")?)?,
            pod_cidr: net(str_of(n, "podCIDR")?)?,
        })
    })
    .collect()
}

fn pods(topology: &Value) -> Result<Vec<Pod>, String> {
    let list = topology["pods"].as_array().ok_or("no pods")?.iter();
    list.map(|p| {
        Ok(Pod {
            name: str_of(p, "name")?.to_owned(),
            node: str_of(p, "node")?.to_owned(),
            ip: addr(str_of(p, "ip")?)?,
        })
    })
    .collect()
}

//! Machines and cables: the node network with its switch, the gateway, and what lies behind it.
//!
//! ```text
//!  master  node1  node2  workstation  hosts on the node network
//!    └──────┴──────┴───┬───┴─────────────┘      eth0 of each
//!                  underlay (a switch)
//!                      │ eth0
//!                   gateway ── eth1 ── underlay1 ── hosts of another network, …
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use ipnet::IpNet;

use super::Cluster;
use crate::chance::Dice;
use crate::diagnostic::{Diagnostic, Severity};
use crate::kube::apps::runtime::{Apps, Service};
use crate::kube::apps::site::Site;
use crate::kube::config::{
    BALANCER_HOST, ClusterConfig, Cni, HostConfig, IpFamily, Listen, LoadBalancerMode, NodeConfig,
};
use crate::kube::controllers::Controllers;
use crate::kube::dns::upstream::Upstream;
use crate::kube::node::NodeAgents;
use crate::kube::node::files::Files;
use crate::kube::node::machine::{Machine, Machines, Place, Privileges, ToolSet};
use crate::kube::objects::Protocol;
use crate::kube::store::{OwnedPin, Pins, PodPin, ServicePin, Store, StoreConfig};
use crate::linux::route::{Route, RouteKind};
use crate::linux::{NetError, World};
use crate::packet::MacAddr;
use crate::time::EventQueue;
use crate::trace::NsId;

/// Time that a frame takes from a machine to its switch.
const CABLE_DELAY: Duration = Duration::from_micros(50);
/// Time that a frame takes between the gateway and networks behind it.
const FAR_DELAY: Duration = Duration::from_millis(2);

/// Builds everything that is there before the control plane starts.
pub(super) fn build(config: Arc<ClusterConfig>) -> Result<Cluster, Diagnostic> {
    let mut builder = Builder {
        world: World::new(config.seed),
        machines: Machines::default(),
        apps: Apps::default(),
        config: &config,
    };
    builder.build().map_err(|e| mistake("cluster", &e.to_string()))?;
    let Builder { world, machines, apps, .. } = builder;
    let store = Store::new(store_config(&config), Dice::seeded(config.seed));
    let agents = NodeAgents::new(&config, &machines);
    Ok(Cluster {
        world,
        store,
        machines,
        apps,
        agents,
        controllers: Controllers::new(config.load_balancer.mode, config.pools()),
        timers: EventQueue::default(),
        remarks: Vec::new(),
        seen: u64::MAX,
        config,
    })
}

/// A mistake that shows only when the cluster is built.
pub(super) fn mistake(source: &str, message: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        source: source.to_owned(),
        line: 1,
        column: 1,
        length: 1,
        message: message.to_owned(),
        help: None,
    }
}

fn store_config(config: &ClusterConfig) -> StoreConfig {
    let place = |pin: &crate::kube::config::PodPin| PodPin {
        node: config.pinned_node(pin).map(str::to_owned),
        ip: pin.ip,
    };
    let pods = config.pins.pods.iter().map(|(name, pin)| (name.clone(), place(pin)));
    let owners = config.pins.owners.iter().map(|(owner, pods)| {
        let one = |pin: &crate::kube::config::PodPin| OwnedPin { name: pin.name.clone(), place: place(pin) };
        (owner.clone(), pods.iter().map(one).collect())
    });
    let services = config.pins.services.iter().map(|(name, pin)| {
        let cluster_ips = pin.cluster_ip.into_iter().collect();
        (name.clone(), ServicePin { cluster_ips, node_port: pin.node_port.clone() })
    });
    let mut owners: BTreeMap<String, Vec<OwnedPin>> = owners.collect();
    if let Some(node) = config.control_plane().filter(|_| config.networking.cni != Cni::None) {
        // Cluster DNS is where the first node was when there was no other.
        let pin = OwnedPin { name: None, place: PodPin { node: Some(node.name.clone()), ip: None } };
        owners.entry("deploy/kube-system/coredns".to_owned()).or_insert_with(|| vec![pin; 2]);
    }
    StoreConfig {
        service_subnets: config.networking.service_subnets().collect(),
        pins: Pins { pods: pods.collect(), services: services.collect(), owners },
        version: config.kubernetes_version,
    }
}

struct Builder<'a> {
    world: World,
    machines: Machines,
    apps: Apps,
    config: &'a ClusterConfig,
}

impl Builder<'_> {
    fn build(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let config = self.config;
        let nets: Vec<IpNet> = config.node_networks().collect();
        let on = |ips: &mut dyn Iterator<Item = IpAddr>| within(ips, &nets);
        let switch = self.switch("underlay", config.networking.mtu)?;
        let gateways: Vec<IpAddr> = config.gateways().collect();
        for node in &config.nodes {
            let ns = self.machine(Place::Node(node.name.clone()), &node.name, ToolSet::NODE);
            if let Some(machine) = self.machines.get_mut(&Place::Node(node.name.clone())) {
                let (path, text) = ("/var/lib/kubelet/config.yaml", kubelet_config(config));
                machine.files = std::mem::take(&mut machine.files).with(path, text.into_bytes());
            }
            self.plug(ns, "eth0", switch, &node.name, &on(&mut node.ips()), CABLE_DELAY)?;
            self.default_routes(ns, &gateways)?;
            self.more_addresses(ns, node)?;
            self.sysctls(ns, node)?;
        }
        let ns = self.machine(Place::Workstation, "workstation", ToolSet::WORKSTATION);
        let own = on(&mut config.workstations().into_iter());
        self.plug(ns, "eth0", switch, "workstation", &own, CABLE_DELAY)?;
        self.default_routes(ns, &gateways)?;
        let router = self.machine(Place::Host("gateway".to_owned()), "gateway", ToolSet::HOST);
        self.plug(router, "eth0", switch, "gateway", &on(&mut gateways.iter().copied()), CABLE_DELAY)?;
        self.world.bare_mut(router).sysctl_set("net.ipv4.ip_forward", "1")?;
        self.world.bare_mut(router).sysctl_set("net.ipv6.conf.all.forwarding", "1")?;
        self.hosts(switch, router, &nets)?;
        self.balancer(switch, router, &gateways)?;
        self.upstream_dns(router)
    }

    /// A bridge without any address and without netfilter.
    fn switch(&mut self, name: &str, mtu: u32) -> Result<NsId, Box<dyn std::error::Error>> {
        let ns = self.world.add_netns(name);
        let host = self.world.bare_mut(ns);
        host.sysctl_set("net.bridge.bridge-nf-call-iptables", "0")?;
        host.sysctl_set("net.bridge.bridge-nf-call-ip6tables", "0")?;
        host.sysctl_set("net.ipv6.conf.all.disable_ipv6", "1")?;
        host.add_bridge("br0", MacAddr([0x02, 0, 0, 0, 0, 0xfe]))?;
        host.set_mtu("br0", mtu)?;
        host.link_set("br0", true)?;
        Ok(ns)
    }

    fn machine(&mut self, place: Place, name: &str, tools: ToolSet) -> NsId {
        let ns = self.world.add_netns(name);
        let resolv = format!("nameserver {}\n", self.config.gateway());
        let files = Files::new()
            .with("/etc/hostname", format!("{name}\n").into_bytes())
            .with("/etc/hosts", hosts_file(self.config, name).into_bytes())
            .with("/etc/resolv.conf", resolv.into_bytes())
            .with_dir("/root")
            .with_dir("/tmp");
        let env = [
            ("HOME", "/root"),
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("USER", "root"),
        ];
        let env: IndexMap<String, String> =
            env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let machine = Machine {
            hostname: name.to_owned(),
            ns,
            files,
            tools,
            cwd: "/root".to_owned(),
            privileges: Privileges::ALL,
            env,
            links: Arc::default(),
        };
        self.machines.insert(place, machine);
        ns
    }

    /// Connects a machine's interface to a switch.
    fn plug(
        &mut self,
        ns: NsId,
        dev: &str,
        switch: NsId,
        name: &str,
        addrs: &[IpNet],
        delay: Duration,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let Some(first) = addrs.first() else { return Err(format!("{name} has no address").into()) };
        // Interface names have at most 15 characters; the switch's side is seen by nobody but in traces.
        let port = format!("p{}-{}", self.world.bare(switch).ifaces().count(), name);
        let port: String = port.chars().take(15).collect();
        self.world.add_wire((ns, dev), (switch, &port), delay)?;
        let mtu = self.config.networking.mtu;
        let sw = self.world.bare_mut(switch);
        sw.set_mtu(&port, mtu)?;
        sw.set_master(&port, "br0")?;
        sw.link_set(&port, true)?;
        let host = self.world.bare_mut(ns);
        host.set_mac(dev, card_mac(first.addr()))?;
        host.set_mtu(dev, mtu)?;
        for addr in addrs {
            host.addr_add(dev, *addr)?;
        }
        host.link_set(dev, true)?;
        Ok(())
    }

    fn default_routes(&mut self, ns: NsId, gateways: &[IpAddr]) -> Result<(), NetError> {
        let host = self.world.bare_mut(ns);
        let eth0 = host.by_name("eth0")?.id;
        gateways.iter().try_for_each(|gateway| host.route_add(Route::default_via(*gateway, eth0)))
    }

    fn more_addresses(&mut self, ns: NsId, node: &NodeConfig) -> Result<(), NetError> {
        for (dev, addr) in &node.addresses {
            let host = self.world.bare_mut(ns);
            host.add_bridge(dev, docker_mac(addr.addr()))?;
            host.addr_add(dev, *addr)?;
            host.link_set(dev, true)?;
        }
        Ok(())
    }

    /// What kubeadm asks for and kube-proxy switches on, then what the lab says.
    fn sysctls(&mut self, ns: NsId, node: &NodeConfig) -> Result<(), Box<dyn std::error::Error>> {
        let host = self.world.bare_mut(ns);
        host.sysctl_set("net.ipv4.ip_forward", "1")?;
        host.sysctl_set("net.bridge.bridge-nf-call-iptables", "1")?;
        if crate::kube::node::starts_in_iptables(self.config, node) {
            host.sysctl_set("net.ipv4.conf.all.route_localnet", "1")?;
        }
        if self.config.networking.ip_family != IpFamily::V4 {
            host.sysctl_set("net.ipv6.conf.all.forwarding", "1")?;
            host.sysctl_set("net.bridge.bridge-nf-call-ip6tables", "1")?;
        }
        for (name, value) in self.config.sysctl.iter().chain(&node.sysctl) {
            host.sysctl_set(name, value)?;
        }
        Ok(())
    }

    /// The load balancer's machine, if its mode has one, and the way to the pool.
    fn balancer(
        &mut self,
        switch: NsId,
        router: NsId,
        gateways: &[IpAddr],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let config = self.config;
        if config.load_balancer.mode == LoadBalancerMode::None {
            return Ok(());
        }
        let nets: Vec<IpNet> = config.node_networks().collect();
        let pools = config.pools();
        let gateway = self.world.bare_mut(router);
        let eth0 = gateway.by_name("eth0")?.id;
        for pool in pools.iter().filter(|pool| !nets.iter().any(|net| net.contains(*pool))) {
            gateway.route_add(Route::link(*pool, eth0))?;
        }
        // Who holds an address of the pool may change: nobody is told a shorter way to it. (In IPv6 no setting keeps routers from that.)
        for dev in ["all", "eth0"] {
            gateway.sysctl_set(&format!("net.ipv4.conf.{dev}.send_redirects"), "0")?;
        }
        let own = config.balancer_hosts();
        if own.is_empty() {
            return Ok(());
        }
        let ns = self.machine(Place::Host(BALANCER_HOST.to_owned()), BALANCER_HOST, ToolSet::HOST);
        self.plug(ns, "eth0", switch, BALANCER_HOST, &within(&mut own.into_iter(), &nets), CABLE_DELAY)?;
        self.default_routes(ns, gateways)?;
        let host = self.world.bare_mut(ns);
        host.sysctl_set("net.ipv4.ip_forward", "1")?;
        host.sysctl_set("net.ipv6.conf.all.forwarding", "1")?;
        for dev in ["all", "eth0"] {
            host.sysctl_set(&format!("net.ipv4.conf.{dev}.send_redirects"), "0")?;
        }
        // What no node takes ends here.
        pools.into_iter().try_for_each(|pool| host.route_add(Route::refuse(pool, RouteKind::Blackhole)))?;
        Ok(())
    }

    /// Hosts on the node network are on its switch; others share a switch per network behind the gateway.
    fn hosts(
        &mut self,
        switch: NsId,
        router: NsId,
        nets: &[IpNet],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let mut far: BTreeMap<IpNet, Vec<&HostConfig>> = BTreeMap::new();
        for host in &self.config.hosts {
            if nets.iter().any(|net| net.contains(&host.ip)) {
                let ns = self.machine(Place::Host(host.name.clone()), &host.name, ToolSet::HOST);
                self.plug(ns, "eth0", switch, &host.name, &within(&mut host.ips(), nets), CABLE_DELAY)?;
                let gateways: Vec<IpAddr> = self.config.gateways().collect();
                self.default_routes(ns, &gateways)?;
                self.listen(host, ns)?;
            } else {
                far.entry(network_of(host.ip)).or_default().push(host);
            }
        }
        for (i, (net, hosts)) in far.into_iter().enumerate() {
            let (dev, name) = (format!("eth{}", i + 1), format!("underlay{}", i + 1));
            let switch = self.switch(&name, self.config.networking.mtu)?;
            let mut nets = vec![net];
            // The second addresses of its hosts lie on one more network.
            let second = hosts.iter().filter_map(|h| h.second_ip).map(network_of);
            nets.extend(second.fold(Vec::new(), |mut all, net| {
                if !all.contains(&net) {
                    all.push(net);
                }
                all
            }));
            let taken = |ip: &IpAddr| hosts.iter().any(|h| h.ips().any(|i| i == *ip));
            let skip = |net: &IpNet| usize::from(net.addr().is_ipv6());
            let free = |net: &IpNet| net.hosts().skip(skip(net)).find(|ip| !taken(ip));
            let gateways: Vec<IpAddr> = nets.iter().filter_map(free).collect();
            self.plug(
                router,
                &dev,
                switch,
                "gateway",
                &within(&mut gateways.iter().copied(), &nets),
                FAR_DELAY,
            )?;
            for host in hosts {
                let ns = self.machine(Place::Host(host.name.clone()), &host.name, ToolSet::HOST);
                let own = within(&mut host.ips(), &nets);
                self.plug(ns, "eth0", switch, &host.name, &own, FAR_DELAY)?;
                let on_link = |g: &&IpAddr| own.iter().any(|net| net.contains(*g));
                let gateways: Vec<IpAddr> = gateways.iter().filter(on_link).copied().collect();
                self.default_routes(ns, &gateways)?;
                self.listen(host, ns)?;
            }
        }
        Ok(())
    }

    fn listen(&mut self, host: &HostConfig, ns: NsId) -> Result<(), Box<dyn std::error::Error>> {
        let place = Place::Host(host.name.clone());
        let (tcp, udp): (Vec<_>, Vec<_>) = host.listen.iter().partition(|l| l.protocol == Protocol::Tcp);
        let site = Service::Site(Site::Text { body: "{hostname}\n".to_owned() });
        for (ports, service) in [(tcp, site), (udp, Service::Plain)] {
            if !ports.is_empty() {
                let started = self.apps.start(&mut self.world, place.clone(), ns, &ports, service);
                started.map_err(|(at, errno)| format!("host {}: port {}: {errno}", host.name, at.port))?;
            }
        }
        Ok(())
    }

    /// The gateway answers the names of hosts and of `dns.upstream`.
    fn upstream_dns(&mut self, router: NsId) -> Result<(), Box<dyn std::error::Error>> {
        let hosts = self.config.hosts.iter().map(|h| (h.name.as_str(), h.ips().collect()));
        let names = self.config.upstream.iter().map(|(name, ips)| (name.as_str(), ips.clone()));
        let service = Service::Upstream(Upstream::new(hosts.chain(names)));
        let listen = [Protocol::Udp, Protocol::Tcp].map(|protocol| Listen { port: 53, protocol });
        let place = Place::Host("gateway".to_owned());
        let started = self.apps.start(&mut self.world, place, router, &listen, service);
        started.map_err(|(_, errno)| format!("gateway: port 53: {errno}"))?;
        Ok(())
    }
}

/// Addresses with the prefix lengths of the networks that they are on.
fn within(ips: &mut dyn Iterator<Item = IpAddr>, nets: &[IpNet]) -> Vec<IpNet> {
    let one = |ip: IpAddr| {
        let net = nets.iter().find(|net| net.contains(&ip))?;
        IpNet::new(ip, net.prefix_len()).ok()
    };
    ips.filter_map(one).collect()
}

/// The network of a host behind the gateway.
fn network_of(ip: IpAddr) -> IpNet {
    let length = if ip.is_ipv4() { 24 } else { 64 };
    IpNet::new_assert(ip, length).trunc()
}

/// `/etc/hosts` of a machine of the node network: itself and the nodes.
fn hosts_file(config: &ClusterConfig, own: &str) -> String {
    let mut text = "127.0.0.1\tlocalhost\n".to_owned();
    if config.networking.ip_family != IpFamily::V4 {
        text.push_str("::1\tlocalhost ip6-localhost ip6-loopback\n");
    }
    if own == "workstation" {
        for ip in config.workstations() {
            let _ = writeln!(text, "{ip}\tworkstation");
        }
    }
    for node in &config.nodes {
        for ip in node.ips() {
            let _ = writeln!(text, "{ip}\t{}", node.name);
        }
    }
    text
}

/// What kubeadm has written for the kubelet, as far as it has a meaning here.
fn kubelet_config(config: &ClusterConfig) -> String {
    let (dns, domain) = (config.networking.cluster_dns, &config.networking.dns_domain);
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: systemd\nclusterDNS:\n- {dns}\nclusterDomain: {domain}\n\
         healthzBindAddress: 127.0.0.1\nhealthzPort: 10248\nkind: KubeletConfiguration\nrotateCertificates: true\n\
         staticPodPath: /etc/kubernetes/manifests\n"
    )
}

/// A network card of a virtual machine.
fn card_mac(ip: IpAddr) -> MacAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [_, b, c, d] = ip.octets();
            MacAddr([0x52, 0x54, 0x00, b, c, d])
        }
        IpAddr::V6(ip) => {
            let [.., b, c, d] = ip.octets();
            MacAddr([0x52, 0x54, 0x00, b, c, d])
        }
    }
}

/// What Docker gives its bridge: `02:42` and the address.
fn docker_mac(ip: IpAddr) -> MacAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            MacAddr([0x02, 0x42, a, b, c, d])
        }
        IpAddr::V6(_) => card_mac(ip),
    }
}

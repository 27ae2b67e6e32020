//! The network of the recordings: a client, and servers on the same link.
//!
//! ```text
//!  client 10.244.0.9/8 ── br0 ─┬─ dns1   10.96.0.10
//!                              ├─ dns2   10.96.0.11
//!                              ├─ others 10.96.5.5 (web), 10.244.2.6 (answers pings)
//!                              └─ closed 10.96.123.4 (refuses)
//! ```

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;
use serde_json::Value;
use sim_core::cluster::{Cluster, Place, ToolSet};
use sim_core::kube::apps::conversation::Conversation;
use sim_core::kube::apps::name_server::{NameServer, Start};
use sim_core::kube::apps::runtime::Service;
use sim_core::kube::config::Listen;
use sim_core::kube::dns::wire::Message;
use sim_core::kube::objects::Protocol;
use sim_core::linux::route::{Route, RouteKind};
use sim_core::linux::tap::TapId;
use sim_core::packet::{FrameBody, MacAddr, Transport};
use sim_core::time::SimTime;
use sim_core::trace::NsId;
use sim_scenarios::shell::{Io, Shell};
use sim_scenarios::tools::{Out, SessionState, ShellKind, Streams};

use super::servers::{Table, Upstream, Web};

/// The pod's file in the recordings.
pub(super) const RESOLV_CONF: &str =
    "search app.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";

/// A built network.
pub(super) struct Lab {
    pub(super) cluster: Cluster,
    pub(super) client: Place,
    tap: TapId,
}

/// A query as it went over the client's link.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) at: SimTime,
    pub(super) port: u16,
    pub(super) server: IpAddr,
    pub(super) name: String,
    pub(super) rtype: String,
}

/// What a command printed, and how long it took.
pub(super) struct Run {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) status: i32,
    pub(super) seconds: f64,
}

/// Objects of the scenario that no API server takes: a Service without ports, and the like.
const REFUSED: [&str; 2] = ["extupper", "noports"];

const COREFILE: &str = ".:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . 127.0.0.1:5353
}
";

/// Client and wires, without servers.
static WIRED: LazyLock<Result<(Cluster, Place), String>> = LazyLock::new(wire);

impl Lab {
    /// The network with these tools on the client; nothing serves yet.
    pub(super) fn new(tools: ToolSet, resolv_conf: &str) -> Result<Self, String> {
        let (mut cluster, client) = WIRED.clone()?;
        let machine = cluster.machine_mut(&client).ok_or("no client")?;
        machine.tools = tools;
        let hosts = "127.0.0.1\tlocalhost\n10.244.0.9\tclient\n";
        for (path, text) in [("/etc/resolv.conf", resolv_conf), ("/etc/hosts", hosts)] {
            machine.files.write(path, text.as_bytes()).map_err(|e| e.to_string())?;
        }
        let ns = machine.ns;
        let eth0 = cluster.world.ns(ns).by_name("eth0").map_err(|e| e.to_string())?.id;
        let tap = cluster.world.tap_open(ns, Some(eth0));
        Ok(Self { cluster, client, tap })
    }

    /// Answers from a table at 10.96.0.10 or 10.96.0.11.
    pub(super) fn serve_table(&mut self, name: &str, table: Table) -> Result<(), String> {
        self.serve(name, &[(53, Protocol::Udp)], Service::Talk(Arc::new(table)))
    }

    /// `CoreDNS` at 10.96.0.10 over the objects of a scenario, with what stands for its upstream, and a web server.
    pub(super) fn serve_cluster(&mut self, scenario: &Value) -> Result<(), String> {
        for object in scenario["objects"].as_array().into_iter().flatten().chain(&extra_objects()) {
            let (kind, name) = (object["kind"].as_str(), object["metadata"]["name"].as_str());
            let own = matches!(
                (kind, name),
                (Some("Namespace"), Some("default" | "kube-system"))
                    | (Some("Service"), Some("kubernetes" | "kube-dns"))
            );
            if own || name.is_some_and(|n| n.starts_with("kube-dns-")) {
                continue;
            }
            let mut object = object.clone();
            if object["spec"]["clusterIPs"].as_array().is_some_and(|ips| ips.len() > 1) {
                object["spec"]["ipFamilyPolicy"] = "RequireDualStack".into();
            }
            // The recordings had no API server that would have refused some of them; nobody asks for those here.
            if let Err(refused) = self.cluster.apply(&object.to_string()) {
                let known = |name: &str| REFUSED.contains(&name);
                name.filter(|n| known(n)).ok_or_else(|| format!("{refused:?}\n{object}"))?;
            }
        }
        let records = scenario["upstream_records"].as_array().into_iter().flatten();
        let outside = Upstream::parse(records.filter_map(Value::as_str))?;
        self.serve(
            "dns1",
            &[(5353, Protocol::Udp), (5353, Protocol::Tcp)],
            Service::Talk(Arc::new(outside)),
        )?;
        let dns = Service::Dns(Box::new(self.name_server("dns1")?));
        self.serve("dns1", &[(53, Protocol::Udp), (53, Protocol::Tcp)], dns)?;
        let web: Arc<dyn Conversation> = Arc::new(Web);
        self.serve("others", &[(80, Protocol::Tcp)], Service::Talk(web))
    }

    /// `CoreDNS` with kubeadm's plugin kubernetes, without cache and loadbalance, as in the recordings.
    fn name_server(&mut self, name: &str) -> Result<NameServer, String> {
        let place = Place::Netns { host: Box::new(Place::Workstation), name: name.to_owned() };
        let mut machine = self.cluster.machine(&place).ok_or("no machine")?.clone();
        machine.files = machine.files.with("/Corefile", COREFILE.as_bytes());
        let start = Start {
            path: "/Corefile",
            machine: &machine,
            bound: vec!["10.244.0.2".parse().map_err(|_| "no address")?],
            kubernetes: self.cluster.config().kubernetes_version,
            place: 7,
        };
        let started = NameServer::start(start, &mut self.cluster.world);
        started.map(|(server, _)| server).map_err(|log| log.join("\n"))
    }

    fn serve(&mut self, name: &str, ports: &[(u16, Protocol)], service: Service) -> Result<(), String> {
        let place = Place::Netns { host: Box::new(Place::Workstation), name: name.to_owned() };
        let listen: Vec<Listen> = ports.iter().map(|&(port, protocol)| Listen { port, protocol }).collect();
        self.cluster.start_server(&place, &listen, service).map(|_| ()).map_err(|e| e.to_string())
    }

    /// Types a command line.
    pub(super) fn run(&mut self, line: &str) -> Run {
        let started = self.cluster.now();
        let (mut out, mut session) = (Out::new(), SessionState::default());
        session.start_command(started);
        let (stdout, stderr) = (out.open(), out.open());
        out.set_streams(Streams { stdout, stderr });
        let mut shell = Shell::new(ShellKind::Bash, self.client.clone(), &self.cluster);
        let mut io = Io { cluster: &mut self.cluster, out: &mut out, session: &mut session };
        let status = shell.run(line, b"", &mut io).status();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let stderr = text(out.close());
        let stdout = text(out.close());
        Run { stdout, stderr, status, seconds: self.cluster.now().since(started).as_secs_f64() }
    }

    /// The queries that left the client so far.
    pub(super) fn queries(&mut self) -> Vec<Query> {
        let ns = self.cluster.netns(&self.client).unwrap();
        let seen = self.cluster.world.tap_take(ns, self.tap);
        seen.iter().filter_map(query).collect()
    }
}

fn query(seen: &sim_core::linux::tap::Seen) -> Option<Query> {
    let FrameBody::Ip(packet) = &seen.frame.body else { return None };
    let Transport::Udp(udp) = &packet.body else { return None };
    if udp.dport != 53 {
        return None;
    }
    let question = Message::parse(udp.payload.bytes()).ok()?.question?;
    Some(Query {
        at: seen.at,
        port: udp.sport,
        server: packet.dst,
        name: question.name,
        rtype: question.rtype.to_string(),
    })
}

/// The Services that the recordings added to the scenario. Their addresses belong to no subnet of Services, or to another Service, so that
/// they are headless here.
fn extra_objects() -> Vec<Value> {
    let headless = |(name, ip): (&str, &str)| {
        let service = serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "app"},
            "spec": {"clusterIP": "None", "ports": [{"name": "http", "protocol": "TCP", "port": 80}]}});
        let slice = serde_json::json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("{name}-x1"), "namespace": "app", "labels": {"kubernetes.io/service-name": name}},
            "endpoints": [{"addresses": [ip], "conditions": {"ready": true}}],
            "ports": [{"name": "http", "protocol": "TCP", "port": 80}]});
        [service, slice]
    };
    [("refused", "10.96.123.4"), ("silent", "10.244.0.55"), ("pingme", "10.244.2.6")]
        .into_iter()
        .flat_map(headless)
        .collect()
}

fn wire() -> Result<(Cluster, Place), String> {
    let block = "kind: Cluster\nnetworking:\n  ipFamily: dual\n  podSubnet: 10.244.0.0/16,fd00:244::/48\n  \
                 serviceSubnet: 10.96.0.0/12,fd00:96::/112\nnodes:\n- {name: master, role: control-plane, ip: 192.168.100.100}\n";
    let mut cluster =
        Cluster::builder().block(block).and_then(|b| b.build()).map_err(|e| format!("{e:?}"))?;
    let host = Place::Workstation;
    let bridge = cluster.netns_add(&host, "bridge").map_err(|e| e.to_string())?;
    let bridge = cluster.netns(&bridge).ok_or("no bridge")?;
    cluster.world.ns_mut(bridge).add_bridge("br0", MacAddr([2, 0, 0, 0, 0, 1])).map_err(|e| e.to_string())?;
    cluster.world.ns_mut(bridge).link_set("br0", true).map_err(|e| e.to_string())?;
    let machines: [(&str, &[&str]); 5] = [
        ("client", &["10.244.0.9/8"]),
        ("dns1", &["10.96.0.10/8"]),
        ("dns2", &["10.96.0.11/8"]),
        ("others", &["10.96.5.5/8", "10.244.2.6/8"]),
        ("closed", &["10.96.123.4/8"]),
    ];
    for (name, addresses) in machines {
        let place = cluster.netns_add(&host, name).map_err(|e| e.to_string())?;
        let ns = cluster.netns(&place).ok_or("no namespace")?;
        plug(&mut cluster, ns, bridge, name, addresses).map_err(|e| e.to_string())?;
    }
    let client = Place::Netns { host: Box::new(host), name: "client".to_owned() };
    let stack = cluster.netns(&client).ok_or("no client")?;
    let stack = cluster.world.ns_mut(stack);
    for (net, kind) in [
        ("10.99.0.0/16", RouteKind::Unreachable),
        ("10.98.0.0/16", RouteKind::Prohibit),
        ("10.97.0.0/16", RouteKind::Blackhole),
    ] {
        let net = net.parse().map_err(|_| "not a network")?;
        stack.route_add(Route::refuse(net, kind)).map_err(|e| e.to_string())?;
    }
    // Packets to it vanish: nobody has this hardware address.
    let silent = "10.244.0.55".parse().map_err(|_| "not an address")?;
    stack.neigh_add("eth0", silent, MacAddr([2, 0, 0, 0, 0, 0x55])).map_err(|e| e.to_string())?;
    let machine = cluster.machine_mut(&client).ok_or("no client")?;
    machine.env = IndexMap::from([("HOME".to_owned(), "/root".to_owned())]);
    Ok((cluster, client))
}

fn plug(
    cluster: &mut Cluster,
    ns: NsId,
    bridge: NsId,
    name: &str,
    addresses: &[&str],
) -> Result<(), Box<dyn std::error::Error>> {
    cluster.world.add_veth((ns, "eth0"), (bridge, name))?;
    let port = cluster.world.ns_mut(bridge);
    port.set_master(name, "br0")?;
    port.link_set(name, true)?;
    let stack = cluster.world.ns_mut(ns);
    for address in addresses {
        stack.addr_add("eth0", address.parse()?)?;
    }
    stack.link_set("lo", true)?;
    stack.link_set("eth0", true)?;
    Ok(())
}

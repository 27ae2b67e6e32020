//! Random networks and probes.

use std::net::{IpAddr, SocketAddr};

use crate::case::{Command, Ground, Host, Node, Pod, Port, Service};
use crate::draw::Draw;
use crate::play::{Kind, Probe};
use crate::side::Options;
use crate::{detour, nft, rules};

/// A random network.
pub(crate) fn ground(seed: u64, index: u64) -> Ground {
    let mut d = Draw::new(seed, index);
    let mut g = Ground {
        seed: d.next() % 1000,
        cni: d.weighted(&[(3, "flannel"), (3, "flannel-host-gw"), (2, "bridge")]),
        family: d.weighted(&[(3, "ipv4"), (1, "ipv6")]),
        proxy: d.weighted(&[(3, "iptables"), (2, "nftables")]),
        mtu: d.weighted(&[(8, 1500), (1, 1400), (1, 9000)]),
        ..Ground::default()
    };
    if g.v6() {
        g.cni = d.weighted(&[(1, "flannel-host-gw"), (1, "bridge")]);
    }
    nodes(&mut g, &mut d);
    if d.percent(60) {
        g.hosts.push(Host { name: "near".to_owned(), ip: "192.168.100.9".to_owned() });
    }
    if d.percent(50) {
        g.hosts.push(Host { name: "far".to_owned(), ip: "10.32.1.149".to_owned() });
    }
    pods(&mut g, &mut d);
    for i in 0..d.weighted(&[(2, 0), (3, 1), (3, 2), (2, 4)]) {
        let service = service(&g, i, &mut d);
        g.services.push(service);
    }
    setup(&mut g, &mut d);
    if d.percent(15) {
        detour::add(&mut g, &mut d);
    }
    g
}

fn nodes(g: &mut Ground, d: &mut Draw) {
    for index in 0..d.weighted(&[(1, 1), (4, 2), (3, 3)]) {
        let mut sysctl = Vec::new();
        for (percent, name, values) in KNOBS {
            if d.percent(percent) {
                sysctl.push((name.to_owned(), (*d.of(values)).to_owned()));
            }
        }
        g.nodes.push(Node { name: format!("n{index}"), index, sysctl });
    }
}

/// Percent, name, values.
const KNOBS: [(usize, &str, &[&str]); 11] = [
    (4, "net.ipv4.ip_forward", &["0"]),
    (20, "net.bridge.bridge-nf-call-iptables", &["0"]),
    (15, "net.ipv4.conf.all.rp_filter", &["0", "1", "2"]),
    (10, "net.ipv4.conf.default.rp_filter", &["0", "1", "2"]),
    (15, "net.ipv4.conf.all.route_localnet", &["0", "1"]),
    (10, "net.ipv4.conf.all.send_redirects", &["0"]),
    (5, "net.ipv4.ip_default_ttl", &["3", "128"]),
    (5, "net.ipv4.icmp_echo_ignore_all", &["1"]),
    (8, "net.ipv4.conf.all.proxy_arp", &["1"]),
    (3, "net.ipv6.conf.all.forwarding", &["0"]),
    (10, "net.bridge.bridge-nf-call-ip6tables", &["0"]),
];

fn pods(g: &mut Ground, d: &mut Draw) {
    for i in 0..d.between(1, 4) {
        let node = d.of(&g.nodes).index;
        g.pods.push(Pod {
            name: format!("p{i}"),
            node,
            ip: format!("10.244.{node}.{}", 10 + i),
            app: d.below(2),
        });
    }
}

fn service(g: &Ground, i: usize, d: &mut Draw) -> Service {
    let kind = d.weighted(&[(5, "ClusterIP"), (5, "NodePort"), (2, "LoadBalancer")]);
    let both = d.percent(25);
    let tcp = d.percent(50);
    let mut ports = Vec::new();
    for tcp in if both { vec![true, false] } else { vec![tcp] } {
        let target = match d.percent(88) {
            true if tcp => 8080,
            true => 5353,
            false => 9999,
        };
        // One number for both protocols, now and then.
        let node_port = 30_080 + 10 * i as u16 + u16::from(tcp && d.percent(50));
        ports.push(Port {
            tcp,
            port: 80 + i as u16,
            target,
            node_port: (kind != "ClusterIP").then_some(node_port),
        });
    }
    let mut more = Vec::new();
    if d.percent(12) {
        more.push("internalTrafficPolicy: Local".to_owned());
    }
    if kind != "ClusterIP" && d.percent(35) {
        more.push("externalTrafficPolicy: Local".to_owned());
    }
    if d.percent(12) {
        more.push("sessionAffinity: ClientIP".to_owned());
    }
    if d.percent(20) {
        let ips = ["192.168.100.240", "203.0.113.7", "192.168.100.100"];
        more.push(format!("externalIPs: [\"{}\"]", d.of(&ips)));
        if kind == "ClusterIP" && d.percent(35) {
            more.push("externalTrafficPolicy: Local".to_owned());
        }
    }
    if kind == "LoadBalancer" && d.percent(30) {
        more.push("loadBalancerSourceRanges: [10.244.0.0/24]".to_owned());
    }
    // Now and then no pod has the label.
    let app = if d.percent(12) { 9 } else { d.of(&g.pods).app };
    Service { name: format!("s{i}"), ip: format!("10.96.0.{}", 50 + i), ports, app, kind, more }
}

fn setup(g: &mut Ground, d: &mut Draw) {
    let proxies = |n: &&Node| n.sysctl.iter().any(|(name, _)| name.ends_with(".proxy_arp"));
    let prompt: Vec<String> = g.nodes.iter().filter(proxies).map(|n| n.name.clone()).collect();
    for at in prompt.into_iter().filter(|_| d.percent(50)) {
        let text = "sysctl -w net.ipv4.neigh.eth0.proxy_delay=0 net.ipv4.neigh.cni0.proxy_delay=0";
        g.setup.push(Command { at, text: text.to_owned() });
    }
    let count = d.weighted(&[(4, 0), (3, 1), (2, 3), (1, 6)]);
    for _ in 0..count {
        let at = d.of(&g.nodes).name.clone();
        let texts = match d.below(100) {
            0..12 => rules::chain(g, d),
            12..34 => nft::table(g, d),
            34..42 => nft::policy(g, d),
            42..48 => nft::ipset(g, d),
            _ => Vec::new(),
        };
        if !texts.is_empty() {
            g.setup.extend(texts.into_iter().map(|text| Command { at: at.clone(), text }));
            continue;
        }
        let text = match d.weighted(&[(55, 0), (25, 1), (12, 2), (8, 3)]) {
            0 => rules::command(g, d),
            1 => route(g, d),
            2 => link(g, d),
            _ => format!(
                "ip neigh replace {} lladdr 02:00:00:00:00:99 dev cni0 nud permanent",
                d.of(&g.pods).ip
            ),
        };
        g.setup.push(Command { at, text });
    }
}

fn route(g: &Ground, d: &mut Draw) -> String {
    let net = match d.below(6) {
        0 => format!("10.244.{}.0/24", d.of(&g.nodes).index),
        1 => d.of(&g.pods).ip.clone(),
        2 => "10.32.1.0/24".to_owned(),
        3 => "10.96.0.0/16".to_owned(),
        4 => "203.0.113.0/24".to_owned(),
        _ => "default".to_owned(),
    };
    match d.below(6) {
        0 | 1 => {
            let net = if net == "default" { "10.32.0.0/16".to_owned() } else { net };
            format!("ip route replace {} {net}", d.of(&["blackhole", "unreachable", "prohibit"]))
        }
        2 | 3 => format!("ip route del {net}"),
        4 => format!("ip route replace {net} via {}", d.of(&g.nodes).ip()),
        _ => format!("ip route replace {net} via 192.168.100.1 metric {}", d.below(3) * 50),
    }
}

fn link(g: &Ground, d: &mut Draw) -> String {
    let tunnel = g.cni == "flannel" && d.percent(50);
    let dev = if tunnel { "flannel.1" } else { d.weighted(&[(2, "eth0"), (3, "cni0")]) };
    match d.below(5) {
        0 => format!("ip link set {dev} down"),
        1 => format!("ip addr add 10.9.9.{}/24 dev {dev}", d.between(1, 9)),
        2 => format!("ip addr add 192.168.100.{}/32 dev lo", d.between(230, 240)),
        _ => {
            // Never wider than its wire: a network card would not notice what is lost there, while the veth pair that stands for it
            // says so, and then no more pieces of a datagram are sent.
            let widest = if dev == "eth0" { g.mtu } else { u32::MAX };
            let fitting: Vec<u32> = [1280, 1000, 1420].into_iter().filter(|mtu| *mtu <= widest).collect();
            format!("ip link set {dev} mtu {}", d.of(&fitting))
        }
    }
}

/// A random probe of a network.
pub(crate) fn probe(g: &Ground, number: u16, d: &mut Draw) -> Probe {
    let kind = d.weighted(&[(4, Kind::Ping), (5, Kind::Udp), (5, Kind::Tcp)]);
    let from = match d.weighted(&[(60, 0), (22, 1), (18, 2)]) {
        0 => format!("default/{}", d.of(&g.pods).name),
        1 => d.of(&g.nodes).name.clone(),
        _ if g.hosts.is_empty() || d.percent(30) => (*d.of(&["workstation", "gateway"])).to_owned(),
        _ => d.of(&g.hosts).name.clone(),
    };
    let tcp = kind == Kind::Tcp;
    let (mut to, mut port) = target(g, tcp, d);
    let mut from = from;
    if let Some(detour) = g.detour.as_ref().filter(|_| d.percent(60)) {
        (from, to, port) = (detour.from.clone(), g.ip(&detour.to), if tcp { 7070 } else { 7071 });
    }
    let sizes: &[usize] = match kind {
        Kind::Tcp => &[100, 1400, 3000, 8000],
        Kind::Ping | Kind::Udp => &[0, 1, 900, 1300, 1392, 1422, 1423, 1472, 1473, 2000, 4000, 9000],
    };
    let mut size = if d.percent(20) { *d.of(sizes) } else { 16 };
    // The kernel hands over several segments as one: of what breaks off nobody counts the resets, and a veth pair takes them all where a
    // network that is narrower would not take one.
    let narrow = g.setup.iter().any(|c| c.text.starts_with("ip link set eth0 mtu"));
    if tcp && (g.detour.is_some() || narrow) {
        size = size.min(if narrow { 100 } else { 1400 });
    }
    let also = (kind == Kind::Udp && d.percent(20)).then(|| target(g, false, d));
    let also = also.map(|(ip, port)| SocketAddr::new(ip, port));
    Probe {
        from,
        kind,
        to,
        port: if kind == Kind::Ping { 0 } else { port },
        sport: 20_000 + number,
        size,
        times: if also.is_some() || (kind != Kind::Tcp && d.percent(15)) { d.between(2, 3) as u8 } else { 1 },
        connected: d.percent(70),
        also,
        options: Options {
            ttl: (kind != Kind::Tcp && d.percent(15)).then(|| d.between(1, 4) as u8),
            pmtu: d.weighted(&[(5, 0), (5, 1), (3, 2)]),
            recverr: d.percent(70),
        },
    }
}

fn target(g: &Ground, tcp: bool, d: &mut Draw) -> (IpAddr, u16) {
    let pod_port = |d: &mut Draw| {
        if d.percent(12) {
            9999
        } else if tcp {
            8080
        } else {
            5353
        }
    };
    let host_port = |d: &mut Draw| {
        if d.percent(15) {
            9999
        } else if tcp {
            7070
        } else {
            7071
        }
    };
    let (text, port) = match d.weighted(&[(30, 0), (30, 1), (15, 2), (12, 3), (4, 4), (4, 5), (5, 6), (6, 7)])
    {
        1 if !g.services.is_empty() => {
            let s = d.of(&g.services).clone();
            let p = s.ports.iter().find(|p| p.tcp == tcp).unwrap_or(&s.ports[0]).clone();
            return (g.ip(&s.ip), if d.percent(8) { 9 } else { p.port });
        }
        2 if g.services.iter().any(|s| s.kind != "ClusterIP") => {
            let s = d.of(&g.services);
            let p = s.ports.iter().find(|p| p.tcp == tcp).unwrap_or(&s.ports[0]);
            let node = d.of(&g.nodes).ip();
            let at = d.weighted(&[(8, node.as_str()), (1, "127.0.0.1"), (1, "10.244.0.1")]).to_owned();
            (at, p.node_port.unwrap_or(30_999))
        }
        3 => (d.of(&g.nodes).ip(), host_port(d)),
        4 if !g.hosts.is_empty() => (d.of(&g.hosts).ip.clone(), host_port(d)),
        // Absent: takes three seconds.
        5 if d.percent(40) => (format!("10.244.{}.99", d.of(&g.nodes).index), 8080),
        6 => {
            let odd = [
                "127.0.0.1",
                "127.0.0.1",
                "192.168.100.1",
                "10.32.1.149",
                "8.8.8.8",
                "10.9.9.1",
                "192.168.100.235",
            ];
            ((*d.of(&odd)).to_owned(), d.weighted(&[(3, 7072), (2, 7070), (1, 7071), (1, 9999)]))
        }
        7 => {
            let external =
                g.services.iter().flat_map(|s| &s.more).find_map(|l| l.strip_prefix("externalIPs: [\""));
            let ip = external.map_or("203.0.113.7", |l| l.trim_end_matches("\"]")).to_owned();
            (ip, 80 + d.below(4) as u16)
        }
        _ => (d.of(&g.pods).ip.clone(), pod_port(d)),
    };
    (g.ip(&text), port)
}

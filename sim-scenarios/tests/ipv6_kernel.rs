//! What a Linux kernel did with IPv6 probes between three hosts (`vectors/ipv6`), and what the ground floor does with them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use sim_core::linux::netfilter::RestoreOptions;
use sim_core::linux::route::{Route, RouteKind};
use sim_core::linux::socket::{ReceivedBody, SockOptions, TcpRead};
use sim_core::linux::{Errno, World};
use sim_core::packet::{Icmp, IcmpError, Payload};
use sim_core::trace::{Family, NsId, SockId};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ipv6/router.json");
const PATIENCE: Duration = Duration::from_millis(4500);
const PORT: u16 = 8080;

/// Hosts a, r and b, and what serves on b.
struct Lab {
    world: World,
    hosts: [NsId; 3],
    tcp: SockId,
    udp: SockId,
}

impl Lab {
    fn new() -> Self {
        let mut world = World::new(7);
        let [a, r, b] = ["a", "r", "b"].map(|n| world.add_netns(n));
        world.add_veth((a, "eth0"), (r, "e1")).unwrap();
        world.add_veth((b, "eth0"), (r, "e2")).unwrap();
        let links = [
            (a, "eth0", "fd00:1::2"),
            (r, "e1", "fd00:1::1"),
            (r, "e2", "fd00:2::1"),
            (b, "eth0", "fd00:2::2"),
        ];
        for (ns, dev, addr) in links {
            let host = world.ns_mut(ns);
            host.link_set(dev, true).unwrap();
            host.addr_add(dev, format!("{addr}/64").parse().unwrap()).unwrap();
        }
        for (ns, via) in [(a, "fd00:1::1"), (b, "fd00:2::1")] {
            let eth0 = world.ns(ns).iface_id("eth0").unwrap();
            world.ns_mut(ns).route_add(Route::default_via(via.parse().unwrap(), eth0)).unwrap();
        }
        world.ns_mut(r).sysctl_set("net.ipv6.conf.all.forwarding", "1").unwrap();
        let any: SocketAddr = format!("[::]:{PORT}").parse().unwrap();
        let tcp = world.tcp_listen(b, any, 50).unwrap();
        let udp = world.udp_bind(b, any).unwrap();
        Self { world, hosts: [a, r, b], tcp, udp }
    }

    fn host(&self, name: &Value) -> NsId {
        self.hosts[["a", "r", "b"].iter().position(|n| name == *n).unwrap()]
    }

    fn set_up(&mut self, step: &Value) {
        let text = |key: &str| step[key].as_str().unwrap();
        let ns = self.host(&step["ns"]);
        let host = self.world.ns_mut(ns);
        match text("do") {
            "refuse" => {
                let kinds = [RouteKind::Unreachable, RouteKind::Prohibit, RouteKind::Blackhole];
                let kind = kinds.into_iter().find(|k| k.name() == text("kind")).unwrap();
                host.route_add(Route::refuse(text("dst").parse().unwrap(), kind)).unwrap();
            }
            "mtu" => host.set_mtu(text("dev"), step["mtu"].as_u64().unwrap() as u32).unwrap(),
            "forwarding" => {
                host.sysctl_set("net.ipv6.conf.all.forwarding", &step["value"].to_string()).unwrap();
            }
            "rules" => {
                let rules = text("text");
                host.netfilter(Family::V6, |r| r.restore(rules, RestoreOptions::default())).unwrap();
            }
            "no_default" => host.route_del(|r| r.dst.prefix_len() == 0).unwrap(),
            other => panic!("{other}"),
        }
    }

    /// Runs until the probe's socket has something, while b serves.
    fn wait(&mut self, ns: NsId, sock: SockId) -> bool {
        let until = self.world.now() + PATIENCE;
        while self.world.run(until) {
            let Some(ready) = self.world.pop_ready() else { continue };
            if ready == (ns, sock) {
                return true;
            }
            self.serve();
        }
        false
    }

    fn serve(&mut self) {
        let b = self.hosts[2];
        while let Some(peer) = self.world.tcp_accept(b, self.tcp) {
            let from = self.world.ns(b).sockets.peer_addr(peer).unwrap().ip();
            self.world.tcp_send(b, peer, from.to_string().as_bytes()).unwrap();
            self.world.close(b, peer);
        }
        while let Ok(Some(got)) = self.world.recv(b, self.udp) {
            let _ = self.world.udp_send(b, self.udp, got.from, Payload::from(got.bytes()));
        }
    }

    fn probe(&mut self, probe: &Value) -> Value {
        let ns = self.host(&probe["from"]);
        let to: IpAddr = probe["to"].as_str().unwrap().parse().unwrap();
        let number = |key: &str| probe[key].as_u64().unwrap();
        let at = SocketAddr::new(to, number("port") as u16);
        let size = number("size") as usize;
        let done = match probe["kind"].as_str().unwrap() {
            "ping" => self.ping(ns, to, size, number("ttl") as u8),
            "udp" => self.udp(ns, at, size),
            _ => self.tcp(ns, at),
        };
        let outcome = done.unwrap_or_else(|errno| json!({"errno": format!("{errno:?}")}));
        let rest = self.world.now() + Duration::from_millis(1200);
        while self.world.run(rest) {
            while self.world.pop_ready().is_some() {}
            self.serve();
        }
        outcome
    }

    fn ping(&mut self, ns: NsId, to: IpAddr, size: usize, ttl: u8) -> Result<Value, Errno> {
        let sock = self.world.icmp_open(ns, Some(77))?;
        self.world.set_options(ns, sock, SockOptions { ttl, ..SockOptions::default() })?;
        let sent = self.world.icmp_echo(ns, sock, to, 1, vec![0; size].into());
        let came = sent.is_ok() && self.wait(ns, sock);
        let got = if came { self.world.recv(ns, sock)? } else { None };
        self.world.close(ns, sock);
        sent?;
        Ok(match got {
            None => json!({"silence": true}),
            Some(got) => match got.body {
                ReceivedBody::Icmp(Icmp::Error { error, .. }) => {
                    let (ty, code) = error.type_code_v6();
                    let mut out = json!({"icmp_from": got.from.ip().to_string(), "type": ty, "code": code});
                    if let IcmpError::FragmentationNeeded { mtu } = error {
                        out["mtu"] = json!(mtu);
                    }
                    out
                }
                _ => json!({"reply_from": got.from.ip().to_string(), "ttl": got.ttl}),
            },
        })
    }

    fn udp(&mut self, ns: NsId, to: SocketAddr, size: usize) -> Result<Value, Errno> {
        let sock = self.world.udp_bind(ns, "[::]:0".parse().unwrap())?;
        let sent = self.world.udp_connect(ns, sock, to);
        let sent = sent.and_then(|()| self.world.udp_send(ns, sock, to, vec![b'x'; size].into()));
        let came = sent.is_ok() && self.wait(ns, sock);
        let got = if came { self.world.recv(ns, sock).map(|got| got.is_some()) } else { Ok(false) };
        self.world.close(ns, sock);
        sent?;
        Ok(if got? { json!({"answer": true}) } else { json!({"silence": true}) })
    }

    fn tcp(&mut self, ns: NsId, to: SocketAddr) -> Result<Value, Errno> {
        let sock = self.world.tcp_connect(ns, None, to)?;
        let mut out = json!({"silence": true});
        while self.wait(ns, sock) {
            if let Some(error) = self.world.take_error(ns, sock) {
                out = json!({"errno": format!("{:?}", error.errno)});
                break;
            }
            if let Ok(TcpRead::Data(bytes)) = self.world.tcp_recv(ns, sock) {
                out = json!({"connected": true, "peer_sees": String::from_utf8(bytes).unwrap()});
                break;
            }
        }
        self.world.close(ns, sock);
        Ok(out)
    }
}

#[test]
fn every_probe_ends_as_in_the_kernel() {
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(RECORDED).unwrap()).unwrap();
    let mut wrong = String::new();
    let mut count = 0;
    for case in recorded["cases"].as_array().unwrap() {
        let mut lab = Lab::new();
        case["setup"].as_array().unwrap().iter().for_each(|step| lab.set_up(step));
        let pairs = case["probes"].as_array().unwrap().iter().zip(case["outcomes"].as_array().unwrap());
        for (probe, kernel) in pairs {
            let ours = lab.probe(probe);
            count += 1;
            if ours != *kernel {
                let _ = writeln!(wrong, "{}: {probe}\n  kernel {kernel}\n  ours   {ours}", case["name"]);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 60, "{count} probes");
}

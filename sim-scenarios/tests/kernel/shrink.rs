//! Makes a case smaller as long as it still differs.

use std::time::{Duration, Instant};

use crate::case::Ground;
use crate::play::Probe;

/// The smallest network and probe found in that many seconds for which `differs` holds.
pub(crate) fn shrink(
    seconds: u64,
    ground: &Ground,
    probe: &Probe,
    differs: impl Fn(&Ground, &Probe) -> bool,
) -> (Ground, Probe) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut ground, mut probe) = (ground.clone(), probe.clone());
    loop {
        let mut smaller = false;
        for candidate in probes(&probe) {
            if Instant::now() < until && differs(&ground, &candidate) {
                probe = candidate;
                smaller = true;
            }
        }
        let mut at = 0;
        while let Some(candidate) = without(&ground, &probe, at) {
            if Instant::now() >= until {
                return (ground, probe);
            }
            if candidate != ground && differs(&candidate, &probe) {
                ground = candidate;
                smaller = true;
            } else {
                at += 1;
            }
        }
        if !smaller {
            return (ground, probe);
        }
    }
}

/// Simpler probes.
fn probes(p: &Probe) -> Vec<Probe> {
    let mut list = Vec::new();
    let mut add = |q: Probe| {
        if q != *p {
            list.push(q);
        }
    };
    add(Probe { times: 1, ..p.clone() });
    add(Probe { also: None, ..p.clone() });
    add(Probe { size: 16, ..p.clone() });
    add(Probe { connected: true, ..p.clone() });
    add(Probe { options: crate::side::Options { ttl: None, ..p.options }, ..p.clone() });
    add(Probe { options: crate::side::Options { pmtu: 1, ..p.options }, ..p.clone() });
    add(Probe { options: crate::side::Options { recverr: true, ..p.options }, ..p.clone() });
    list
}

/// The network without its `at`th part; none if it has no more parts.
fn without(g: &Ground, probe: &Probe, at: usize) -> Option<Ground> {
    let mut g = g.clone();
    let mut at = at;
    macro_rules! part {
        ($list:expr, $gone:expr) => {
            if at < $list.len() {
                $gone(at);
                return Some(g);
            }
            at -= $list.len();
        };
    }
    part!(g.setup, |i| drop(g.setup.remove(i)));
    part!(g.services, |i| drop(g.services.remove(i)));
    part!(g.pods, |i: usize| {
        if format!("default/{}", g.pods[i].name) != probe.from {
            g.pods.remove(i);
        }
    });
    part!(g.hosts, |i: usize| {
        if g.hosts[i].name != probe.from {
            g.hosts.remove(i);
        }
    });
    part!(g.nodes, |i: usize| {
        let node = &g.nodes[i];
        let used = g.pods.iter().any(|p| p.node == node.index) || g.setup.iter().any(|c| c.at == node.name);
        if !used && node.name != probe.from && i > 0 {
            g.nodes.remove(i);
        }
    });
    let knobs: Vec<(usize, usize)> = g
        .nodes
        .iter()
        .enumerate()
        .flat_map(|(n, node)| (0..node.sysctl.len()).map(move |k| (n, k)))
        .collect();
    part!(knobs, |i: usize| {
        let (node, knob) = knobs[i];
        g.nodes[node].sysctl.remove(knob);
    });
    let lines: Vec<(usize, usize)> =
        g.services.iter().enumerate().flat_map(|(n, s)| (0..s.more.len()).map(move |k| (n, k))).collect();
    part!(lines, |i: usize| {
        let (service, line) = lines[i];
        g.services[service].more.remove(line);
    });
    match at {
        0 => g.mtu = 1500,
        1 => g.cni = "flannel-host-gw",
        2 => g.proxy = "iptables",
        _ => return None,
    }
    Some(g)
}

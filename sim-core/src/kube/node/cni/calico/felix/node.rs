//! What hangs on the built-in chains of a node, and the sets that it asks.

use ipnet::IpNet;

use super::rule::{ACCEPTED, chain, lines, noted, rule};
use super::workload::dispatch;

/// The sets that the rules ask, as `ipset restore` reads them.
#[must_use]
pub fn sets(pool: IpNet, nodes: impl Iterator<Item = std::net::IpAddr>) -> String {
    let mut text = String::new();
    for name in ["cali40all-ipam-pools", "cali40masq-ipam-pools", "cali40all-hosts-net"] {
        text += &format!("create {name} hash:net family inet maxelem 1048576\n");
    }
    for name in ["cali40all-ipam-pools", "cali40masq-ipam-pools"] {
        text += &format!("add {name} {pool}\n");
    }
    for node in nodes {
        text += &format!("add cali40all-hosts-net {node}\n");
    }
    text
}

/// What hangs on the built-in chains of a node, before it has any pod.
#[must_use]
pub fn node_rules(tunnels: bool) -> String {
    let mut out = String::from("*filter\n");
    for name in [
        "cali-cidr-block",
        "cali-from-hep-forward",
        "cali-from-host-endpoint",
        "cali-to-hep-forward",
        "cali-to-host-endpoint",
    ] {
        chain(name, &[], &mut out);
    }
    dispatch(&[], &mut out);
    let host_accepted =
        || noted("Host endpoint policy accepted packet.", format!("{ACCEPTED} --jump ACCEPT"));
    chain(
        "cali-wl-to-host",
        &[
            rule("--jump cali-from-wl-dispatch"),
            noted("Configured DefaultEndpointToHostAction", "--jump ACCEPT"),
        ],
        &mut out,
    );
    let mut input = Vec::new();
    if tunnels {
        let from_host =
            "-p 4 -m set --match-set cali40all-hosts-net src -m addrtype --dst-type LOCAL --jump ACCEPT";
        input.push(noted("Allow IPIP packets from Calico hosts", from_host));
        input.push(noted("Drop IPIP packets from non-Calico hosts", "-p 4 --jump DROP"));
    }
    input.extend([
        rule("--in-interface cali+ --goto cali-wl-to-host"),
        rule(format!("{ACCEPTED} --jump ACCEPT")),
        rule("--jump MARK --set-mark 0/0xf0000"),
        rule("--jump cali-from-host-endpoint"),
        host_accepted(),
    ]);
    chain("cali-INPUT", &input, &mut out);
    let forward = [
        "--jump MARK --set-mark 0/0xe0000",
        "-m mark --mark 0/0x10000 --jump cali-from-hep-forward",
        "--in-interface cali+ --jump cali-from-wl-dispatch",
        "--out-interface cali+ --jump cali-to-wl-dispatch",
        "--jump cali-to-hep-forward",
        "--jump cali-cidr-block",
    ];
    chain("cali-FORWARD", &forward.map(rule), &mut out);
    let output = [
        rule(format!("{ACCEPTED} --jump ACCEPT")),
        rule("--out-interface cali+ --jump RETURN"),
        rule("--jump MARK --set-mark 0/0xf0000"),
        rule("-m conntrack ! --ctstate DNAT --jump cali-to-host-endpoint"),
        host_accepted(),
    ];
    chain("cali-OUTPUT", &output, &mut out);
    hooks(&["INPUT", "FORWARD", "OUTPUT"], &mut out);
    let last = [
        noted("Policy explicitly accepted packet.", format!("{ACCEPTED} --jump ACCEPT")),
        rule("--jump MARK --set-mark 0x10000/0x10000"),
    ];
    lines("-A", "FORWARD", "FORWARD*appends*", &last, &mut out);
    out.push_str("COMMIT\n*nat\n");
    nat(tunnels, &mut out);
    out.push_str("COMMIT\n");
    out
}

/// The jumps that Felix keeps first in the built-in chains.
fn hooks(chains: &[&str], out: &mut String) {
    for name in chains {
        lines("-I", name, name, &[rule(format!("--jump cali-{name}"))], out);
    }
}

fn nat(tunnels: bool, out: &mut String) {
    for name in ["cali-fip-dnat", "cali-fip-snat"] {
        chain(name, &[], out);
    }
    let outgoing = "-m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst \
                    --jump MASQUERADE --random-fully";
    chain("cali-nat-outgoing", &[rule(outgoing)], out);
    chain("cali-PREROUTING", &[rule("--jump cali-fip-dnat")], out);
    chain("cali-OUTPUT", &[rule("--jump cali-fip-dnat")], out);
    let mut post = vec![rule("--jump cali-fip-snat"), rule("--jump cali-nat-outgoing")];
    if tunnels {
        post.push(rule(
            "--out-interface tunl0 -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL \
             --jump MASQUERADE --random-fully",
        ));
    }
    chain("cali-POSTROUTING", &post, out);
    hooks(&["PREROUTING", "OUTPUT", "POSTROUTING"], out);
}

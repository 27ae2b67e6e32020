//! Felix' iptables rules of a node without any policy: which packets of pods it accepts, and which it masquerades.
//!
//! Rules are kept as Felix writes them, because its comments are hashes of that text: each rule's hash covers the one before it, so that a
//! comment tells place and content (`felix/iptables` of calico). Left out, because without policy they decide nothing: the tables raw and
//! mangle, host endpoints, the chains for IPVS.

use data_encoding::BASE64URL_NOPAD;
use ipnet::IpNet;
use sha2::{Digest, Sha224, Sha256};

use super::PREFIX;

/// Characters of a hash in a comment.
const HASH_LENGTH: usize = 16;
/// Longest name of a chain.
const NAME_LENGTH: usize = 28;
/// The mark of accepted packets.
const ACCEPTED: &str = "-m mark --mark 0x10000/0x10000";

/// A rule in Felix' own words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    comment: String,
    /// Matches and target.
    text: String,
}

fn rule(text: impl Into<String>) -> Rule {
    Rule { comment: String::new(), text: text.into() }
}

fn noted(comment: impl Into<String>, text: impl Into<String>) -> Rule {
    Rule { comment: comment.into(), text: text.into() }
}

impl Rule {
    /// The rule behind `-A chain` with what stands in front of it.
    fn behind(&self, first: &str) -> String {
        let mut parts = vec![first.to_owned()];
        if !self.comment.is_empty() {
            parts.push(format!("-m comment --comment \"{}\"", self.comment));
        }
        if !self.text.is_empty() {
            parts.push(self.text.clone());
        }
        parts.join(" ")
    }
}

/// The hashes of a chain's rules, each over the one before, the first over the chain's name. `chain` has a suffix for rules that are put behind
/// those of others.
fn hashes(chain: &str, rules: &[Rule]) -> Vec<String> {
    let mut last = Sha224::digest(chain);
    let mut all = Vec::new();
    for rule in rules {
        let text = rule.behind(&format!("-A {chain} HASH"));
        last = Sha224::new().chain_update(last).chain_update(text).finalize();
        let mut hash = BASE64URL_NOPAD.encode(&last);
        hash.truncate(HASH_LENGTH);
        all.push(hash);
    }
    all
}

/// Lines for `iptables-restore`: `how` is `-A` or `-I`, `seed` what [`hashes`] begin with.
fn lines(how: &str, chain: &str, seed: &str, rules: &[Rule], out: &mut String) {
    for (rule, hash) in rules.iter().zip(hashes(seed, rules)) {
        let first = format!("{how} {chain} -m comment --comment \"cali:{hash}\"");
        out.push_str(&rule.behind(&first));
        out.push('\n');
    }
}

/// A chain of Felix' own, written anew.
fn chain(name: &str, rules: &[Rule], out: &mut String) {
    out.push_str(&format!(":{name} - [0:0]\n"));
    lines("-A", name, name, rules, out);
}

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

/// A pod as Felix knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload<'a> {
    /// The node's end of its veth pair.
    pub interface: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its service account.
    pub service_account: &'a str,
}

/// The rules of a pod that has come, and the way to those of all pods of the node, whose interfaces are those of `after`, in order.
#[must_use]
pub fn workload_rules(pod: &Workload<'_>, before: &[&str], after: &[&str]) -> String {
    let mut out = String::from("*filter\n");
    let stale = stale(before, after, &mut out);
    let profiles = [
        (format!("kns.{}", pod.namespace), true),
        (format!("ksa.{}.{}", pod.namespace, pod.service_account), false),
    ];
    for (direction, word, own) in [("pri", "ingress", "cali-tw-"), ("pro", "egress", "cali-fw-")] {
        let chains = profiles.clone().map(|(profile, _)| limited(&format!("cali-{direction}-"), &profile));
        for (name, (profile, accepts)) in chains.iter().zip(&profiles) {
            let comment = format!("Profile {profile} {word}");
            let rules = if *accepts {
                vec![
                    noted(comment, "--jump MARK --set-mark 0x10000/0x10000"),
                    rule(format!("{ACCEPTED} --jump RETURN")),
                ]
            } else {
                vec![noted(comment, "")]
            };
            chain(name, &rules, &mut out);
        }
        chain(&format!("{own}{}", pod.interface), &endpoint(&chains, direction == "pro"), &mut out);
    }
    dispatch(after, &mut out);
    stale.iter().for_each(|name| out.push_str(&format!("-X {name}\n")));
    out.push_str("COMMIT\n");
    out
}

/// What is asked of every packet from or to one pod.
fn endpoint(profiles: &[String], outgoing: bool) -> Vec<Rule> {
    let mut rules = vec![
        rule("-m conntrack --ctstate RELATED,ESTABLISHED --jump ACCEPT"),
        rule("-m conntrack --ctstate INVALID --jump DROP"),
        rule("--jump MARK --set-mark 0/0x10000"),
    ];
    if outgoing {
        rules.push(noted(
            "Drop VXLAN encapped packets originating in workloads",
            "-p 17 -m multiport --destination-ports 4789 --jump DROP",
        ));
        rules.push(noted("Drop IPinIP encapped packets originating in workloads", "-p 4 --jump DROP"));
    }
    for profile in profiles {
        rules.push(rule(format!("--jump {profile}")));
        rules.push(noted("Return if profile accepted", format!("{ACCEPTED} --jump RETURN")));
    }
    rules.push(noted("Drop if no profiles matched", "--jump DROP"));
    rules
}

/// The rules of a pod that has gone, and the way to those that are left.
#[must_use]
pub fn without_workload(interface: &str, before: &[&str], after: &[&str]) -> String {
    let mut out = String::from("*filter\n");
    let stale = stale(before, after, &mut out);
    let (from, to) = (format!("cali-fw-{interface}"), format!("cali-tw-{interface}"));
    out.push_str(&format!(":{from} - [0:0]\n:{to} - [0:0]\n"));
    dispatch(after, &mut out);
    stale.iter().for_each(|name| out.push_str(&format!("-X {name}\n")));
    out.push_str(&format!("-X {from}\n-X {to}\nCOMMIT\n"));
    out
}

/// Shared dispatch chains that are no longer needed; they are emptied at once, so that nothing holds what they led to.
fn stale(before: &[&str], after: &[&str], out: &mut String) -> Vec<String> {
    let now = shared_chains(after);
    let gone: Vec<String> = shared_chains(before).into_iter().filter(|name| !now.contains(name)).collect();
    gone.iter().for_each(|name| chain(name, &[], out));
    gone
}

fn shared_chains(interfaces: &[&str]) -> Vec<String> {
    let shared = shared_prefix(interfaces);
    let groups = interfaces.chunk_by(|a, b| a.get(..=shared) == b.get(..=shared)).filter(|g| g.len() > 1);
    let prefixes = groups.filter_map(|group| group.first()?.get(..=shared));
    prefixes.flat_map(|prefix| ROOTS.map(|(root, ..)| child_chain(root, prefix))).collect()
}

fn child_chain(root: &str, prefix: &str) -> String {
    format!("{root}-{}", prefix.strip_prefix(PREFIX).unwrap_or(prefix))
}

/// Dispatch chains: name, what they ask for, beginning of the names of the chains that they lead to.
const ROOTS: [(&str, &str, &str); 2] = [
    ("cali-from-wl-dispatch", "--in-interface", "cali-fw-"),
    ("cali-to-wl-dispatch", "--out-interface", "cali-tw-"),
];

/// Both dispatch chains: to the chain of the packet's interface, by the first letter in which the names differ where several share it.
fn dispatch(interfaces: &[&str], out: &mut String) {
    let shared = shared_prefix(interfaces);
    for (root, flag, target) in ROOTS {
        let leaf = |name: &&str| rule(format!("{flag} {name} --goto {target}{name}"));
        let unknown = || noted("Unknown interface", "--jump DROP");
        let mut rules = Vec::new();
        for group in interfaces.chunk_by(|a, b| a.get(..=shared) == b.get(..=shared)) {
            if let [only] = group {
                rules.push(leaf(only));
                continue;
            }
            let prefix = group.first().and_then(|name| name.get(..=shared)).unwrap_or_default();
            let child = child_chain(root, prefix);
            let members: Vec<Rule> = group.iter().map(leaf).chain([unknown()]).collect();
            chain(&child, &members, out);
            rules.push(rule(format!("{flag} {prefix}+ --goto {child}")));
        }
        rules.push(unknown());
        chain(root, &rules, out);
    }
}

/// How many characters all names begin with.
fn shared_prefix(names: &[&str]) -> usize {
    let Some((first, rest)) = names.split_first() else { return 0 };
    let same = |other: &&str| first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    rest.iter().map(same).min().unwrap_or(PREFIX.len())
}

/// A chain's name; what is too long ends in a hash instead.
fn limited(prefix: &str, name: &str) -> String {
    if prefix.len() + name.len() <= NAME_LENGTH {
        return format!("{prefix}{name}");
    }
    let hash = BASE64URL_NOPAD.encode(&Sha256::digest(name));
    let room = NAME_LENGTH - prefix.len() - 1;
    format!("{prefix}_{}", &hash[..room])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Comments as they stand in published listings of real nodes.
    #[test]
    fn comments_are_those_of_real_nodes() {
        let text = node_rules(true);
        for known in [
            "-I FORWARD -m comment --comment \"cali:wUHhoiAYhphO9Mso\" --jump cali-FORWARD",
            "-I INPUT -m comment --comment \"cali:Cz_u1IQiXIMmKD4c\" --jump cali-INPUT",
            "-I POSTROUTING -m comment --comment \"cali:O3lYWMrLQYEMJtB5\" --jump cali-POSTROUTING",
            "-A cali-FORWARD -m comment --comment \"cali:NOSxoaGx8OIstr1z\" --jump cali-cidr-block",
            "-A cali-INPUT -m comment --comment \"cali:8TZGxLWh_Eiz66wc\" --in-interface cali+ --goto cali-wl-to-host",
            "cali:S93hcgKJrXEqnTfs",
            "cali:m8Eqm15x1MjD24LD",
            "cali:nSZbcOoG1xPONxb8",
            "cali:zTj6P0TIgYvgz-md",
            "cali:7KNphB1nNHw80nIO",
            "cali:flqWnvo8yq4ULQLa",
            "cali:SXWvdsbh4Mw7wOln",
        ] {
            assert!(text.contains(known), "{known}\n{text}");
        }
        assert!(node_rules(false).contains("cali:FewJpBykm9iJ-YNH"));
        let pod = Workload {
            interface: "cali112d888c0c2",
            namespace: "kube-system",
            service_account: "konnectivity-agent",
        };
        let text = workload_rules(&pod, &[], &["cali112d888c0c2"]);
        for known in [
            "cali:887K6j2m0yTxV8XZ",
            "cali:gxYrST51OJyfBgWw",
            "cali:rM5VAS66uaB9uI7_",
            "cali:djdRyha1SrYGGpRJ",
        ] {
            assert!(text.contains(known), "{known}\n{text}");
        }
        assert_eq!(limited("cali-pri-", "ksa.calico-system.default"), "cali-pri-_og73BH3DuNOZrbBKFW");
    }

    #[test]
    fn interfaces_that_begin_alike_share_a_chain() {
        let mut out = String::new();
        dispatch(&["cali1a", "cali1b", "cali2c"], &mut out);
        let rules: Vec<&str> =
            out.lines().filter(|l| l.contains("from-wl") && l.contains("--goto")).collect();
        assert_eq!(rules.len(), 4, "{out}");
        assert!(rules[2].ends_with("--in-interface cali1+ --goto cali-from-wl-dispatch-1"));
        assert!(rules[3].ends_with("--in-interface cali2c --goto cali-fw-cali2c"));
    }
}

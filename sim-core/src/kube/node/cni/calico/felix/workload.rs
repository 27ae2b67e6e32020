//! The chains of pods, and the way to them.

use super::rule::{ACCEPT, ACCEPTED, Rule, chain, limited, noted, rule};
use crate::kube::node::cni::calico::PREFIX;

/// No policy has left the packet to the profiles.
const UNDECIDED: &str = "-m mark --mark 0/0x20000";

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
    let profiles = pod.profiles();
    for way in [Way::In, Way::Out] {
        let word = way.word();
        let chains = profiles.clone().map(|(profile, _)| way.profile_chain(&profile));
        for (name, (profile, accepts)) in chains.iter().zip(&profiles) {
            let comment = format!("Profile {profile} {word}");
            let rules = if *accepts {
                vec![noted(comment, ACCEPT), rule(format!("{ACCEPTED} --jump RETURN"))]
            } else {
                vec![noted(comment, "")]
            };
            chain(name, &rules, &mut out);
        }
        chain(&way.chain_of(pod.interface), &endpoint(&[], &chains, way), &mut out);
    }
    dispatch(after, &mut out);
    stale.iter().for_each(|name| out.push_str(&format!("-X {name}\n")));
    out.push_str("COMMIT\n");
    out
}

/// The chains of a pod that is there already, whose policies are these chains, in order.
#[must_use]
pub fn policed_rules(pod: &Workload<'_>, incoming: &[&str], outgoing: &[&str]) -> String {
    let mut out = String::new();
    for (way, policies) in [(Way::In, incoming), (Way::Out, outgoing)] {
        let chains = pod.profiles().map(|(profile, _)| way.profile_chain(&profile));
        chain(&way.chain_of(pod.interface), &endpoint(policies, &chains, way), &mut out);
    }
    out
}

impl Workload<'_> {
    /// Its profiles, and whether they accept everything.
    fn profiles(&self) -> [(String, bool); 2] {
        [
            (format!("kns.{}", self.namespace), true),
            (format!("ksa.{}.{}", self.namespace, self.service_account), false),
        ]
    }
}

/// To a pod or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Way {
    const fn word(self) -> &'static str {
        match self {
            Self::In => "ingress",
            Self::Out => "egress",
        }
    }

    fn profile_chain(self, profile: &str) -> String {
        limited(if self == Self::In { "cali-pri-" } else { "cali-pro-" }, profile)
    }

    fn chain_of(self, interface: &str) -> String {
        let prefix = if self == Self::In { "cali-tw-" } else { "cali-fw-" };
        format!("{prefix}{interface}")
    }
}

/// What is asked of every packet from or to one pod: the policies that select it, else its profiles.
fn endpoint(policies: &[&str], profiles: &[String], way: Way) -> Vec<Rule> {
    let mut rules = vec![
        rule("-m conntrack --ctstate RELATED,ESTABLISHED --jump ACCEPT"),
        rule("-m conntrack --ctstate INVALID --jump DROP"),
        rule("--jump MARK --set-mark 0/0x10000"),
    ];
    if way == Way::Out {
        rules.push(noted(
            "Drop VXLAN encapped packets originating in workloads",
            "-p 17 -m multiport --destination-ports 4789 --jump DROP",
        ));
        rules.push(noted("Drop IPinIP encapped packets originating in workloads", "-p 4 --jump DROP"));
    }
    if !policies.is_empty() {
        rules.push(noted("Start of policies", "--jump MARK --set-mark 0/0x20000"));
        for policy in policies {
            rules.push(rule(format!("{UNDECIDED} --jump {policy}")));
            rules.push(noted("Return if policy accepted", format!("{ACCEPTED} --jump RETURN")));
        }
        rules.push(noted("Drop if no policies passed packet", format!("{UNDECIDED} --jump DROP")));
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
pub(super) fn dispatch(interfaces: &[&str], out: &mut String) {
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

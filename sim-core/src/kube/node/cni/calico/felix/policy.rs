//! A NetworkPolicy in Felix' terms: a chain for each of its directions, and the sets that these ask.
//!
//! As Calico up to 3.27 has it, whose only tier has no name (`libcalico-go/lib/backend/k8s/conversion`, `felix/calc`, `felix/rules`): each peer
//! of each rule is a rule for each protocol. A rule leaves its mark on what it accepts and returns; who calls looks at the mark. What
//! iptables cannot ask at once is asked in steps before, with a mark that says whether all steps held so far.

use std::collections::BTreeMap;
use std::net::IpAddr;

use data_encoding::BASE64URL_NOPAD;
use ipnet::IpNet;
use sha2::{Digest, Sha224};

use super::rule::{ACCEPT, ACCEPTED, Rule, limited, rule};
use super::selector::Choice;
use crate::kube::objects::network_policy::{IpBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use crate::kube::objects::port::{IntOrString, Protocol};

/// Mark: all steps held so far.
const HELD: &str = "0x40000";
/// Ports that one `multiport` takes; a range counts twice (`XT_MULTI_PORTS`).
const MULTIPORT: usize = 15;
/// Longest name of a set.
const SET_NAME_LENGTH: usize = 31;

/// A policy as Felix programs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The pods that it is for.
    pub selects: Choice,
    /// What may reach these pods; none if it says nothing of that.
    pub ingress: Option<PolicyChain>,
    /// What these pods may reach; none if it says nothing of that.
    pub egress: Option<PolicyChain>,
}

/// The rules of a policy in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyChain {
    /// The chain's name.
    pub name: String,
    /// Its declaration and rules, for `iptables-restore --noflush`.
    pub rules: String,
    /// What its rules ask, by name.
    pub sets: BTreeMap<String, AddressSet>,
}

/// Addresses of pods, or ports of that name on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSet {
    /// The pods.
    pub choice: Choice,
    /// Protocol and name of a container port.
    pub port: Option<(Protocol, String)>,
}

impl AddressSet {
    /// The set's name: `cali40`, `s:` or `n:`, and a hash.
    fn name(&self) -> String {
        let (kind, content) = match &self.port {
            None => ("s", self.choice.text().to_owned()),
            Some((protocol, port)) => ("n", format!("{},{},{port}", self.choice.text(), lower(*protocol))),
        };
        let hash = BASE64URL_NOPAD.encode(&Sha224::digest(format!("{kind}:{content}")));
        let mut name = format!("cali40{kind}:{hash}");
        name.truncate(SET_NAME_LENGTH);
        name
    }

    /// What `ipset create` needs to know.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.port.is_some() { "hash:ip,port" } else { "hash:net" }
    }
}

/// What Felix makes of a policy.
#[must_use]
pub fn policy(policy: &NetworkPolicy) -> Policy {
    let (meta, spec) = (&policy.metadata, &policy.spec);
    let namespace = meta.namespace.as_str();
    let id = id(namespace, &meta.name);
    let ingress = spec.affects_ingress().then(|| {
        let rules = spec.ingress.iter().map(|r| (r.from.as_slice(), r.ports.as_slice()));
        policy_chain(("cali-pi-", "ingress"), &id, namespace, rules)
    });
    let egress = spec.affects_egress().then(|| {
        let rules = spec.egress.iter().map(|r| (r.to.as_slice(), r.ports.as_slice()));
        policy_chain(("cali-po-", "egress"), &id, namespace, rules)
    });
    Policy { selects: Choice::of(namespace, None, Some(&spec.pod_selector)), ingress, egress }
}

/// The policy's name in Calico; pods ask policies in the order of these names.
#[must_use]
pub fn id(namespace: &str, name: &str) -> String {
    format!("{namespace}/knp.default.{name}")
}

fn policy_chain<'a>(
    (prefix, direction): (&str, &str),
    id: &str,
    namespace: &str,
    rules: impl Iterator<Item = (&'a [NetworkPolicyPeer], &'a [NetworkPolicyPort])>,
) -> PolicyChain {
    let mut sets = BTreeMap::new();
    let side = if direction == "ingress" { Side::Source } else { Side::Destination };
    let mut all: Vec<Rule> = Vec::new();
    for (peers, ports) in rules {
        for (protocol, ports) in by_protocol(ports) {
            let any = [NetworkPolicyPeer::default()];
            for peer in if peers.is_empty() { &any } else { peers } {
                let asked = Asked { namespace, peer, side, protocol, ports: &ports };
                all.extend(asked.rules(&mut sets));
            }
        }
    }
    if all.is_empty() {
        all.push(rule(""));
    }
    if let Some(first) = all.first_mut() {
        first.comment = format!("Policy {id} {direction}");
    }
    let name = limited(prefix, id);
    let mut text = String::new();
    super::rule::chain(&name, &all, &mut text);
    PolicyChain { name, rules: text, sets }
}

/// Ports that a rule allows of one protocol; none: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ports {
    numbers: Vec<(u16, u16)>,
    names: Vec<String>,
}

/// Sorted by the protocol's name; no protocol means everything.
fn by_protocol(ports: &[NetworkPolicyPort]) -> Vec<(Option<Protocol>, Ports)> {
    if ports.is_empty() {
        return vec![(None, Ports::default())];
    }
    let mut all: BTreeMap<String, (Protocol, Option<Ports>)> = BTreeMap::new();
    for port in ports {
        let protocol = port.protocol.unwrap_or_default();
        let (_, known) =
            all.entry(protocol.to_string()).or_insert_with(|| (protocol, Some(Ports::default())));
        match &port.port {
            // All ports of the protocol, whatever else is said of it.
            None => *known = None,
            Some(IntOrString::String(name)) => {
                if let Some(known) = known {
                    known.names.push(name.clone());
                }
            }
            Some(IntOrString::Int(number)) => {
                // The server has refused what is no port.
                let port_of = |number: i32| u16::try_from(number).unwrap_or(u16::MAX);
                let range = (port_of(*number), port_of(port.end_port.unwrap_or(*number)));
                if let Some(known) = known {
                    known.numbers.push(range);
                }
            }
        }
    }
    let simple = |(protocol, ports): (Protocol, Option<Ports>)| {
        let mut ports = ports.unwrap_or_default();
        simplify(&mut ports.numbers);
        (Some(protocol), ports)
    };
    all.into_values().map(simple).collect()
}

/// Sorts ranges, and joins those that overlap or touch.
fn simplify(ranges: &mut Vec<(u16, u16)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let joins = u32::from(next.0) <= u32::from(last.1) + 1;
        if joins {
            last.1 = last.1.max(next.1);
        }
        joins
    });
}

/// Which end of a packet the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

impl Side {
    const fn option(self) -> &'static str {
        match self {
            Self::Source => "--source",
            Self::Destination => "--destination",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Source => "src",
            Self::Destination => "dst",
        }
    }
}

/// One peer of a rule, and the ports of one protocol.
struct Asked<'a> {
    namespace: &'a str,
    peer: &'a NetworkPolicyPeer,
    side: Side,
    protocol: Option<Protocol>,
    ports: &'a Ports,
}

impl Asked<'_> {
    fn rules(&self, sets: &mut BTreeMap<String, AddressSet>) -> Vec<Rule> {
        let Ok(block) = self.peer.ip_block.as_ref().map(nets).transpose() else { return Vec::new() };
        let mut note = |set: AddressSet| {
            let name = set.name();
            sets.insert(name.clone(), set);
            name
        };
        let choice = self.choice();
        // Ports by name are asked on the pods that are meant; who does not lead to pods has no names.
        let at = choice.clone().filter(|_| self.side == Side::Destination).unwrap_or_else(Choice::all);
        let named: Vec<String> = (self.protocol.iter())
            .flat_map(|protocol| self.ports.names.iter().map(|name| (*protocol, name.clone())))
            .map(|port| note(AddressSet { choice: at.clone(), port: Some(port) }))
            .collect();
        let only_named = !named.is_empty() && self.ports.numbers.is_empty();
        let pods = choice
            .filter(|_| self.side == Side::Source || !only_named)
            .map(|choice| note(AddressSet { choice, port: None }));
        self.written(block.as_ref(), pods.as_deref(), &named)
    }

    /// The pods that the peer means, if it means pods.
    fn choice(&self) -> Option<Choice> {
        let NetworkPolicyPeer { ip_block: None, namespace_selector, pod_selector } = self.peer else {
            return None;
        };
        let any = namespace_selector.is_none() && pod_selector.is_none();
        (!any).then(|| Choice::of(self.namespace, namespace_selector.as_ref(), pod_selector.as_ref()))
    }

    fn written(
        &self,
        block: Option<&(IpNet, Vec<IpNet>)>,
        pods: Option<&str>,
        named: &[String],
    ) -> Vec<Rule> {
        let mut steps = Vec::new();
        let protocol = self.protocol.map(|p| format!("-p {}", lower(p)));
        let groups = multiports(&self.ports.numbers);
        let several = groups.len() + named.len() > 1;
        if several {
            steps.push(rule("--jump MARK --set-mark 0x0/0xc0000"));
            let held = format!("--jump MARK --set-mark {HELD}/{HELD}");
            let protocol = protocol.clone().unwrap_or_default();
            steps.extend(groups.iter().map(|ports| rule(format!("{protocol} {ports} {held}"))));
            steps.extend(named.iter().map(|set| rule(format!("{} {held}", port_set(set)))));
        }
        let except = block.map(|(_, except)| except.as_slice()).unwrap_or_default();
        if !except.is_empty() && !several {
            steps.push(rule(format!("--jump MARK --set-mark {HELD}/0xc0000")));
        }
        for net in except {
            let option = self.side.option();
            steps.push(rule(format!("{option} {net} --jump MARK --set-mark 0/{HELD}")));
        }
        let mut last: Vec<String> = protocol.into_iter().collect();
        last.extend(block.map(|(net, _)| format!("{} {net}", self.side.option())));
        last.extend(pods.map(|set| format!("-m set --match-set {set} {}", self.side.word())));
        if !several {
            last.extend(groups);
            last.extend(named.iter().map(|set| port_set(set)));
        }
        if !steps.is_empty() {
            last.push(format!("-m mark --mark {HELD}/{HELD}"));
        }
        last.push(ACCEPT.to_owned());
        steps.push(rule(last.join(" ")));
        steps.push(rule(format!("{ACCEPTED} --jump RETURN")));
        steps
    }
}

/// An address block and what is left out of it; not of another family.
fn nets(block: &IpBlock) -> Result<(IpNet, Vec<IpNet>), ()> {
    let read = |text: &str| text.parse::<IpNet>().map(|net| net.trunc()).map_err(|_| ());
    let net = read(&block.cidr)?;
    let except = block.except.iter().map(|text| read(text)).collect::<Result<Vec<_>, ()>>()?;
    if matches!(net.addr(), IpAddr::V6(_)) { Err(()) } else { Ok((net, except)) }
}

/// `-m multiport` for up to fifteen ports each.
fn multiports(ranges: &[(u16, u16)]) -> Vec<String> {
    let (mut groups, mut room): (Vec<Vec<String>>, usize) = (Vec::new(), 0);
    for (first, last) in ranges {
        let (text, needs) =
            if first == last { (first.to_string(), 1) } else { (format!("{first}:{last}"), 2) };
        if room < needs {
            groups.push(Vec::new());
            room = MULTIPORT;
        }
        room -= needs;
        groups.last_mut().expect("a group was pushed when there was no room").push(text);
    }
    groups.iter().map(|group| format!("-m multiport --destination-ports {}", group.join(","))).collect()
}

fn port_set(set: &str) -> String {
    format!("-m set --match-set {set} dst,dst")
}

fn lower(protocol: Protocol) -> String {
    protocol.to_string().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_of(spec: &str) -> Policy {
        let text = format!(r#"{{"metadata": {{"namespace": "default", "name": "p"}}, "spec": {spec}}}"#);
        policy(&serde_json::from_str(&text).unwrap())
    }

    fn ingress(spec: &str) -> Vec<String> {
        let chain = rules_of(spec).ingress.unwrap();
        let shown = chain.rules.lines().skip(1).map(|line| {
            let (_, rest) = line.split_once("\" ").expect("each rule has its hash");
            rest.trim_start_matches("-m comment --comment \"Policy default/knp.default.p ingress\" ")
                .to_owned()
        });
        shown.collect()
    }

    /// Names as they stand in published listings of real nodes.
    #[test]
    fn chains_and_sets_are_named_as_on_real_nodes() {
        for (name, chain) in [
            ("allow-db-access", "cali-pi-_tTE-E7yY40ogArNVgKt"),
            ("haejun-policy", "cali-pi-_Eb-vckmN-lr2eREXQcs"),
        ] {
            assert_eq!(limited("cali-pi-", &id("default", name)), chain);
        }
        for (labels, set) in [
            (r#"{"networking/allow-db-access": "true"}"#, "cali40s:LrVD8vMIGQDyv8Y7sPFB1Ge"),
            (r#"{"user": "haejun", "role": "allower"}"#, "cali40s:dSXImMSA1iXOPxYRYLVorAP"),
        ] {
            let spec = format!(
                r#"{{"policyTypes": ["Ingress"], "ingress": [{{"from": [{{"podSelector": {{"matchLabels": {labels}}}}}]}}]}}"#
            );
            let chain = rules_of(&spec).ingress.unwrap();
            assert_eq!(chain.sets.keys().collect::<Vec<_>>(), [set]);
            assert!(chain.rules.contains(&format!("-m set --match-set {set} src --jump MARK")));
        }
    }

    #[test]
    fn a_direction_that_a_policy_does_not_name_has_no_chain() {
        let policy = rules_of(r#"{"policyTypes": ["Egress"], "ingress": [{}]}"#);
        assert!(policy.ingress.is_none());
        // A rule that is only a comment: it accepts nothing.
        let egress = policy.egress.unwrap();
        assert!(
            egress.rules.trim_end().ends_with("\"Policy default/knp.default.p egress\""),
            "{}",
            egress.rules
        );
    }

    #[test]
    fn ports_are_sorted_by_protocol_and_joined() {
        let ports = r#"[{"port": 81, "protocol": "UDP"}, {"port": 443}, {"port": 80}, {"port": 81},
                        {"port": 8000, "endPort": 8010}, {"port": 8005}]"#;
        let spec = format!(r#"{{"policyTypes": ["Ingress"], "ingress": [{{"ports": {ports}}}]}}"#);
        let returns = "-m mark --mark 0x10000/0x10000 --jump RETURN";
        let accept = "--jump MARK --set-mark 0x10000/0x10000";
        assert_eq!(
            ingress(&spec),
            [
                format!("-p tcp -m multiport --destination-ports 80:81,443,8000:8010 {accept}"),
                returns.to_owned(),
                format!("-p udp -m multiport --destination-ports 81 {accept}"),
                returns.to_owned(),
            ]
        );
    }

    #[test]
    fn what_a_block_leaves_out_is_asked_before() {
        let spec = r#"{"policyTypes": ["Ingress"], "ingress": [{"from": [
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}}, {"ipBlock": {"cidr": "fd00::/8"}}]}]}"#;
        assert_eq!(
            ingress(spec),
            [
                "--jump MARK --set-mark 0x40000/0xc0000",
                "--source 10.1.0.0/16 --jump MARK --set-mark 0/0x40000",
                "--source 10.2.0.0/16 --jump MARK --set-mark 0/0x40000",
                "--source 10.0.0.0/8 -m mark --mark 0x40000/0x40000 --jump MARK --set-mark 0x10000/0x10000",
                "-m mark --mark 0x10000/0x10000 --jump RETURN",
            ]
        );
    }

    #[test]
    fn ports_by_name_and_many_ports_are_asked_in_steps() {
        let many: Vec<String> = (0..16).map(|i| format!(r#"{{"port": {}}}"#, 2 * i + 1)).collect();
        let spec = format!(
            r#"{{"policyTypes": ["Ingress"], "ingress": [{{"ports": [{{"port": "http"}}, {}]}}]}}"#,
            many.join(", ")
        );
        let rules = ingress(&spec);
        assert_eq!(rules.len(), 6, "{rules:#?}");
        assert_eq!(rules[0], "--jump MARK --set-mark 0x0/0xc0000");
        assert!(rules[2].contains("--destination-ports 31 --jump MARK --set-mark 0x40000/0x40000"));
        assert!(rules[3].starts_with("-m set --match-set cali40n:"), "{}", rules[3]);
        assert_eq!(rules[4], "-p tcp -m mark --mark 0x40000/0x40000 --jump MARK --set-mark 0x10000/0x10000");
    }

    #[test]
    fn a_named_port_elsewhere_is_asked_on_the_pods_that_are_meant() {
        let chain = rules_of(
            r#"{"policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}],
                "ports": [{"port": "sql"}]}]}"#,
        )
        .egress
        .unwrap();
        let sets: Vec<_> = chain.sets.values().collect();
        assert_eq!(sets.len(), 1);
        assert!(sets[0].choice.text().contains("app == \"db\"") && sets[0].kind() == "hash:ip,port");
    }
}

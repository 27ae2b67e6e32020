//! The plugin `portmap`, which follows the plugin proper: ports of the node lead to a pod (`hostPort`).
//!
//! ```text
//!  PREROUTING, OUTPUT  ─ to an address of the node ─► CNI-HOSTPORT-DNAT ─ by port ─► CNI-DN-… ─► DNAT to the pod
//!  POSTROUTING         ─► CNI-HOSTPORT-MASQ, of what CNI-DN-… had marked: from the pod's own network, from 127.0.0.1
//! ```
//!
//! The shared chains are made with the first pod that needs them and stay; a pod's own chain goes with it. Only the back end that
//! writes iptables rules is here, which is the one that is chosen where iptables is installed.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use sha2::{Digest, Sha512};

use crate::kube::config::Cni;
use crate::kube::objects::Protocol;
use crate::linux::netfilter::{CommandError, Ruleset};
use crate::trace::TableId;

const DNAT: &str = "CNI-HOSTPORT-DNAT";
const SET_MARK: &str = "CNI-HOSTPORT-SETMARK";
const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";
/// Bit 13, the plugin's default.
const MARK: &str = "0x2000/0x2000";
/// Longest name of a chain that CNI plugins make.
const NAME_MAX: usize = 28;
/// What `-m multiport` takes at once.
const PORTS_MAX: usize = 15;

/// A port of the node that leads to a port of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Transport protocol.
    pub protocol: Protocol,
    /// The only address of the node that counts; none or an unspecified one: all of them.
    pub host_ip: Option<IpAddr>,
    /// Port of the node.
    pub host_port: u16,
    /// Port of the pod.
    pub container_port: u16,
}

/// What the runtime asks the plugin for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Name of the network, as in its configuration file.
    pub network: &'a str,
    /// Id of the pod's sandbox.
    pub sandbox: &'a str,
    /// All mappings of the pod.
    pub ports: &'a [Mapping],
}

/// The name that the configuration file of a plugin gives to its network: flannel's and calico's own manifests, and for the
/// reference plugin containerd's.
#[must_use]
pub const fn network_name(cni: Cni) -> &'static str {
    match cni {
        Cni::Flannel | Cni::FlannelHostGw => "cbr0",
        Cni::Calico | Cni::CalicoBgp => "k8s-pod-network",
        Cni::Bridge | Cni::None => "containerd-net",
    }
}

/// Leads ports to a pod (`ADD`), once per address. `net` is that address with the length of its network.
///
/// # Errors
/// What iptables says.
pub fn add(rules: &mut Ruleset, request: &Request<'_>, net: IpNet) -> Result<(), CommandError> {
    ensure_chain(rules, SET_MARK)?;
    let mark =
        ["-m", "comment", "--comment", "CNI portfwd masquerade mark", "-j", "MARK", "--set-xmark", MARK];
    append(rules, SET_MARK, &mark)?;
    ensure_chain(rules, MASQUERADE)?;
    append(rules, MASQUERADE, &["-m", "mark", "--mark", MARK, "-j", "MASQUERADE"])?;
    // Before the masquerading of the plugin proper.
    let entry = ["-m", "comment", "--comment", "CNI portfwd requiring masquerade", "-j", MASQUERADE];
    once(rules, &["-I", "POSTROUTING"], &entry)?;
    ensure_chain(rules, DNAT)?;
    for hook in ["PREROUTING", "OUTPUT"] {
        append(rules, hook, &["-m", "addrtype", "--dst-type", "LOCAL", "-j", DNAT])?;
    }
    let own = request.chain();
    ensure_chain(rules, &own)?;
    for mapping in request.ports {
        for rule in mapping.rules(net) {
            append(rules, &own, &texts(&rule))?;
        }
    }
    request.entries().iter().try_for_each(|entry| append(rules, DNAT, &texts(entry)))
}

/// Takes a pod's rules away (`DEL`).
///
/// # Errors
/// What iptables says.
pub fn remove(rules: &mut Ruleset, request: &Request<'_>) -> Result<(), CommandError> {
    let own = request.chain();
    if !has_chain(rules, &own) {
        return Ok(());
    }
    nat(rules, &["-F", &own])?;
    for entry in request.entries() {
        nat(rules, &[&["-D", DNAT], texts(&entry).as_slice()].concat())?;
    }
    nat(rules, &["-X", &own])
}

impl Request<'_> {
    /// The pod's own chain: a hash of the network's name and the sandbox' id.
    fn chain(&self) -> String {
        let hash = Sha512::digest(format!("{}{}", self.network, self.sandbox));
        let mut name = format!("CNI-DN-{}", data_encoding::HEXLOWER.encode(&hash));
        name.truncate(NAME_MAX);
        name
    }

    /// What leads to that chain: a rule per protocol and fifteen ports.
    fn entries(&self) -> Vec<Vec<String>> {
        let comment = format!("dnat name: \"{}\" id: \"{}\"", self.network, self.sandbox);
        let mut entries = Vec::new();
        for protocol in [Protocol::Sctp, Protocol::Tcp, Protocol::Udp] {
            let ports = self.ports.iter().filter(|m| m.protocol == protocol);
            let ports: Vec<String> = ports.map(|m| m.host_port.to_string()).collect();
            for some in ports.chunks(PORTS_MAX) {
                let (protocol, some) = (lower(protocol), some.join(","));
                let words = ["-p", &protocol, "-m", "comment", "--comment", &comment, "-m", "multiport"];
                let target = ["--dports", &some, "-j", &self.chain()].map(str::to_owned);
                entries.push(words.into_iter().map(str::to_owned).chain(target).collect());
            }
        }
        entries
    }
}

impl Mapping {
    /// The rules of a mapping to one address, in their order: marks first.
    fn rules(&self, net: IpNet) -> Vec<Vec<String>> {
        let is_v4 = net.addr().is_ipv4();
        if self.host_ip.is_some_and(|ip| ip.is_ipv4() != is_v4) {
            return Vec::new();
        }
        let mut base =
            vec!["-p".to_owned(), lower(self.protocol), "--dport".to_owned(), self.host_port.to_string()];
        if let Some(ip) = self.host_ip.filter(|ip| !ip.is_unspecified()) {
            base.extend(["-d".to_owned(), ip.to_string()]);
        }
        let rule =
            |words: &[&str]| base.iter().cloned().chain(words.iter().map(|w| (*w).to_owned())).collect();
        let to = SocketAddr::new(net.addr(), self.container_port).to_string();
        let mut rules = vec![rule(&["-s", &net.to_string(), "-j", SET_MARK])];
        if is_v4 {
            rules.push(rule(&["-s", "127.0.0.1", "-j", SET_MARK]));
        }
        rules.push(rule(&["-j", "DNAT", "--to-destination", &to]));
        rules
    }
}

fn lower(protocol: Protocol) -> String {
    protocol.to_string().to_lowercase()
}

fn texts(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn nat(rules: &mut Ruleset, words: &[&str]) -> Result<(), CommandError> {
    let args: Vec<String> = ["-t", "nat"].iter().chain(words).map(|w| (*w).to_owned()).collect();
    rules.command(&args).map(|_| ())
}

fn has_chain(rules: &Ruleset, name: &str) -> bool {
    rules.table(TableId::Nat).is_some_and(|table| table.chain(name).is_some())
}

fn ensure_chain(rules: &mut Ruleset, name: &str) -> Result<(), CommandError> {
    if has_chain(rules, name) { Ok(()) } else { nat(rules, &["-N", name]) }
}

fn append(rules: &mut Ruleset, chain: &str, rule: &[&str]) -> Result<(), CommandError> {
    once(rules, &["-A", chain], rule)
}

/// Adds a rule unless it is there.
fn once(rules: &mut Ruleset, how: &[&str; 2], rule: &[&str]) -> Result<(), CommandError> {
    let there = nat(rules, &[&["-C", how[1]], rule].concat()).is_ok();
    if there { Ok(()) } else { nat(rules, &[how.as_slice(), rule].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Family;

    const SANDBOX: &str = "c55a611c4b8e8a4bef86ac05a3328258a858165b3bf4a3982997f9662bd82916";

    fn mapping(protocol: Protocol, host_port: u16) -> Mapping {
        Mapping { protocol, host_ip: None, host_port, container_port: 80 }
    }

    #[test]
    fn a_chain_is_named_as_the_real_plugin_names_it() {
        let request = Request { network: "cbr0", sandbox: SANDBOX, ports: &[] };
        assert_eq!(request.chain(), "CNI-DN-eb9116f984fef9374c9e2");
    }

    #[test]
    fn what_is_added_twice_is_there_once_and_goes_as_a_whole() {
        let bound = Mapping { host_ip: Some("192.0.2.1".parse().unwrap()), ..mapping(Protocol::Tcp, 8443) };
        let ports = [mapping(Protocol::Tcp, 8080), mapping(Protocol::Udp, 53), bound];
        let request = Request { network: "cbr0", sandbox: SANDBOX, ports: &ports };
        let mut rules = Ruleset::new(Family::V4);
        add(&mut rules, &request, "10.244.1.5/24".parse().unwrap()).unwrap();
        let text = rules.save(Some(TableId::Nat), false);
        add(&mut rules, &request, "10.244.1.5/24".parse().unwrap()).unwrap();
        assert_eq!(rules.save(Some(TableId::Nat), false), text);
        remove(&mut rules, &request).unwrap();
        let left = rules.save(Some(TableId::Nat), false);
        assert!(!left.contains("CNI-DN-") && left.contains(MASQUERADE));
        remove(&mut rules, &request).unwrap();
        assert_eq!(rules.save(Some(TableId::Nat), false), left);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn many_ports_share_as_few_rules_as_multiport_allows() {
        let ports: Vec<Mapping> = (1..=16).map(|port| mapping(Protocol::Tcp, port)).collect();
        let request = Request { network: "cbr0", sandbox: SANDBOX, ports: &ports };
        assert_eq!(request.entries().len(), 2);
        let mut rules = Ruleset::new(Family::V6);
        add(&mut rules, &request, "fd00::5/64".parse().unwrap()).unwrap();
        let text = rules.save(Some(TableId::Nat), false);
        assert!(text.contains("--to-destination [fd00::5]:80") && !text.contains("127.0.0.1"));
    }
}

//! `ipvs`: virtual servers, entries of sets, and rules that ask them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;
use sim_core::kube::node::proxy::ipvs::{Here, Layout, SETS, SetId, Settings, block, rules};
use sim_core::kube::node::proxy::select::{Viewpoint, select};
use sim_core::linux::ipvs::{Scheduler, state};
use sim_core::trace::Family;

use super::input::{Config, ports};

pub(super) fn case(case: &Value, defaults: &Value) -> Result<(), String> {
    let config = Config { case, defaults };
    let settings = config.ipvs()?;
    let node = config.node();
    let addresses = node_addresses(case, settings.family);
    let node_ports = admitted(case, &addresses);
    let (mut servers, mut sets) = (BTreeMap::new(), BTreeMap::<SetId, BTreeSet<String>>::new());
    let mut forbidden = Vec::new();
    for (service, endpoints) in ports(&case["services"], &case["endpointSlices"])? {
        let chosen = select(&service, &endpoints, Viewpoint { node, zone: "" });
        let here = Here { name: node, addresses: &addresses, node_ports: &node_ports };
        let block = block(&settings, &service, &endpoints, &chosen, here);
        servers.extend(block.servers.into_iter().map(|s| (s.key, s)));
        for (set, entry) in block.entries {
            sets.entry(set).or_default().insert(entry);
        }
        forbidden.extend(block.forbidden);
        let bound = block.bound.iter().map(ToString::to_string);
        sets.entry(SetId::IpvsIps).or_default().extend(bound);
    }
    let got: BTreeSet<String> = servers
        .values()
        .map(|s| {
            let persistent = s.persistent.map(|p| format!(" persistent {p}")).unwrap_or_default();
            let mut real: Vec<String> = s.real.iter().map(|r| format!("{r} Masq 1")).collect();
            real.sort();
            let scheduler = settings.scheduler.name();
            format!("{} {} {scheduler}{persistent} {real:?}", state::protocol_name(s.key.protocol), s.key.at)
        })
        .collect();
    let expect = &case["expect"];
    if let Some(want) = expect["virtualServers"].as_array() {
        let want = want.iter().map(server).collect::<Result<BTreeSet<_>, _>>()?;
        if got != want {
            return Err(format!("virtual servers\ngot {got:#?}\nwant {want:#?}"));
        }
    }
    for want in expect["virtualServersSome"].as_array().into_iter().flatten() {
        let want = server(want)?;
        if !got.contains(&want) {
            return Err(format!("no virtual server {want} among {got:#?}"));
        }
    }
    check_sets(&settings, &sets, &expect["ipsets"])?;
    if let Some(bound) = expect["boundAddresses"].as_array() {
        let want: BTreeSet<String> = bound.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let got = sets.get(&SetId::IpvsIps).cloned().unwrap_or_default();
        if got != want {
            return Err(format!("bound addresses: got {got:?}, want {want:?}"));
        }
    }
    let text = rules(
        &settings,
        |set| sets.get(&set).is_some_and(|entries| !entries.is_empty()),
        forbidden.into_iter(),
    );
    check_chains(&text, &expect["chains"])
}

fn node_addresses(case: &Value, family: Family) -> Vec<IpAddr> {
    let list = case["config"]["nodeAddresses"].as_array().into_iter().flatten();
    let all = list.filter_map(|a| a.as_str()?.parse::<IpAddr>().ok());
    all.filter(|a| a.is_ipv4() == (family == Family::V4) && !a.is_loopback()).collect()
}

/// The addresses that `nodePortAddresses` admits; all if it names none.
fn admitted(case: &Value, addresses: &[IpAddr]) -> Vec<IpAddr> {
    let networks = case["config"]["nodePortAddresses"].as_array().into_iter().flatten();
    let networks: Vec<ipnet::IpNet> = networks.filter_map(|n| n.as_str()?.parse().ok()).collect();
    let fits = |ip: &&IpAddr| networks.is_empty() || networks.iter().any(|net| net.contains(*ip));
    addresses.iter().filter(fits).copied().collect()
}

/// A virtual server of a case, as a line.
fn server(value: &Value) -> Result<String, String> {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    let at = |value: &Value| {
        let ip: IpAddr =
            value["address"].as_str().unwrap_or_default().parse().map_err(|e| format!("{value}: {e}"))?;
        let port = value["port"].as_u64().unwrap_or_default() as u16;
        Ok::<_, String>(std::net::SocketAddr::new(ip, port))
    };
    let mut real = Vec::new();
    for r in value["realServers"].as_array().into_iter().flatten() {
        real.push(format!("{} {} {}", at(r)?, r["forward"].as_str().unwrap_or_default(), r["weight"]));
    }
    real.sort();
    let timeout = ["timeout", "persistent", "persistentTimeout"].iter().find_map(|k| value[*k].as_u64());
    let persistent = timeout.map(|p| format!(" persistent {p}")).unwrap_or_default();
    Ok(format!("{} {} {}{persistent} {real:?}", text("protocol"), at(value)?, text("scheduler")))
}

fn check_sets(
    settings: &Settings,
    sets: &BTreeMap<SetId, BTreeSet<String>>,
    expect: &Value,
) -> Result<(), String> {
    for (name, want) in expect.as_object().into_iter().flatten() {
        let Some(set) = SETS.iter().find(|s| s.name(settings.family) == *name || s.name(Family::V4) == *name)
        else {
            return Err(format!("there is no set {name}"));
        };
        let want: BTreeSet<String> = want
            .as_array()
            .into_iter()
            .flatten()
            .map(|e| e.as_str().map_or_else(|| e.to_string(), str::to_owned))
            .collect();
        let got = sets.get(set).cloned().unwrap_or_default();
        if got != want {
            return Err(format!("{name}: got {got:?}, want {want:?}"));
        }
    }
    Ok(())
}

/// Rules by chain, in all tables one after the other: nat first, as the cases list them.
fn check_chains(text: &str, expect: &Value) -> Result<(), String> {
    let mut table = "";
    let mut chains: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let chain = rule.split(' ').next().unwrap_or_default();
            chains.entry(chain).or_default().push((table, rule));
        }
    }
    for (key, want) in expect.as_object().into_iter().flatten() {
        let want: Vec<&Value> = want.as_array().into_iter().flatten().collect();
        let (chain, some) = key.strip_suffix("_contains").map_or((key.as_str(), false), |c| (c, true));
        let rules = chains.get(chain).cloned().unwrap_or_default();
        let fits = if some {
            want.iter().all(|w| rules.iter().any(|(t, r)| is(t, r, w)))
        } else {
            rules.len() == want.len() && rules.iter().zip(&want).all(|((t, r), w)| is(t, r, w))
        };
        if !fits {
            return Err(format!("{key}: got {rules:#?}, want {want:#?}"));
        }
    }
    Ok(())
}

/// Whether a rule is the one that a case describes.
fn is(table: &str, rule: &str, want: &Value) -> bool {
    let text = |key: &str| want[key].as_str();
    let set = rule.split_once("--match-set ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    let flags = rule.split_once("--match-set ").and_then(|(_, rest)| rest.split(' ').nth(1));
    let source = rule.split_once(" -s ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    let matches = text("match").is_none_or(|m| {
        m.split(", ").all(|part| {
            let part = part
                .replace("addrtype ! src-type", "-m addrtype ! --src-type")
                .replace("addrtype dst-type", "-m addrtype --dst-type")
                .replace("physdev !", "-m physdev !");
            rule.contains(&part)
        })
    });
    rule.ends_with(&format!("-j {}", text("target").unwrap_or_default()))
        && text("table").is_none_or(|t| t == table)
        && set == text("set")
        && text("flags").is_none_or(|f| flags == Some(f))
        && source
            == text("source").or(if text("match").is_some_and(|m| m.contains("-s ")) { source } else { None })
        && matches
}

impl Config<'_> {
    /// IPVS mode.
    fn ipvs(&self) -> Result<Settings, String> {
        let family = match self.case["config"]["ipFamily"].as_str() {
            None | Some("IPv4") => Family::V4,
            Some("IPv6") => Family::V6,
            Some(other) => return Err(format!("ipFamily {other}")),
        };
        let name = if family == Family::V4 { "IPv4" } else { "IPv6" };
        let own = |key: &str| self.case["config"].get(key).unwrap_or(&self.defaults[key]);
        let scheduler = own("scheduler").as_str().unwrap_or("rr");
        Ok(Settings {
            family,
            detector: self.detector(name)?,
            masquerade_all: own("masqueradeAll").as_bool().unwrap_or(false),
            random_fully: false,
            layout: Layout::OutFilter,
            node_port_addresses: None,
            mark: self.mark()?,
            scheduler: Scheduler::of_name(scheduler).ok_or_else(|| format!("scheduler {scheduler}"))?,
            node_ip: own("nodeIP").as_str().and_then(|ip| ip.parse().ok()).or_else(|| self.node_ip(name)),
        })
    }
}

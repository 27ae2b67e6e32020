//! Zones as a Corefile writes them: names, and networks for their reverse zones.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::ServerBlock;
use crate::kube::dns::name;

/// Port of a server block that names none.
pub const DEFAULT_PORT: u16 = 53;

/// A key of a server block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerKey {
    /// Absolute lower-case zone.
    pub zone: String,
    /// Port.
    pub port: u16,
}

/// Zones and ports of every block, each key that is a network with all its reverse zones.
///
/// # Errors
/// What CoreDNS says of a bad key; a key for another transport than plain DNS is named as not modelled.
pub fn server_keys(blocks: &[ServerBlock]) -> Result<Vec<Vec<ServerKey>>, String> {
    blocks.iter().map(|b| b.keys.iter().try_fold(Vec::new(), |all, key| of_key(all, key))).collect()
}

fn of_key(mut all: Vec<ServerKey>, key: &str) -> Result<Vec<ServerKey>, String> {
    let bare = key.strip_prefix("dns://").unwrap_or(key);
    if let Some((scheme, _)) = bare.split_once("://") {
        return Err(format!("server block {key:?}: {scheme}:// is not modelled"));
    }
    let (hosts, port) = split_host_port(bare)?;
    let port = port.unwrap_or(DEFAULT_PORT);
    all.extend(hosts.into_iter().map(|h| ServerKey { zone: fqdn(&h), port }));
    Ok(all)
}

/// Whether two blocks serve one zone on one port of one address: CoreDNS' message.
pub(in crate::kube::dns) fn overlaps(keys: &[(ServerKey, Vec<String>)]) -> Option<String> {
    let mut seen: BTreeMap<(String, u16), Vec<&String>> = BTreeMap::new();
    for (key, hosts) in keys {
        let known = seen.entry((key.zone.clone(), key.port)).or_default();
        for host in hosts {
            let on = if host.is_empty() { String::new() } else { format!(" on {host}") };
            if known.contains(&host) {
                return Some(format!(
                    "cannot serve dns://{}:{}{on} - it is already defined",
                    key.zone, key.port
                ));
            }
            if known.iter().any(|k| k.is_empty()) || (host.is_empty() && !known.is_empty()) {
                let other =
                    known.iter().find(|k| !k.is_empty()).map_or(String::new(), |k| format!(" on {k}"));
                let (zone, port) = (&key.zone, key.port);
                return Some(format!(
                    "cannot serve dns://{zone}:{port}{on} - zone overlap listener capacity with dns://{zone}:{port}{other}"
                ));
            }
        }
        known.extend(hosts);
    }
    None
}

/// The zones that a word means: one name, or the reverse zones of a network; none for what is no name.
#[must_use]
pub fn normalize_all(word: &str) -> Vec<String> {
    let bare = word.split_once("://").map_or(word, |(_, rest)| rest);
    match split_host_port(bare) {
        Ok((hosts, _)) => hosts.iter().map(|h| fqdn(h)).collect(),
        Err(_) => Vec::new(),
    }
}

/// A name, absolute and in lower case, without scheme and port; empty for what is no name.
#[must_use]
pub fn normalize_one(word: &str) -> String {
    normalize_all(word).into_iter().next().unwrap_or_default()
}

fn fqdn(host: &str) -> String {
    name::absolute(host).to_ascii_lowercase()
}

fn split_host_port(text: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (mut host, mut port) = (text, None);
    if let Some(colon) = text.rfind(':') {
        if colon + 1 == text.len() {
            return Err(format!("expecting data after last colon: {text:?}"));
        }
        if let Ok(number) = text[colon + 1..].parse::<i64>() {
            port = Some(u16::try_from(number).map_err(|_| format!("address {number}: invalid port"))?);
            host = &text[..colon];
        }
    }
    if host.len() > 255 {
        return Err(format!("specified zone is too long: {} > 255", host.len()));
    }
    if !is_domain_name(host) {
        return Err(format!("zone is not a valid domain name: {host}"));
    }
    let hosts = host.parse::<IpNet>().map_or_else(|_| vec![host.to_owned()], |net| reverse_zones(&net));
    Ok((hosts, port))
}

fn is_domain_name(text: &str) -> bool {
    let bare = text.strip_suffix('.').unwrap_or(text);
    bare.is_empty() || (bare.len() <= 254 && bare.split('.').all(|l| !l.is_empty() && l.len() <= 63))
}

/// The reverse zones of a network: those of the next whole octets or nibbles that it consists of.
fn reverse_zones(net: &IpNet) -> Vec<String> {
    let step = if net.addr().is_ipv4() { 8 } else { 4 };
    let length = net.prefix_len().div_ceil(step) * step;
    let Ok(parts) = net.trunc().subnets(length) else { return Vec::new() };
    parts.map(|part| reverse_zone(part.addr(), length)).collect()
}

fn reverse_zone(addr: IpAddr, length: u8) -> String {
    let full = name::reverse(addr);
    let labels = name::labels(&full);
    let (digits, kept) = match addr {
        IpAddr::V4(_) => (4, usize::from(length / 8)),
        IpAddr::V6(_) => (32, usize::from(length / 4)),
    };
    labels[digits - kept..].join(".") + "."
}

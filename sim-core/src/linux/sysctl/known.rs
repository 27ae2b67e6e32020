//! Sysctls that a namespace has and the model does not act on: they are kept and shown. Setting one whose effect would matter is an
//! error that names it.
//!
//! Names and values are those of a fresh namespace of Linux 6.18; `DEV` stands for any interface.

use super::SysctlError;

/// `name = value`, as `sysctl -a` lists them.
const DEFAULTS: &str = include_str!("defaults.txt");

/// Names (or beginnings, if they end in a dot) of switches that would change what packets do, and are not modelled.
const MATTERS: &[&str] = &[
    "net.bridge.bridge-nf-filter-",
    "net.bridge.bridge-nf-pass-vlan-input-dev",
    "net.ipv4.fwmark_reflect",
    "net.ipv4.icmp_echo_ignore_broadcasts",
    "net.ipv4.icmp_errors_use_inbound_ifaddr",
    "net.ipv4.icmp_msgs_",
    "net.ipv4.icmp_ratemask",
    "net.ipv4.ip_forward_use_pmtu",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_no_pmtu_disc",
    "net.ipv4.ip_nonlocal_bind",
    "net.ipv4.ipfrag_time",
    "net.ipv4.neigh.",
    "net.ipv4.route.",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_ecn",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_fwmark_accept",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_mtu_probing",
    "net.ipv4.tcp_retries",
    "net.ipv4.tcp_rto_",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_syn_",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_window_scaling",
    "net.ipv6.bindv6only",
    "net.ipv6.icmp.",
    "net.ipv6.ip6frag_time",
    "net.ipv6.ip_nonlocal_bind",
    "net.ipv6.neigh.",
    "net.ipv6.route.",
    "net.netfilter.nf_conntrack_frag6_timeout",
];

/// The last words of switches of `net.ipv4.conf` and `net.ipv6.conf` that would matter.
const CONF_MATTERS: &[&str] = &[
    "arp_accept",
    "bc_forwarding",
    "drop_gratuitous_arp",
    "drop_unicast_in_l2_multicast",
    "hop_limit",
    "ignore_routes_with_linkdown",
    "mc_forwarding",
    "medium_id",
    "mtu",
    "proxy_arp_pvlan",
    "proxy_ndp",
    "secure_redirects",
    "shared_media",
    "src_valid_mark",
];

/// All names of a namespace with these interfaces, in the order of `sysctl -a`: by the parts of the name.
pub(in crate::linux) fn names(devices: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in rows() {
        match name.split_once(".DEV.") {
            Some((head, leaf)) => {
                // A dot in a device's name is written as a slash.
                names.extend(devices.iter().map(|d| format!("{head}.{}.{leaf}", d.replace('.', "/"))));
            }
            None => names.push(name.to_owned()),
        }
    }
    names.sort_by(|a, b| a.split('.').cmp(b.split('.')));
    names.dedup();
    names
}

/// The value that a switch has at first.
pub(in crate::linux) fn default_of(name: &str, devices: &[&str]) -> Option<&'static str> {
    let known = general(name, devices)?;
    rows().find(|(row, _)| *row == known).map(|(_, value)| value)
}

/// The value to keep for a switch that is set to `value`.
///
/// # Errors
/// The value is not one that the kernel takes, or the switch would matter.
pub(in crate::linux) fn checked(name: &str, value: &str, devices: &[&str]) -> Result<String, SysctlError> {
    let default = default_of(name, devices).ok_or_else(|| SysctlError::Unknown(name.to_owned()))?;
    let words: Vec<&str> = value.split_whitespace().collect();
    let number = |w: &str| w.parse::<i64>().is_ok();
    let numeric = default.split_whitespace().all(number) && !default.is_empty();
    if numeric && (words.is_empty() || !words.iter().all(|w| number(w))) {
        return Err(SysctlError::Invalid(name.to_owned()));
    }
    let value = words.join("\t");
    if value != default && matters(name) {
        return Err(SysctlError::NotModelled(name.to_owned(), default));
    }
    Ok(value)
}

fn matters(name: &str) -> bool {
    let conf = name.starts_with("net.ipv4.conf.") || name.starts_with("net.ipv6.conf.");
    let leaf = name.rsplit('.').next().unwrap_or_default();
    MATTERS.iter().any(|m| name.starts_with(m)) || conf && CONF_MATTERS.contains(&leaf)
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEFAULTS
        .lines()
        .filter_map(|line| line.split_once(" = ").or_else(|| Some((line.strip_suffix(" =")?, ""))))
}

/// A name with `DEV` in the place of a device that is there.
fn general(name: &str, devices: &[&str]) -> Option<String> {
    for head in ["net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh."] {
        let Some(rest) = name.strip_prefix(head) else { continue };
        let (device, leaf) = rest.rsplit_once('.')?;
        let device = device.replace('/', ".");
        if matches!(device.as_str(), "all" | "default") || rows().any(|(row, _)| row == name) {
            return Some(name.to_owned());
        }
        return devices.contains(&device.as_str()).then(|| format!("{head}DEV.{leaf}"));
    }
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_with_their_defaults_and_devices() {
        assert_eq!(default_of("net.ipv4.tcp_syn_retries", &[]), Some("6"));
        assert_eq!(default_of("net.ipv4.conf.eth0.log_martians", &["eth0"]), Some("0"));
        assert_eq!(default_of("net.ipv4.conf.eth1.log_martians", &["eth0"]), None);
        assert_eq!(default_of("net.ipv4.conf.flannel/1.log_martians", &["flannel.1"]), Some("0"));
        assert_eq!(default_of("net.ipv4.nope", &[]), None);
    }

    #[test]
    fn what_matters_is_named_and_the_rest_is_kept() {
        assert_eq!(checked("net.ipv4.conf.all.log_martians", "1", &[]), Ok("1".to_owned()));
        assert_eq!(checked("net.ipv4.tcp_rmem", "4096 1 2", &[]), Ok("4096\t1\t2".to_owned()));
        assert_eq!(checked("net.ipv4.tcp_syn_retries", "6", &[]), Ok("6".to_owned()));
        let name = "net.ipv4.tcp_syn_retries".to_owned();
        assert_eq!(checked(&name, "2", &[]), Err(SysctlError::NotModelled(name.clone(), "6")));
        assert_eq!(checked(&name, "x", &[]), Err(SysctlError::Invalid(name)));
    }
}

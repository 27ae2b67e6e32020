//! Knobs that can be read but have one setting only: that of a fresh namespace of Linux 6.18. To set another is an error that says so.

use std::borrow::Cow;

/// Knobs of a namespace.
const FIXED: &[(&str, &str)] = &[
    ("net.bridge.bridge-nf-call-arptables", "1"),
    ("net.bridge.bridge-nf-filter-pppoe-tagged", "0"),
    ("net.bridge.bridge-nf-filter-vlan-tagged", "0"),
    ("net.bridge.bridge-nf-pass-vlan-input-dev", "0"),
    ("net.ipv4.ip_local_port_range", "32768\t60999"),
    ("net.ipv4.ip_no_pmtu_disc", "0"),
    ("net.ipv4.ipfrag_time", "30"),
    ("net.ipv4.tcp_congestion_control", "cubic"),
    ("net.ipv4.tcp_ecn", "2"),
    ("net.ipv4.tcp_rmem", "4096\t131072\t33554432"),
    ("net.ipv4.tcp_syncookies", "1"),
    ("net.ipv4.tcp_wmem", "4096\t16384\t4194304"),
    ("net.netfilter.nf_conntrack_buckets", "262144"),
    ("net.netfilter.nf_conntrack_events", "2"),
    ("net.netfilter.nf_conntrack_expect_max", "4096"),
    ("net.netfilter.nf_conntrack_log_invalid", "0"),
    ("net.netfilter.nf_conntrack_timestamp", "0"),
];

/// Knobs of an interface, below `net.ipv4.neigh.DEV.`.
const NEIGHBOUR: &[(&str, &str)] = &[
    ("base_reachable_time_ms", "30000"),
    ("delay_first_probe_time", "5"),
    ("gc_stale_time", "60"),
    ("mcast_solicit", "3"),
    ("retrans_time_ms", "1000"),
    ("ucast_solicit", "3"),
    ("unres_qlen", "101"),
    ("unres_qlen_bytes", "212992"),
];

/// The setting of a knob that has only one; `exists` says which interfaces there are.
pub(super) fn fixed(name: &str, exists: impl Fn(&str) -> bool) -> Option<&'static str> {
    let listed =
        |list: &'static [(&str, &str)], key: &str| list.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    let rest = name.strip_prefix("net.ipv4.neigh.");
    if let Some((dev, leaf)) = rest.and_then(|rest| rest.rsplit_once('.')) {
        let dev: Cow<'_, str> = if dev.contains('/') { dev.replace('/', ".").into() } else { dev.into() };
        return listed(NEIGHBOUR, leaf).filter(|_| dev == "default" || exists(&dev));
    }
    listed(FIXED, name)
}

/// Whether a value that is written means the setting that is there, whatever blanks separate its numbers.
pub(super) fn same(written: &str, fixed: &str) -> bool {
    written.split_whitespace().eq(fixed.split_whitespace())
}

#[cfg(test)]
mod tests {
    use crate::linux::World;

    #[test]
    fn a_knob_with_one_setting_takes_that_and_no_other() {
        let mut world = World::new(1);
        let ns = world.add_netns("host");
        let host = world.ns_mut(ns);
        let range = "net.ipv4.ip_local_port_range";
        assert_eq!(host.sysctl_get(range).as_deref(), Ok("32768\t60999"));
        assert_eq!(host.sysctl_set(range, "32768 60999"), Ok(()));
        let refused = host.sysctl_set(range, "1024 65535").unwrap_err().to_string();
        assert!(refused.contains("not modelled"), "{refused}");
        assert_eq!(host.sysctl_get("net.ipv4.neigh.lo.mcast_solicit").as_deref(), Ok("3"));
        assert!(host.sysctl_get("net.ipv4.neigh.eth7.mcast_solicit").is_err());
    }

    #[test]
    fn a_switch_reads_back_as_it_was_written() {
        let mut world = World::new(1);
        let ns = world.add_netns("host");
        let host = world.ns_mut(ns);
        let proxy = "net.ipv4.conf.lo.proxy_arp";
        for value in ["7", "1", "0", "-1"] {
            host.sysctl_set(proxy, value).unwrap();
            assert_eq!(host.sysctl_get(proxy).as_deref(), Ok(value));
        }
        host.sysctl_set("net.ipv4.conf.lo.forwarding", "3").unwrap();
        host.sysctl_set("net.ipv4.ip_forward", "1").unwrap();
        assert_eq!(host.sysctl_get("net.ipv4.conf.lo.forwarding").as_deref(), Ok("1"));
    }

    #[test]
    fn knobs_of_tcp_reach_the_sockets() {
        let mut world = World::new(1);
        let ns = world.add_netns("host");
        let host = world.ns_mut(ns);
        host.sysctl_set("net.ipv4.tcp_timestamps", "0").unwrap();
        host.sysctl_set("net.ipv4.tcp_syn_retries", "2").unwrap();
        let tcp = host.sockets.tcp_settings();
        assert_eq!((tcp.timestamps, tcp.syn_retries), (false, 2));
        assert_eq!(host.sysctl_get("net.ipv4.tcp_syn_retries").as_deref(), Ok("2"));
    }
}

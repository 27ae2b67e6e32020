//! `ip -d link` and `ip -s link`.

use sim_core::linux::Iface;
use sim_core::linux::bridge::StpTimes;
use sim_core::linux::ipip::Ipip;
use sim_core::linux::link::IfKind;
use sim_core::linux::tunnel::{OuterTtl, Vxlan};
use sim_core::packet::MacAddr;

use super::super::Call;
use super::view::LinkView;
use crate::tools::printer::{Printer, Value};

impl Call<'_> {
    /// What `-d` adds.
    pub(super) fn print_details(&self, p: &mut Printer, link: &LinkView, iface: &Iface, of_link: bool) {
        let slave = u32::from(iface.master.is_some());
        let promiscuity = slave + u32::from(iface.notes.promisc);
        let allmulti = slave + u32::from(iface.notes.allmulti);
        let (min, max) = if matches!(iface.kind, IfKind::Loopback | IfKind::Dummy | IfKind::Ipip(_)) {
            (0u32, 0u32)
        } else {
            (68, 65535)
        };
        p.any("promiscuity", format_args!(" promiscuity {promiscuity} "), promiscuity);
        p.any("allmulti", format_args!(" allmulti {allmulti} "), allmulti);
        p.any("min_mtu", format_args!("minmtu {min} "), min);
        p.any("max_mtu", format_args!("maxmtu {max} "), max);
        self.print_kind(p, link, iface);
        if of_link {
            p.any("inet6_addr_gen_mode", "addrgenmode eui64 ", "eui64");
        }
        let queues = if iface.kind == IfKind::Veth { 2u32 } else { 1 };
        let tso = match &iface.kind {
            IfKind::Vxlan(v) if v.underlay.is_none() => 65536u32,
            IfKind::Ipip(_) => 65536,
            _ => 524_280,
        };
        for (key, word, value) in [
            ("num_tx_queues", "numtxqueues", queues),
            ("num_rx_queues", "numrxqueues", queues),
            ("gso_max_size", "gso_max_size", 65536),
            ("gso_max_segs", "gso_max_segs", 65535),
            ("tso_max_size", "tso_max_size", tso),
            ("tso_max_segs", "tso_max_segs", 65535),
            ("gro_max_size", "gro_max_size", 65536),
        ] {
            p.any(key, format_args!("{word} {value} "), value);
        }
    }

    fn print_kind(&self, p: &mut Printer, link: &LinkView, iface: &Iface) {
        let slave = iface.master.is_some();
        if link.kind.is_empty() && !slave {
            return;
        }
        p.open_object(Some("linkinfo"));
        if !link.kind.is_empty() {
            p.nl();
            p.any("info_kind", format_args!("    {} ", link.kind), link.kind);
        }
        match &iface.kind {
            IfKind::Bridge(_) => self.print_bridge(p, iface),
            IfKind::Vxlan(v) => self.print_vxlan(p, v),
            IfKind::Ipip(t) => self.print_ipip(p, t),
            IfKind::Loopback | IfKind::Veth | IfKind::Wire | IfKind::Dummy => {}
        }
        if slave {
            p.nl();
            p.any("info_slave_kind", "    bridge_slave ", "bridge");
            self.print_port(p, link, iface);
        }
        p.close_object();
    }

    fn print_bridge(&self, p: &mut Printer, iface: &Iface) {
        let id = bridge_id(iface.mac);
        p.open_object(Some("info_data"));
        let times = match &iface.kind {
            IfKind::Bridge(b) => b.stp_times,
            _ => StpTimes::default(),
        };
        for (key, value) in [
            ("forward_delay", times.forward_delay),
            ("hello_time", times.hello_time),
            ("max_age", times.max_age),
            ("ageing_time", 30000),
        ] {
            p.any(key, format_args!("{key} {value} "), value);
        }
        for (key, value) in [("stp_state", 0u32), ("priority", 32768), ("vlan_filtering", 0)] {
            p.any(key, format_args!("{key} {value} "), value);
        }
        p.any("bridge_id", format_args!("bridge_id {id} "), id.as_str());
        p.any("root_id", format_args!("designated_root {id} "), id.as_str());
        for key in ["root_port", "root_path_cost", "topology_change", "topology_change_detected"] {
            p.any(key, format_args!("{key} 0 "), 0u32);
        }
        for key in ["hello_timer", "tcn_timer", "topology_change_timer", "gc_timer"] {
            p.any(key, format_args!("{key}    0.00 "), Value::Number("0.00".to_owned()));
        }
        p.any("group_fwd_mask", "group_fwd_mask 0 ", "0");
        p.any("group_addr", "group_address 01:80:c2:00:00:00 ", "01:80:c2:00:00:00");
        for (key, word, value) in MULTICAST {
            p.any(key, format_args!("{word} {value} "), *value);
        }
        p.close_object();
    }

    fn print_port(&self, p: &mut Printer, link: &LinkView, iface: &Iface) {
        let ns = self.world.ns(self.ns);
        let bridge = iface.master.and_then(|m| ns.iface(m));
        let root = bridge.map(|b| bridge_id(b.mac)).unwrap_or_default();
        let number = port_number(bridge, iface);
        let state = if iface.up && link.carrier { "forwarding" } else { "disabled" };
        p.open_object(Some("info_slave_data"));
        p.any("state", format_args!("state {state} "), state);
        p.any("priority", "priority 32 ", 32u32);
        p.any("cost", "cost 2 ", 2u32);
        let switch = |p: &mut Printer, key: &str, word: &str, on: bool| {
            p.any(key, format_args!("{word} {} ", if on { "on" } else { "off" }), on);
        };
        switch(p, "hairpin", "hairpin", iface.hairpin);
        for (key, on) in [
            ("guard", false),
            ("root_block", false),
            ("fastleave", false),
            ("learning", true),
            ("flood", true),
        ] {
            switch(p, key, key, on);
        }
        p.any("id", format_args!("port_id 0x{:x} ", 0x8000 + number), format!("0x{:x}", 0x8000 + number));
        p.any("no", format_args!("port_no 0x{number:x} "), format!("0x{number:x}"));
        p.any("designated_port", format_args!("designated_port {} ", 0x8000 + number), 0x8000 + number);
        p.any("designated_cost", "designated_cost 0 ", 0u32);
        p.any("bridge_id", format_args!("designated_bridge {root} "), root.as_str());
        p.any("root_id", format_args!("designated_root {root} "), root.as_str());
        for key in ["hold_timer", "message_age_timer", "forward_delay_timer"] {
            p.any(key, format_args!("{key}    0.00 "), Value::Number("0.00".to_owned()));
        }
        p.any("topology_change_ack", "topology_change_ack 0 ", 0u32);
        p.any("config_pending", "config_pending 0 ", 0u32);
        switch(p, "proxy_arp", "proxy_arp", false);
        switch(p, "proxy_arp_wifi", "proxy_arp_wifi", false);
        p.any("multicast_router", "mcast_router 1 ", 1u32);
        // The tool repeats fast leave in text only.
        p.text("mcast_fast_leave off ");
        switch(p, "mcast_flood", "mcast_flood", true);
        switch(p, "bcast_flood", "bcast_flood", true);
        switch(p, "mcast_to_unicast", "mcast_to_unicast", false);
        switch(p, "neigh_suppress", "neigh_suppress", false);
        p.any("group_fwd_mask", "group_fwd_mask 0 ", "0");
        p.any("group_fwd_mask_str", "group_fwd_mask_str 0x0 ", "0x0");
        switch(p, "vlan_tunnel", "vlan_tunnel", false);
        switch(p, "isolated", "isolated", iface.isolated);
        switch(p, "locked", "locked", false);
        p.close_object();
    }

    fn print_vxlan(&self, p: &mut Printer, v: &Vxlan) {
        p.open_object(Some("info_data"));
        p.any("id", format_args!("id {} ", v.vni), v.vni);
        if let Some(remote) = v.fdb.get(&MacAddr::ZERO).filter(|_| v.learned.is_some()) {
            p.any("remote", format_args!("remote {remote} "), remote.to_string());
        }
        if !v.local.is_unspecified() {
            p.any("local", format_args!("local {} ", v.local), v.local.to_string());
        }
        if let Some(dev) = v.underlay.and_then(|u| self.world.ns(self.ns).iface(u)) {
            p.any("link", format_args!("dev {} ", dev.name), &*dev.name);
        }
        p.text("srcport 0 0 ");
        p.open_object(Some("port_range"));
        p.field("low", 0u32);
        p.field("high", 0u32);
        p.close_object();
        p.any("port", format_args!("dstport {} ", v.port), u32::from(v.port));
        let learning = v.learned.is_some();
        p.any("learning", if learning { "" } else { "nolearning " }, learning);
        match v.tos {
            0 => {}
            1 => p.any("tos", "tos inherit ", "0x1"),
            tos => p.any("tos", format_args!("tos 0x{tos:x} "), format!("0x{tos:x}")),
        }
        match v.ttl {
            OuterTtl::Auto => p.any("ttl", "ttl auto ", 0u32),
            OuterTtl::Inherit => p.text("ttl inherit "),
            OuterTtl::Of(ttl) => p.any("ttl", format_args!("ttl {ttl} "), u32::from(ttl)),
        }
        p.field("df", "unset");
        p.any("ageing", "ageing 300 ", 300u32);
        p.any("udp_csum", "udpcsum ", true);
        p.any("udp_zero_csum6_tx", "noudp6zerocsumtx ", false);
        p.any("udp_zero_csum6_rx", "noudp6zerocsumrx ", false);
        p.close_object();
    }

    /// `link_iptnl.c` of iproute2.
    fn print_ipip(&self, p: &mut Printer, t: &Ipip) {
        p.open_object(Some("info_data"));
        let proto = if t.fallback { "any" } else { "ipip" };
        p.any("proto", format_args!("{proto} "), proto);
        for (key, end) in [("remote", t.remote), ("local", t.local)] {
            let end = if end.is_unspecified() { "any".to_owned() } else { end.to_string() };
            p.any(key, format_args!("{key} {end} "), end.as_str());
        }
        if let Some(dev) = t.underlay.and_then(|u| self.world.ns(self.ns).iface(u)) {
            p.any("link", format_args!("dev {} ", dev.name), &*dev.name);
        }
        match t.ttl {
            0 => p.any("ttl", "ttl inherit ", 0u32),
            ttl => p.any("ttl", format_args!("ttl {ttl} "), u32::from(ttl)),
        }
        match t.tos {
            0 => {}
            1 => p.any("tos", "tos inherit ", "0x1"),
            tos => p.any("tos", format_args!("tos 0x{tos:x} "), format!("0x{tos:x}")),
        }
        p.any("pmtudisc", if t.pmtudisc { "pmtudisc " } else { "nopmtudisc " }, t.pmtudisc);
        p.close_object();
    }

    /// `-s`.
    pub(super) fn print_statistics(&self, p: &mut Printer, iface: &Iface) {
        let s = iface.stats;
        let rx = [s.rx_bytes, s.rx_packets, 0, s.rx_dropped, 0, 0];
        let tx = [s.tx_bytes, s.tx_packets, 0, s.tx_dropped, 0, 0];
        if p.is_json() {
            let keys = ["bytes", "packets", "errors", "dropped"];
            p.open_object(Some("stats64"));
            for (name, values, own) in
                [("rx", rx, ["over_errors", "multicast"]), ("tx", tx, ["carrier_errors", "collisions"])]
            {
                p.open_object(Some(name));
                keys.iter().chain(&own).zip(values).for_each(|(k, v)| p.field(k, v));
                p.close_object();
            }
            p.close_object();
            return;
        }
        // Both tables have one set of widths: those of the titles, or of the longest number.
        let mut widths = [10, 7, 6, 7, 7, 7];
        for values in [&rx, &tx] {
            for (width, value) in widths.iter_mut().zip(values) {
                *width = (*width).max(value.to_string().len());
            }
        }
        let tables = [
            ("RX", ["bytes", "packets", "errors", "dropped", "missed", "mcast"], rx),
            ("TX", ["bytes", "packets", "errors", "dropped", "carrier", "collsns"], tx),
        ];
        for (i, (title, names, values)) in tables.into_iter().enumerate() {
            if i > 0 {
                p.nl();
            }
            let head: String = names.iter().zip(widths).skip(1).map(|(n, w)| format!(" {n:>w$}")).collect();
            let row: String = values.iter().zip(widths).map(|(v, w)| format!("{v:>w$} ")).collect();
            let first = widths[0] - 4;
            p.text(format_args!("    {title}: {:>first$}{head} {:10}", names[0], ""));
            p.nl();
            p.text(format_args!("    {row}"));
        }
    }
}

/// Multicast and netfilter of a bridge with their defaults: JSON key, word, value.
const MULTICAST: &[(&str, &str, u32)] = &[
    ("mcast_snooping", "mcast_snooping", 1),
    ("no_linklocal_learn", "no_linklocal_learn", 0),
    ("mcast_vlan_snooping", "mcast_vlan_snooping", 0),
    ("mcast_router", "mcast_router", 1),
    ("mcast_query_use_ifaddr", "mcast_query_use_ifaddr", 0),
    ("mcast_querier", "mcast_querier", 0),
    ("mcast_hash_elasticity", "mcast_hash_elasticity", 16),
    ("mcast_hash_max", "mcast_hash_max", 4096),
    ("mcast_last_member_cnt", "mcast_last_member_count", 2),
    ("mcast_startup_query_cnt", "mcast_startup_query_count", 2),
    ("mcast_last_member_intvl", "mcast_last_member_interval", 100),
    ("mcast_membership_intvl", "mcast_membership_interval", 26000),
    ("mcast_querier_intvl", "mcast_querier_interval", 25500),
    ("mcast_query_intvl", "mcast_query_interval", 12500),
    ("mcast_query_response_intvl", "mcast_query_response_interval", 1000),
    ("mcast_startup_query_intvl", "mcast_startup_query_interval", 3124),
    ("mcast_stats_enabled", "mcast_stats_enabled", 0),
    ("mcast_igmp_version", "mcast_igmp_version", 2),
    ("mcast_mld_version", "mcast_mld_version", 1),
    ("nf_call_iptables", "nf_call_iptables", 0),
    ("nf_call_ip6tables", "nf_call_ip6tables", 0),
    ("nf_call_arptables", "nf_call_arptables", 0),
];

/// `8000.2:0:0:0:0:1`.
fn bridge_id(mac: MacAddr) -> String {
    let bytes: Vec<String> = mac.0.iter().map(|b| format!("{b:x}")).collect();
    format!("8000.{}", bytes.join(":"))
}

/// Ports are numbered in the order in which they came; the list has the newest first.
fn port_number(bridge: Option<&Iface>, port: &Iface) -> u32 {
    let Some(IfKind::Bridge(b)) = bridge.map(|b| &b.kind) else { return 0 };
    b.ports.iter().rev().position(|p| *p == port.id).map_or(0, |at| at as u32 + 1)
}

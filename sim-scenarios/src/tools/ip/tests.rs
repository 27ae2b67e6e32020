//! The namespaces of the tests were built with the real tools too; the texts are what those printed.

use sim_core::linux::World;
use sim_core::linux::route::{Route, RouteKind};
use sim_core::linux::tunnel::Vxlan;
use sim_core::trace::NsId;

use super::*;

/// A node with a bridge and one pod on it.
fn node_and_pod() -> (World, NsId, NsId) {
    let mut world = World::new(1);
    let (node, pod) = (world.add_netns("node1"), world.add_netns("pod-a"));
    let outside = world.add_netns("outside");
    world.add_wire((node, "eth0"), (outside, "eth0"), std::time::Duration::from_micros(50)).unwrap();
    world.ns_mut(outside).link_set("eth0", true).unwrap();
    let mac = |n: u8| sim_core::packet::MacAddr([0xe6, 0x72, 0xe3, 6, 0x52, n]);
    world.ns_mut(node).add_bridge("cni0", mac(0x5c)).unwrap();
    world.add_veth((node, "veth1a2b3c"), (pod, "eth0")).unwrap();
    let ns = world.ns_mut(node);
    ns.set_mac("eth0", mac(1)).unwrap();
    ns.addr_add("eth0", "192.168.100.101/24".parse().unwrap()).unwrap();
    ns.link_set("eth0", true).unwrap();
    ns.set_mac("veth1a2b3c", mac(0x5c)).unwrap();
    ns.set_master("veth1a2b3c", "cni0").unwrap();
    ns.addr_add("cni0", "10.244.1.1/24".parse().unwrap()).unwrap();
    for dev in ["cni0", "veth1a2b3c"] {
        ns.link_set(dev, true).unwrap();
    }
    let underlay = ns.iface_id("eth0");
    let vxlan = Vxlan {
        vni: 1,
        local: "192.168.100.101".parse().unwrap(),
        underlay,
        port: 8472,
        fdb: Default::default(),
        learned: None,
        ttl: Default::default(),
        tos: 0,
    };
    ns.add_vxlan("flannel.1", mac(0xf1), vxlan).unwrap();
    ns.addr_add("flannel.1", "10.244.1.0/32".parse().unwrap()).unwrap();
    ns.link_set("flannel.1", true).unwrap();
    let flannel = ns.iface_id("flannel.1").unwrap();
    let gateway = "10.244.2.0".parse().unwrap();
    let remote = Route { onlink: true, ..Route::via("10.244.2.0/24".parse().unwrap(), gateway, flannel) };
    ns.route_add(remote).unwrap();
    ns.neigh_add("flannel.1", gateway, mac(0xf2)).unwrap();
    ns.route_add(Route::refuse("10.9.0.0/16".parse().unwrap(), RouteKind::Blackhole)).unwrap();
    let ns = world.ns_mut(pod);
    ns.set_mac("eth0", mac(0xff)).unwrap();
    ns.addr_add("eth0", "10.244.1.5/24".parse().unwrap()).unwrap();
    ns.link_set("eth0", true).unwrap();
    (world, node, pod)
}

fn run(world: &mut World, ns: NsId, dialect: Dialect, line: &str) -> Shown {
    let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    execute(world, ns, dialect, &args)
}

fn ip(world: &mut World, ns: NsId, line: &str) -> String {
    run(world, ns, Dialect::Iproute2, line).unwrap()
}

fn error(line: &str) -> Failure {
    let (mut world, node, _) = node_and_pod();
    run(&mut world, node, Dialect::Iproute2, line).unwrap_err()
}

#[test]
fn addresses_look_as_iproute2_prints_them() {
    let (mut world, node, pod) = node_and_pod();
    insta::assert_snapshot!(ip(&mut world, node, "a"));
    insta::assert_snapshot!(ip(&mut world, pod, "-4 addr show dev eth0"), @r"
    2: eth0@if4: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
        inet 10.244.1.5/24 brd 10.244.1.255 scope global eth0
           valid_lft forever preferred_lft forever
    ");
    insta::assert_snapshot!(ip(&mut world, pod, "-br a"), @r"
    lo               UNKNOWN        127.0.0.1/8 ::1/128 
    eth0@if4         UP             10.244.1.5/24 fe80::e472:e3ff:fe06:52ff/64
    ");
    insta::assert_snapshot!(ip(&mut world, pod, "-o -4 a s eth0"), @r"2: eth0    inet 10.244.1.5/24 brd 10.244.1.255 scope global eth0\       valid_lft forever preferred_lft forever");
}

#[test]
fn a_vxlan_device_takes_only_what_it_can_hold_to() {
    let (mut world, node, _) = node_and_pod();
    let defaults = "srcport 0 0 ageing 300 maxaddress 0 df unset udpcsum";
    let line = format!("link add v type vxlan id 5 dstport 4789 {defaults}");
    assert_eq!(ip(&mut world, node, &line), "");
    for other in ["srcport 1 9", "ageing 10", "maxaddress 5", "df set", "noudpcsum"] {
        let refused = error(&format!("link add v type vxlan id 6 dstport 4789 {other}"));
        assert!(matches!(refused, Failure::NotModelled(_)), "{other}: {refused:?}");
    }
}

#[test]
fn busybox_has_its_own_idea_of_a_pod() {
    let (mut world, _, pod) = node_and_pod();
    insta::assert_snapshot!(run(&mut world, pod, Dialect::Busybox, "a").unwrap(), @r"
    1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000
        link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
        inet 127.0.0.1/8 scope host lo
           valid_lft forever preferred_lft forever
        inet6 ::1/128 scope host 
           valid_lft forever preferred_lft forever
    2: eth0@if4: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue qlen 1000
        link/ether e6:72:e3:06:52:ff brd ff:ff:ff:ff:ff:ff
        inet 10.244.1.5/24 brd 10.244.1.255 scope global eth0
           valid_lft forever preferred_lft forever
        inet6 fe80::e472:e3ff:fe06:52ff/64 scope link 
           valid_lft forever preferred_lft forever
    ");
    insta::assert_snapshot!(run(&mut world, pod, Dialect::Busybox, "r").unwrap(), @"10.244.1.0/24 dev eth0 scope link  src 10.244.1.5");
}

#[test]
fn links_and_their_counters() {
    let (mut world, node, _) = node_and_pod();
    insta::assert_snapshot!(ip(&mut world, node, "link show veth1a2b3c"), @r"
    4: veth1a2b3c@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master cni0 state UP mode DEFAULT group default qlen 1000
        link/ether e6:72:e3:06:52:5c brd ff:ff:ff:ff:ff:ff link-netnsid 0
    ");
    insta::assert_snapshot!(ip(&mut world, node, "-s link show lo"), @r"
    1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
        link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
        RX:  bytes packets errors dropped  missed   mcast           
                 0       0      0       0       0       0 
        TX:  bytes packets errors dropped carrier collsns           
                 0       0      0       0       0       0
    ");
    assert_eq!(ip(&mut world, node, "link set veth1a2b3c down"), "");
    assert!(
        ip(&mut world, node, "link show veth1a2b3c")
            .contains("<BROADCAST,MULTICAST> mtu 1500 qdisc noqueue master cni0 state DOWN")
    );
}

#[test]
fn a_link_whose_other_end_is_down_has_no_carrier() {
    let (mut world, node, pod) = node_and_pod();
    world.ns_mut(pod).link_set("eth0", false).unwrap();
    assert!(
        ip(&mut world, node, "link show veth1a2b3c")
            .contains("<NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue master cni0 state DOWN")
    );
}

#[test]
fn routes_come_in_the_kernels_order() {
    let (mut world, node, _) = node_and_pod();
    ip(&mut world, node, "route add default via 192.168.100.1 proto static");
    ip(&mut world, node, "r add 10.244.0.0/16 via 192.168.100.7 metric 5");
    insta::assert_snapshot!(ip(&mut world, node, "r"), @r"
    default via 192.168.100.1 dev eth0 proto static 
    blackhole 10.9.0.0/16 
    10.244.0.0/16 via 192.168.100.7 dev eth0 metric 5 
    10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1 
    10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink 
    192.168.100.0/24 dev eth0 proto kernel scope link src 192.168.100.101
    ");
    insta::assert_snapshot!(ip(&mut world, node, "route show table local dev cni0"), @r"
    local 10.244.1.1 proto kernel scope host src 10.244.1.1 
    broadcast 10.244.1.255 proto kernel scope link src 10.244.1.1
    ");
    insta::assert_snapshot!(ip(&mut world, node, "route show match 10.244.2.9"), @r"
    default via 192.168.100.1 dev eth0 proto static 
    10.244.0.0/16 via 192.168.100.7 dev eth0 metric 5 
    10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
    ");
    insta::assert_snapshot!(ip(&mut world, node, "route get 10.244.2.9"), @r"
    10.244.2.9 via 10.244.2.0 dev flannel.1 src 10.244.1.0 uid 0 
        cache
    ");
    insta::assert_snapshot!(ip(&mut world, node, "route get 10.244.1.1"), @r"
    local 10.244.1.1 dev lo src 10.244.1.1 uid 0 
        cache <local>
    ");
    ip(&mut world, node, "route del default");
    assert_eq!(ip(&mut world, node, "route show default"), "");
}

#[test]
fn neighbours_show_their_state() {
    let (mut world, node, _) = node_and_pod();
    assert_eq!(ip(&mut world, node, "n"), "10.244.2.0 dev flannel.1 lladdr e6:72:e3:06:52:f2 PERMANENT \n");
    assert_eq!(
        ip(&mut world, node, "neigh show dev flannel.1"),
        "10.244.2.0 lladdr e6:72:e3:06:52:f2 PERMANENT \n"
    );
    ip(&mut world, node, "neigh del 10.244.2.0 dev flannel.1");
    assert_eq!(ip(&mut world, node, "neigh"), "");
}

#[test]
fn mistakes_are_answered_in_the_tools_words() {
    let refused = |text: &str, status| Failure::Refused(text.to_owned(), status);
    assert_eq!(error("foo"), refused("Object \"foo\" is unknown, try \"ip help\".", 1));
    assert_eq!(error("addr foo"), refused("Command \"foo\" is unknown, try \"ip address help\".", 255));
    assert_eq!(error("addr show nope"), refused("Device \"nope\" does not exist.", 1));
    assert_eq!(error("link set nope up"), refused("Cannot find device \"nope\"", 1));
    assert_eq!(error("route show dev nope"), refused("Cannot find device \"nope\"", 1));
    assert_eq!(error("route get 8.8.8.8"), refused("RTNETLINK answers: Network is unreachable", 2));
    assert_eq!(error("route get 10.9.1.1"), refused("RTNETLINK answers: Invalid argument", 2));
    assert_eq!(error("route add 9.0.0.0/8 via 77.1.1.1"), refused("Error: Nexthop has invalid gateway.", 2));
    assert_eq!(
        error("route add 1.2.3.0/33 via 10.0.0.1"),
        refused("Error: any valid prefix is expected rather than \"1.2.3.0/33\".", 1)
    );
    assert_eq!(error("-z a"), refused("Option \"-z\" is unknown, try \"ip -help\".", 255));
    assert_eq!(error("link add x type gre"), Failure::NotModelled("ip link add type gre".to_owned()));
    assert_eq!(error("-t addr"), Failure::NotModelled("ip -t".to_owned()));
}

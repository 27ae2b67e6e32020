use sim_core::linux::route::{Route, RouteKind};
use sim_core::linux::tunnel::Vxlan;
use sim_core::packet::MacAddr;
use sim_core::trace::Family;

use super::*;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

fn small() -> World {
    let mut world = World::new(1);
    let (a, b) = (world.add_netns("node1"), world.add_netns("default/pod-a"));
    world.add_veth((a, "veth1"), (b, "eth0")).unwrap();
    let node = world.ns_mut(a);
    node.add_bridge("cni0", MAC).unwrap();
    node.addr_add("cni0", "10.244.1.1/24".parse().unwrap()).unwrap();
    node.set_master("veth1", "cni0").unwrap();
    node.set_hairpin("veth1", true).unwrap();
    node.link_set("cni0", true).unwrap();
    node.link_set("veth1", true).unwrap();
    node.fdb_static("veth1", MacAddr([2, 0, 0, 0, 0, 7])).unwrap();
    let vxlan = Vxlan {
        vni: 1,
        local: "10.0.0.1".parse().unwrap(),
        underlay: None,
        port: 8472,
        fdb: indexmap::IndexMap::default(),
        learned: None,
        ttl: Default::default(),
        tos: 0,
    };
    node.add_vxlan("flannel.1", MAC, vxlan).unwrap();
    node.link_set("flannel.1", true).unwrap();
    node.fdb_set("flannel.1", MAC, "10.0.0.2".parse().unwrap()).unwrap();
    node.neigh_add("flannel.1", "10.244.2.0".parse().unwrap(), MAC).unwrap();
    let flannel = node.iface_id("flannel.1").unwrap();
    let via = Route::via("10.244.2.0/24".parse().unwrap(), "10.244.2.0".parse().unwrap(), flannel);
    node.route_add(Route { onlink: true, ..via }).unwrap();
    node.route_add(Route::refuse("10.9.0.0/16".parse().unwrap(), RouteKind::Blackhole)).unwrap();
    node.sysctl_set("net.ipv4.conf.flannel/1.rp_filter", "2").unwrap();
    node.sysctl_set("net.netfilter.nf_conntrack_udp_timeout", "7").unwrap();
    node.netfilter(Family::V4, |r| {
        let text = "*nat\n-A POSTROUTING -m comment --comment \"$(reboot) `reboot`\" -j MASQUERADE\nCOMMIT\n";
        r.restore(text, sim_core::linux::netfilter::RestoreOptions::default()).unwrap();
    });
    let pod = world.ns_mut(b);
    pod.addr_add("eth0", "10.244.1.5/24".parse().unwrap()).unwrap();
    pod.link_set("eth0", true).unwrap();
    let eth0 = pod.iface_id("eth0").unwrap();
    pod.route_add(Route::default_via("10.244.1.1".parse().unwrap(), eth0)).unwrap();
    world
}

#[test]
fn a_script_holds_everything_that_was_configured() {
    let text = script(&small()).unwrap();
    let body: String = text.split("build() {").nth(1).unwrap().split("\nP=").next().unwrap().to_owned();
    // Switches of interfaces are many and alike.
    let dull = |l: &&str| l.starts_with("net.ipv4.conf.") && !l.ends_with("rp_filter = 2");
    let body: Vec<&str> = body.lines().filter(|l| !dull(l)).collect();
    insta::assert_snapshot!(body.join("\n"));
}

#[test]
fn a_connected_route_that_was_taken_away_is_taken_away_there_too() {
    let mut world = small();
    let node = world.namespaces().next().unwrap().id;
    world.ns_mut(node).route_del(|r| r.dst == "10.244.1.0/24".parse().unwrap()).unwrap();
    let text = script(&world).unwrap();
    assert!(text.contains("\nroute del 10.244.1.0/24 dev cni0 proto kernel\n"), "{text}");
}

#[test]
fn names_that_a_shell_would_look_into_are_refused_or_changed() {
    let mut world = small();
    world.add_netns("default-pod-a");
    world.add_netns("$(reboot); rm -rf /");
    let names: Vec<String> = namespaces(&world).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["node1", "default-pod-a", "default-pod-a-2", "reboot---rm--rf"]);
    let node = world.namespaces().next().unwrap().id;
    world.ns_mut(node).add_dummy("$(reboot)", MAC).unwrap();
    let why = script(&world).unwrap_err().to_string();
    insta::assert_snapshot!(why, @r#"node1: an interface named "$(reboot)": only letters, digits, '.', '_' and '-' are written into a script"#);
}

#[test]
fn what_all_namespaces_share_is_refused() {
    let mut world = small();
    let node = world.namespaces().next().unwrap().id;
    world.ns_mut(node).sysctl_set("net.netfilter.nf_conntrack_max", "10").unwrap();
    insta::assert_snapshot!(script(&world).unwrap_err(), @"node1: net.netfilter.nf_conntrack_max: the kernel has one for all namespaces");
}

#[test]
fn an_interface_too_narrow_for_ipv6_has_no_switches_of_it() {
    let mut world = small();
    let node = world.namespaces().next().unwrap().id;
    world.ns_mut(node).addr_add("cni0", "fd00::1/64".parse().unwrap()).unwrap();
    let name = world
        .ns(node)
        .ifaces()
        .find(|i| !i.is_loopback() && i.name != "cni0".into())
        .unwrap()
        .name
        .to_string();
    let switch = format!("net.ipv6.conf.{}.", name.replace('.', "/"));
    assert!(script(&world).unwrap().contains(&switch));
    world.ns_mut(node).set_mtu(&name, 1000).unwrap();
    let text = script(&world).unwrap();
    let own = text.split("netns exec").nth(1).unwrap_or(&text);
    assert!(!own.contains(&format!("{switch}disable_ipv6")), "{own}");
}

#[test]
fn ipv6_stays_on_only_where_it_is_used() {
    let mut world = small();
    assert!(script(&world).unwrap().contains("net.ipv6.conf.all.disable_ipv6 = 1"));
    let node = world.namespaces().next().unwrap().id;
    world.ns_mut(node).addr_add("cni0", "fd00::1/64".parse().unwrap()).unwrap();
    let text = script(&world).unwrap();
    assert!(
        text.contains("\naddress add fd00::1/64 dev cni0 nodad\n") && text.contains("accept_dad = 0"),
        "{text}"
    );
}

#[test]
fn ipv6_addresses_are_added_so_that_they_stand_as_here() {
    let mut world = small();
    let node = world.namespaces().next().unwrap().id;
    for addr in ["fd00::1/64", "fd00::2/64"] {
        world.ns_mut(node).addr_add("cni0", addr.parse().unwrap()).unwrap();
    }
    let text = script(&world).unwrap();
    let place = |addr: &str| text.find(&format!("\naddress add {addr} dev cni0"));
    assert!(place("fd00::1/64").is_some() && place("fd00::1/64") < place("fd00::2/64"), "{text}");
}

#[test]
fn a_tunnel_is_made_before_its_underlay_is_shortened() {
    let mut world = small();
    let node = world.namespaces().next().unwrap().id;
    let node = world.ns_mut(node);
    let vxlan = Vxlan {
        vni: 2,
        local: "10.244.1.1".parse().unwrap(),
        underlay: node.iface_id("veth1"),
        port: 4789,
        fdb: indexmap::IndexMap::default(),
        learned: Some(indexmap::IndexMap::default()),
        ttl: Default::default(),
        tos: 0,
    };
    node.add_vxlan("vx", MAC, vxlan).unwrap();
    node.set_mtu("vx", 1450).unwrap();
    node.set_mtu("veth1", 1000).unwrap();
    let text = script(&world).unwrap();
    let expected = format!(
        "link set dev veth1 mtu 1500\n\
         link add name vx address {MAC} mtu 1450 type vxlan id 2 local 10.244.1.1 dev veth1 dstport 4789\n\
         link set dev veth1 mtu 1000\n"
    );
    assert!(text.contains(&expected), "{text}");
}

//! Against recordings of net-tools 2.10 and busybox 1.35 in network namespaces with the same routes and neighbours.

use crate::testing::{sh, sh_as_admin};
use crate::tools::{Place, ShellKind};

fn pod(script: &str) -> String {
    sh_as_admin(&Place::pod("default", "pod-a"), ShellKind::Ash, script)
}

fn node(script: &str) -> String {
    sh(&format!("ssh node1 '{script}'"))
}

/// A namespace like that of the recordings.
const GROUND: &str = "ip link add eth9 type veth peer name eth8; ip link set eth9 up; ip link set eth8 up
    ip addr add 10.9.0.1/24 dev eth9; ip route add 10.20.0.0/16 via 10.9.0.2
    ip route add 10.30.0.0/24 via 10.9.0.2 metric 50; ip route add unreachable 10.40.0.0/24
    ip route add blackhole 10.41.0.0/24; ip route add 10.9.0.9/32 dev eth9
    ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:0b dev eth9 nud stale
    ip neigh add 10.9.0.50 lladdr 02:00:00:00:00:50 dev eth9 nud permanent\n";

#[test]
fn routes_in_the_columns_of_net_tools() {
    insta::assert_snapshot!(node(&format!(
        "{GROUND}route -n; route; route -en; netstat -rn
         route add -net 10.50.0.0 netmask 255.255.0.0 gw 10.9.0.2; route add -net 10.51.0.0/16 dev eth9
         route add -host 10.52.0.1 gw 10.9.0.2; route add -net 10.53.0.0/16 reject; route -n | grep ^10.5
         route del -net 10.50.0.0 netmask 255.255.0.0; route del -net 10.51.0.0/16; route del -host 10.52.0.1
         route del -net 10.53.0.0/16 reject; route -n | grep ^10.5; route del -net 10.99.0.0/16; echo $?
         route add -net 10.60.0.0/16 gw 172.16.0.1; echo $?; route add -net 10.60.0.1/16 gw 10.9.0.2; echo $?
         route add; route -V"
    )));
}

#[test]
fn neighbours_in_both_styles_of_net_tools() {
    insta::assert_snapshot!(node(&format!(
        "{GROUND}arp -n -i eth9; arp -an -i eth9; arp -n 10.9.0.2; arp -a 10.9.0.2; arp -n 10.9.0.99
         arp -d 10.9.0.99; echo $?; arp -d; echo $?; arp -s 10.9.0.60 02:00:00:00:00:60; arp -n 10.9.0.60
         arp -d 10.9.0.60; arp -n 10.9.0.60; arp -s 10.9.0.61; echo $?; arp -s 10.9.0.61 xx; echo $?
         ip route del default; arp -s 10.77.0.1 02:00:00:00:00:60; echo $?; arp -x; echo $?"
    )));
}

#[test]
fn sockets_and_interfaces_of_net_tools() {
    insta::assert_snapshot!(sh(
        "ssh master 'netstat -tlnp; netstat -an; netstat -tl; netstat -i; netstat -q | head -3; netstat -s'"
    ));
}

#[test]
fn busybox_shows_them_in_its_own_way() {
    insta::assert_snapshot!(pod(
        "ping -c 1 10.244.1.1 > /dev/null; route; route -n; netstat -rn; netstat -r; arp -n; arp -an 10.244.1.77
         arp -d 10.244.1.77; echo $?; arp -s 10.244.1.9 02:00:00:00:00:09; arp -n; netstat -tlnp; netstat -an; netstat -i
         route add -net 10.60.0.1/16 gw 10.244.1.1; route del -net 10.99.0.0/16; route add"
    ));
}

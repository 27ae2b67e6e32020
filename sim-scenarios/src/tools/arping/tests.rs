//! Against recordings of the three programs in network namespaces; round trips are those of the model.

use crate::testing::{sh, sh_at};
use crate::tools::{Place, ShellKind};

fn pod(script: &str) -> String {
    sh_at(&Place::pod("default", "pod-a"), ShellKind::Ash, script)
}

fn node(script: &str) -> String {
    sh(&format!("ssh node1 '{script}'"))
}

#[test]
fn busybox_counts_no_broadcasts_with_a_count() {
    insta::assert_snapshot!(pod(
        "arping -c 2 -I eth0 10.244.1.1; arping -f 10.244.1.1; arping -c 2 10.244.1.77; echo $?
         arping -w 1 10.244.1.1; arping -b -w 1 10.244.1.1; arping -D -c 2 10.244.1.1; echo $?
         arping -D -c 2 10.244.1.77; echo $?; arping -q -c 1 10.244.1.1; echo $?
         arping -A -c 1 -s 10.244.1.9 10.244.1.1; echo $?; arping -I nosuch 10.244.1.1; echo $?
         arping -I lo 127.0.0.1; echo $?; arping nosuch; echo $?; arping -c x 10.244.1.1"
    ));
}

#[test]
fn iputils_turns_to_unicast_after_the_first_answer() {
    insta::assert_snapshot!(node(
        "a=/usr/bin/arping; $a -c 2 -I eth0 192.168.100.100; $a -c 2 192.168.100.77; echo $?
         $a -w 2 -I eth0 192.168.100.100; $a -f 192.168.100.100; $a -D -c 2 -I eth0 192.168.100.100; echo $?
         $a -D -c 2 -I eth0 192.168.100.77; echo $?; $a -U -c 2 -I eth0 192.168.100.101
         $a -A -c 1 -I eth0 192.168.100.101; $a -b -c 2 -I eth0 192.168.100.100; $a -I nosuch 1.2.3.4; echo $?
         $a -I lo 127.0.0.1; echo $?; $a -c 0 1.2.3.4; echo $?; $a -s 1.2.3.4 1.2.3.5; $a -V; $a -x 1.2.3.4"
    ));
}

#[test]
fn habets_shows_bytes_and_statistics() {
    insta::assert_snapshot!(node(
        "arping -c 2 -I eth0 192.168.100.100; arping -c 2 192.168.100.77; echo $?; arping -w 2 192.168.100.100
         arping -D -c 2 192.168.100.100; arping -D -c 2 192.168.100.77; arping -r -c 1 192.168.100.100
         arping -R -c 1 192.168.100.100; arping -u -C 2 192.168.100.100; arping -c 1 10.9.9.9
         arping -c 1 -0 -i eth0 192.168.100.100; arping -c 1 -b -i eth0 192.168.100.100; arping -q -c 1 192.168.100.77
         echo $?; arping -i nosuch 1.2.3.4; arping -c x 192.168.100.100; arping -s 1.2.3.4 1.2.3.5; arping a b; arping"
    ));
}

#[test]
fn an_address_of_another_node_s_pod_has_no_hardware_address_here() {
    insta::assert_snapshot!(node("arping -c 1 -i cni0 10.244.1.2; arping -c 1 -i cni0 10.244.2.2"));
}

use super::{run_busybox, run_debian, run_tracepath};
use crate::tools::Place;
use crate::tools::net::testbed;

#[test]
fn from_a_node() {
    let mut cluster = testbed::cluster();
    let node = Place::Node("node1".to_owned());
    let lines = [
        "traceroute -n 10.244.2.9",
        "traceroute -n -I 10.244.2.9",
        "traceroute -n -q 1 -w 1 -m 3 10.244.2.99",
        "traceroute 192.168.100.102",
        "traceroute -m 300 10.244.2.9",
        "traceroute nosuch.invalid",
        "traceroute -n -T 10.244.2.9",
        "traceroute -n -T -q 1 10.96.5.5",
        "traceroute -n -i eth0 -q 1 192.168.100.102",
        "traceroute -n -i nosuch -q 1 192.168.100.102",
        "traceroute -n 10.96.123.4",
    ];
    insta::assert_snapshot!("debian", testbed::transcript(&mut cluster, &node, run_debian, &lines));
    let lines = [
        "tracepath -n 10.244.2.9",
        "tracepath -n -m 2 10.244.2.99",
        "tracepath -l 65536 10.244.2.9",
        "tracepath",
    ];
    insta::assert_snapshot!("tracepath", testbed::transcript(&mut cluster, &node, run_tracepath, &lines));
}

#[test]
fn from_a_pod() {
    let mut cluster = testbed::cluster();
    let pod = Place::pod("default", "pod-b");
    let lines = [
        "traceroute -n 10.244.1.5",
        "traceroute -n -q 1 10.96.123.4",
        "traceroute -I -n 10.244.1.5",
        "traceroute",
    ];
    insta::assert_snapshot!("busybox", testbed::transcript(&mut cluster, &pod, run_busybox, &lines));
}

//! What `wget` prints in a cluster.

use super::super::Place;
use super::super::net::testbed::{cluster, transcript};
use super::{run_busybox, run_gnu};

#[test]
fn busybox_fetches_and_fails() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::pod("default", "pod-b"),
        run_busybox,
        &[
            "wget -qO- svc-a",
            "wget -O- http://svc-a",
            "wget -qO- -T 3 http://10.244.1.5:81/",
            "wget -qO- nosuch",
            "wget web",
            "wget web",
            "wget -O /tmp/page web/nosuch.html",
            "wget -S --spider web",
            "wget -O- 10.244.2.200",
            "wget -O- -T 2 10.244.2.200",
            "wget https://web",
            "wget -Z",
        ]
    ));
    let pod = cluster.machine(&Place::pod("default", "pod-b")).unwrap();
    assert!(pod.files.read_text("/index.html").unwrap().contains("Welcome to nginx!"));
}

#[test]
fn old_busybox_says_less_and_musl_says_it_otherwise() {
    let mut cluster = cluster();
    let lines = ["wget -O /dev/null web", "wget -qO- 10.244.1.200"];
    let old = transcript(&mut cluster, &Place::pod("default", "old"), run_busybox, &lines);
    let musl = transcript(&mut cluster, &Place::pod("default", "alpine"), run_busybox, &lines);
    insta::assert_snapshot!(format!("{old}---\n{musl}"));
}

#[test]
fn gnu_wget_tells_more() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::Node("node1".to_owned()),
        run_gnu,
        &[
            "wget http://10.96.5.5/",
            "wget 10.96.5.5",
            "wget -qO- 10.96.123.4",
            "wget -O- -t 1 10.96.123.4",
            "wget --spider 10.96.5.5",
            "wget 10.96.5.5/nosuch",
            "wget nosuch",
            "wget -O- -t 2 -T 2 10.244.1.200",
            "wget -nv -O /dev/null 10.96.5.5",
            "wget",
        ]
    ));
}

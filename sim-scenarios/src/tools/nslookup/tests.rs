//! What `nslookup` prints in a cluster, by version.

use super::super::Place;
use super::super::net::testbed::{cluster, transcript};
use super::run_busybox;

#[test]
fn today_every_search_domain_shows() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::pod("default", "pod-b"),
        run_busybox,
        &[
            "nslookup svc-a",
            "nslookup svc-a.default.svc.cluster.local",
            "nslookup kubernetes.default",
            "nslookup 10.96.0.10",
            "nslookup nosuch",
            "nslookup alias.default.svc.cluster.local",
            "nslookup www.example.com",
            "nslookup www.example.com",
            "nslookup -type=srv _http._tcp.web.default.svc.cluster.local",
            "nslookup -type=txt dns-version.cluster.local",
            "nslookup -q=a svc-a",
        ]
    ));
}

#[test]
fn before_1_29_the_c_library_looked_up() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::pod("default", "old"),
        run_busybox,
        &[
            "nslookup svc-a",
            "nslookup kubernetes.default",
            "nslookup nosuch",
            "nslookup 10.96.0.1",
            "nslookup"
        ]
    ));
}

#[test]
fn servers_that_do_not_answer() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::pod("default", "alpine"),
        run_busybox,
        &[
            "nslookup web 10.244.1.7",
            "nslookup -type=a web.default.svc.cluster.local 10.244.1.7",
            "nslookup web 10.244.1.200",
            "nslookup web nosuch",
            "nslookup -type=foo web",
            "nslookup -retry=0 web",
            "nslookup",
        ]
    ));
}

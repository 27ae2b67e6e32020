//! What bind's tools print in a cluster. The node asks the outside; cluster names are asked of a CoreDNS pod by address.

use super::super::Place;
use super::super::net::testbed::{cluster, transcript};

fn node() -> Place {
    Place::Node("node1".to_owned())
}

#[test]
fn dig_prints_messages() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &node(),
        super::dig,
        &[
            "dig @10.96.0.10 svc-a.default.svc.cluster.local",
            "dig @10.96.0.10 +nocookie alias.default.svc.cluster.local",
            "dig @10.96.0.10 cluster.local SOA +noall +answer",
            "dig @10.96.0.10 -x 10.96.0.1 +short",
            "dig www.example.com +noall +answer +comments",
            "dig +short nosuch",
            "dig @10.244.1.7 web +tries=2",
            "dig @10.244.1.200 web +time=1 +tries=1 +short",
            "dig @nosuch web",
        ]
    ));
}

#[test]
fn nslookup_walks_the_search_list() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::pod("default", "web"),
        super::nslookup,
        &[
            "nslookup svc-a",
            "nslookup kubernetes.default.svc.cluster.local",
            "nslookup alias",
            "nslookup nosuch",
            "nslookup 10.96.0.10",
            "nslookup default.svc.cluster.local",
            "nslookup -type=txt dns-version.cluster.local",
            "nslookup svc-a 10.96.0.10",
            "nslookup -timeout=1 -retry=1 web 10.244.1.200",
            "nslookup -type=srv _http._tcp.web",
        ]
    ));
}

#[test]
fn host_prints_sentences() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::pod("default", "web"),
        super::host,
        &[
            "host svc-a",
            "host alias",
            "host nosuch",
            "host 10.96.0.1",
            "host -t aaaa svc-a",
            "host web 10.96.0.10"
        ]
    ));
}

/// The words and statuses are those of the real tools.
#[test]
fn what_is_no_name_is_not_asked_for() {
    let long = format!("dig {}.com", "a".repeat(64));
    let longer = format!("dig {}", ["a".repeat(60).as_str(); 5].join("."));
    let mut cluster = cluster();
    let mut said = transcript(
        &mut cluster,
        &node(),
        super::dig,
        &["dig a..b c", "dig .a", r"dig \999", r"dig a\", &long, &longer],
    );
    said += &transcript(&mut cluster, &node(), super::host, &["host a..b"]);
    said += &transcript(&mut cluster, &node(), super::nslookup, &["nslookup a..b"]);
    insta::assert_snapshot!(said);
}

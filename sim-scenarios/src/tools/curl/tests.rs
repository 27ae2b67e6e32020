//! What `curl` and `getent` print in a cluster.

use super::super::net::testbed::{cluster, transcript};
use super::super::{Place, getent};
use super::run;

#[test]
fn curl_fetches_and_fails() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::pod("default", "web"),
        run,
        &[
            "curl -s -o /dev/null -w %{http_code}\\n web",
            "curl -sI web",
            "curl -v web/nosuch",
            "curl -fsS web/nosuch",
            "curl svc-a",
            "curl -s -w %{http_code}\\n svc-a",
            "curl nosuch",
            "curl -m 2 10.244.1.200",
            "curl --connect-timeout 1 10.244.2.201",
            "curl --resolve shop:80:10.96.5.5 -s -o /dev/null -w %{remote_ip}\\n shop",
            "curl",
            "curl foo://web",
            "curl http://web:99999",
            "curl --foo web",
        ]
    ));
}

#[test]
fn getent_knows_names_and_addresses() {
    let mut cluster = cluster();
    insta::assert_snapshot!(transcript(
        &mut cluster,
        &Place::pod("default", "web"),
        getent::run,
        &[
            "getent hosts web",
            "getent hosts 10.96.0.1",
            "getent hosts web nosuch",
            "getent ahosts kubernetes",
            "getent"
        ]
    ));
}

use super::table::Table;
use crate::tools::net::testbed;
use crate::tools::{Place, ss};

fn cells(row: &str) -> [String; 9] {
    let words: Vec<String> = row.split(' ').map(|w| w.replace("users", " users")).collect();
    words.try_into().unwrap()
}

/// The rows are those of a real `ss -lntup | cat`, `ss -tn | cat`.
#[test]
fn columns_are_as_wide_as_the_real_ones() {
    let mut table = Table::new(true, true);
    table.header();
    table.row(&cells("udp UNCONN 0 0 10.9.0.2: 5353 0.0.0.0: * users:((\"nc\",pid=9382,fd=3))"));
    table.row(&cells("tcp LISTEN 0 5 0.0.0.0: 80 0.0.0.0: * users:((\"python3\",pid=9379,fd=3))"));
    let expected = "\
Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess                      
udp   UNCONN 0      0           10.9.0.2:5353      0.0.0.0:*    users:((\"nc\",pid=9382,fd=3))     
tcp   LISTEN 0      5            0.0.0.0:80        0.0.0.0:*    users:((\"python3\",pid=9379,fd=3))
";
    let lines = |s: &str| s.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&table.render(None)), lines(expected));
}

#[test]
fn sockets_of_nodes_and_pods() {
    let mut cluster = testbed::cluster();
    let node = Place::Node("master".to_owned());
    let lines = ["ss -tln", "ss -lntup", "ss -s", "ss -tn state bogus", "ss -tln sport = :6443", "ss -i"];
    insta::assert_snapshot!("node", testbed::transcript(&mut cluster, &node, ss::run, &lines));
    let web = Place::pod("default", "web");
    let lines = [
        "ss -tlnp",
        "ss -tan",
        "ss -H -tln",
        "ss -tln sport != :80",
        "ss -tln ( sport = :80 or sport = :443 )",
    ];
    insta::assert_snapshot!("pod", testbed::transcript(&mut cluster, &web, ss::run, &lines));
}

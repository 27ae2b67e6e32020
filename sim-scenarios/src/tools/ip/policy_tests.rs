//! Rules and tables, against what iproute2 6.1 printed on Linux 6.18 after the same commands.

use sim_core::linux::World;
use sim_core::trace::NsId;

use super::{Dialect, Failure, execute};

/// A host with 10.9.0.1/24 and 10.8.0.1/24 on `d0`.
fn host() -> (World, NsId) {
    let mut world = World::new(1);
    let (ns, peer) = (world.add_netns("host"), world.add_netns("peer"));
    world.add_veth((ns, "d0"), (peer, "d1")).unwrap();
    world.ns_mut(peer).link_set("d1", true).unwrap();
    let stack = world.ns_mut(ns);
    stack.link_set("d0", true).unwrap();
    for addr in ["10.9.0.1/24", "10.8.0.1/24"] {
        stack.addr_add("d0", addr.parse().unwrap()).unwrap();
    }
    (world, ns)
}

/// Runs calls, each of which must succeed, and yields what the last of them printed.
fn after(calls: &[&str]) -> String {
    let (mut world, ns) = host();
    let mut shown = String::new();
    for call in calls {
        let args: Vec<String> = call.split_whitespace().map(str::to_owned).collect();
        shown = execute(&mut world, ns, Dialect::Iproute2, &args).unwrap_or_else(|e| panic!("{call}: {e:?}"));
    }
    shown
}

/// What the last call is answered with.
fn error(calls: &[&str]) -> (String, i32) {
    let (mut world, ns) = host();
    let mut last = None;
    for call in calls {
        let args: Vec<String> = call.split_whitespace().map(str::to_owned).collect();
        last = execute(&mut world, ns, Dialect::Iproute2, &args).err();
    }
    match last {
        Some(Failure::Refused(text, status)) => (text, status),
        other => panic!("{calls:?}: {other:?}"),
    }
}

/// Rules of many kinds, in the order in which they were added.
const RULES: &[&str] = &[
    "rule add from 10.1.0.0/16 table 100",
    "rule add from 10.1.0.0/16 table 100",
    "rule add to 10.2.0.0/16 lookup 200 pref 500",
    "rule add fwmark 0x1/0xf table 10",
    "rule add fwmark 7 lookup main prio 30",
    "rule add iif d0 table 5",
    "rule add oif d0 table 5",
    "rule add from 10.3.0.1 blackhole",
    "rule add from 10.3.0.2 unreachable pref 41",
    "rule add prohibit pref 43",
    "rule add not from 10.0.0.0/8 table 20",
    "rule add table main suppress_prefixlength 0",
    "rule add pref 5 type blackhole from 1.2.3.4",
    "rule add iif nosuch table 5",
    "rule add from 10.0.0.1/8 table 7",
];

#[test]
fn rules_come_by_priority() {
    let mut calls = RULES.to_vec();
    calls.push("rule");
    assert_eq!(
        after(&calls),
        "0:\tfrom all lookup local
3:\tfrom 10.0.0.1/8 lookup 7
4:\tfrom all iif nosuch [detached] lookup 5
5:\tfrom 1.2.3.4 blackhole
25:\tfrom all lookup main suppress_prefixlength 0
26:\tnot from 10.0.0.0/8 lookup 20
27:\tfrom 10.3.0.1 blackhole
28:\tfrom all oif d0 lookup 5
29:\tfrom all iif d0 lookup 5
30:\tfrom all fwmark 0x7 lookup main
41:\tfrom 10.3.0.2 unreachable
43:\tfrom all prohibit
499:\tfrom all fwmark 0x1/0xf lookup 10
500:\tfrom all to 10.2.0.0/16 lookup 200
32764:\tfrom 10.1.0.0/16 lookup 100
32765:\tfrom 10.1.0.0/16 lookup 100
32766:\tfrom all lookup main
32767:\tfrom all lookup default
"
    );
    let with = |call: &'static str| {
        let mut calls = RULES.to_vec();
        calls.push(call);
        after(&calls)
    };
    assert_eq!(with("rule show table 100").lines().count(), 2);
    assert_eq!(with("rule show fwmark 7"), "30:\tfrom all fwmark 0x7 lookup main\n");
    assert_eq!(
        with("-j rule show pref 499"),
        "[{\"priority\":499,\"src\":\"all\",\"fwmark\":\"0x1\",\"fwmask\":\"0xf\",\"table\":\"10\"}]\n"
    );
    assert_eq!(
        with("-j rule show table 20"),
        "[{\"priority\":26,\"not\":null,\"src\":\"10.0.0.0\",\"srclen\":8,\"table\":\"20\"}]\n"
    );
}

#[test]
fn each_family_has_its_rules() {
    assert_eq!(
        after(&["-6 rule add from fd00::/64 table 9", "-6 rule"]),
        "0:\tfrom all lookup local\n32765:\tfrom fd00::/64 lookup 9\n32766:\tfrom all lookup main\n"
    );
    assert_eq!(
        after(&["-d rule add table 5", "-d rule show pref 0"]),
        "0:\tfrom all lookup local proto kernel\n"
    );
    assert_eq!(after(&["rule flush", "rule"]), "0:\tfrom all lookup local\n");
}

#[test]
fn wrong_rules_are_answered_in_the_tools_words() {
    let rtnetlink = |what: &str| (format!("RTNETLINK answers: {what}"), 2);
    for (call, text, status) in [
        ("rule add", "\"ip rule add\" requires arguments.", 1),
        ("rule del", "\"ip rule del\" requires arguments.", 1),
        ("rule add foo", "Error: argument \"foo\" is wrong: Failed to parse rule type", 255),
        ("rule add from foo", "Error: any valid prefix is expected rather than \"foo\".", 1),
        ("rule add table foo", "Error: argument \"foo\" is wrong: invalid table ID\n", 255),
        ("rule add pref foo", "Error: argument \"foo\" is wrong: preference value is invalid\n", 255),
        ("rule add fwmark zz", "Error: argument \"zz\" is wrong: fwmark value is invalid\n", 255),
        ("rule foo", "Command \"foo\" is unknown, try \"ip rule help\".", 255),
        ("rule show foo", "Error: inet prefix is expected rather than \"foo\".", 1),
        ("rule add from fd00::/64 table 9", "Error: Invalid source address.", 2),
        ("rule add to fd00::1 table 8", "Error: Invalid dst address.", 2),
        ("rule show table foo", "Error: argument \"foo\" is wrong: table id value is invalid\n", 255),
        ("rule add lookup", "Command line is not complete. Try option \"help\"", 255),
    ] {
        assert_eq!(error(&[call]), (text.to_owned(), status), "{call}");
    }
    assert_eq!(error(&["rule del pref 77"]), rtnetlink("No such file or directory"));
    assert_eq!(error(&["rule add pref 7 table 9", "rule add pref 7 table 9"]), rtnetlink("File exists"));
}

const ROUTES: &[&str] = &[
    "route add 10.20.0.0/16 via 10.9.0.2 table 100",
    "route add default via 10.9.0.2 table 100 proto static",
    "route add throw 10.30.0.0/16 table 100",
    "route add 10.21.0.0/16 dev d0 proto bgp",
    "route add 10.22.0.0/16 dev d0 proto 99",
    "route add 10.23.0.0/16 dev d0 proto zebra metric 5 mtu 1400",
    "route add blackhole 10.24.0.0/16 table 300",
    "route add local 10.25.0.0/16 dev lo",
    "route add broadcast 10.26.0.255 dev d0",
    "route add 10.28.0.0/16 via 10.9.0.2 table default",
];

#[test]
fn tables_hold_routes_of_their_own() {
    let with = |call: &'static str| {
        let mut calls = ROUTES.to_vec();
        calls.push(call);
        after(&calls)
    };
    assert_eq!(
        with("route show table 100"),
        "default via 10.9.0.2 dev d0 proto static \n10.20.0.0/16 via 10.9.0.2 dev d0 \nthrow 10.30.0.0/16 \n"
    );
    assert_eq!(
        with("-4 route show table all"),
        "blackhole 10.24.0.0/16 table 300 
default via 10.9.0.2 dev d0 table 100 proto static 
10.20.0.0/16 via 10.9.0.2 dev d0 table 100 
throw 10.30.0.0/16 table 100 
10.28.0.0/16 via 10.9.0.2 dev d0 table default 
10.8.0.0/24 dev d0 proto kernel scope link src 10.8.0.1 
10.9.0.0/24 dev d0 proto kernel scope link src 10.9.0.1 
10.21.0.0/16 dev d0 proto bgp scope link 
10.22.0.0/16 dev d0 proto openr scope link 
10.23.0.0/16 dev d0 proto zebra scope link metric 5 mtu 1400 
local 10.8.0.1 dev d0 table local proto kernel scope host src 10.8.0.1 
broadcast 10.8.0.255 dev d0 table local proto kernel scope link src 10.8.0.1 
local 10.9.0.1 dev d0 table local proto kernel scope host src 10.9.0.1 
broadcast 10.9.0.255 dev d0 table local proto kernel scope link src 10.9.0.1 
local 10.25.0.0/16 dev lo table local scope host 
broadcast 10.26.0.255 dev d0 table local scope link 
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1 
local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1 
broadcast 127.255.255.255 dev lo table local proto kernel scope link src 127.0.0.1 
"
    );
    assert_eq!(with("route show proto 99"), "10.22.0.0/16 dev d0 scope link \n");
    assert_eq!(with("route show type blackhole table all"), "blackhole 10.24.0.0/16 table 300 \n");
    assert_eq!(
        with("-j route show table 300"),
        "[{\"type\":\"blackhole\",\"dst\":\"10.24.0.0/16\",\"flags\":[]}]\n"
    );
    // A table stays when its last route goes.
    assert_eq!(after(&[ROUTES[6], "route flush table 300", "route show table 300"]), "");
}

#[test]
fn a_table_that_nobody_made_is_not_there() {
    let none = |doing: &str| (format!("Error: ipv4: FIB table does not exist.\n{doing} terminated"), 2);
    assert_eq!(error(&["route show table 99"]), none("Dump"));
    assert_eq!(error(&["route show table default"]), none("Dump"));
    assert_eq!(error(&["route flush table 99"]), none("Flush"));
    assert_eq!(
        error(&["route show table foo"]),
        ("Error: argument \"foo\" is wrong: table id value is invalid\n".to_owned(), 255)
    );
    assert_eq!(
        error(&["route add 1.2.3.0/24 via 10.9.0.2 table foo"]),
        ("Error: argument \"foo\" is wrong: \"table\" value is invalid\n".to_owned(), 255)
    );
}

/// A table that is asked for one source, one mark and one interface.
const POLICY: &[&str] = &[
    "route add 10.40.0.0/16 via 10.9.0.2 table 77",
    "route add 10.22.0.0/16 dev d0",
    "rule add from 10.8.0.1 table 77",
    "rule add fwmark 5 table 77",
    "rule add iif d0 lookup 77",
];

fn get(question: &str) -> Result<String, (String, i32)> {
    let (mut world, ns) = host();
    world.ns_mut(ns).sysctl_set("net.ipv4.ip_forward", "1").unwrap();
    let call = format!("route get {question}");
    let mut answer = Ok(String::new());
    for call in POLICY.iter().copied().chain([call.as_str()]) {
        let args: Vec<String> = call.split_whitespace().map(str::to_owned).collect();
        answer = execute(&mut world, ns, Dialect::Iproute2, &args);
    }
    answer.map_err(|e| match e {
        Failure::Refused(text, status) => (text, status),
        Failure::NotModelled(what) => panic!("{what}"),
    })
}

#[test]
fn a_route_is_found_by_the_rules() {
    for (question, answer) in [
        (
            "10.40.0.1 from 10.8.0.1",
            "10.40.0.1 from 10.8.0.1 via 10.9.0.2 dev d0 table 77 uid 0 \n    cache \n",
        ),
        (
            "10.40.0.1 mark 5",
            "10.40.0.1 via 10.9.0.2 dev d0 table 77 src 10.9.0.1 mark 5 uid 0 \n    cache \n",
        ),
        ("10.40.0.1 from 10.8.0.1 fibmatch", "10.40.0.0/16 via 10.9.0.2 dev d0 table 77 \n"),
        ("10.40.0.1 oif d0", "10.40.0.1 dev d0 src 10.9.0.1 uid 0 \n    cache \n"),
        (
            "10.9.0.255",
            "broadcast 10.9.0.255 dev d0 table local src 10.9.0.1 uid 0 \n    cache <local,brd> \n",
        ),
        ("10.22.0.5 from 10.8.0.1", "10.22.0.5 from 10.8.0.1 dev d0 uid 0 \n    cache \n"),
        (
            "10.40.0.1 from 10.9.0.9 iif d0",
            "10.40.0.1 from 10.9.0.9 via 10.9.0.2 dev d0 table 77 \n    cache <redirect> iif d0 \n",
        ),
        (
            "10.9.0.1 from 10.9.0.9 iif d0",
            "local 10.9.0.1 from 10.9.0.9 dev lo table local \n    cache <local> iif d0 \n",
        ),
    ] {
        assert_eq!(get(question).as_deref(), Ok(answer), "{question}");
    }
    for (question, text) in [
        ("10.40.0.1", "RTNETLINK answers: Network is unreachable"),
        ("10.40.0.1 from 99.0.0.1", "RTNETLINK answers: Network is unreachable"),
        ("10.40.0.1 iif d0", "RTNETLINK answers: Invalid argument"),
    ] {
        assert_eq!(get(question), Err((text.to_owned(), 2)), "{question}");
    }
    assert_eq!(get("10.40.0.1 iif nosuch"), Err(("Cannot find device \"nosuch\"".to_owned(), 1)));
}

//! Against recordings of the real tools, times aside.

use indexmap::IndexMap;

use crate::lab::compare::Pattern;
use crate::testing::{cluster, sh, sh_at};
use crate::tools::{Cx, Out, Place, SessionState, ShellKind};

/// With `<ms>` for every number with three decimals.
fn masked(text: &str) -> String {
    let is_time = |word: &str| {
        word.split_once('.').is_some_and(|(whole, rest)| {
            rest.len() == 3
                && [whole, rest].iter().all(|d| d.chars().all(|c| c.is_ascii_digit()) && !d.is_empty())
        })
    };
    let pieces = text.split_inclusive([' ', '/', '=', '\n']);
    let mask = |piece: &str| {
        let word = piece.trim_end_matches([' ', '/', '=', '\n']);
        if is_time(word) { format!("<ms>{}", &piece[word.len()..]) } else { piece.to_owned() }
    };
    pieces.map(mask).collect()
}

/// In a busybox pod.
fn pod(script: &str) -> String {
    masked(&sh_at(&Place::pod("default", "pod-a"), ShellKind::Ash, script))
}

/// On the workstation.
fn workstation(script: &str) -> String {
    masked(&sh(script))
}

#[test]
fn busybox_counts_from_zero_and_sums_up() {
    insta::assert_snapshot!(pod("ping -c 2 10.244.2.2"), @r"
    PING 10.244.2.2 (10.244.2.2): 56 data bytes
    64 bytes from 10.244.2.2: seq=0 ttl=62 time=<ms> ms
    64 bytes from 10.244.2.2: seq=1 ttl=62 time=<ms> ms

    --- 10.244.2.2 ping statistics ---
    2 packets transmitted, 2 packets received, 0% packet loss
    round-trip min/avg/max = <ms>/<ms>/<ms> ms
    ");
    insta::assert_snapshot!(pod("ping -q -c 1 -s 3 10.244.1.1"), @r"
    PING 10.244.1.1 (10.244.1.1): 3 data bytes

    --- 10.244.1.1 ping statistics ---
    1 packets transmitted, 1 packets received, 0% packet loss
    ");
    insta::assert_snapshot!(pod("ping -I 10.244.1.2 -c 1 10.244.1.1 | head -1"), @"PING 10.244.1.1 (10.244.1.1) from 10.244.1.2: 56 data bytes");
}

#[test]
fn busybox_does_not_mention_icmp_errors() {
    insta::assert_snapshot!(pod("ping -c 1 10.244.2.99"), @r"
    PING 10.244.2.99 (10.244.2.99): 56 data bytes

    --- 10.244.2.99 ping statistics ---
    1 packets transmitted, 0 packets received, 100% packet loss
    ? 1
    ");
    insta::assert_snapshot!(pod("ping -w 2 10.244.2.77"), @r"
    PING 10.244.2.77 (10.244.2.77): 56 data bytes

    --- 10.244.2.77 ping statistics ---
    2 packets transmitted, 0 packets received, 100% packet loss
    ? 1
    ");
}

#[test]
fn busybox_says_what_is_wrong() {
    for (script, want) in [
        ("ping -c x 10.244.1.1", "ping: invalid number 'x'\n? 1\n"),
        ("ping -s 70000 10.244.1.1", "ping: number 70000 is not in 0..65535 range\n? 1\n"),
        ("ping -I nope -c 1 10.244.1.1", "ping: bad address 'nope'\n? 1\n"),
        ("ping -A 10.244.1.1", "ksim: not modelled: ping -A\n? 69\n"),
    ] {
        assert_eq!(pod(script), want, "{script}");
    }
    assert!(pod("ping").contains("Usage: ping [OPTIONS] HOST\n"));
}

#[test]
fn iputils_counts_from_one_and_shows_errors() {
    insta::assert_snapshot!(workstation("ping -c 2 192.168.100.101"), @r"
    PING 192.168.100.101 (192.168.100.101) 56(84) bytes of data.
    64 bytes from 192.168.100.101: icmp_seq=1 ttl=64 time=<ms> ms
    64 bytes from 192.168.100.101: icmp_seq=2 ttl=64 time=<ms> ms

    --- 192.168.100.101 ping statistics ---
    2 packets transmitted, 2 received, 0% packet loss, time 1000ms
    rtt min/avg/max/mdev = <ms>/<ms>/<ms>/<ms> ms
    ");
    insta::assert_snapshot!(workstation("ping -c 2 10.244.2.9"), @r"
    PING 10.244.2.9 (10.244.2.9) 56(84) bytes of data.
    From 192.168.100.1 icmp_seq=1 Destination Net Unreachable
    From 192.168.100.1 icmp_seq=2 Destination Net Unreachable

    --- 10.244.2.9 ping statistics ---
    2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1000ms

    ? 1
    ");
    insta::assert_snapshot!(workstation("ping -c 2 192.168.100.77"), @r"
    PING 192.168.100.77 (192.168.100.77) 56(84) bytes of data.
    From 192.168.100.10 icmp_seq=1 Destination Host Unreachable
    From 192.168.100.10 icmp_seq=2 Destination Host Unreachable

    --- 192.168.100.77 ping statistics ---
    2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1000ms
    pipe 2
    ? 1
    ");
}

#[test]
fn iputils_names_a_host_that_was_named() {
    insta::assert_snapshot!(workstation("ping -c 1 -I eth0 node1"), @r"
    PING node1 (192.168.100.101) from 192.168.100.10 eth0: 56(84) bytes of data.
    64 bytes from node1 (192.168.100.101): icmp_seq=1 ttl=64 time=<ms> ms

    --- node1 ping statistics ---
    1 packets transmitted, 1 received, 0% packet loss, time 0ms
    rtt min/avg/max/mdev = <ms>/<ms>/<ms>/<ms> ms
    ");
}

#[test]
fn iputils_refuses_what_does_not_fit_the_path() {
    insta::assert_snapshot!(workstation("ssh node1 ping -c 1 -M do -s 1472 10.244.2.2"), @r"
    PING 10.244.2.2 (10.244.2.2) 1472(1500) bytes of data.
    ping: local error: message too long, mtu=1450

    --- 10.244.2.2 ping statistics ---
    1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

    ? 1
    ");
}

#[test]
fn iputils_says_what_is_wrong() {
    for (script, want) in [
        ("ping", "ping: usage error: Destination address required\n? 1\n"),
        ("ping -c x node1", "ping: invalid argument: 'x'\n? 1\n"),
        (
            "ping -c 0 node1",
            "ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807\n? 1\n",
        ),
        ("ping -c 1 nosuch", "ping: nosuch: Name or service not known\n? 2\n"),
        ("ping -I nope node1", "ping: SO_BINDTODEVICE nope: No such device\n? 2\n"),
        ("ping -I 1.1.1.1 node1", "ping: bind: Cannot assign requested address\n? 2\n"),
        ("ping -f node1", "ksim: not modelled: ping -f\n? 69\n"),
    ] {
        assert_eq!(workstation(script), want, "{script}");
    }
}

/// ^C comes when the lines above it are there; both tools then sum up, and succeed if something came back.
#[test]
fn an_endless_ping_sums_up_when_interrupted() {
    let mut cluster = cluster();
    for (place, tool) in [
        (Place::pod("default", "pod-a"), super::run_busybox as crate::tools::Tool),
        (Place::Workstation, super::run_iputils),
    ] {
        let pattern = Pattern::new(["PING[..]", "64 bytes[..]", "64 bytes[..]"]);
        let mut out = Out::with_interrupt(pattern);
        let mut session = SessionState::default();
        session.start_command(cluster.now());
        let args = ["ping".to_owned(), "192.168.100.101".to_owned()];
        let status = tool(&mut Cx {
            cluster: &mut cluster,
            place: &place,
            args: &args,
            stdin: &[],
            out: &mut out,
            cwd: "/",
            env: &IndexMap::new(),
            session: &mut session,
        });
        let text = String::from_utf8_lossy(out.terminal()).into_owned();
        assert!(
            text.contains("\n--- 192.168.100.101 ping statistics ---\n2 packets transmitted, 2 "),
            "{text}"
        );
        assert_eq!(status, 0);
    }
}

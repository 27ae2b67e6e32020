//! Against recordings of OpenBSD's netcat, and the words of busybox' source.

use crate::testing::{sh, sh_at};
use crate::tools::{Place, ShellKind};

#[test]
fn openbsd_scans_ports() {
    for (script, want) in [
        ("nc -zv 10.244.2.2 80", "Connection to 10.244.2.2 80 port [tcp/http] succeeded!\n"),
        ("nc -zvn 10.244.2.2 80", "Connection to 10.244.2.2 80 port [tcp/*] succeeded!\n"),
        ("nc -z 10.244.2.2 80", ""),
        ("nc -z 10.244.2.2 81", "? 1\n"),
        ("nc -zv 10.244.2.2 81", "nc: connect to 10.244.2.2 port 81 (tcp) failed: Connection refused\n? 1\n"),
        (
            "nc -zv 10.244.2.2 80-81",
            "Connection to 10.244.2.2 80 port [tcp/http] succeeded!\n\
             nc: connect to 10.244.2.2 port 81 (tcp) failed: Connection refused\n",
        ),
        (
            "nc -zvw 2 10.244.2.77 80",
            "nc: connect to 10.244.2.77 port 80 (tcp) timed out: Operation now in progress\n? 1\n",
        ),
        ("nc -zv 10.244.2.77 80", "nc: connect to 10.244.2.77 port 80 (tcp) failed: No route to host\n? 1\n"),
        ("nc -zvu 10.244.2.2 53", "? 1\n"),
        ("nc -zv nosuch 80", "nc: getaddrinfo for host \"nosuch\" port 80: Name or service not known\n? 1\n"),
        ("nc -zv 10.244.2.2", "nc: missing port number\n? 1\n"),
        ("nc -zv 10.244.2.2 99999", "nc: port number too large: 99999\n? 1\n"),
        ("nc -zv 10.244.2.2 nosuchport", "nc: port number invalid: nosuchport\n? 1\n"),
        ("nc -l", "nc: missing port number\n? 1\n"),
        ("nc -lz 80", "nc: cannot use -z and -l\n? 1\n"),
        ("nc -k 10.244.2.2 80", "nc: must use -l with -k\n? 1\n"),
        ("nc -lp 0x", "nc: getaddrinfo: Servname not supported for ai_socktype\n? 1\n"),
    ] {
        assert_eq!(sh(&format!("ssh node1 {script}")), want, "{script}");
    }
}

#[test]
fn busybox_keeps_quiet_about_refusals() {
    let pod = |script: &str| sh_at(&Place::pod("default", "pod-a"), ShellKind::Ash, script);
    for (script, want) in [
        ("nc -zv 10.244.2.2 80", "10.244.2.2 (10.244.2.2:80) open\n"),
        ("nc -zv 10.244.2.2 81", "? 1\n"),
        (
            "nc -zvv 10.244.2.2 81",
            "nc: 10.244.2.2 (10.244.2.2:81): Connection refused\nsent 0, rcvd 0\n? 1\n",
        ),
        ("nc -zv -w 2 10.244.2.77 80", "nc: 10.244.2.77 (10.244.2.77:80): Connection timed out\n? 1\n"),
        ("nc -zv 10.244.2.77 80", "nc: 10.244.2.77 (10.244.2.77:80): No route to host\n? 1\n"),
        ("nc -lp 0x", "nc: bad port '0x'\n? 1\n"),
        ("nc -w 1 -lp 80", "nc: timed out\n? 1\n"),
    ] {
        assert_eq!(pod(script), want, "{script}");
    }
}

#[test]
fn standard_input_goes_out_and_the_answer_comes_back() {
    let answer = sh("ssh node1 'printf \"GET / HTTP/1.0\\r\\n\\r\\n\" | nc 10.244.2.2 80 | head -1'");
    assert_eq!(answer, "HTTP/1.1 200 OK\r\n");
}

#[test]
fn a_server_in_the_background_talks_to_a_client() {
    for (script, want) in [
        (
            "echo pong | nc -l 9000 > heard & sleep 1; echo ping | nc -w 1 127.0.0.1 9000; wait; cat heard",
            "pong\nping\n",
        ),
        ("nc -lu 9000 & sleep 1; echo ping | nc -u -w 1 127.0.0.1 9000; kill %1", "ping\n"),
        (
            "nc -lk 9000 & sleep 1; echo a | nc -w 1 127.0.0.1 9000; echo b | nc -w 1 127.0.0.1 9000; kill %1",
            "a\nb\n",
        ),
        ("nc -l 9000 & sleep 1; nc -l 9000", "nc: Address already in use\n? 1\n"),
        (
            "nc -lvn 9000 & sleep 1; echo hi | nc -w 1 -nv 192.168.100.101 9000 2> /dev/null; wait",
            "Listening on 0.0.0.0 9000\nConnection received on 192.168.100.101 [..]\nhi\n",
        ),
    ] {
        let got = sh(&format!("ssh node1 '{script}'"));
        let same = crate::lab::compare::Pattern::new(want.lines()).matches(&got);
        assert!(same, "{script}\n{got}");
    }
}

#[test]
fn the_applet_says_who_has_come() {
    let script = "echo pong | nc -vlp 9000 > heard 2>&1 & sleep 1
        echo ping | nc -w 1 10.244.1.2 9000; wait; cat heard";
    let want = [
        "pong",
        "listening on [::]:9000 ...",
        "connect to [::ffff:10.244.1.2]:9000 from [..] ([::ffff:10.244.1.2]:[..])",
        "ping",
    ];
    let got = sh_at(&Place::pod("default", "pod-a"), ShellKind::Ash, script);
    assert!(crate::lab::compare::Pattern::new(want).matches(&got), "{got}");
}

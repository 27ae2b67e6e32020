use crate::testing::{sh, sh_at};
use crate::tools::{Place, ShellKind};

fn busybox(script: &str) -> String {
    sh_at(&Place::pod("default", "pod-a"), ShellKind::Ash, script)
}

/// Scripts with what they print on the workstation.
fn check(cases: &[(&str, &str)]) {
    for (script, want) in cases {
        assert_eq!(sh(script), *want, "{script}");
    }
}

const PODS: &str = "printf 'NAME READY\\npod-a 1/1\\npod-b 0/1\\nsvc-c 1/1\\n' > pods; ";

#[test]
fn printing() {
    check(&[
        ("echo -n a; echo -e 'b\\tc'; echo -E 'd\\n'; echo -x", "ab\tc\nd\\n\n-x\n"),
        ("printf '%-5s|%5s|%03d|%x|%%\\n' a b 7 255", "a    |    b|007|ff|%\n"),
        ("printf '%s=%d\\n' a 1 b 2", "a=1\nb=2\n"),
        ("printf '%.2s%c\\n' abc xyz", "abx\n"),
        ("printf 'x\\ty\\n'", "x\ty\n"),
        ("seq 3 | tr '\\n' ' '; echo; seq 5 -2 1 | xargs", "1 2 3 \n5 3 1\n"),
        ("seq -w 8 10; seq -s, 1 3", "08\n09\n10\n1,2,3\n"),
    ]);
}

#[test]
fn looking_for_lines() {
    let cases = [
        ("grep pod pods", "pod-a 1/1\npod-b 0/1\n"),
        ("grep -c 1/1 pods; grep -vc 1/1 pods", "2\n2\n"),
        ("grep -n -i NAME pods", "1:NAME READY\n"),
        ("grep -o '[a-z]*-[ab]' pods", "pod-a\npod-b\n"),
        ("grep -E '^(pod|svc)-[bc]' pods", "pod-b 0/1\nsvc-c 1/1\n"),
        ("grep -w pod pods; grep -wc po pods", "pod-a 1/1\npod-b 0/1\n0\n? 1\n"),
        ("grep -A1 pod-a pods; grep -B 1 -n pod-a pods", "pod-a 1/1\npod-b 0/1\n1-NAME READY\n2:pod-a 1/1\n"),
        ("seq 9 | grep -C1 -e 2 -e 8", "1\n2\n3\n--\n7\n8\n9\n"),
        ("grep -q nothing pods", "? 1\n"),
        ("grep x nofile", "grep: nofile: No such file or directory\n? 2\n"),
        (
            "cp pods x; grep -l pod pods; grep -h pod-a pods pods",
            "ksim: not modelled: `cp`\npods\npod-a 1/1\npod-a 1/1\n",
        ),
        ("grep -F '1/1' pods | wc -l", "2\n"),
        (
            "head -1 pods; head -n -3 pods; tail -1 pods; tail -n +4 pods",
            "NAME READY\nNAME READY\nsvc-c 1/1\nsvc-c 1/1\n",
        ),
        ("head -c 4 pods", "NAME"),
    ];
    for (script, want) in cases {
        assert_eq!(sh(&format!("{PODS}{script}")), want, "{script}");
    }
}

#[test]
fn changing_lines() {
    let cases = [
        ("sed 's/pod/POD/' pods | head -2", "NAME READY\nPOD-a 1/1\n"),
        ("sed -n '2p;$p' pods", "pod-a 1/1\nsvc-c 1/1\n"),
        ("sed -n '/pod-a/,/pod-b/p' pods", "pod-a 1/1\npod-b 0/1\n"),
        ("sed '1d; s#/#:#g' pods", "pod-a 1:1\npod-b 0:1\nsvc-c 1:1\n"),
        ("sed -E 's/([a-z]+)-([a-z])/\\2-\\1/' pods | tail -1", "c-svc 1/1\n"),
        ("sed -n 's/^pod-a \\(.*\\)$/[&] \\1/p' pods", "[pod-a 1/1] 1/1\n"),
        ("sed -i 's/pod-a/x/' pods; sed -n 2p pods", "x 1/1\n"),
        ("sed '/pod/!d' pods; sed 2q pods", "pod-a 1/1\npod-b 0/1\nNAME READY\npod-a 1/1\n"),
        ("sed 'y/a/b/' pods", "ksim: not modelled: sed: the command 'y'\n? 69\n"),
        ("cut -d ' ' -f 2 pods; cut -c1-3 pods | tail -1", "READY\n1/1\n0/1\n1/1\nsvc\n"),
        ("echo a:b:c | cut -d: -f1,3-", "a:c\n"),
        ("echo Hello | tr a-z A-Z; echo aabbc | tr -s ab; echo a1b2 | tr -d '[:digit:]'", "HELLO\nabc\nab\n"),
        ("echo a,b | tr , '\\n'; echo a1 | tr -cd '0-9\\n'", "a\nb\n1\n"),
        ("awk 'NR>1{print $1}' pods | xargs -I{} echo '<{}>'", "<pod-a>\n<pod-b>\n<svc-c>\n"),
        ("awk '{print $2}' pods | sort | uniq -c | sort -rn | head -1", "      2 1/1\n"),
    ];
    for (script, want) in cases {
        assert_eq!(sh(&format!("{PODS}{script}")), want, "{script}");
    }
}

#[test]
fn ordering_and_counting() {
    check(&[
        ("printf '10\\n9\\n1\\n' | sort; printf '10\\n9\\n1\\n' | sort -n", "1\n10\n9\n1\n9\n10\n"),
        ("printf 'b 2\\na 10\\nc 1\\n' | sort -k2 -n", "c 1\nb 2\na 10\n"),
        ("printf 'b:2\\na:10\\n' | sort -t: -k2,2nr; printf 'b\\na\\nb\\n' | sort -u", "a:10\nb:2\na\nb\n"),
        ("printf '10.0.0.10\\n10.0.0.9\\n' | sort -V", "10.0.0.9\n10.0.0.10\n"),
        ("printf 'a\\na\\nb\\n' | uniq; printf 'a\\na\\nb\\n' | uniq -d", "a\nb\na\n"),
        ("printf 'a b\\nc\\n' | wc; printf 'a b\\nc\\n' | wc -w", "      2       3       6\n3\n"),
        ("printf 'a\\n' > f; wc -l f; wc f", "1 f\n1 1 2 f\n"),
    ]);
    assert_eq!(
        busybox("printf 'a b\\nc\\n' | wc; printf 'a\\n' | wc -l"),
        "        2         3         6\n1\n"
    );
}

#[test]
fn files_and_folders() {
    check(&[
        ("mkdir -p a/b; touch a/x; ls a; ls -1 a; rm a/x; ls a | cat", "b  x\nb\nx\nb\n"),
        ("mkdir x; mkdir x", "mkdir: cannot create directory 'x': File exists\n? 1\n"),
        ("rm x", "rm: cannot remove 'x': No such file or directory\n? 1\n"),
        ("rm -f x; mkdir d; rm d; rm -r d; ls", "rm: cannot remove 'd': Is a directory\n"),
        ("ls nofile", "ls: cannot access 'nofile': No such file or directory\n? 2\n"),
        ("cat nofile", "cat: nofile: No such file or directory\n? 1\n"),
        ("[ -d /tmp ] && [ ! -e x ] && test 2 -gt 1 -a a = a && echo ok", "ok\n"),
        ("[ a = ", "[: missing ']'\n? 2\n"),
        ("[ x -eq 1 ]", "test: x: integer expression expected\n? 2\n"),
        ("which cat nosuch", "/usr/bin/cat\n? 1\n"),
    ]);
    assert_eq!(busybox("cat nofile"), "cat: can't open 'nofile': No such file or directory\n? 1\n");
    assert_eq!(
        busybox("ls nofile; rm nofile"),
        "ls: nofile: No such file or directory\nrm: can't remove 'nofile': No such file or directory\n? 1\n"
    );
}

#[test]
fn time_is_virtual() {
    check(&[
        ("a=$(date +%s); sleep 90; sleep 1.5m; echo $(($(date +%s) - a))", "180\n"),
        ("date | cut -c1-17", "Thu Jan  1 00:00:\n"),
        ("sleep x", "sleep: invalid time interval 'x'\n? 1\n"),
        ("time sleep 2", "\nreal\t0m2.000s\nuser\t0m0.000s\nsys\t0m0.000s\n"),
    ]);
    assert_eq!(busybox("time sleep 2"), "real\t0m 2.00s\nuser\t0m 0.00s\nsys\t0m 0.00s\n");
}

#[test]
fn the_machine_says_who_it_is() {
    check(&[("hostname; ssh node1 hostname", "workstation\nnode1\n")]);
    assert_eq!(
        busybox("hostname; cat /etc/hostname; cat /proc/sys/net/ipv4/ip_forward"),
        "pod-a\npod-a\n0\n"
    );
    assert_eq!(
        sh("ssh node1 'echo 1 > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward'"),
        "1\n"
    );
}

//! Against what the real program printed (conntrack-tools 1.4.7 on Linux 6.18).

use sim_core::linux::Skb;
use sim_core::packet::{Icmp, IpPacket, Payload, Transport, Udp};
use sim_core::trace::Tag;

use super::*;

/// Two UDP flows, one answered, and a ping.
fn host() -> Conntrack {
    let mut ct = Conntrack::default();
    let udp = |src: &str, sport, dst: &str, dport| {
        let udp = Udp { sport, dport, payload: Payload::Empty };
        IpPacket::new(src.parse().unwrap(), dst.parse().unwrap(), Transport::Udp(udp))
    };
    let echo = Icmp::EchoRequest { id: 7, seq: 1, payload: Payload::Empty };
    let ping =
        IpPacket::new("10.9.0.1".parse().unwrap(), "10.9.0.77".parse().unwrap(), Transport::Icmp(echo));
    for packet in [
        udp("10.9.0.1", 5555, "10.9.0.2", 53),
        udp("10.9.0.2", 53, "10.9.0.1", 5555),
        ping,
        udp("10.9.0.1", 5555, "10.9.0.3", 53),
    ] {
        let mut skb = Skb::made(packet, Tag::default());
        ct.track(&mut skb, SimTime::ZERO).unwrap();
        ct.confirm(&mut skb, SimTime::ZERO).unwrap();
    }
    ct
}

const ANSWERED: &str = "udp      17 29 src=10.9.0.1 dst=10.9.0.2 sport=5555 dport=53 \
                        src=10.9.0.2 dst=10.9.0.1 sport=53 dport=5555 mark=0 use=1";
const PING: &str = "icmp     1 29 src=10.9.0.1 dst=10.9.0.77 type=8 code=0 id=7 [UNREPLIED] \
                    src=10.9.0.77 dst=10.9.0.1 type=0 code=0 id=7 mark=0 use=1";
const UNANSWERED: &str = "udp      17 29 src=10.9.0.1 dst=10.9.0.3 sport=5555 dport=53 [UNREPLIED] \
                          src=10.9.0.3 dst=10.9.0.1 sport=53 dport=5555 mark=0 use=1";

fn on(ct: &mut Conntrack, command: &str) -> Answer {
    let args: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    answer(&args, ct, SimTime(500_000_000))
}

fn run(command: &str) -> Answer {
    on(&mut host(), command)
}

fn shown(lines: &[&str]) -> Answer {
    Answer {
        stdout: lines.iter().map(ToString::to_string).collect(),
        stderr: vec![format!(
            "conntrack v1.4.7 (conntrack-tools): {} flow entries have been shown.",
            lines.len()
        )],
        ..Answer::default()
    }
}

/// The first line on standard error without the program's name, and the exit status.
fn refused(command: &str) -> (String, i32) {
    let answer = run(command);
    assert!(answer.stdout.is_empty(), "{command}: {answer:?}");
    let text = answer.stderr.first().cloned().unwrap_or_default();
    (text.trim_start_matches("conntrack v1.4.7 (conntrack-tools): ").to_owned(), answer.status)
}

#[test]
fn entries_are_listed() {
    assert_eq!(run("-L"), shown(&[ANSWERED, PING, UNANSWERED]));
    assert_eq!(run("--dump conntrack"), run("-L"));
    assert_eq!(run("-LF"), run("-L"), "the rest of the word is not looked at");
    assert_eq!(run("-L dying"), shown(&[]));
    assert_eq!(run("-L exp").stderr, ["conntrack v1.4.7 (conntrack-tools): 0 expectations have been shown."]);
}

#[test]
fn a_list_is_filtered() {
    for (options, lines) in [
        ("-p udp", &[ANSWERED, UNANSWERED][..]),
        ("-p UDP --dport 53 -d 10.9.0.3", &[UNANSWERED]),
        ("--proto 17 --orig-port-src=5555 -r 10.9.0.2", &[ANSWERED]),
        ("-pudp --sport abc", &[]),
        ("-p icmp --icmp-type 8 --icmp-id 7", &[PING]),
        ("-d 10.9.0.0/26", &[ANSWERED, UNANSWERED]),
        ("-s 10.9.0.1 --reply-dst 10.9.0.1 -u UNREPLIED", &[PING, UNANSWERED]),
        ("-u seen_reply", &[ANSWERED]),
        ("-f ipv6", &[]),
        ("-s fd00::1", &[]),
        ("-p tcp --state ESTABLISHED", &[]),
        ("-m 0x1/0x1", &[]),
        ("-m 0 -w 0", &[ANSWERED, PING, UNANSWERED]),
        ("-n", &[]),
        ("-g 10.9.0.2:53", &[]),
    ] {
        assert_eq!(run(&format!("-L {options}")), shown(lines), "{options}");
    }
}

#[test]
fn the_extended_output_names_the_family() {
    let got = run("-L -p icmp -o extended").stdout;
    assert_eq!(got, [format!("ipv4     2 {PING}")]);
    assert!(run("-L -p icmp -o id").stdout[0].starts_with(&format!("{PING} id=")));
}

#[test]
fn entries_are_deleted_and_shown_once_more() {
    let mut ct = host();
    let answer = on(&mut ct, "-D -p udp --dport 53 -d 10.9.0.3");
    assert_eq!(answer.stdout, [UNANSWERED]);
    assert_eq!(answer.stderr, ["conntrack v1.4.7 (conntrack-tools): 1 flow entries have been deleted."]);
    assert_eq!(answer.status, 0);
    assert_eq!(on(&mut ct, "-L"), shown(&[ANSWERED, PING]));
    let answer = on(&mut ct, "-D --orig-dst 1.2.3.4");
    assert_eq!(answer.stderr, ["conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted."]);
    assert_eq!(answer.status, 1);
    assert_eq!(on(&mut ct, "-C").stdout, ["2"]);
    let answer = on(&mut ct, "-F");
    assert_eq!(
        answer.stderr,
        ["conntrack v1.4.7 (conntrack-tools): connection tracking table has been emptied."]
    );
    assert_eq!(on(&mut ct, "-C").stdout, ["0"]);
}

#[test]
fn one_entry_is_found_from_either_side() {
    // The kernel holds it while it answers.
    let held = UNANSWERED.replace("use=1", "use=2");
    assert_eq!(run("-G -p udp -s 10.9.0.1 -d 10.9.0.3 --sport 5555 --dport 53"), shown(&[&held]));
    assert_eq!(run("-G -p udp -s 10.9.0.3 -d 10.9.0.1 --sport 53 --dport 5555"), shown(&[&held]));
    assert_eq!(
        refused("-G -p udp -s 10.9.0.3 -d 10.9.0.1 --sport 54 --dport 5555"),
        ("Operation failed: such conntrack doesn't exist".into(), 1)
    );
}

#[test]
fn an_entry_whose_time_is_over_is_not_shown() {
    let args = ["-L".to_owned()];
    assert_eq!(answer(&args, &mut host(), SimTime::from_secs(30)), shown(&[]));
}

#[test]
fn statistics_and_version() {
    assert_eq!(
        run("-S").stdout,
        ["cpu=0   \tfound=0 invalid=0 insert=0 insert_failed=0 drop=0 early_drop=0 error=0 \
          search_restart=0 clash_resolve=0 chaintoolong=0 "]
    );
    assert_eq!(run("--version").stdout, ["conntrack v1.4.7 (conntrack-tools)"]);
}

#[test]
fn mistakes_are_worded_as_the_program_words_them() {
    for (command, words) in [
        ("-L --dport 80", "unknown option `--dport'"),
        ("-L --dport 80 -p tcp", "unknown option `--dport'"),
        ("-L -p udp --s 3", "unknown option `--s'"),
        ("--stat", "unknown option `--stat'"),
        ("-X", "unknown option `-X'"),
        ("-L -f foo", "`foo' unsupported protocol"),
        ("-L -p 300", "`300' unsupported protocol"),
        ("-L -u FOO", "Bad parameter `FOO'"),
        ("-L -o id,foo", "Bad parameter `foo'"),
        ("-L -p tcp --state established", "unknown TCP state `established'"),
        ("-L -s 300.1.1.1", "Invalid IP address `300.1.1.1'"),
        ("-L -s 10.9.0.0/40", "Invalid netmask"),
        ("-L -s 10.9.0.1 -d fd00::1", "mismatched address family"),
        ("-L foo bar", "unknown type `foo'"),
        ("-S extra", "unknown type `extra'"),
        ("-L -F", "Invalid commands combination"),
        ("-L --orig-src", "option `--orig-src' requires an argument"),
        ("-L -p", "option `-p' requires an argument"),
        ("-L -t 5", "Illegal option `--timeout' with this command"),
        ("-F -p tcp", "Illegal option `--protonum' with this command"),
        ("-s 1.2.3.4", "Illegal option `--src' with this command"),
        ("-G", "You need to supply the `--protonum' option for this command"),
        ("-G -p udp", "you have to specify `--src' and `--dst'"),
        ("-G -p udp -s 1.1.1.1 -d 1.1.1.1", "you have to specify `--sport' and `--dport'"),
        ("-L -n foo", "Invalid IP address `foo'"),
        ("-L -n 1.2.3.4/24", "CIDR notation unavailable for `--src-nat'"),
        ("-L -n 1.2.3.4:", "No port specified after `:'"),
        ("-L -g 1.2.3.4:99999", "Invalid port `99999'"),
        ("-I -s 1.1.1.1 -d 2.2.2.2 -t 5", "You need to supply the `--protonum' option for this command"),
        ("-I -p udp", "You need to supply the `--timeout' option for this command"),
        ("-I -p udp -t 3", "you have to specify `--src' and `--dst'"),
        ("-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 4 -t 3", "you have to specify `--sport' and `--dport'"),
        (
            "-I -p tcp -s 1.1.1.1 -d 2.2.2.2 -t 3 --sport 4",
            "You need to supply the `--state' option for this command",
        ),
        (
            "-I -p icmp -s 1.1.1.1 -d 2.2.2.2 -t 3",
            "You need to supply the `--icmp-type' option for this command",
        ),
        (
            "-I -p udp -s 1.1.1.1 -d 2.2.2.0/24 --sport 1 --dport 2 -t 3",
            "Illegal option `--mask-dst' with this command",
        ),
        ("-I -p udp -s 1.1.1.1 -d 2.2.2.2 -j 3.3.3.3", "Illegal option `--any-nat' with this command"),
        ("-U expect", "Can't do --update on expectations"),
        ("-D expect", "You need to supply the `--src' option for this command"),
        ("-C dying", "Can't do that command with tables `dying' and `unconfirmed'"),
        ("-E -e FOO", "Bad parameter `FOO'"),
        ("-E -e NEW,", "Bad parameter `'"),
        ("-E -t 5", "Illegal option `--timeout' with this command"),
        ("-E expect -p tcp", "Illegal option `--protonum' with this command"),
        ("-L -o save,id", "cannot combine save output with any other output type, use -o save only"),
    ] {
        assert_eq!(refused(command), (words.into(), 2), "{command}");
    }
    assert_eq!(run("-X").stderr[1], "Try `conntrack -h' or 'conntrack --help' for more information.");
    assert_eq!(refused("-L -u UNSET"), ("Operation failed: invalid parameters".into(), 1));
}

#[test]
fn what_is_not_modelled_is_named() {
    for (command, what) in [
        ("-L -o labels", "conntrack -o labels"),
        ("-U -m 3", "conntrack -U without an address"),
        ("-I -p gre -t 3", "conntrack -I of SCTP or GRE"),
        ("-L --zone 3", "conntrack --zone"),
    ] {
        assert_eq!(run(command).not_modelled.as_deref(), Some(what), "{command}");
    }
}

#[test]
fn it_runs_on_a_node() {
    use crate::tools::{Cluster, Out, Place, SessionState};
    let mut cluster = Cluster::builder().build().unwrap();
    let args = ["conntrack".to_owned(), "-C".to_owned()];
    let (mut out, mut session) = (Out::new(), SessionState::default());
    let mut cx = Cx {
        cluster: &mut cluster,
        place: &Place::Node("node1".to_owned()),
        args: &args,
        stdin: b"",
        out: &mut out,
        cwd: "/",
        env: &indexmap::IndexMap::new(),
        session: &mut session,
    };
    assert_eq!(super::run(&mut cx), 0);
    let printed = String::from_utf8_lossy(out.terminal()).into_owned();
    assert!(printed.trim_end().parse::<u32>().is_ok(), "{printed:?}");
}

#[test]
fn entries_are_made_and_changed_by_hand() {
    let mut ct = Conntrack::default();
    let say = |what: &str| vec![format!("conntrack v1.4.7 (conntrack-tools): {what}")];
    let dns = "-p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1000 --dport 53 -t 30";
    assert_eq!(on(&mut ct, &format!("-I {dns}")).stderr, say("1 flow entries have been created."));
    let again = on(&mut ct, &format!("-I {dns}"));
    assert_eq!(again.stderr, say("Operation failed: Such conntrack exists, try -U to update"));
    assert_eq!(again.status, 1);
    assert_eq!(on(&mut ct, &format!("-A {dns}")).stderr, say("0 flow entries have been added."));
    let tcp = "-I -p tcp -s 10.9.0.1 -d 10.9.0.2 --sport 1003 --dport 80 -t 30 --state ESTABLISHED";
    on(&mut ct, &format!("{tcp} -u SEEN_REPLY -n 10.9.0.77"));
    assert_eq!(
        on(&mut ct, "-L -p tcp").stdout,
        ["tcp      6 30 ESTABLISHED src=10.9.0.1 dst=10.9.0.2 sport=1003 dport=80 \
          src=10.9.0.2 dst=10.9.0.77 sport=80 dport=1003 mark=0 use=1"]
    );
    assert_eq!(
        on(&mut ct, "-L -n -o save").stdout,
        [
            "-A -t 30 -u SEEN_REPLY -s 10.9.0.1 -d 10.9.0.2 -r 10.9.0.2 -n 10.9.0.77 -p tcp --sport 1003 --dport 80 \
          --reply-port-src 80 --reply-port-dst 1003 --state ESTABLISHED"
        ]
    );
    let changed = on(&mut ct, "-U -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1000 --dport 53 -t 90 -m 5");
    assert_eq!(
        changed.stdout,
        ["udp      17 90 src=10.9.0.1 dst=10.9.0.2 sport=1000 dport=53 [UNREPLIED] \
          src=10.9.0.2 dst=10.9.0.1 sport=53 dport=1000 mark=5 use=2"]
    );
    assert_eq!(changed.stderr, say("1 flow entries have been updated."));
    assert_eq!(on(&mut ct, "-U -d 9.9.9.9 -m 9").status, 1);
}

#[test]
fn entries_are_shown_as_xml() {
    let got = run("-L -p icmp -o xml").stdout;
    assert_eq!(got[0], "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>");
    assert!(got[1].starts_with(
        "<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>10.9.0.1</src>\
         <dst>10.9.0.77</dst></layer3><layer4 protonum=\"1\" protoname=\"icmp\"></layer4></meta>"
    ));
    assert!(
        got[1]
            .contains("<meta direction=\"independent\"><timeout>29</timeout><mark>0</mark><use>1</use><id>")
    );
    assert!(got[1].ends_with("</id><unreplied/></meta></flow>"));
    assert_eq!(got[2], "</conntrack>");
    assert_eq!(run("-L -p tcp -o xml"), shown(&[]));
}

use super::*;

fn parse(line: &str) -> Result<Request, Failure> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    options::parse(&words, &mut |_| None)
}

fn message(line: &str) -> (i32, String) {
    match parse(line) {
        Err(Failure::Fail(status, text)) => (status, text),
        Err(Failure::NotModelled(what)) => (0, what),
        Ok(request) => (0, format!("{request:?}")),
    }
}

#[test]
fn options_stand_together_or_apart() {
    let one = parse("-At 10.0.0.1:80 -s rr -p").unwrap();
    let two = parse("--add-service --tcp-service=10.0.0.1:http --scheduler rr --persistent 360").unwrap();
    assert_eq!((one.service, one.scheduler, one.persistence), (two.service, two.scheduler, two.persistence));
    let real = parse("-a -t 10.0.0.1:80 -r 10.1.0.1 -m").unwrap();
    assert_eq!(real.server, Some("10.1.0.1:80".parse().unwrap()));
    let six = parse("-a -u [fd00::1]:53 -r [fd00::2]:5353 -m -w 3").unwrap();
    assert_eq!((six.server, six.weight), (Some("[fd00::2]:5353".parse().unwrap()), 3));
}

#[test]
fn mistakes_are_told_as_by_the_real_one() {
    let try_help = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.".to_owned();
    assert_eq!(message("-n"), (255, try_help));
    let cases = [
        ("-A -s rr", "You need to supply the 'service-address' option for the 'add-service' command"),
        ("-a -t 1.2.3.4:80", "You need to supply the 'real-server' option for the 'add-server' command"),
        ("-D -t 1.2.3.4:80 -w 1", "Illegal 'weight' option with the 'delete-service' command"),
        ("-C -n", "Illegal 'numeric' option with the 'flush' command"),
        (
            "-L -c --timeout",
            "The option 'timeout' conflicts with the 'connection' option in the 'list' command",
        ),
        ("-L -c --stats", "options conflicts in the list command"),
        ("-A -t 80", "illegal virtual server address[:port] specified"),
        ("-a -t 1.2.3.4:80 -r 5 -m", "illegal real server address[:port] specified"),
        ("-a -t 1.2.3.4:80 -r 1.1.1.1 -m -w 65536", "illegal weight specified"),
        ("-A -t 1.2.3.4:80 -p 0", "invalid timeout value `0' specified"),
        ("-A -t 1.2.3.4:80 -t 1.2.3.4:81", "multiple 'service-address' options specified"),
        ("--set 1 2", "--set option requires 3 timeout values"),
        ("-L x", "unexpected argument x"),
    ];
    for (line, want) in cases {
        assert_eq!(message(line), (2, want.to_owned()), "{line}");
    }
    assert_eq!(message("-L -q"), (255, "-q: unknown option".to_owned()));
    assert_eq!(message("-A -t"), (255, "-t: missing argument".to_owned()));
}

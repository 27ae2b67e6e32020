//! Resolvers against a server that answers from a table: what they ask, when, and what they make of it.

use std::time::Duration;

use proptest::prelude::*;

use super::super::wire::{Rcode, Record};
use super::*;

const POD: &str =
    "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";

/// What the table says about a question.
#[derive(Clone, Copy, Debug)]
enum Say {
    Address(&'static str),
    Empty,
    Code(Rcode),
    Nothing,
}

type Table = fn(&str, RecordType) -> Say;

/// Queries as `SOCKET NAME TYPE`, the time at the end, and the result.
struct Run {
    asked: Vec<String>,
    took: SimTime,
    result: Result<Found, LookupError>,
}

fn reply_to(query: &[u8], table: Table) -> Option<Vec<u8>> {
    let query = Message::parse(query).unwrap();
    let question = query.question.clone().unwrap();
    let mut reply = match table(&question.name, question.rtype) {
        Say::Nothing => return None,
        Say::Code(rcode) => query.reply(rcode),
        Say::Empty | Say::Address(_) => query.reply(Rcode::NOERROR),
    };
    if let Say::Address(addr) = table(&question.name, question.rtype) {
        let data = RecordData::of_address(addr.parse().unwrap());
        reply.answers.push(Record::new(question.name, 30, data));
    }
    Some(reply.to_bytes().unwrap())
}

fn run(libc: Libc, conf: &str, name: &str, table: Table) -> Run {
    let request = Request::Addresses { name: name.to_owned(), family: Family::Any };
    let mut resolver = Resolver::new(libc, ResolvConf::parse(conf), &request, 99);
    let (mut now, mut inbox, mut asked) = (SimTime::ZERO, Vec::new(), Vec::new());
    for _ in 0..10_000 {
        match resolver.poll(now) {
            Action::Send(send) => {
                let question = Message::parse(&send.query).unwrap().question.unwrap();
                asked.push(format!("{} {} {}", send.socket, question.name, question.rtype));
                inbox.extend(reply_to(&send.query, table).map(|bytes| (send.socket, send.server, bytes)));
            }
            Action::Close(_) => {}
            Action::Wait(until) if inbox.is_empty() => now = until,
            Action::Wait(_) => {
                let (socket, from, bytes) = inbox.remove(0);
                resolver.on_reply(socket, from, &bytes, now);
            }
            Action::Done => {
                return Run { asked, took: now, result: resolver.result().unwrap().clone() };
            }
        }
    }
    panic!("it never ends");
}

/// Lets a look-up run against servers that answer by type only: how many queries, and how long.
fn play(libc: Libc, conf: &ResolvConf, name: &str, say: impl Fn(RecordType) -> Say) -> (usize, Duration) {
    let request = Request::Addresses { name: name.to_owned(), family: Family::Any };
    drive(&mut Resolver::new(libc, conf.clone(), &request, 99), say)
}

/// The same for any client.
fn drive(client: &mut impl Client, say: impl Fn(RecordType) -> Say) -> (usize, Duration) {
    let (mut now, mut inbox, mut asked) = (SimTime::ZERO, std::collections::VecDeque::new(), 0);
    for _ in 0..100_000 {
        match client.poll(now) {
            Action::Send(send) => {
                asked += 1;
                let query = Message::parse(&send.query).unwrap();
                let question = query.question.clone().unwrap();
                let mut reply = match say(question.rtype) {
                    // Over TCP the kernel tells of a silent server in the end.
                    Say::Nothing if send.transport == Transport::Tcp => {
                        inbox.push_back((send.socket, send.server, None));
                        continue;
                    }
                    Say::Nothing => continue,
                    Say::Code(rcode) => query.reply(rcode),
                    Say::Empty | Say::Address(_) => query.reply(Rcode::NOERROR),
                };
                if let (Say::Address(addr), RecordType::A) = (say(question.rtype), question.rtype) {
                    let data = RecordData::of_address(addr.parse().unwrap());
                    reply.answers.push(Record::new(question.name, 30, data));
                }
                inbox.push_back((send.socket, send.server, Some(reply.to_bytes().unwrap())));
            }
            Action::Close(_) => {}
            Action::Wait(until) => match inbox.pop_front() {
                Some((socket, from, Some(bytes))) => client.on_reply(socket, from, &bytes, now),
                Some((socket, _, None)) => client.on_error(socket, Errno::ETIMEDOUT, false, now),
                None => now = until,
            },
            Action::Done => return (asked, now.since(SimTime::ZERO)),
        }
    }
    panic!("it never ends");
}

fn shop(name: &str, rtype: RecordType) -> Say {
    match (name, rtype) {
        ("web.shop.svc.cluster.local.", RecordType::A) => Say::Address("10.96.5.5"),
        ("web.shop.svc.cluster.local." | "shop.svc.cluster.local.", _) => Say::Empty,
        ("www.example.com.", RecordType::A) => Say::Address("93.184.216.34"),
        ("www.example.com.", _) => Say::Empty,
        _ => Say::Code(Rcode::NXDOMAIN),
    }
}

#[test]
fn a_short_name_is_found_under_the_first_domain() {
    for libc in [Libc::Glibc, Libc::Musl] {
        let run = run(libc, POD, "web", shop);
        assert_eq!(run.asked, ["1 web.shop.svc.cluster.local. A", "1 web.shop.svc.cluster.local. AAAA"]);
        assert_eq!(run.result.unwrap().addresses, ["10.96.5.5".parse::<IpAddr>().unwrap()]);
    }
}

#[test]
fn an_outside_name_costs_eight_queries() {
    for libc in [Libc::Glibc, Libc::Musl] {
        assert_eq!(run(libc, POD, "www.example.com", shop).asked.len(), 8);
        assert_eq!(run(libc, POD, "www.example.com.", shop).asked.len(), 2);
    }
}

#[test]
fn after_an_empty_answer_glibc_goes_on_and_musl_stops() {
    let glibc = run(Libc::Glibc, POD, "shop.svc.cluster.local", shop);
    assert_eq!((glibc.asked.len(), glibc.result), (8, Err(LookupError::NoData)));
    let musl =
        run(Libc::Musl, "search svc.cluster.local x.y\nnameserver 10.96.0.10\noptions ndots:5", "shop", shop);
    assert_eq!((musl.asked.len(), musl.result), (2, Err(LookupError::NoData)));
}

#[test]
fn silence_costs_the_timeout_of_each_try() {
    let silent: Table = |_, _| Say::Nothing;
    let glibc = run(Libc::Glibc, "nameserver 10.96.0.10\n", "web.", silent);
    assert_eq!((glibc.took, glibc.result), (SimTime::from_secs(10), Err(LookupError::TryAgain)));
    let musl = run(Libc::Musl, "nameserver 10.96.0.10\n", "web.", silent);
    assert_eq!((musl.took, musl.asked.len()), (SimTime::from_secs(5), 4));
}

#[test]
fn a_lost_half_makes_glibc_ask_one_by_one() {
    let half: Table = |name, rtype| if rtype == RecordType::AAAA { Say::Nothing } else { shop(name, rtype) };
    let run = run(Libc::Glibc, POD, "web", half);
    assert_eq!(run.took, SimTime::from_secs(15));
    let sockets: Vec<_> = run.asked.iter().map(|q| &q[..1]).collect();
    assert_eq!(sockets, ["1", "1", "1", "1", "2", "3"]);
    assert!(run.result.is_ok());
}

#[test]
fn a_refused_packet_ends_glibcs_search_at_once() {
    let request = Request::Addresses { name: "web".to_owned(), family: Family::V4 };
    let mut resolver = Resolver::new(Libc::Glibc, ResolvConf::parse(POD), &request, 1);
    let mut sent = 0;
    loop {
        match resolver.poll(SimTime::ZERO) {
            Action::Send(send) => {
                sent += 1;
                resolver.on_error(send.socket, Errno::ECONNREFUSED, false, SimTime::ZERO);
            }
            Action::Close(_) => {}
            Action::Wait(_) => panic!("nothing to wait for"),
            Action::Done => break,
        }
    }
    assert_eq!((sent, resolver.result()), (2, Some(&Err(LookupError::TryAgain))));
}

#[test]
fn a_truncated_answer_is_asked_for_over_tcp() {
    let request = Request::Addresses { name: "big.".to_owned(), family: Family::V4 };
    let mut resolver = Resolver::new(Libc::Glibc, ResolvConf::parse(POD), &request, 1);
    let Action::Send(udp) = resolver.poll(SimTime::ZERO) else { panic!() };
    let mut reply = Message::parse(&udp.query).unwrap().reply(Rcode::NOERROR);
    reply.flags.tc = true;
    resolver.on_reply(udp.socket, udp.server, &reply.to_bytes().unwrap(), SimTime::ZERO);
    assert_eq!(resolver.poll(SimTime::ZERO), Action::Close(udp.socket));
    let Action::Send(tcp) = resolver.poll(SimTime::ZERO) else { panic!() };
    assert_eq!(tcp.transport, Transport::Tcp);
}

#[test]
fn pointers_are_asked_without_search() {
    let request = Request::Pointer("10.96.0.10".parse().unwrap());
    let mut resolver = Resolver::new(Libc::Glibc, ResolvConf::parse(POD), &request, 1);
    let Action::Send(send) = resolver.poll(SimTime::ZERO) else { panic!() };
    let query = Message::parse(&send.query).unwrap();
    assert_eq!(query.question.as_ref().unwrap().name, "10.0.96.10.in-addr.arpa.");
    let mut reply = query.reply(Rcode::NOERROR);
    let data = RecordData::Ptr("kube-dns.kube-system.svc.cluster.local.".to_owned());
    reply.answers.push(Record::new("10.0.96.10.in-addr.arpa.", 30, data));
    resolver.on_reply(send.socket, send.server, &reply.to_bytes().unwrap(), SimTime::ZERO);
    while resolver.poll(SimTime::ZERO) != Action::Done {}
    let found = resolver.result().unwrap().as_ref().unwrap();
    assert_eq!(found.names, ["kube-dns.kube-system.svc.cluster.local."]);
}

#[test]
fn glibc_asks_for_no_aaaa_if_told_so() {
    let conf = format!("{POD}options no-aaaa\n");
    let run = run(Libc::Glibc, &conf, "web", shop);
    assert_eq!(run.asked, ["1 web.shop.svc.cluster.local. A"]);
    assert!(run.result.is_ok());
}

#[test]
fn rotation_begins_with_another_server() {
    let conf = ResolvConf::parse("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\n");
    let request = Request::Addresses { name: "web.".to_owned(), family: Family::V4 };
    let first = |seed| match Resolver::new(Libc::Glibc, conf.clone(), &request, seed).poll(SimTime::ZERO) {
        Action::Send(send) => send.server.ip(),
        other => panic!("{other:?}"),
    };
    assert_ne!(first(0), first(1));
}

/// The most queries that the options allow a look-up. Every candidate name is tried at every server in every round, with both types.
/// glibc repeats one round twice more, asking one by one; musl and busybox send twice as many again after SERVFAIL in each round.
fn most(libc: Libc, conf: &ResolvConf) -> usize {
    let (candidates, rounds, servers) = (conf.search.len() + 1, conf.attempts as usize, conf.servers.len());
    match libc {
        Libc::Glibc => candidates * (rounds + 2) * servers * 2,
        Libc::Musl => candidates * (rounds + 1) * (2 * servers + 4),
    }
}

/// The longest that the options allow.
fn longest(libc: Libc, conf: &ResolvConf) -> Duration {
    let (candidates, servers) = (conf.search.len() as u32 + 1, conf.servers.len() as u32);
    match libc {
        // Later servers get more time of a doubled whole.
        Libc::Glibc => conf.timeout * candidates * (conf.attempts + 2) * servers * 2,
        Libc::Musl => conf.timeout * candidates,
    }
}

/// What a server does, by the type that is asked for.
fn behaviours() -> impl Strategy<Value = (Say, Say)> {
    let say = || {
        prop_oneof![
            Just(Say::Nothing),
            Just(Say::Code(Rcode::SERVFAIL)),
            Just(Say::Code(Rcode::REFUSED)),
            Just(Say::Code(Rcode::NXDOMAIN)),
            Just(Say::Empty),
            Just(Say::Address("192.0.2.1")),
        ]
    };
    (say(), say())
}

proptest! {
    #[test]
    fn no_resolver_sends_more_than_its_options_allow(
        ndots in 0u32..6,
        attempts in 1u32..4,
        timeout in 1u32..4,
        servers in 1usize..4,
        searches in 0usize..4,
        flags in proptest::sample::subsequence(
            vec!["rotate", "single-request", "single-request-reopen", "edns0", "use-vc", "no-aaaa", "trust-ad"], 0..4),
        name in "[a-z]{1,5}(\\.[a-z]{1,5}){0,6}\\.?",
        (a, aaaa) in behaviours(),
        musl in any::<bool>(),
    ) {
        let servers: String = (0..servers).map(|i| format!("nameserver 192.0.2.{}\n", i + 1)).collect();
        let search = ["a.example", "b.example", "c.example"][..searches].join(" ");
        let flags = flags.join(" ");
        let text = format!(
            "search {search}\n{servers}options ndots:{ndots} attempts:{attempts} timeout:{timeout} {flags}\n");
        let libc = if musl { Libc::Musl } else { Libc::Glibc };
        let conf = ResolvConf::parse(&text);
        let (asked, took) = play(libc, &conf, &name, |rtype| if rtype == RecordType::A { a } else { aaaa });
        prop_assert!(asked <= most(libc, &conf), "{asked} queries");
        prop_assert!(took <= longest(libc, &conf), "{took:?}");
    }

    #[test]
    fn busybox_nslookup_ends_and_keeps_to_its_tries(
        retries in 1u32..4,
        names in 1usize..4,
        servers in 1usize..4,
        (a, aaaa) in behaviours(),
    ) {
        let servers: Vec<SocketAddr> = (0..servers).map(|i| format!("192.0.2.{}:53", i + 1).parse().unwrap()).collect();
        let queries: Vec<(String, RecordType)> = (0..names)
            .flat_map(|i| [RecordType::A, RecordType::AAAA].map(|t| (format!("web.d{i}.example"), t)))
            .collect();
        let mut client = nslookup::Nslookup::new(servers.clone(), &queries, Duration::from_secs(5), retries, 7);
        let say = |rtype| if rtype == RecordType::A { a } else { aaaa };
        let (asked, took) = drive(&mut client, say);
        // In each round every open query once, and twice as many again after SERVFAIL.
        let most = servers.len() * (retries as usize + 1) * queries.len() * 3;
        prop_assert!(asked <= most, "{asked} queries");
        // A try that begins before the time is over is waited for.
        let longest = Duration::from_millis(5000 + 5000 / u64::from(retries)) * servers.len() as u32;
        prop_assert!(took <= longest, "{took:?}");
    }

    #[test]
    fn no_reply_panics_a_resolver(bytes in proptest::collection::vec(any::<u8>(), 0..64), musl in any::<bool>()) {
        let request = Request::Addresses { name: "web".to_owned(), family: Family::Any };
        let libc = if musl { Libc::Musl } else { Libc::Glibc };
        let mut resolver = Resolver::new(libc, ResolvConf::parse(POD), &request, 5);
        if let Action::Send(send) = resolver.poll(SimTime::ZERO) {
            let mut forged = send.query.clone();
            forged.extend(&bytes);
            resolver.on_reply(send.socket, send.server, &forged, SimTime::ZERO);
            resolver.on_reply(send.socket, send.server, &bytes, SimTime::ZERO);
        }
        resolver.poll(SimTime::from_secs(1));
    }

    #[test]
    fn no_text_panics_the_parsers(text in ".{0,80}") {
        let _ = (ResolvConf::parse(&text), Hosts::parse(&text));
    }
}

//! The server against a small cluster: what each kind of name answers, and that nothing makes it panic or disagree with itself.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::corefile::{Nowhere, Surroundings};
use super::super::wire::{Edns, Message, Rcode, Record, RecordData, RecordType};
use super::*;
use crate::chance::Dice;
use crate::kube::objects::Kind;
use crate::kube::store::{DeleteOptions, StoreConfig};

fn service(name: &str, spec: Value) -> (Kind, Value) {
    (Kind::Service, json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec}))
}

fn slice(service: &str, endpoints: Value) -> (Kind, Value) {
    let labels = json!({"kubernetes.io/service-name": service});
    let metadata = json!({"name": format!("{service}-abcde"), "namespace": "shop", "labels": labels});
    let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
    let body = json!({"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": ports});
    (Kind::EndpointSlice, body)
}

fn endpoint(addr: &str, ready: bool, hostname: Option<&str>) -> Value {
    json!({"addresses": [addr], "conditions": {"ready": ready}, "hostname": hostname})
}

fn ports() -> Value {
    json!([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}])
}

fn put(store: &mut Store, objects: Vec<(Kind, Value)>) {
    for (kind, body) in objects {
        store.create_value(kind, "shop", &body, SimTime::ZERO).unwrap();
    }
}

/// Namespace `shop`: a ClusterIP Service, a headless one with three endpoints (one not ready), aliases into and out of the cluster.
pub(super) fn cluster() -> Store {
    let mut store = Store::new(StoreConfig::default(), Dice::seeded(1));
    let ready = json!([
        endpoint("10.244.1.5", true, Some("db-0")),
        endpoint("10.244.2.6", true, None),
        endpoint("10.244.2.7", false, Some("db-2"))
    ]);
    put(
        &mut store,
        vec![
            (Kind::Namespace, json!({"metadata": {"name": "shop"}})),
            service("web", json!({"clusterIP": "10.96.5.5", "clusterIPs": ["10.96.5.5"], "ports": ports()})),
            service("db", json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": ports()})),
            slice("db", ready),
            service("inside", json!({"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"})),
            service("outside", json!({"type": "ExternalName", "externalName": "www.example.com"})),
        ],
    );
    store
}

/// kubeadm's Corefile with an address for its upstream server.
pub(super) fn server() -> Server {
    let corefile = kubeadm_corefile("cluster.local", crate::kube::version::Version::new(1, 34, 0));
    with_corefile(&corefile.replace("/etc/resolv.conf", "192.168.100.1"))
}

fn with_corefile(text: &str) -> Server {
    Server::new(("/etc/coredns/Corefile", text), &["10.244.0.2".parse().unwrap()], &Nowhere, 7).unwrap()
}

pub(super) const UDP: Client = Client {
    addr: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 244, 1, 9)), 40000),
    local: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 53),
    transport: Transport::Udp,
    socket: SockId(1),
};

fn ask_bytes(server: &mut Server, store: &Store, query: &Message) -> Vec<Action> {
    server.sync(store, SimTime::ZERO);
    server.answer(&query.to_bytes().unwrap(), UDP, SimTime::ZERO, &mut Dice::seeded(3))
}

/// The one reply among what a server wants done.
fn reply(actions: &[Action]) -> Message {
    let [Action::Reply(_, bytes)] = actions else { panic!("{actions:?}") };
    Message::parse(bytes).unwrap()
}

/// The one query that goes upstream: its exchange and itself.
fn sent(actions: &[Action]) -> (u64, Message) {
    let found = actions.iter().find_map(|a| match a {
        Action::Send { exchange, bytes, .. } => Some((*exchange, Message::parse(bytes).unwrap())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{actions:?}"))
}

fn ask(name: &str, rtype: RecordType) -> Message {
    reply(&ask_bytes(&mut server(), &cluster(), &Message::query(1, name, rtype)))
}

fn addresses(name: &str) -> Vec<String> {
    let mut found: Vec<String> = ask(name, RecordType::A).addresses().map(|a| a.to_string()).collect();
    found.sort();
    found
}

fn outcome(name: &str, rtype: RecordType) -> (Rcode, usize) {
    let reply = ask(name, rtype);
    (reply.rcode, reply.answers.len())
}

#[test]
fn a_service_answers_with_its_address_and_authority() {
    let reply = ask("Web.shop.svc.cluster.local", RecordType::A);
    assert_eq!(reply.addresses().collect::<Vec<_>>(), ["10.96.5.5".parse::<IpAddr>().unwrap()]);
    assert_eq!(reply.answers[0].name, "Web.shop.svc.cluster.local.");
    assert_eq!(reply.answers[0].ttl, 30);
    assert!(reply.flags.aa && reply.flags.rd && !reply.flags.ra);
}

#[test]
fn a_missing_name_and_a_missing_type_differ() {
    let missing = ask("nosuch.shop.svc.cluster.local", RecordType::A);
    assert_eq!(missing.rcode, Rcode::NXDOMAIN);
    assert_eq!(missing.authority[0].name, "cluster.local.");
    let no_data = ask("web.shop.svc.cluster.local", RecordType::AAAA);
    assert_eq!((no_data.rcode, no_data.answers.len(), no_data.authority.len()), (Rcode::NOERROR, 0, 1));
    assert_eq!(outcome("shop.svc.cluster.local", RecordType::A), (Rcode::NOERROR, 0));
    assert_eq!(outcome("gone.svc.cluster.local", RecordType::A), (Rcode::NXDOMAIN, 0));
    assert_eq!(outcome("shop.svc.cluster.local", RecordType::TXT), (Rcode::NXDOMAIN, 0));
    assert_eq!(outcome("web.shop.svc.cluster.local", RecordType(52)), (Rcode::NOERROR, 0));
}

#[test]
fn a_headless_service_answers_with_ready_endpoints() {
    assert_eq!(addresses("db.shop.svc.cluster.local"), ["10.244.1.5", "10.244.2.6"]);
    assert_eq!(addresses("db-0.db.shop.svc.cluster.local"), ["10.244.1.5"]);
    assert_eq!(addresses("10-244-2-6.db.shop.svc.cluster.local"), ["10.244.2.6"]);
    assert_eq!(outcome("db-2.db.shop.svc.cluster.local", RecordType::A), (Rcode::NXDOMAIN, 0));
}

#[test]
fn srv_records_carry_ports_and_targets() {
    let reply = ask("_http._tcp.web.shop.svc.cluster.local", RecordType::SRV);
    let target = "web.shop.svc.cluster.local.".to_owned();
    assert_eq!(reply.answers[0].data, RecordData::Srv { priority: 0, weight: 100, port: 80, target });
    assert_eq!(reply.additional.len(), 1);
    let headless = ask("_http._tcp.db.shop.svc.cluster.local", RecordType::SRV);
    assert!(
        headless.answers.iter().all(|r| matches!(r.data, RecordData::Srv { weight: 50, port: 8080, .. }))
    );
}

#[test]
fn addresses_have_names() {
    let ptr = |name: &str| match &ask(name, RecordType::PTR).answers[0].data {
        RecordData::Ptr(target) => target.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ptr("5.5.96.10.in-addr.arpa"), "web.shop.svc.cluster.local.");
    assert_eq!(ptr("5.1.244.10.in-addr.arpa"), "db-0.db.shop.svc.cluster.local.");
}

#[test]
fn an_alias_inside_is_followed() {
    let reply = ask("inside.shop.svc.cluster.local", RecordType::A);
    assert_eq!(reply.answers[0].data, RecordData::Cname("web.shop.svc.cluster.local.".to_owned()));
    assert_eq!(reply.answers.len(), 2);
    assert_eq!(outcome("a.inside.shop.svc.cluster.local", RecordType::A), (Rcode::NXDOMAIN, 0));
}

#[test]
fn an_alias_outside_is_asked_upstream_then_remembered() {
    let (store, mut server, mut dice) = (cluster(), server(), Dice::seeded(3));
    let query = Message::query(77, "outside.shop.svc.cluster.local", RecordType::A);
    let (exchange, asked) = sent(&ask_bytes(&mut server, &store, &query));
    let mut upstream = asked.reply(Rcode::NOERROR);
    upstream.answers = vec![Record::new("www.example.com.", 300, RecordData::A([93, 184, 216, 34].into()))];
    let bytes = upstream.to_bytes().unwrap();
    let actions = server.on_upstream(exchange, &bytes, SimTime::ZERO, &mut dice);
    assert_eq!(actions[0], Action::Done(exchange));
    let told = reply(&actions[1..]);
    assert_eq!((told.id, told.answers.len()), (77, 2));
    let direct = Message::query(78, "www.example.com", RecordType::A);
    assert_eq!(reply(&ask_bytes(&mut server, &store, &direct)).answers.len(), 1, "it is in the cache");
}

#[test]
fn a_silent_upstream_is_asked_until_five_seconds_are_over_and_checked_meanwhile() {
    let (store, mut server, mut dice) = (cluster(), server(), Dice::seeded(3));
    let query = Message::query(1, "www.example.org", RecordType::A);
    server.sync(&store, SimTime::ZERO);
    let first = server.answer(&query.to_bytes().unwrap(), UDP, SimTime::ZERO, &mut dice);
    server.sent(sent(&first).0, "10.244.0.2:40001".parse().unwrap());
    let (mut tries, mut checks) = (1, 0);
    let end = loop {
        let now = server.next_timer().unwrap();
        let actions = server.on_timer(now, &mut dice);
        for action in &actions {
            if let Action::Send { bytes, exchange, .. } = action {
                let asked = Message::parse(bytes).unwrap().question.unwrap();
                server.sent(*exchange, "10.244.0.2:40001".parse().unwrap());
                if asked.name == "." { checks += 1 } else { tries += 1 }
            }
        }
        if let Some(Action::Reply(_, bytes)) = actions.iter().find(|a| matches!(a, Action::Reply(..))) {
            assert_eq!(Message::parse(bytes).unwrap().rcode, Rcode::SERVFAIL);
            break now;
        }
    };
    assert_eq!((end, tries, checks), (SimTime::from_secs(6), 3, 3));
    assert_eq!(
        server.take_log(),
        [
            "[ERROR] plugin/errors: 2 www.example.org. A: read udp 10.244.0.2:40001->192.168.100.1:53: i/o timeout"
        ]
    );
}

#[test]
fn a_long_answer_is_cut_for_udp_only() {
    let mut store = cluster();
    let many = (1..=60).map(|i| endpoint(&format!("10.244.9.{i}"), true, None)).collect();
    let spec = json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": ports()});
    put(&mut store, vec![service("big", spec), slice("big", many)]);
    let mut query = Message::query(1, "big.shop.svc.cluster.local", RecordType::A);
    let size = |query: &Message, transport| {
        let bytes = query.to_bytes().unwrap();
        let client = Client { transport, ..UDP };
        let mut server = server();
        server.sync(&store, SimTime::ZERO);
        let actions = server.answer(&bytes, client, SimTime::ZERO, &mut Dice::seeded(3));
        let [Action::Reply(_, bytes)] = &actions[..] else { panic!("{actions:?}") };
        (Message::parse(bytes).unwrap(), bytes.len())
    };
    let (reply, len) = size(&query, Transport::Udp);
    assert!(reply.flags.tc && len <= 512 && reply.answers.len() == 29);
    assert_eq!(size(&query, Transport::Tcp).0.answers.len(), 60);
    query.edns = Some(Edns { udp_size: 1232, dnssec_ok: false, options: Vec::new() });
    let (reply, _) = size(&query, Transport::Udp);
    assert_eq!((reply.flags.tc, reply.answers.len(), reply.edns.unwrap().udp_size), (false, 60, 1232));
}

#[test]
fn what_is_no_query_gets_an_error_or_nothing() {
    let (mut server, mut dice) = (server(), Dice::seeded(3));
    let mut send = |bytes: &[u8]| server.answer(bytes, UDP, SimTime::ZERO, &mut dice);
    assert_eq!(send(&[1, 2, 3]), []);
    assert_eq!(send(&[0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]), []);
    let actions = send(&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 99]);
    let [Action::Reply(_, bytes)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(bytes[..], [0, 1, 0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn an_index_that_followed_the_changes_equals_a_fresh_one() {
    let mut store = cluster();
    let mut followed = server();
    followed.sync(&store, SimTime::ZERO);
    store.delete(Kind::Service, "shop", "web", DeleteOptions::default(), SimTime::ZERO).unwrap();
    let spec = json!({"clusterIP": "10.96.5.6", "clusterIPs": ["10.96.5.6"], "ports": ports()});
    put(&mut store, vec![service("web", spec)]);
    store.delete(Kind::EndpointSlice, "shop", "db-abcde", DeleteOptions::default(), SimTime::ZERO).unwrap();
    for (name, rtype) in [
        ("web.shop.svc.cluster.local", RecordType::A),
        ("db.shop.svc.cluster.local", RecordType::A),
        ("5.5.96.10.in-addr.arpa", RecordType::PTR),
        ("6.5.96.10.in-addr.arpa", RecordType::PTR),
        ("5.1.244.10.in-addr.arpa", RecordType::PTR),
    ] {
        let query = Message::query(1, name, rtype);
        let fresh = ask_bytes(&mut server(), &store, &query);
        assert_eq!(ask_bytes(&mut followed.clone(), &store, &query), fresh, "{name}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_the_server(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let (store, mut server, mut dice) = (cluster(), server(), Dice::seeded(3));
        server.sync(&store, SimTime::ZERO);
        server.answer(&bytes, UDP, SimTime::ZERO, &mut dice);
        server.on_upstream(1, &bytes, SimTime::ZERO, &mut dice);
    }

    #[test]
    fn every_question_gets_a_reply_that_fits(
        labels in proptest::collection::vec("[a-z0-9_-]{1,12}|web|db|shop|svc|pod|cluster|local|in-addr|arpa|10|96|5", 0..8),
        rtype in 0u16..300,
        zone in prop_oneof![Just(""), Just("shop.svc.cluster.local"), Just("shop.pod.cluster.local"), Just("in-addr.arpa")],
    ) {
        let name = labels.into_iter().chain([zone.to_owned()]).collect::<Vec<_>>().join(".");
        let query = Message::query(5, &name, RecordType(rtype));
        if query.to_bytes().is_ok() {
            match &ask_bytes(&mut server(), &cluster(), &query)[..] {
                [Action::Reply(_, reply)] => {
                    prop_assert!(reply.len() <= 512);
                    prop_assert_eq!(Message::parse(reply).unwrap().id, 5);
                }
                [Action::Send { bytes, .. }] => prop_assert!(Message::parse(bytes).is_ok()),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}

/// Answers to a Corefile of one block with an upstream server that knows `known`, in order; a reply is one line of text.
fn run(corefile: &str, known: &[(&str, &str)], questions: &[(&str, RecordType)]) -> Vec<String> {
    let (store, mut dice) = (cluster(), Dice::seeded(3));
    let mut server = with_corefile(corefile);
    server.sync(&store, SimTime::ZERO);
    let mut one = |(name, rtype): &(&str, RecordType)| {
        let query = Message::query(1, name, *rtype);
        let mut left = std::collections::VecDeque::from(server.answer(
            &query.to_bytes().unwrap(),
            UDP,
            SimTime::ZERO,
            &mut dice,
        ));
        while let Some(action) = left.pop_front() {
            match action {
                Action::Reply(_, bytes) => return text_of(&Message::parse(&bytes).unwrap()),
                Action::Send { exchange, bytes, .. } => {
                    let asked = Message::parse(&bytes).unwrap();
                    let name = asked.question.as_ref().unwrap().name.clone();
                    let found = known.iter().find(|(n, _)| *n == name);
                    let mut reply =
                        asked.reply(if found.is_some() { Rcode::NOERROR } else { Rcode::NXDOMAIN });
                    reply.answers = found
                        .map(|(n, a)| Record::new(*n, 300, RecordData::A(a.parse().unwrap())))
                        .into_iter()
                        .collect();
                    left.extend(server.on_upstream(
                        exchange,
                        &reply.to_bytes().unwrap(),
                        SimTime::ZERO,
                        &mut dice,
                    ));
                }
                Action::Done(_) => {}
                Action::Exit(status) => return format!("exit {status}"),
            }
        }
        "nothing".to_owned()
    };
    questions.iter().map(&mut one).collect()
}

fn text_of(reply: &Message) -> String {
    let data = |r: &Record| match &r.data {
        RecordData::A(a) => a.to_string(),
        RecordData::Cname(n) | RecordData::Ptr(n) | RecordData::Ns(n) => n.clone(),
        RecordData::Txt(words) => String::from_utf8_lossy(&words.concat()).into_owned(),
        other => other.rtype().to_string(),
    };
    let records = reply.answers.iter().map(|r| format!("{} {} {}", r.name, r.ttl, data(r)));
    std::iter::once(reply.rcode.to_string()).chain(records).collect::<Vec<_>>().join(" | ")
}

const A: RecordType = RecordType::A;

#[test]
fn hosts_answer_first_and_fall_through() {
    let corefile = ". {\n hosts {\n  192.0.2.7 db.example Db2.example\n  ttl 60\n  fallthrough\n }\n forward . 192.0.2.1\n}\n";
    let told = run(
        corefile,
        &[("www.example.", "192.0.2.80")],
        &[
            ("db.example", A),
            ("DB2.example", A),
            ("7.2.0.192.in-addr.arpa", RecordType::PTR),
            ("www.example", A),
            ("db.example", RecordType::AAAA),
        ],
    );
    assert_eq!(
        told,
        [
            "NOERROR | db.example. 60 192.0.2.7",
            "NOERROR | db2.example. 60 192.0.2.7",
            "NOERROR | 7.2.0.192.in-addr.arpa. 60 db.example. | 7.2.0.192.in-addr.arpa. 60 db2.example.",
            "NOERROR | www.example. 300 192.0.2.80",
            "NOERROR",
        ]
    );
}

#[test]
fn rewritten_names_are_put_back() {
    let corefile = ". {
        rewrite name exact old.example web.shop.svc.cluster.local
        rewrite name suffix .corp.example .svc.cluster.local answer auto
        rewrite stop {
            name regex (.*)\\.regex\\.example {1}.shop.svc.cluster.local
            answer name (.*)\\.shop\\.svc\\.cluster\\.local {1}.regex.example
        }
        rewrite name substring middle.example shop.svc.cluster.local
        kubernetes cluster.local
    }";
    let told = run(
        corefile,
        &[],
        &[
            ("old.example", A),
            ("web.shop.corp.example", A),
            ("web.regex.example", A),
            ("web.middle.example", A),
        ],
    );
    assert_eq!(
        told,
        [
            "NOERROR | old.example. 5 10.96.5.5",
            "NOERROR | web.shop.corp.example. 5 10.96.5.5",
            "NOERROR | web.regex.example. 5 10.96.5.5",
            "NOERROR | web.shop.svc.cluster.local. 5 10.96.5.5",
        ]
    );
}

#[test]
fn templates_are_filled_with_groups() {
    let corefile = ". {
        template IN A ip.example {
            match ^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)[.]ip[.]example[.]$
            answer \"{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ index .Match 2 }}\"
        }
        template ANY ANY gone.example {
            rcode NXDOMAIN
        }
    }";
    let told = run(
        corefile,
        &[],
        &[("ip-3-4.ip.example", A), ("x.ip.example", A), ("a.gone.example", A), ("else.example", A)],
    );
    assert_eq!(told, ["NOERROR | ip-3-4.ip.example. 60 10.0.3.4", "SERVFAIL", "NXDOMAIN", "SERVFAIL"]);
}

#[test]
fn the_longest_zone_decides_the_server_block() {
    let corefile = ". {\n forward . 192.0.2.1\n}\ncorp.example:53 {\n forward . 192.0.2.2 {\n  except in.corp.example\n }\n}\nx.example:1053 {\n whoami\n}\n";
    let error = Server::new(("Corefile", corefile), &[], &Nowhere, 0).unwrap_err();
    assert_eq!(error, "plugin/whoami: this plugin is not modelled");
    let corefile = corefile.replace("whoami", "any");
    let told = run(
        &corefile,
        &[("a.corp.example.", "192.0.2.9")],
        &[("a.corp.example", A), ("b.in.corp.example", A), ("c.x.example", A)],
    );
    assert_eq!(told, ["NOERROR | a.corp.example. 300 192.0.2.9", "SERVFAIL", "NXDOMAIN"]);
}

#[test]
fn a_zone_file_answers() {
    struct One;
    impl Surroundings for One {
        fn env(&self, _: &str) -> Option<String> {
            None
        }
        fn read(&self, path: &str) -> Option<String> {
            let text = "$TTL 1h\n@ IN SOA ns hostmaster ( 1 7200 3600\n 1209600 60 ) ; of the zone\n  NS ns\nns A 192.0.2.53\nwww 5m IN CNAME web\nweb A 192.0.2.80\n*.wild TXT \"all of them\"\n";
            (path == "/db.example").then(|| text.to_owned())
        }
        fn list(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }
    let corefile = "example.org {\n file db.example\n}\n";
    let mut server = Server::new(("Corefile", corefile), &[], &One, 0).unwrap();
    let mut ask = |name: &str, rtype| {
        let query = Message::query(1, name, rtype).to_bytes().unwrap();
        let reply = reply(&server.answer(&query, UDP, SimTime::ZERO, &mut Dice::seeded(1)));
        (text_of(&reply), reply.authority.len())
    };
    assert_eq!(
        ask("www.example.org", A),
        ("NOERROR | www.example.org. 300 web.example.org. | web.example.org. 3600 192.0.2.80".to_owned(), 1)
    );
    assert_eq!(
        ask("a.wild.example.org", RecordType::TXT),
        ("NOERROR | a.wild.example.org. 3600 all of them".to_owned(), 1)
    );
    assert_eq!(ask("nothing.example.org", A), ("NXDOMAIN".to_owned(), 1));
    assert_eq!(ask("wild.example.org", A), ("NOERROR".to_owned(), 1));
    assert_eq!(ask("elsewhere.example", A), ("REFUSED".to_owned(), 0));
}

#[test]
fn mistakes_in_plugins_are_told_as_coredns_tells_them() {
    let of = |body: &str| {
        let text = format!(". {{\n{body}\n}}\n");
        Server::new(("/etc/coredns/Corefile", &text), &[], &Nowhere, 0).unwrap_err()
    };
    let at = |line: u32, what: &str| format!("/etc/coredns/Corefile:{line} - Error during parsing: {what}");
    let wrong = |line, after: &str| {
        at(line, &format!("Wrong argument count or unexpected line ending after '{after}'"))
    };
    assert_eq!(of("forward ."), format!("plugin/forward: {}", wrong(2, ".")));
    assert_eq!(of("forward . nowhere"), "plugin/forward: not an IP address or file: \"nowhere\"");
    assert_eq!(
        of("forward . 1.1.1.1 {\n policy best\n}"),
        format!("plugin/forward: {}", at(3, "unknown policy 'best'"))
    );
    assert_eq!(of("cache 0"), "plugin/cache: cache TTL can not be zero or negative: 0");
    assert_eq!(
        of("kubernetes c.local {\n pods sure\n}"),
        "plugin/kubernetes: wrong value for pods: sure,  must be one of: disabled, verified, insecure"
    );
    assert_eq!(
        of("kubernetes c.local {\n ttl 4000\n}"),
        format!("plugin/kubernetes: {}", at(3, "ttl must be in range [0, 3600]: 4000"))
    );
    assert_eq!(
        of("kubernetes c.local {\n podz\n}"),
        format!("plugin/kubernetes: {}", at(3, "unknown property 'podz'"))
    );
    assert_eq!(of("kubernetes in-addr.arpa"), "plugin/kubernetes: non-reverse zone name must be used");
    assert_eq!(of("loadbalance best"), "plugin/loadbalance: unknown policy: best");
    assert_eq!(of("reload 1s"), "plugin/reload: interval value must be greater or equal to 2s");
    assert_eq!(of("rewrite edns0 nsid set"), "plugin/rewrite: edns0 rules are not modelled");
    assert_eq!(of("log\n}\n. {\nlog"), "cannot serve dns://.:53 - it is already defined");
}

#[test]
fn queries_are_written_down() {
    let (store, mut server) =
        (cluster(), with_corefile(". {\n log\n errors\n kubernetes cluster.local\n}\n"));
    ask_bytes(&mut server, &store, &Message::query(9, "Web.shop.svc.cluster.local", A));
    ask_bytes(&mut server, &store, &Message::query(10, "www.example.org", A));
    assert_eq!(
        server.take_log(),
        [
            "[INFO] 10.244.1.9:40000 - 9 \"A IN Web.shop.svc.cluster.local. udp 44 false 512\" NOERROR qr,aa,rd 86 0s",
            "[INFO] 10.244.1.9:40000 - 10 \"A IN www.example.org. udp 33 false 512\" - - 0 0s",
            "[ERROR] plugin/errors: 2 www.example.org. A: plugin/kubernetes: no next plugin found",
        ]
    );
}

#[test]
fn a_loop_ends_the_process() {
    let mut server = with_corefile(". {\n loop\n forward . 10.244.0.2\n}\n");
    let mut dice = Dice::seeded(3);
    let mut actions = server.start(SimTime::ZERO, &mut dice);
    for _ in 0..2 {
        let (_, query) = sent(&actions);
        actions = server.answer(&query.to_bytes().unwrap(), UDP, SimTime::ZERO, &mut dice);
    }
    assert_eq!(actions, [Action::Exit(1)]);
    let line = server.take_log().remove(0);
    let known = "[FATAL] plugin/loop: Loop (10.244.1.9:40000 -> :53) detected for zone \".\", see https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO ";
    assert!(line.starts_with(known), "{line}");
}

/// `}` in the midst of a line closes the block for who reads the file, and is a word for who reads the block.
#[test]
fn a_block_whose_words_end_too_early_ends_with_them() {
    for corefile in [".:53 {\n hosts {\n a\n b } c\n }\n}\n", ".:53 {\n hosts {\n 10.0.0.1 a }\n}\n"] {
        let addrs = ["10.244.0.2".parse().unwrap()];
        let _ = Server::new(("/etc/coredns/Corefile", corefile), &addrs, &Nowhere, 7);
    }
}

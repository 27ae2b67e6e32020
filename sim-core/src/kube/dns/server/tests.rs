//! The server against a small cluster: what each kind of name answers, and that nothing makes it panic or disagree with itself.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::wire::{Edns, Record, RecordData};
use super::*;
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
fn cluster() -> Store {
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

fn server() -> Server {
    let upstream = "192.168.100.1:53".parse().unwrap();
    Server::new(Options::kubeadm("cluster.local", vec!["10.244.0.2".parse().unwrap()], vec![upstream]), 7)
}

const UDP: Client = Client {
    addr: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 244, 1, 9)), 40000),
    transport: Transport::Udp,
    socket: SockId(1),
};

fn ask_bytes(server: &mut Server, store: &Store, query: &Message) -> Answer {
    server.answer(store, &query.to_bytes().unwrap(), UDP, SimTime::ZERO, &mut Dice::seeded(3))
}

fn ask(name: &str, rtype: RecordType) -> Message {
    match ask_bytes(&mut server(), &cluster(), &Message::query(1, name, rtype)) {
        Answer::Reply(bytes) => Message::parse(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
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
    assert_eq!(reply.addresses().collect::<Vec<_>>(), ["10.96.5.5".parse::<std::net::IpAddr>().unwrap()]);
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
    let Answer::Forward { query: asked, .. } = ask_bytes(&mut server, &store, &query) else { panic!() };
    let mut upstream = Message::parse(&asked).unwrap().reply(Rcode::NOERROR);
    upstream.answers = vec![Record::new("www.example.com.", 300, RecordData::A([93, 184, 216, 34].into()))];
    let (to, answer) = server.on_upstream(&upstream.to_bytes().unwrap(), SimTime::ZERO, &mut dice).unwrap();
    let Answer::Reply(bytes) = answer else { panic!() };
    let reply = Message::parse(&bytes).unwrap();
    assert_eq!((to, reply.id, reply.answers.len()), (UDP, 77, 2));
    let direct = Message::query(78, "www.example.com", RecordType::A);
    assert!(matches!(ask_bytes(&mut server, &store, &direct), Answer::Reply(_)), "it is in the cache");
}

#[test]
fn a_silent_upstream_is_asked_twice() {
    let (store, mut server, mut dice) = (cluster(), server(), Dice::seeded(3));
    let query = Message::query(1, "www.example.org", RecordType::A);
    assert!(matches!(ask_bytes(&mut server, &store, &query), Answer::Forward { .. }));
    let first = server.next_timer().unwrap();
    assert_eq!(first, SimTime::from_secs(2));
    assert!(matches!(server.on_timer(first, &mut dice)[..], [(_, Answer::Forward { .. })]));
    let second = server.next_timer().unwrap();
    let [(_, Answer::Reply(bytes))] = &server.on_timer(second, &mut dice)[..] else { panic!() };
    assert_eq!(Message::parse(bytes).unwrap().rcode, Rcode::SERVFAIL);
    assert_eq!(server.next_timer(), None);
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
        match server().answer(&store, &bytes, client, SimTime::ZERO, &mut Dice::seeded(3)) {
            Answer::Reply(bytes) => (Message::parse(&bytes).unwrap(), bytes.len()),
            other => panic!("{other:?}"),
        }
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
    let (store, mut server, mut dice) = (cluster(), server(), Dice::seeded(3));
    let mut send = |bytes: &[u8]| server.answer(&store, bytes, UDP, SimTime::ZERO, &mut dice);
    assert_eq!(send(&[1, 2, 3]), Answer::Ignore);
    assert_eq!(send(&[0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Answer::Ignore);
    let Answer::Reply(bytes) = send(&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 99]) else { panic!() };
    assert_eq!(bytes, [0, 1, 0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
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
        server.answer(&store, &bytes, UDP, SimTime::ZERO, &mut dice);
        server.on_upstream(&bytes, SimTime::ZERO, &mut dice);
    }

    #[test]
    fn every_question_gets_a_reply_that_fits(
        labels in proptest::collection::vec("[a-z0-9_-]{1,12}|web|db|shop|svc|pod|cluster|local|in-addr|arpa|10|96|5", 0..8),
        rtype in 0u16..300,
        zone in prop_oneof![Just(""), Just("shop.svc.cluster.local"), Just("shop.pod.cluster.local"), Just("in-addr.arpa")],
    ) {
        let name = labels.into_iter().chain([zone.to_owned()]).collect::<Vec<_>>().join(".");
        let query = Message::query(5, &name, RecordType(rtype));
        if let Ok(bytes) = query.to_bytes() {
            match server().answer(&cluster(), &bytes, UDP, SimTime::ZERO, &mut Dice::seeded(3)) {
                Answer::Reply(reply) => {
                    prop_assert!(reply.len() <= 512);
                    prop_assert_eq!(Message::parse(&reply).unwrap().id, 5);
                }
                Answer::Forward { query, .. } => prop_assert!(Message::parse(&query).is_ok()),
                Answer::Ignore => prop_assert!(false, "no answer at all"),
            }
        }
    }
}

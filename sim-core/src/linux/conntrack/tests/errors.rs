//! ICMP errors, and what the stack sends because of a packet.

use super::*;

const POD: &str = "10.244.1.10:41001";
const SERVICE: &str = "10.96.0.15:53";
const BACKEND: &str = "10.244.2.21:5353";

#[test]
fn an_error_about_a_known_flow_is_related_and_about_another_invalid() {
    let mut r = Router::new();
    r.forward(udp(POD, BACKEND)).unwrap();
    let about = |q: &IpPacket| error("10.0.0.12", IcmpError::HostUnreachable, q);
    assert_eq!(r.state(about(&udp(POD, BACKEND))), CtState::Related);
    assert_eq!(r.state(about(&udp(POD, "10.244.2.21:99"))), CtState::Invalid);
    assert_eq!(r.ct.stats().error, 1);
    let mut elsewhere = about(&udp(POD, BACKEND));
    elsewhere.dst = ip("10.244.1.66");
    assert_eq!(r.state(elsewhere), CtState::Invalid, "sent to somebody who has no part in the flow");
}

#[test]
fn an_error_does_not_make_a_flow_answered() {
    let mut r = Router::new();
    r.forward(udp(POD, BACKEND)).unwrap();
    r.forward(error("10.0.0.12", IcmpError::TtlExceeded, &udp(POD, BACKEND))).unwrap();
    assert_eq!(r.state(udp(POD, BACKEND)), CtState::New);
}

#[test]
fn an_error_from_a_router_behind_a_service_comes_from_the_service() {
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    r.forward(udp(POD, SERVICE)).unwrap();
    let back = r.forward(error("10.0.0.12", IcmpError::TtlExceeded, &udp(POD, BACKEND))).unwrap();
    assert_eq!(back, error("10.96.0.15", IcmpError::TtlExceeded, &udp(POD, SERVICE)));
}

#[test]
fn an_error_about_a_masqueraded_flow_goes_to_the_pod() {
    let mut r = Router::new().snat("10.0.0.11");
    r.forward(udp("10.244.1.9:41001", "203.0.113.1:53")).unwrap();
    let sent = r.forward(udp(POD, "203.0.113.1:53")).unwrap();
    assert_ne!(sent.source().port(), 41001);
    let back = r.forward(error("203.0.113.1", IcmpError::PortUnreachable, &sent)).unwrap();
    let quote = udp(POD, "203.0.113.1:53");
    assert_eq!(back, error("203.0.113.1", IcmpError::PortUnreachable, &quote));
}

#[test]
fn an_error_about_a_reply_is_translated_towards_the_backend() {
    let mut r = Router::new().dnat("10.244.2.21", 5353).snat("10.0.0.11");
    r.forward(udp(POD, SERVICE)).unwrap();
    let reply = r.forward(udp(BACKEND, "10.0.0.11:41001")).unwrap();
    assert_eq!(reply, udp(SERVICE, POD));
    // The pod has closed its socket.
    let back = r.forward(error("10.244.1.10", IcmpError::PortUnreachable, &reply)).unwrap();
    assert_eq!(back, error("10.0.0.11", IcmpError::PortUnreachable, &udp(BACKEND, "10.0.0.11:41001")));
}

#[test]
fn the_quote_of_a_fragment_is_translated_too() {
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    r.forward(udp(POD, SERVICE)).unwrap();
    let mut quote = udp(POD, BACKEND);
    quote.frag = Some(crate::packet::Fragment { offset: 0, more: true });
    quote.body = Transport::Piece { whole: std::sync::Arc::new(quote.body.clone()), len: 8 };
    let back = r.forward(error("10.0.0.12", IcmpError::ReassemblyTimeout, &quote)).unwrap();
    let Transport::Icmp(Icmp::Error { quote, .. }) = back.body else { panic!("{back}") };
    assert_eq!(quote.destination().to_string(), SERVICE);
}

#[test]
fn an_error_that_the_router_makes_itself_is_translated_even_before_the_flow_is_known() {
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    let skb = r.receive(udp(POD, SERVICE)).unwrap();
    let about = skb.ip().unwrap().clone();
    assert_eq!(about.destination().to_string(), BACKEND);
    let made = error("10.244.1.1", IcmpError::NetUnreachable, &about);
    let sent = r.answer(made, &skb).unwrap();
    assert_eq!(sent, error("10.96.0.15", IcmpError::NetUnreachable, &udp(POD, SERVICE)));
    assert!(r.ct.is_empty(), "the flow never got in");
}

#[test]
fn a_reset_of_a_reject_rule_comes_from_the_service() {
    let mut r = Router::new().dnat("10.244.2.21", 8080);
    let (client, service) = ("10.244.1.10:40000", "10.96.0.15:80");
    let skb = r.receive(tcp(client, service, "S", 100, 0, 0)).unwrap();
    let sent = r.answer(tcp("10.244.2.21:8080", client, "RA", 0, 101, 0), &skb).unwrap();
    assert_eq!(sent, tcp(service, client, "RA", 0, 101, 0));
    // And of a flow in the table.
    r.forward(tcp(client, service, "S", 100, 0, 0)).unwrap();
    let skb = r.receive(tcp(client, service, "S", 100, 0, 0)).unwrap();
    let made = Skb::made(tcp("10.244.2.21:8080", client, "RA", 0, 101, 0), Tag::default());
    let mut attached = made.clone();
    r.ct.attach(&mut attached, &skb);
    let view = r.ct.view(&attached);
    assert_eq!((view.state, view.reply, view.dnat), (CtState::Related, true, true));
    let sent = r.answer(made.ip().unwrap().clone(), &skb).unwrap();
    assert_eq!(sent, tcp(service, client, "RA", 0, 101, 0));
    r.ct.set_closing(&skb, r.now);
    assert!(r.list()[0].starts_with("tcp      6 10 CLOSE "), "{:?}", r.list());
}

#[test]
fn a_redirect_about_a_translated_flow_is_dropped() {
    let redirect = |q: &IpPacket| {
        let icmp = Icmp::Redirect { gateway: ip("10.0.0.1"), gateway_mac: None, quote: Box::new(q.clone()) };
        IpPacket::new(ip("10.0.0.12"), q.src, Transport::Icmp(icmp))
    };
    let mut r = Router::new().dnat("10.244.2.21", 5353);
    r.forward(udp(POD, SERVICE)).unwrap();
    assert_eq!(r.forward(redirect(&udp(POD, BACKEND))), Err(DropReason::NatRedirect));
    let mut r = Router::new();
    r.forward(udp(POD, BACKEND)).unwrap();
    assert!(r.forward(redirect(&udp(POD, BACKEND))).is_ok());
}

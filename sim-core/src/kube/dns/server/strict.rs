//! Whatever is asked, another implementation of DNS reads the answer.

use hickory_proto::op::{Message as Theirs, MessageType};
use proptest::prelude::*;

use super::tests::{UDP, cluster, server};
use super::*;
use crate::kube::dns::wire::{Edns, Message, RecordType};

/// Labels that occur in names of a cluster, and others.
fn label() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "web",
        "db",
        "db-0",
        "inside",
        "outside",
        "shop",
        "svc",
        "pod",
        "ns",
        "dns",
        "dns-version",
        "_http",
        "_tcp",
        "10-244-1-5",
        "5",
        "96",
        "10",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => "[a-zA-Z0-9_*-]{1,63}"]
}

fn asked() -> impl Strategy<Value = String> {
    let zone = prop::sample::select(vec![
        "",
        "cluster.local",
        "svc.cluster.local",
        "shop.svc.cluster.local",
        "in-addr.arpa",
        "ip6.arpa",
    ]);
    (prop::collection::vec(label(), 0..6), zone).prop_map(|(labels, zone)| {
        let mut all: Vec<&str> = labels.iter().map(String::as_str).collect();
        all.push(zone);
        all.join(".")
    })
}

proptest! {
    #[test]
    fn every_reply_is_read_by_another_implementation(
        name in asked(),
        rtype in prop_oneof![prop::sample::select(vec![1u16, 2, 5, 6, 12, 15, 16, 28, 33, 255]), any::<u16>()],
        edns in prop::option::of(any::<u16>()),
        tcp in any::<bool>(),
    ) {
        let mut query = Message::query(77, &name, RecordType(rtype));
        query.edns = edns.map(|udp_size| Edns { udp_size, dnssec_ok: false, options: Vec::new() });
        let Ok(bytes) = query.to_bytes() else { return Ok(()) };
        let client = Client { transport: if tcp { Transport::Tcp } else { Transport::Udp }, ..UDP };
        let mut server = server();
        server.sync(&cluster(), SimTime::ZERO);
        let actions = server.answer(&bytes, client, SimTime::ZERO, &mut Dice::seeded(3));
        for action in &actions {
            let (bytes, kind, id) = match action {
                Action::Reply(_, bytes) => (bytes, MessageType::Response, Some(77)),
                Action::Send { bytes, .. } => (bytes, MessageType::Query, None),
                Action::Done(_) | Action::Exit(_) => continue,
            };
            let read = Theirs::from_vec(bytes);
            prop_assert!(read.is_ok(), "{name} {rtype}: {read:?}");
            let read = read.unwrap();
            prop_assert_eq!(read.metadata.message_type, kind);
            prop_assert!(id.is_none_or(|id| read.metadata.id == id));
            prop_assert_eq!(read.queries.len(), 1);
        }
        let replies = actions.iter().filter(|a| matches!(a, Action::Reply(..) | Action::Send { .. })).count();
        prop_assert_eq!(replies, 1, "one question, one reply or one question to somebody else");
    }
}

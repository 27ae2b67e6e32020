//! Messages survive the way to bytes and back; no bytes panic.

use proptest::prelude::*;

use super::*;

#[test]
fn a_query_keeps_unknown_types_and_letter_case() {
    let mut query = Message::query(7, "Web.App.svc.cluster.local", RecordType(52));
    query.edns = Some(Edns { udp_size: 1232, dnssec_ok: true, options: vec![(10, vec![1; 8])] });
    let bytes = query.to_bytes().unwrap();
    assert_eq!(Message::parse(&bytes).unwrap(), query);
}

#[test]
fn a_reply_survives_with_all_its_records() {
    let mut reply = Message::query(1, "a.", RecordType::ANY).reply(Rcode::NOERROR);
    reply.flags.aa = true;
    reply.answers = vec![
        Record::new("a.", 5, RecordData::A([10, 0, 0, 1].into())),
        Record::new("a.", 5, RecordData::Aaaa("fd00::1".parse().unwrap())),
        Record::new("a.", 5, RecordData::Cname(r"b\.c.".to_owned())),
        Record::new("a.", 5, RecordData::Txt(vec![b"1.1.0".to_vec()])),
        Record::new("a.", 5, RecordData::Mx { preference: 10, exchange: "m.".to_owned() }),
        Record::new("a.", 5, RecordData::Other { rtype: RecordType(99), data: vec![1, 2] }),
    ];
    reply.additional = vec![Record::new(
        "s.a.",
        5,
        RecordData::Srv { priority: 0, weight: 100, port: 80, target: "t.a.".to_owned() },
    )];
    for bytes in [reply.to_bytes().unwrap(), reply.to_compressed_bytes().unwrap()] {
        assert_eq!(Message::parse(&bytes).unwrap(), reply);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.to_compressed_bytes();
        }
    }

    #[test]
    fn no_bytes_after_a_good_header_panic(mut bytes in proptest::collection::vec(any::<u8>(), 12..200)) {
        bytes[4..12].copy_from_slice(&[0, 1, 0, 2, 0, 1, 0, 1]);
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.to_bytes();
        }
    }
}

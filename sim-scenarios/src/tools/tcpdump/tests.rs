//! What the real tcpdump 4.99.3 prints of the same captures. `captures/kinds.pcap` was put together by hand, a packet of each kind;
//! `captures/cooked.pcap` was captured on the interface `any`, `captures/redirects.pcap` beside a router of IPv6.

use std::collections::BTreeMap;

use super::filter;
use super::options::parse;
use super::pcap::{self, Packet};
use super::print::{Printer, State};
use super::{Subject, admits};
use crate::tools::net::testbed;
use crate::tools::{Cluster, Place};

const KINDS: &[u8] = include_bytes!("captures/kinds.pcap");
const COOKED: &[u8] = include_bytes!("captures/cooked.pcap");
const REDIRECTS: &[u8] = include_bytes!("captures/redirects.pcap");

fn printed(file: &[u8], flag: &str, filter: &str) -> String {
    let request = parse(&[format!("-{flag}"), filter.to_owned()]).unwrap_or_else(|_| panic!("-{flag}"));
    let (link, _, packets) = pcap::read(file).unwrap();
    let filter = filter::parse(filter, &mut |_| Vec::new()).unwrap_or_else(|e| panic!("{e:?}"));
    let mut nobody = |_| None;
    let ifaces = BTreeMap::from([(1, "lo".to_owned()), (2, "ifb0".to_owned())]);
    let mut printer = Printer::new(request.style, link, ifaces, State::default(), &mut nobody);
    packets.iter().filter(|p| admits(filter.as_ref(), link, p)).map(|p| printer.packet(p)).collect()
}

macro_rules! same {
    ($($name:ident $file:ident $flag:literal $text:literal;)*) => {$(
        #[test]
        fn $name() {
            let expected = include_str!(concat!("captures/", $text));
            let filter = "not ether proto 0x88cc and not ip proto 89 and not ip proto 255";
            let actual = printed($file, $flag, filter);
            for (n, (ours, theirs)) in actual.lines().zip(expected.lines()).enumerate() {
                assert_eq!(ours, theirs, "line {}", n + 1);
            }
            assert_eq!(actual, expected);
        }
    )*};
}

same! {
    plain KINDS "nn" "kinds.nn.txt";
    verbose KINDS "nnv" "kinds.nnv.txt";
    very_verbose KINDS "nnvv" "kinds.nnvv.txt";
    quick KINDS "nnq" "kinds.nnq.txt";
    with_link_headers KINDS "nne" "kinds.nne.txt";
    quick_with_link_headers KINDS "nnqe" "kinds.nnqe.txt";
    absolute_numbers KINDS "nnS" "kinds.nnS.txt";
    unchecked KINDS "nnvK" "kinds.nnvK.txt";
    hex_and_ascii KINDS "nnX" "kinds.nnX.txt";
    hex_with_link_headers KINDS "nnxx" "kinds.nnxx.txt";
    ascii KINDS "nnA" "kinds.nnA.txt";
    time_between KINDS "nnttt" "kinds.nnttt.txt";
    date_and_time KINDS "nntttt" "kinds.nntttt.txt";
    redirects REDIRECTS "nn" "redirects.nn.txt";
    verbose_redirects REDIRECTS "nnv" "redirects.nnv.txt";
    very_verbose_redirects REDIRECTS "nnvv" "redirects.nnvv.txt";
    cooked COOKED "nn" "cooked.nn.txt";
    cooked_with_link_headers COOKED "nne" "cooked.nne.txt";
}

#[test]
fn files_are_read_as_they_were_written() {
    let (link, snaplen, packets) = pcap::read(KINDS).unwrap();
    assert_eq!(pcap::write(link, snaplen, &packets), KINDS);
}

/// How many packets of the capture a filter admits, as `tcpdump -r kinds.pcap FILTER | wc -l` counts.
#[test]
fn filters_admit_what_libpcap_admits() {
    let (link, _, packets) = pcap::read(KINDS).unwrap();
    for line in include_str!("captures/filters.txt").lines() {
        let (count, text) = line.split_once('\t').unwrap();
        let filter = filter::parse(text, &mut |_| Vec::new()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let admitted = |p: &&Packet| {
            filter.as_ref().is_none_or(|f| f.admits(&Subject { link, bytes: &p.bytes, length: p.length }))
        };
        assert_eq!(packets.iter().filter(admitted).count().to_string(), count, "{text}");
    }
}

fn cluster() -> Cluster {
    testbed::cluster()
}

#[test]
fn a_bad_command_line_is_told_in_the_real_words() {
    let lines = [
        "tcpdump -i nosuch",
        "tcpdump -i eth0 foo",
        "tcpdump -i eth0 port abc",
        "tcpdump -i eth0 port 99999",
        "tcpdump -i eth0 tcp and",
        "tcpdump -i eth0 net 10.9/33",
        "tcpdump -i eth0 host nosuch.invalid",
        "tcpdump -i eth0 vlan 5",
        "tcpdump -c 0",
        "tcpdump -Q foo",
        "tcpdump -r nofile",
        "tcpdump -D",
    ];
    let place = Place::Node("node1".to_owned());
    insta::assert_snapshot!(testbed::transcript(&mut cluster(), &place, super::run, &lines));
}

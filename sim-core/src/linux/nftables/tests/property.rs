//! Properties: reading and printing are inverse, look-ups are those of a linear scan, and no text upsets the reader.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use super::{command, listing, load};
use crate::linux::nftables::Nftables;
use crate::linux::nftables::elements::{Element, Elements};
use crate::time::SimTime;

fn address() -> impl Strategy<Value = String> {
    (0u8..4, 0u8..4).prop_map(|(a, b)| format!("10.{a}.0.{b}"))
}

fn network() -> impl Strategy<Value = String> {
    (address(), select(vec![8, 16, 24, 31]))
        .prop_map(|(a, n)| a.parse::<ipnet::Ipv4Net>().map_or(format!("{a}/{n}"), |_| a))
}

/// A test of a packet.
fn test() -> impl Strategy<Value = String> {
    let not = select(vec!["", "!= "]);
    prop_oneof![
        (not.clone(), address()).prop_map(|(n, a)| format!("ip saddr {n}{a}")),
        (not.clone(), network()).prop_map(|(n, a)| format!("ip daddr {n}{a}")),
        (not.clone(), 1u16..9).prop_map(|(n, p)| format!("tcp dport {n}{p}")),
        (1u16..9, 0u16..9).prop_map(|(p, w)| format!("tcp sport {p}-{}", p + w)),
        prop::collection::vec(1u16..9, 1..4).prop_map(|ports| {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            format!("tcp dport {{ {} }}", ports.join(", "))
        }),
        prop::collection::vec(network(), 1..4).prop_map(|n| format!("ip saddr {{ {} }}", n.join(", "))),
        select(vec![
            "ct state new",
            "ct state established,related",
            "ct state { invalid, new }",
            "ct status dnat",
            "ct direction reply",
            "iifname \"eth*\"",
            "oifname { \"a\", \"lo\" }",
            "fib daddr type local",
            "fib saddr . iif oif missing",
            "tcp flags & (fin | syn | rst | ack) == syn",
            "ip saddr . tcp dport { 10.0.0.1 . 80, 10.0.0.2 . 443 }",
            "ip saddr @s",
            "ip protocol tcp",
            "meta length 5-9",
        ])
        .prop_map(str::to_owned),
        (0u32..64, 0u32..64, not).prop_map(|(m, v, n)| format!("meta mark & {m} {n}{v}")),
    ]
}

fn action() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "accept",
            "drop",
            "return",
            "continue",
            "jump x",
            "goto x",
            "reject",
            "reject with icmp host-unreachable",
            "counter",
            "counter name \"c\" drop",
            "log prefix \"p \" level info",
            "limit rate 10/second burst 7 packets accept",
            "add @d { ip saddr timeout 5s }",
            "numgen random mod 2 vmap { 0 : goto x, 1 : drop }",
            "tcp dport vmap { 1-3 : accept, 8 : jump x }",
        ])
        .prop_map(str::to_owned),
        (0u32..99).prop_map(|m| format!("meta mark set mark or {m}")),
        (0u32..99).prop_map(|m| format!("ct mark set {m}")),
    ]
}

fn rule_set() -> impl Strategy<Value = String> {
    let rule = (prop::collection::vec(test(), 0..3), action(), any::<bool>());
    prop::collection::vec(rule, 1..12).prop_map(|rules| {
        let mut text = String::from(
            "table ip t {\n counter c { }\n set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }\n \
             set d { type ipv4_addr; flags dynamic,timeout; }\n chain x { }\n \
             chain c { type filter hook input priority filter; policy drop;\n",
        );
        for (tests, action, comment) in rules {
            let comment = if comment { " comment \"a b\"" } else { "" };
            let _ = writeln!(text, "  {} {action}{comment}", tests.join(" "));
        }
        text + " }\n}\n"
    })
}

proptest! {
    #[test]
    fn what_is_listed_is_read_as_the_same(text in rule_set()) {
        let mut first = Nftables::default();
        let answer = load(&mut first, &text);
        prop_assert_eq!(answer.err, "");
        // A set whose elements have become one is a plain value the next time.
        let mut again = || {
            let list = listing(&mut first);
            first = Nftables::default();
            let answer = load(&mut first, &list);
            (list, answer.err)
        };
        let (_, wrong) = again();
        prop_assert_eq!(wrong, "");
        let (list, wrong) = again();
        prop_assert_eq!(wrong, "");
        prop_assert_eq!(listing(&mut first), list);
    }

    #[test]
    fn an_element_is_found_where_a_linear_scan_finds_it(
        ranges in prop::collection::vec((0u128..60, 0u128..9), 0..12),
        boxes in prop::collection::vec(((0u128..9, 0u128..4), (0u128..9, 0u128..4)), 0..8),
        keys in prop::collection::vec((0u128..64, 0u128..12), 1..24),
    ) {
        let mut elements = Elements::default();
        let mut all: Vec<Element> = Vec::new();
        for (low, width) in ranges {
            let element = Element::new([low].into(), Some([low + width].into()));
            // As the reader does: no range overlaps another.
            if elements.overlap(&element.low, element.end()).is_none() && elements.get(&[low], Some(&[low + width])).is_none() {
                elements.insert(element.clone());
                all.push(element);
            }
        }
        for ((a, n), (b, m)) in boxes {
            let element = Element::new([a, b].into(), Some([a + n, b + m].into()));
            elements.insert(element.clone());
            all.push(element);
        }
        let holds = |e: &Element, key: &[u128]| {
            e.low.len() == key.len() && (0..key.len()).all(|i| e.low[i] <= key[i] && key[i] <= e.end()[i])
        };
        for (a, b) in keys {
            for key in [&[a][..], &[a, b][..]] {
                let want = all.iter().find(|e| holds(e, key));
                prop_assert_eq!(elements.find(key, SimTime::ZERO), want);
            }
        }
    }

    #[test]
    fn no_text_upsets_the_reader(words in prop::collection::vec(select(WORDS.to_vec()), 0..40)) {
        let text = words.join(" ");
        let mut rules = Nftables::default();
        load(&mut rules, &text);
        load(&mut rules, "table ip t {\n chain c { }\n set s { type ipv4_addr; }\n}\n");
        load(&mut rules, &format!("add rule ip t c {text}\n"));
        command(&mut rules, &text);
        listing(&mut rules);
    }

    #[test]
    fn no_characters_upset_the_reader(text in "\\PC{0,60}") {
        load(&mut Nftables::default(), &text);
    }
}

const WORDS: &[&str] = &[
    "table",
    "chain",
    "set",
    "map",
    "ip",
    "ip6",
    "inet",
    "t",
    "c",
    "s",
    "{",
    "}",
    ";",
    "\n",
    "type",
    "filter",
    "hook",
    "input",
    "priority",
    "0",
    "-",
    "ipv4_addr",
    ":",
    "verdict",
    ".",
    ",",
    "elements",
    "=",
    "10.0.0.1",
    "/",
    "8",
    "tcp",
    "dport",
    "80",
    "vmap",
    "accept",
    "jump",
    "counter",
    "meta",
    "mark",
    "&",
    "0x10",
    "==",
    "ct",
    "state",
    "new",
    "@",
    "numgen",
    "random",
    "mod",
    "dnat",
    "to",
    "limit",
    "rate",
    "over",
    "second",
    "\"x\"",
    "\"",
    "$",
    "define",
    "add",
    "rule",
    "element",
    "delete",
    "flush",
    "list",
    "ruleset",
    "handle",
    "comment",
    "log",
    "reject",
    "with",
    "icmp",
    "*",
    "fib",
    "saddr",
    "iif",
    "oif",
    "(",
    ")",
    "|",
    "1-5",
    "::1",
    "[",
    "]",
    "flags",
    "interval",
    "timeout",
    "1m",
    "99999999999999999999999999999999999999999",
    "update",
    "policy",
    "drop",
    "é",
    "99",
    "!",
    "!=",
    "<",
    "offset",
];

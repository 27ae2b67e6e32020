//! Random rule sets in the form in which `iptables-save` prints them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;

use crate::trace::{Family, TableId};

/// A piece of a rule.
type Part = BoxedStrategy<String>;

fn words(choices: &[&str]) -> Part {
    select(choices.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).boxed()
}

/// `!` or nothing in front of an option.
fn maybe_not(part: Part) -> Part {
    (any::<bool>(), part).prop_map(|(not, p)| if not { format!("! {p}") } else { p }).boxed()
}

/// The part or nothing.
fn maybe(part: Part) -> Part {
    prop_oneof![Just(String::new()), part].boxed()
}

fn address(family: Family) -> Part {
    match family {
        Family::V4 => any::<u32>().prop_map(|a| std::net::Ipv4Addr::from(a).to_string()).boxed(),
        Family::V6 => any::<u128>().prop_map(|a| std::net::Ipv6Addr::from(a).to_string()).boxed(),
    }
}

fn network(family: Family) -> Part {
    match family {
        Family::V4 => (any::<u32>(), 1..=32u32)
            .prop_map(|(a, n)| format!("{}/{n}", std::net::Ipv4Addr::from(a & (u32::MAX << (32 - n)))))
            .boxed(),
        Family::V6 => (any::<u128>(), 1..=128u32)
            .prop_map(|(a, n)| format!("{}/{n}", std::net::Ipv6Addr::from(a & (u128::MAX << (128 - n)))))
            .boxed(),
    }
}

fn port_range(separator: char) -> Part {
    (any::<u16>(), any::<u16>())
        .prop_map(move |(a, b)| match a.cmp(&b) {
            std::cmp::Ordering::Less if (a, b) != (0, u16::MAX) => format!("{a}{separator}{b}"),
            _ => a.to_string(),
        })
        .boxed()
}

fn mark() -> Part {
    (any::<u32>(), any::<u32>())
        .prop_map(|(a, b)| if b == u32::MAX { format!("{a:#x}") } else { format!("{a:#x}/{b:#x}") })
        .boxed()
}

fn states(names: &'static [&'static str]) -> Part {
    proptest::sample::subsequence(names, 1..=names.len()).prop_map(|s| s.join(",")).boxed()
}

fn quoted(pattern: &str) -> Part {
    string_regex(pattern)
        .unwrap()
        .prop_map(|text| {
            let mut out = String::new();
            super::super::words::quote_into(&mut out, &text);
            out
        })
        .boxed()
}

const STATES: &[&str] = &["INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"];
const TYPES_V4: &[&str] =
    &["UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "PROHIBIT", "XRESOLVE"];
const TYPES_V6: &[&str] = &["UNSPEC", "UNICAST", "LOCAL", "ANYCAST", "MULTICAST", "UNREACHABLE"];

fn joined(parts: Vec<Part>) -> Part {
    parts.into_iter().fold(Just(String::new()).boxed(), |all, part| {
        (all, part)
            .prop_map(|(a, p)| if a.is_empty() || p.is_empty() { a + &p } else { format!("{a} {p}") })
            .boxed()
    })
}

fn option(name: &'static str, value: Part) -> Part {
    value.prop_map(move |v| format!("{name} {v}")).boxed()
}

/// A match that goes with every protocol.
fn any_match(family: Family) -> Part {
    let conntrack = joined(vec![
        words(&["-m conntrack"]),
        maybe_not(option("--ctstate", states(STATES))),
        maybe(maybe_not(option("--ctproto", (1..=255u8).prop_map(|n| n.to_string()).boxed()))),
        maybe(maybe_not(option("--ctorigsrc", address(family)))),
        maybe(maybe_not(option("--ctorigdst", address(family)))),
        maybe(maybe_not(option("--ctorigdstport", port_range(':')))),
        maybe(words(&["--ctdir ORIGINAL", "--ctdir REPLY"])),
    ]);
    let types = if family == Family::V4 { states(TYPES_V4) } else { states(TYPES_V6) };
    let nth = (1..9u32).prop_flat_map(|n| (Just(n), 0..n));
    let mask = if family == Family::V4 { "255.255.255.0" } else { "ffff:ffff::" };
    let recent = joined(vec![
        words(&["-m recent --rcheck", "-m recent --update", "-m recent ! --rcheck"]),
        maybe((1..90_000u32).prop_map(|n| format!("--seconds {n}")).boxed()),
        maybe((1..300u32).prop_map(|n| format!("--hitcount {n}")).boxed()),
        maybe(words(&["--rttl"])),
        option("--name", string_regex("[A-Za-z0-9_]{1,20}").unwrap().boxed()),
        words(&[&format!("--mask {mask}")]),
        words(&["--rsource", "--rdest"]),
    ]);
    prop_oneof![
        option("-m comment --comment", quoted("[ -~é]{0,40}")),
        conntrack,
        joined(vec![words(&["-m state"]), maybe_not(option("--state", states(&STATES[..5])))]),
        joined(vec![words(&["-m mark", "-m connmark"]), maybe_not(option("--mark", mark()))]),
        joined(vec![
            words(&["-m addrtype"]),
            maybe_not(option("--src-type", types.clone())),
            maybe(maybe_not(option("--dst-type", types))),
        ]),
        (0..=1u32 << 31).prop_map(|p| format!(
            "-m statistic --mode random --probability {:.11}",
            f64::from(p) / 2_147_483_648.0
        )),
        nth.prop_map(|(n, p)| format!("-m statistic --mode nth --every {n} --packet {p}")),
        recent,
        joined(vec![
            words(&["-m limit --limit 3/hour", "-m limit --limit 10/sec", "-m limit --limit 7/min"]),
            maybe((6..100u32).prop_map(|n| format!("--limit-burst {n}")).boxed()),
        ]),
        joined(vec![
            words(&["-m pkttype"]),
            maybe_not(words(&["--pkt-type unicast", "--pkt-type broadcast"]))
        ]),
        joined(vec![
            words(&["-m physdev"]),
            maybe(maybe_not(words(&["--physdev-is-in"]))),
            maybe_not(words(&["--physdev-in veth0", "--physdev-in veth+"])),
            maybe(words(&["--physdev-is-out"])),
            words(&["--physdev-is-bridged"]),
        ]),
    ]
    .boxed()
}

/// `-p …` and the matches that only go with it.
fn protocol(family: Family) -> Part {
    let ports = || {
        vec![
            maybe(maybe_not(option("--sport", port_range(':')))),
            maybe_not(option("--dport", port_range(':'))),
        ]
    };
    let tcp = [
        vec![words(&["-p tcp -m tcp"])],
        ports(),
        vec![
            maybe(maybe_not(words(&["--tcp-option 2", "--tcp-option 8"]))),
            maybe(maybe_not(words(&["--tcp-flags FIN,SYN,RST,ACK SYN", "--tcp-flags SYN,URG NONE"]))),
        ],
    ];
    let list = vec(port_range(':'), 1..7).prop_map(|p| p.join(","));
    let multiport = joined(vec![
        words(&["-p tcp -m multiport", "-p udp -m multiport", "-p sctp -m multiport"]),
        maybe_not(
            (words(&["--sports", "--dports", "--ports"]), list).prop_map(|(o, l)| format!("{o} {l}")).boxed(),
        ),
    ]);
    let icmp = match family {
        Family::V4 => ["-p icmp -m icmp --icmp-type 8", "-p icmp -m icmp ! --icmp-type 3/4", "-p icmp"],
        Family::V6 => {
            ["-p ipv6-icmp -m icmp6 --icmpv6-type 128", "-p ipv6-icmp -m icmp6 ! --icmpv6-type 1/4", "-p esp"]
        }
    };
    prop_oneof![
        Just(String::new()),
        joined(tcp.into_iter().flatten().collect()),
        joined([vec![words(&["-p udp -m udp", "-p sctp -m sctp"])], ports()].into_iter().flatten().collect()),
        multiport,
        words(&icmp),
        words(&["-p gre", "! -p tcp", "-p 253"]),
    ]
    .boxed()
}

fn target(family: Family, table: TableId, chains: usize) -> Part {
    // Jumps go to later chains only, so there is no loop, and short ones do not get too deep.
    let jump = (words(&["-j", "-g"]), 0..chains.max(1)).prop_map(|(o, n)| format!("{o} C{n:02}")).boxed();
    let (to, pair) = match family {
        Family::V4 => ("192.0.2.1", "192.0.2.1-192.0.2.9:80-90"),
        Family::V6 => ("fd00::1", "[fd00::1-fd00::9]:80-90"),
    };
    let log = joined(vec![
        words(&["-j LOG"]),
        maybe(option("--log-prefix", quoted("[ -~]{1,20}"))),
        maybe(words(&["--log-level 3", "--log-level 7"])),
        maybe(words(&["--log-tcp-sequence"])),
    ]);
    let xmark = (any::<u32>(), any::<u32>()).prop_map(|(a, b)| format!("--set-xmark {a:#x}/{b:#x}"));
    let connmark = (words(&["save", "restore"]), any::<u32>(), any::<u32>())
        .prop_map(|(o, a, b)| format!("-j CONNMARK --{o}-mark --nfmask {a:#x} --ctmask {b:#x}"));
    let common = prop_oneof![
        Just(String::new()),
        words(&["-j ACCEPT", "-j RETURN", "-j TRACE"]),
        if chains > 0 { jump } else { words(&["-j ACCEPT"]) },
        log,
        (words(&["-j MARK", "-j CONNMARK"]), xmark).prop_map(|(j, x)| format!("{j} {x}")),
        connmark,
    ];
    let own = match (table, family) {
        (TableId::Filter, Family::V4) => words(&[
            "-j DROP",
            "-j REJECT --reject-with icmp-port-unreachable",
            "-j REJECT --reject-with icmp-net-prohibited",
        ]),
        (TableId::Filter, Family::V6) => words(&["-j DROP", "-j REJECT --reject-with icmp6-no-route"]),
        (TableId::Nat, _) => prop_oneof![
            words(&[&format!("-j DNAT --to-destination {to} --random --persistent")]),
            words(&[&format!("-j SNAT --to-source {to} --random-fully")]),
            words(&["-j MASQUERADE", "-j MASQUERADE --random --random-fully", "-j REDIRECT --random"]),
            words(&[&format!("-p tcp -j DNAT --to-destination {pair}")]),
        ]
        .boxed(),
        (TableId::Raw, _) => words(&["-j CT --notrack", "-j NOTRACK", "-j CT", "-j DROP"]),
        (TableId::Mangle, _) => words(&["-j DROP"]),
    };
    prop_oneof![3 => common, 2 => own].boxed()
}

/// One rule without its `-A CHAIN`.
fn rule(family: Family, table: TableId, chains: usize) -> Part {
    let parts = (
        maybe(maybe_not(option("-s", network(family)))),
        maybe(maybe_not(option("-d", network(family)))),
        maybe(maybe_not(words(&["-i eth0", "-i cali+"]))),
        maybe(maybe_not(words(&["-o eth1"]))),
        protocol(family),
        vec(any_match(family), 0..3),
        target(family, table, chains),
    );
    parts
        .prop_map(|(s, d, i, o, p, m, t)| {
            // A target that needs ports brings its own protocol.
            let (p, m, t) = match t.strip_prefix("-p tcp ") {
                Some(t) => ("-p tcp".to_owned(), m, t.to_owned()),
                None => (p, m, t),
            };
            let all = [vec![s, d, i, o, p], m, vec![t]].concat();
            all.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
        })
        .boxed()
}

/// The rules of one table in user chains that nothing reaches, so that the kernel takes every target.
pub(super) fn table(family: Family) -> impl Strategy<Value = (TableId, String)> {
    let chains = 1..6usize;
    (select(&TableId::ALL[..]), chains).prop_flat_map(move |(id, n)| {
        let all: Vec<_> = (0..n).map(|i| (Just(i), vec(rule(family, id, i), 0..5))).collect();
        all.prop_map(move |chains| {
            let mut rules = String::new();
            for (i, list) in &chains {
                for rule in list {
                    let blank = if rule.is_empty() { "" } else { " " };
                    rules += &format!("-A C{i:02}{blank}{rule}\n");
                }
            }
            let declared: String = (0..n).map(|i| format!(":C{i:02} - [0:0]\n")).collect();
            let built_in: String = super::super::table::hooks(id)
                .iter()
                .map(|h| format!(":{} ACCEPT [0:0]\n", h.chain()))
                .collect();
            (id, format!("*{id}\n{built_in}{declared}{rules}COMMIT\n"))
        })
    })
}

//! What nftables 1.0.6 answered on Linux 6.18, byte for byte.

use std::fmt::Write as _;

use super::{command, listing, load};
use crate::linux::nftables::Nftables;

/// The table in which rules are tried.
fn start(family: &str, kind: &str) -> Nftables {
    let hook = match kind {
        "nat" => "type nat hook prerouting priority -100;",
        "post" => "type nat hook postrouting priority 100;",
        "mangle" => "type filter hook prerouting priority -150;",
        _ => "type filter hook input priority 0;",
    };
    let text = format!(
        "table {family} t {{
set s {{ type ipv4_addr; flags dynamic,timeout; timeout 1m; }}
set si {{ type ipv4_addr; flags interval; }}
set cs {{ type ipv4_addr . inet_proto . inet_service; }}
map vm {{ type inet_service : verdict; }}
map am {{ type inet_service : ipv4_addr; }}
map cm {{ type inet_service : ipv4_addr . inet_service; }}
counter c {{ }}
chain x {{ }}
chain ch {{ {hook} }}
}}
"
    );
    let mut rules = Nftables::default();
    let answer = load(&mut rules, &text);
    assert_eq!(answer.err, "");
    rules
}

/// What is listed of a rule, or the complaint about it.
fn answer(start: &Nftables, family: &str, rule: &str) -> String {
    let mut rules = start.clone();
    let answer = load(&mut rules, &format!("add rule {family} t ch {rule}\n"));
    if answer.status != 0 {
        return answer.err.lines().fold(String::new(), |mut out, line| {
            let _ = writeln!(out, "! {}", line.trim_end());
            out
        });
    }
    let list = command(&mut rules, &format!("list chain {family} t ch")).out;
    let lines: Vec<&str> = list.lines().skip(3).collect();
    lines[..lines.len() - 2].iter().map(|l| format!("{}\n", l.trim_start())).collect()
}

#[test]
fn rules_are_listed_as_nft_lists_them() {
    let golden = include_str!("golden/rules.txt");
    let mut wrong = String::new();
    let mut cases = 0;
    for part in golden.split("\n## ").skip(1) {
        let (head, body) = part.split_once('\n').unwrap();
        let (family, kind) = head.split_once(' ').unwrap();
        let start = start(family, kind);
        for case in format!("\n{body}").split("\n> ").skip(1) {
            let (rule, want) = case.split_once('\n').unwrap();
            let want: String = want.lines().map(|l| format!("{}\n", l.trim_end())).collect();
            let got = answer(&start, family, rule);
            cases += 1;
            if got != want {
                let _ = writeln!(wrong, "{family} {kind}: {rule}\n want {want} got  {got}");
            }
        }
    }
    assert!(cases > 600, "{cases} cases");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn texts_are_answered_as_nft_answers_them() {
    let golden = include_str!("golden/texts.txt");
    let mut wrong = String::new();
    let mut cases = 0;
    for case in golden
        .split("\n\n")
        .flat_map(|c| c.strip_prefix('#').map_or(Some(c), |c| c.split_once('\n').map(|c| c.1)))
    {
        let tagged = |tag: &str| -> String {
            case.lines().filter_map(|l| l.strip_prefix(tag)).map(|l| format!("{l}\n")).collect()
        };
        let (text, words) = (tagged("<<< "), tagged("$ nft "));
        if text.is_empty() && words.is_empty() {
            continue;
        }
        let mut rules = Nftables::default();
        assert_eq!(load(&mut rules, include_str!("golden/start.nft")).err, "");
        let answer =
            if words.is_empty() { load(&mut rules, &text) } else { command(&mut rules, words.trim_end()) };
        cases += 1;
        if (&answer.out, &answer.err) != (&tagged("= "), &tagged("! ")) {
            let _ = writeln!(wrong, "{case}\n got {}{}", answer.out, answer.err);
        }
    }
    assert!(cases > 140, "{cases} cases");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn rule_sets_are_listed_as_nft_lists_them() {
    for (text, list) in [
        (include_str!("golden/services.nft"), include_str!("golden/services.list")),
        (include_str!("golden/firewall.nft"), include_str!("golden/firewall.list")),
        (include_str!("golden/sets.nft"), include_str!("golden/sets.list")),
    ] {
        let mut rules = Nftables::default();
        assert_eq!(load(&mut rules, text).err, "");
        let got = listing(&mut rules);
        assert_eq!(got, list);
        // What is listed can be loaded, and is the same.
        let mut again = Nftables::default();
        assert_eq!(load(&mut again, &got).err, "");
        assert_eq!(listing(&mut again), got);
    }
}

#[test]
fn a_text_is_carried_out_as_a_whole_or_not_at_all() {
    let mut rules = Nftables::default();
    load(&mut rules, "table ip t {\n chain c {\n  accept\n }\n}\n");
    let before = rules.clone();
    let answer = load(&mut rules, "add rule ip t c drop\nadd rule ip t nope drop\nadd table ip u\n");
    assert_eq!(answer.status, 1);
    assert_eq!(rules, before);
}

#[test]
fn what_is_not_modelled_is_named() {
    let mut rules = Nftables::default();
    load(&mut rules, "table ip t {\n chain c {\n }\n}\n");
    for (rule, what) in [
        ("meta skuid 0 accept", "nft: meta skuid"),
        ("queue num 1", "nft: queue"),
        ("socket transparent 1 accept", "nft: socket"),
        ("ip ttl set 5", "nft: to set anything but marks"),
    ] {
        let answer = load(&mut rules, &format!("add rule ip t c {rule}\n"));
        assert_eq!((answer.status, answer.not_modelled), (1, vec![what.to_owned()]), "{rule}");
    }
    let answer = load(&mut rules, "add table bridge b\n");
    assert_eq!(answer.not_modelled, ["nft: family bridge"]);
}

#[test]
fn jumps_that_go_too_deep_are_refused() {
    let mut text = String::from("add table ip t\n");
    for i in 0..17 {
        let _ = writeln!(text, "add chain ip t c{i}");
    }
    for i in 1..17 {
        let _ = writeln!(text, "add rule ip t c{} jump c{i}", i - 1);
    }
    let mut rules = Nftables::default();
    assert_eq!(load(&mut rules, &text).status, 0);
    let answer = load(
        &mut rules,
        "add chain ip t b { type filter hook input priority 0; }\nadd rule ip t b jump c0\n",
    );
    assert!(answer.err.contains("Too many links"), "{}", answer.err);
}

//! What iptables 1.8.9 (nf_tables) answered, rule by rule.
//!
//! Each case is a line `? TABLE RULE`. The rule was restored alone, after a chain `FOO`; then come the lines that
//! `iptables-save` printed (`=`), the rows of `iptables -nvL` (`n`) and of `iptables -L` (`l`), or the exit status and the
//! error text, whose further lines start with `!`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::linux::ipset::{Context, Sets};
use crate::linux::netfilter::{RestoreOptions, Ruleset};
use crate::time::SimTime;
use crate::trace::{Family, TableId};

/// The sets that the rules name.
fn sets() -> Sets {
    let mut sets = Sets::default();
    let input = "create S4 hash:ip\ncreate SP4 hash:ip,port\ncreate S6 hash:ip family inet6\n";
    let cx = Context { input, now: SimTime::ZERO, references: &BTreeMap::new() };
    sets.command(&["restore".to_owned()], cx).unwrap();
    sets
}

fn answers(family: Family, question: &str) -> String {
    let (table, rule) = question.split_once(' ').unwrap();
    let id: TableId = table.parse().unwrap();
    let mut set = Ruleset::new(family);
    set.sets = sets();
    let text = format!("*{table}\n:FOO - [0:0]\n{rule}\nCOMMIT\n");
    let mut out = format!("? {question}\n");
    if let Err(e) = set.restore(&text, RestoreOptions::default()) {
        let _ = writeln!(out, "{} {}", e.status, e.message.trim_end_matches('\n').replace('\n', "\n! "));
        return out;
    }
    let lines = |text: String, tag: char, keep: fn(&str) -> bool| -> String {
        text.lines().filter(|l| keep(l)).map(|l| format!("{tag} {l}\n")).collect()
    };
    let is_row =
        |l: &str| !l.is_empty() && !["Chain", "target", " pkts"].iter().any(|heading| l.starts_with(heading));
    out += &lines(set.save(Some(id), false), '=', |l| l.starts_with("-A"));
    for (tag, option) in [('n', "-nvL"), ('l', "-L")] {
        let args = ["-t", table, option].map(str::to_owned);
        out += &lines(set.command(&args).unwrap(), tag, is_row);
    }
    out
}

fn compare(family: Family, golden: &str) {
    let mut wrong = String::new();
    let cases: Vec<_> = golden.split("\n? ").map(|c| c.trim_start_matches("? ")).collect();
    for case in &cases {
        let question = case.lines().next().unwrap();
        let want = format!("? {}\n", case.trim_end_matches('\n'));
        let got = answers(family, question);
        if got != want {
            let _ = writeln!(wrong, "--- the real tool\n{want}--- here\n{got}");
        }
    }
    assert!(wrong.is_empty(), "of {} cases:\n{wrong}", cases.len());
}

#[test]
fn every_rule_is_read_and_printed_as_iptables_does() {
    compare(Family::V4, include_str!("rules-v4.txt"));
    compare(Family::V4, include_str!("extensions-v4.txt"));
}

#[test]
fn every_rule_is_read_and_printed_as_ip6tables_does() {
    compare(Family::V6, include_str!("rules-v6.txt"));
    compare(Family::V6, include_str!("extensions-v6.txt"));
}

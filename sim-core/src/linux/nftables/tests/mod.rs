//! Tests of nftables.

mod golden;
mod property;
mod transactions;
mod walk;

use super::{Answer, Input, Interfaces, Nftables, Style};

/// Runs a text as a file.
fn load(rules: &mut Nftables, text: &str) -> Answer {
    let interfaces: Interfaces = [(1, "lo".into())].into_iter().collect();
    rules.run(Input { file: Some("/dev/stdin"), text }, Style::default(), false, &interfaces)
}

/// Runs the words of a command line.
fn command(rules: &mut Nftables, text: &str) -> Answer {
    let interfaces: Interfaces = [(1, "lo".into())].into_iter().collect();
    let (text, handles) = text.strip_prefix("-a ").map_or((text, false), |t| (t, true));
    rules.run(Input { file: None, text }, Style { handles, ..Style::default() }, false, &interfaces)
}

/// `nft list ruleset`.
fn listing(rules: &mut Nftables) -> String {
    command(rules, "list ruleset").out
}

/// As Linux 6.18 did it.
#[test]
fn a_set_that_is_added_again_takes_over_times_and_a_size() {
    let mut rules = Nftables::default();
    let set = "add set ip t e { type ipv4_addr; flags timeout; ";
    load(
        &mut rules,
        &format!(
            "add table ip t\n{set} timeout 10s; size 10; elements = {{ 1.2.3.4, 1.2.3.5 timeout 90s }} }}"
        ),
    );
    assert_eq!(load(&mut rules, &format!("{set} timeout 20s; size 1; }}")).status, 0);
    assert_eq!(load(&mut rules, &format!("{set} timeout 20s; comment \"not taken over\"; }}")).status, 0);
    assert_eq!(
        listing(&mut rules),
        "table ip t {\n\tset e {\n\t\ttype ipv4_addr\n\t\tsize 1\n\t\ttimeout 20s\n\t\telements = { 1.2.3.4 timeout 10s expires 10s, 1.2.3.5 timeout 1m30s expires 1m30s }\n\t}\n}\n"
    );
    let other = load(&mut rules, "add set ip t e { type ipv4_addr; flags dynamic,timeout; }");
    assert!(
        other.err.starts_with("/dev/stdin:1:14-14: Error: Could not process rule: File exists"),
        "{}",
        other.err
    );
}

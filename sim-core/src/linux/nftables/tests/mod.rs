//! Tests of nftables.

mod golden;
mod property;
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

//! Rules and chains in Felix' own words, with the hashes that it puts before them.
//!
//! Rules are kept as Felix writes them, because its comments are hashes of that text: each rule's hash covers the one before it, so that a
//! comment tells place and content (`felix/iptables` of calico).

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha224, Sha256};

/// Characters of a hash in a comment.
const HASH_LENGTH: usize = 16;
/// Longest name of a chain.
const NAME_LENGTH: usize = 28;
/// The mark of accepted packets.
pub(super) const ACCEPTED: &str = "-m mark --mark 0x10000/0x10000";
/// Puts it.
pub(super) const ACCEPT: &str = "--jump MARK --set-mark 0x10000/0x10000";

/// A rule in Felix' own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) comment: String,
    /// Matches and target.
    text: String,
}

pub(super) fn rule(text: impl Into<String>) -> Rule {
    Rule { comment: String::new(), text: text.into() }
}

pub(super) fn noted(comment: impl Into<String>, text: impl Into<String>) -> Rule {
    Rule { comment: comment.into(), text: text.into() }
}

impl Rule {
    /// The rule behind `-A chain` with what stands in front of it.
    fn behind(&self, first: &str) -> String {
        let mut parts = vec![first.to_owned()];
        if !self.comment.is_empty() {
            parts.push(format!("-m comment --comment \"{}\"", self.comment));
        }
        if !self.text.is_empty() {
            parts.push(self.text.clone());
        }
        parts.join(" ")
    }
}

/// The hashes of a chain's rules, each over the one before, the first over the chain's name. `chain` has a suffix for rules that are put behind
/// those of others.
fn hashes(chain: &str, rules: &[Rule]) -> Vec<String> {
    let mut last = Sha224::digest(chain);
    let mut all = Vec::new();
    for rule in rules {
        let text = rule.behind(&format!("-A {chain} HASH"));
        last = Sha224::new().chain_update(last).chain_update(text).finalize();
        let mut hash = BASE64URL_NOPAD.encode(&last);
        hash.truncate(HASH_LENGTH);
        all.push(hash);
    }
    all
}

/// Lines for `iptables-restore`: `how` is `-A` or `-I`, `seed` what [`hashes`] begin with.
pub(super) fn lines(how: &str, chain: &str, seed: &str, rules: &[Rule], out: &mut String) {
    for (rule, hash) in rules.iter().zip(hashes(seed, rules)) {
        let first = format!("{how} {chain} -m comment --comment \"cali:{hash}\"");
        out.push_str(&rule.behind(&first));
        out.push('\n');
    }
}

/// A chain of Felix' own, written anew.
pub(super) fn chain(name: &str, rules: &[Rule], out: &mut String) {
    out.push_str(&format!(":{name} - [0:0]\n"));
    lines("-A", name, name, rules, out);
}

/// A chain's name; what is too long ends in a hash instead.
pub(super) fn limited(prefix: &str, name: &str) -> String {
    if prefix.len() + name.len() <= NAME_LENGTH {
        return format!("{prefix}{name}");
    }
    let hash = BASE64URL_NOPAD.encode(&Sha256::digest(name));
    let room = NAME_LENGTH - prefix.len() - 1;
    format!("{prefix}_{}", &hash[..room])
}

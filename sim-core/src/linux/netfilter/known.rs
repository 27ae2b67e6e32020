//! Rules that were read before, by the lines that they were read from.
//!
//! Many namespaces get the same text. A rule without its counters belongs to none of them ([`RuleSpec`]), so it is read once and
//! shared. What depends on the namespace (whether chains and sets exist) is asked each time anew.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::rule::RuleSpec;
use crate::trace::{Family, TableId};

/// What the lines `-A CHAIN …` of restored texts have come to, to be lent to
/// [`Ruleset::restore_known`](super::Ruleset::restore_known).
#[derive(Clone, Debug, Default)]
pub struct KnownRules {
    /// By line, for look-ups only; a map for each family and table.
    lines: [[FxHashMap<Box<str>, Appended>; 4]; 2],
}

/// The rules of a line, and the chain that they go to.
#[derive(Clone, Debug)]
pub(super) struct Appended {
    pub(super) chain: Box<str>,
    pub(super) specs: Vec<Arc<RuleSpec>>,
}

impl KnownRules {
    pub(super) fn get(&self, family: Family, table: TableId, line: &str) -> Option<&Appended> {
        self.lines[usize::from(family == Family::V6)][table as usize].get(line)
    }

    pub(super) fn insert(&mut self, family: Family, table: TableId, line: &str, rules: Appended) {
        self.lines[usize::from(family == Family::V6)][table as usize].insert(line.into(), rules);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RestoreOptions, Ruleset};
    use super::*;

    const TEXT: &str = "*nat\n:A - [0:0]\n-A A -s 10.0.0.1,10.0.0.2 -j RETURN\n-A A -s 10.0.0.3/32 -m set --match-set S src -j RETURN\nCOMMIT\n";

    /// A known line gives what reading it gives, is shared, and is refused where a set of it is missing.
    #[test]
    fn a_known_line_is_shared_and_checked_anew() {
        let mut known = KnownRules::default();
        let restore = |text: &str, known: Option<&mut KnownRules>| {
            let mut rules = Ruleset::new(Family::V4);
            let done = match known {
                Some(known) => rules.restore_known(text, RestoreOptions::default(), known),
                None => rules.restore(text, RestoreOptions::default()),
            };
            (rules, done)
        };
        let text = TEXT.replace("-m set --match-set S src ", "");
        let (first, _) = restore(&text, Some(&mut known));
        let (second, done) = restore(&text, Some(&mut known));
        assert_eq!(done, Ok(()));
        assert_eq!(second, restore(&text, None).0);
        let spec = |rules: &Ruleset| {
            rules.table(TableId::Nat).and_then(|t| t.chain("A")).map(|c| c.rules[1].spec.clone()).unwrap()
        };
        assert!(Arc::ptr_eq(&spec(&first), &spec(&second)));
        let plain = restore(TEXT, None).1;
        assert!(plain.is_err());
        assert_eq!(restore(TEXT, Some(&mut known)).1, plain);
        assert_eq!(restore(TEXT, Some(&mut known)).1, plain);
        let gone = text.replace(":A - [0:0]\n", "");
        assert_eq!(restore(&gone, Some(&mut known)).1, restore(&gone, None).1);
    }
}

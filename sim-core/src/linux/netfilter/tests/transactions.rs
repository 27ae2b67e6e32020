//! Changes to a table: all or none, and checked as if everything were checked.

use proptest::prelude::*;

use super::super::{RestoreOptions, Ruleset};
use crate::trace::{Family, TableId};

const NOFLUSH: RestoreOptions = RestoreOptions { noflush: true, counters: true, test: false };

fn chain() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["A", "B", "C", "D", "E"])
}

/// One line of a restore; many do not fit what is there.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => chain().prop_map(|c| format!(":{c} - [0:0]")),
        4 => (chain(), chain()).prop_map(|(a, b)| format!("[3:180] -A {a} -j {b}")),
        2 => (chain(), chain()).prop_map(|(a, b)| format!("-I {a} -p tcp -g {b}")),
        2 => chain().prop_map(|c| format!("-A INPUT -s 10.0.0.1 -j {c}")),
        2 => chain().prop_map(|c| format!("[1:60] -A {c} -m recent --name {c} --set -j ACCEPT")),
        1 => chain().prop_map(|c| format!("-A {c} -m conntrack --ctstate NEW")),
        1 => chain().prop_map(|c| format!("-D {c} 1")),
        1 => chain().prop_map(|c| format!("-F {c}")),
        2 => chain().prop_map(|c| format!("-X {c}")),
        1 => chain().prop_map(|c| format!("-Z {c}")),
        1 => Just("-D INPUT 1".to_owned()),
        1 => Just(":INPUT DROP [5:300]".to_owned()),
    ]
}

fn text(lines: &[String]) -> String {
    format!("*filter\n{}\nCOMMIT\n", lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn a_restore_happens_as_a_whole_or_not_at_all(steps in prop::collection::vec(prop::collection::vec(line(), 1..7), 1..12)) {
        let mut rules = Ruleset::new(Family::V4);
        let first = ":A - [0:0]\n:B - [0:0]\n:C - [0:0]\n-A INPUT -j A\n-A A -j B";
        rules.restore(&format!("*filter\n{first}\nCOMMIT\n"), NOFLUSH).unwrap();
        for step in steps {
            let before = rules.clone();
            let mut twin = rules.clone();
            // The twin looks at every chain.
            twin.table_mut(TableId::Filter).reach.forget_all();
            let answer = rules.restore(&text(&step), NOFLUSH);
            prop_assert_eq!(&answer, &twin.restore(&text(&step), NOFLUSH));
            prop_assert_eq!(&rules, &twin);
            if answer.is_err() {
                prop_assert_eq!(&rules, &before);
            }
            prop_assert_eq!(rules.clone().restore(&text(&step), RestoreOptions { test: true, ..NOFLUSH }).is_ok(),
                twin.restore(&text(&step), NOFLUSH).is_ok());
            // What is counted beside the rules is what the rules say.
            let mut again = Ruleset::new(Family::V4);
            let saved = rules.save(None, true);
            again.restore(&saved, RestoreOptions { noflush: false, ..NOFLUSH }).unwrap();
            prop_assert_eq!(again.save(None, true), saved);
            prop_assert_eq!(again.needs_conntrack(), rules.needs_conntrack());
            for name in ["A", "B", "C", "D", "E"] {
                let uses = |r: &Ruleset| r.table(TableId::Filter).is_some_and(|t| t.uses_recent(name));
                prop_assert_eq!(uses(&again), uses(&rules), "{}", name);
                let references = |r: &Ruleset| r.table(TableId::Filter).and_then(|t| Some(t.chain(name)?.references()));
                prop_assert_eq!(references(&again), references(&rules), "{}", name);
            }
        }
    }
}

#[test]
fn a_chain_with_another_number_has_other_rules() {
    let mut rules = Ruleset::new(Family::V4);
    let number = |rules: &Ruleset| rules.table(TableId::Filter).unwrap().chain("A").unwrap().changed();
    rules.restore("*filter\n:A - [0:0]\n-A A -j ACCEPT\nCOMMIT\n", NOFLUSH).unwrap();
    let first = number(&rules);
    rules.restore("*filter\n-Z A\n-A INPUT -j A\nCOMMIT\n", NOFLUSH).unwrap();
    assert_eq!(number(&rules), first, "counters and other chains are no matter");
    rules.restore("*filter\n-F A\n-A A -j ACCEPT\n-A A -j NOWHERE\nCOMMIT\n", NOFLUSH).unwrap_err();
    assert_eq!(number(&rules), first, "nothing came of it");
    rules.restore("*filter\n-D INPUT 1\n-F A\n-X A\nCOMMIT\n", NOFLUSH).unwrap();
    rules.restore("*filter\n:A - [0:0]\n-A A -j ACCEPT\nCOMMIT\n", NOFLUSH).unwrap();
    assert_ne!(number(&rules), first);
}

//! What holds for every rule set and every text.

use proptest::prelude::*;

use super::rules::table;
use crate::linux::netfilter::{RestoreOptions, Ruleset};
use crate::trace::Family;

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

proptest! {
    #[test]
    fn what_iptables_save_prints_comes_back_byte_for_byte(
        (family, (_, text)) in family().prop_flat_map(|f| (Just(f), table(f)))
    ) {
        let mut set = Ruleset::new(family);
        prop_assert_eq!(set.restore(&text, RestoreOptions::default()).map_err(|e| format!("{e}\n{text}")), Ok(()));
        prop_assert_eq!(set.save(None, false), text);
    }

    #[test]
    fn a_rule_is_found_and_deleted_by_what_it_says(
        (family, (id, text)) in family().prop_flat_map(|f| (Just(f), table(f)))
    ) {
        let mut set = Ruleset::new(family);
        prop_assert_eq!(set.restore(&text, RestoreOptions::default()).map_err(|e| e.message), Ok(()));
        let deletions: String =
            text.lines().filter_map(|l| l.strip_prefix("-A")).map(|l| format!("-C{l}\n-D{l}\n")).collect();
        let again = format!("*{id}\n{deletions}COMMIT\n");
        let opt = RestoreOptions { noflush: true, ..RestoreOptions::default() };
        prop_assert_eq!(set.restore(&again, opt).map_err(|e| format!("{e}\n{again}")), Ok(()));
        prop_assert!(set.table(id).unwrap().chains().all(|c| c.rules().is_empty() && c.references() == 0));
        prop_assert_eq!(set.needs_conntrack(), id == crate::trace::TableId::Nat);
    }

    #[test]
    fn no_text_makes_the_parser_panic(family in family(), text in "(\\PC|\n){0,200}") {
        let mut set = Ruleset::new(family);
        let _ = set.restore(&text, RestoreOptions::default());
        let _ = set.restore(&format!("*filter\n{text}\nCOMMIT\n"), RestoreOptions::default());
        let args: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let _ = set.command(&args);
    }

    #[test]
    fn no_damaged_rule_set_makes_the_parser_panic(
        (family, (_, text)) in family().prop_flat_map(|f| (Just(f), table(f))),
        damage in prop::collection::vec((any::<prop::sample::Index>(), "\\PC{0,3}", 0..4usize), 1..6),
    ) {
        let mut text: Vec<char> = text.chars().collect();
        for (at, new, removed) in damage {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len() - 1);
            text.splice(at..end.max(at), new.chars());
        }
        let text: String = text.into_iter().collect();
        let mut set = Ruleset::new(family);
        if let Err(e) = set.restore(&text, RestoreOptions { counters: true, ..RestoreOptions::default() }) {
            prop_assert!(!e.reason.is_empty() && e.message.ends_with('\n') && e.line > 0 && e.column > 0);
        }
        for option in ["-L", "-nvL", "-S"] {
            let _ = set.command(&[option.to_owned()]);
        }
    }
}

#[test]
fn what_the_real_tool_printed_comes_back_byte_for_byte() {
    for (family, text) in
        [(Family::V4, include_str!("rules-v4.txt")), (Family::V6, include_str!("rules-v6.txt"))]
    {
        let mut table = "filter";
        for line in text.lines() {
            if let Some(question) = line.strip_prefix("? ") {
                table = question.split(' ').next().unwrap();
            }
            let Some(rule) = line.strip_prefix("= ") else { continue };
            let mut set = Ruleset::new(family);
            set.restore(&format!("*{table}\n:FOO - [0:0]\n{rule}\nCOMMIT\n"), RestoreOptions::default())
                .unwrap();
            let saved = set.save(None, false);
            assert!(saved.lines().any(|l| l == rule), "{rule}\n{saved}");
        }
    }
}

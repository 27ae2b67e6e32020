//! Dumps of rule sets: what loads is printed, and what is printed loads again as the same rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_core::linux::netfilter::{RestoreOptions, Ruleset};
use sim_core::trace::Family;

fuzz_target!(|text: &str| {
    for family in [Family::V4, Family::V6] {
        let options = RestoreOptions { counters: true, ..RestoreOptions::default() };
        let mut rules = Ruleset::new(family);
        if rules.restore(text, options).is_err() {
            continue;
        }
        let saved = rules.save(None, true);
        // A quote that is not closed takes the end of its line with it into the comment, which the real tool cannot read back either.
        if !saved.lines().all(|l| l.starts_with(['*', ':', '-', '[', '#']) || l == "COMMIT") {
            continue;
        }
        let mut again = Ruleset::new(family);
        again.restore(&saved, options).expect("what was printed loads");
        assert_eq!(again.save(None, true), saved);
    }
});

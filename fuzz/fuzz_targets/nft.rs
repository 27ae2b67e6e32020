//! nftables scripts: what loads is listed, and what is listed loads again as the same rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_core::linux::nftables::{Answer, Input, Interfaces, Nftables, Style};

fuzz_target!(|text: &str| {
    let mut rules = Nftables::default();
    if run(&mut rules, Some("script"), text).status != 0 {
        return;
    }
    let listed = run(&mut rules, None, "list ruleset");
    assert_eq!(listed.status, 0, "{}", listed.err);
    let mut again = Nftables::default();
    let loaded = run(&mut again, Some("listing"), &listed.out);
    assert_eq!(loaded.status, 0, "{}\n{}", loaded.err, listed.out);
    assert_eq!(run(&mut again, None, "list ruleset").out, listed.out);
});

fn run(rules: &mut Nftables, file: Option<&str>, text: &str) -> Answer {
    rules.run(Input { file, text }, Style::default(), false, &Interfaces::none())
}

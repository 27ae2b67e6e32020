//! Labs and their cluster blocks: read, checked, and every mistake rendered; nothing is run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_scenarios::lab::check::{check, render};

fuzz_target!(|text: &str| {
    for mistake in check("lab.md", text) {
        let _ = render(&mistake, text);
    }
});

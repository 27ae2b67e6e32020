//! Manifests in YAML and JSON: read, checked, and every mistake rendered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_scenarios::lab::check::{check, render};

fuzz_target!(|text: &str| {
    for mistake in check("manifest.yaml", text) {
        let _ = render(&mistake, text);
    }
});

//! Same input, same bytes: the Day-17 lab in several processes, under several thread counts, under several seeds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/labs/day17.md")
}

/// What `ksim run --format json` prints, in a process of its own.
fn json(threads: &str, seeds: &str) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_ksim"))
        .args(["run", "--format", "json", "--seeds", seeds])
        .arg(lab())
        .env("RAYON_NUM_THREADS", threads)
        .output()
        .expect("ksim starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    String::from_utf8(out.stdout).expect("JSON is UTF-8")
}

#[test]
fn two_processes_and_two_thread_counts_print_the_same_bytes() {
    let one = json("1", "15..19");
    assert!(one.contains("\"digest\""));
    assert_eq!(one, json("1", "15..19"));
    assert_eq!(one, json("2", "15..19"));
}

/// The lab passes under every seed, so all that is not elided in it is the same; what is random differs, so the packets do.
#[test]
fn another_seed_changes_what_is_random_and_nothing_else() {
    let report: Value = serde_json::from_str(&json("2", "0..8")).expect("the report is JSON");
    let labs = report["labs"].as_array().expect("results");
    let digests: BTreeSet<&str> = labs.iter().filter_map(|l| l["digest"].as_str()).collect();
    assert_eq!(digests.len(), 8, "every seed has packets of its own");
    let statuses: BTreeSet<Vec<i64>> = labs
        .iter()
        .map(|l| {
            l["commands"].as_array().into_iter().flatten().filter_map(|c| c["status"].as_i64()).collect()
        })
        .collect();
    assert_eq!(statuses.len(), 1, "commands end alike under every seed");
}

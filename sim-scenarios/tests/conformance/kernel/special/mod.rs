//! Probes that are more than one packet and its answer: raw packets, bursts, pairs, frequencies, sequences of steps, reading knobs.
//!
//! Each kind compares what its recordings observe in its own way; what is drawn at random is compared as a distribution.

mod flow;
mod many;
mod raw;
mod read;
mod sequence;
mod statistics;

use serde_json::Value;

use super::topology::Lab;

/// Plays a case of these kinds and compares it; none if it is of another kind.
pub(crate) fn run(file: &Value, case: &Value) -> Option<Result<(), String>> {
    let probe = &case["probe"];
    Some(match probe["kind"].as_str()? {
        "tcp-raw" | "udp-raw" => raw::run(file, case),
        "udp-burst" => many::burst(file, case),
        "udp-pair" => many::pairs(file, case),
        "udp-sequence" => sequence::udp::run(file, case),
        "tcp-sequence" => sequence::tcp::run(file, case),
        "read" => read::run(file, case),
        "udp" | "tcp" if probe["count"].is_u64() => many::frequencies(file, case),
        _ => return None,
    })
}

/// The cluster of a case.
fn lab(file: &Value, case: &Value, seed: u64) -> Result<Lab, String> {
    let name = case["topology"].as_str().ok_or("the case names no topology")?;
    Lab::build(&file["topologies"][name], case, seed)
}

/// The keys of an observation that nobody compares would be claims that nobody checks.
fn only_known(observed: &Value, known: &[&str]) -> Result<(), String> {
    let odd = observed.as_object().into_iter().flatten().find(|(key, _)| !known.contains(&key.as_str()));
    odd.map_or(Ok(()), |(key, _)| Err(format!("observed \"{key}\" is not understood for this kind of probe")))
}

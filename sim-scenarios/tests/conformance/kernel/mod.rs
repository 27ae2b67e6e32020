//! `kernel/*`: packets through the stack, compared with what a real kernel did.
//!
//! A case gives a topology, knobs, Services, changes and a probe; the simulator builds the same thing, sends the same packets, and
//! is compared in outcome, in what the server saw, in every frame at every interface, and in connection tracking's tuples.

mod change;
mod compare;
mod frames;
mod probe;
mod rules;
mod topology;

use serde_json::Value;

use topology::Lab;

/// Whether the recording shows a node asking for another: then its caches were empty. Elsewhere the nodes knew each other.
fn asks_between_nodes(case: &Value) -> bool {
    let frames = case["packet_trace"].as_array().into_iter().flatten().filter_map(Value::as_str);
    frames.into_iter().any(|f| f.starts_with("node") && f.contains("/eth0 out arp who-has"))
}

/// Runs one case.
pub(crate) fn run(file: &Value, case: &Value) -> Result<(), String> {
    let name = case["topology"].as_str().ok_or("the case names no topology")?;
    let mut lab = Lab::build(&file["topologies"][name], case)?;
    if !asks_between_nodes(case) {
        probe::warm_up(&mut lab)?;
    }
    for change in case["changes_after_start"].as_array().into_iter().flatten() {
        change::apply(&mut lab, change.as_str().unwrap_or_default())?;
    }
    let want = &case["observed"];
    lab.world.start_recording();
    let got = probe::run(&mut lab, &case["probe"], want)?;
    let trace = lab.world.take_trace();
    let frames = frames::lines(&lab, &trace);
    compare::all(&lab, case, &got, &frames)
}

//! Flows over UDP with things that happen between their datagrams.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::super::compare;
use super::super::super::probe::Observed;
use super::super::flow::Flow;
use super::Stage;
use super::step::{self, Act};

/// How many draws of backends are tried until they are those that the kernel drew.
const DRAWS: u64 = 64;

/// Plays the steps and compares each.
pub(in super::super) fn run(file: &Value, case: &Value) -> Result<(), String> {
    step::self_test()?;
    let first = play(file, case, 1);
    if first.is_ok() {
        return first;
    }
    let last = if draws(case) { DRAWS } else { 2 };
    if (2..=last).any(|seed| play(file, case, seed).is_ok()) { Ok(()) } else { first }
}

/// Whether any step has more than one endpoint to draw from.
fn draws(case: &Value) -> bool {
    let text = case["observed"]["steps"].to_string() + &case["services"].to_string();
    ["web-1", "web-2", "web-3"].iter().filter(|name| text.contains(*name)).count() > 1
}

fn play(file: &Value, case: &Value, seed: u64) -> Result<(), String> {
    super::super::only_known(&case["observed"], &["steps"])?;
    let mut stage = Stage::build(file, case, seed)?;
    let mut flows: BTreeMap<String, Flow> = BTreeMap::new();
    let mut next_port = case["probe"]["sport"].as_u64().map_or(41001, |p| p as u16);
    for want in case["observed"]["steps"].as_array().ok_or("there are no steps")? {
        let text = want["step"].as_str().ok_or("a step without words")?;
        let acts = stage.read(text)?;
        let mut seen = Observed::new();
        stage.prepare(&acts, &mut seen)?;
        let mut got = Value::Null;
        for act in &acts {
            let Act::Send(name) = act else { continue };
            let name = name.clone().unwrap_or_else(|| format!("new{next_port}"));
            if !flows.contains_key(&name) {
                flows.insert(name.clone(), Flow::open(&mut stage.lab, &case["probe"], next_port)?);
                next_port += 1;
            }
            got = flows[&name].send(&mut stage.lab, &mut seen, 16)?;
        }
        compare_step(want, &got, &stage, case, &seen).map_err(|e| format!("step \"{text}\": {e}"))?;
    }
    Ok(())
}

fn compare_step(
    want: &Value,
    got: &Value,
    stage: &Stage,
    case: &Value,
    seen: &Observed,
) -> Result<(), String> {
    for (key, value) in want.as_object().into_iter().flatten() {
        if let Some(node) = key.strip_prefix("conntrack_") {
            let known = compare::known_ports(case);
            compare::tuples(&stage.lab, node, value, &known)?;
            continue;
        }
        let got = match key.as_str() {
            "step" => continue,
            "result" | "answered_by" | "icmp_errors" | "errno" => &got[key],
            "server_saw" => &Value::Array(seen.saw.clone()),
            _ => return Err(format!("\"{key}\" is not understood for a step")),
        };
        if !compare::alike_text(&value.to_string(), &got.to_string(), case) {
            return Err(format!("{key}: the kernel said {value}, the simulator {got}"));
        }
    }
    Ok(())
}

//! Many packets or connections of one kind: frequencies of backends, bursts, pairs of queries.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::frames;
use super::super::probe::{self, Observed};
use super::super::topology::Lab;
use super::flow::Flow;
use super::statistics::{Counts, same_distribution};
use super::{lab, only_known};

/// So many flows at least are drawn where a distribution is compared.
const ENOUGH: u64 = 900;

/// Who answered, and which sources the servers saw.
#[derive(Default)]
struct Sample {
    backends: Counts,
    /// The backends in order.
    sequence: Vec<String>,
    sources: BTreeSet<String>,
}

/// Opens `count` flows, or one with `same_socket`, and compares who answered.
pub(super) fn frequencies(file: &Value, case: &Value) -> Result<(), String> {
    let mut lab = lab(file, case, 1)?;
    super::super::change::all(&mut lab, file, case)?;
    let probe = &case["probe"];
    if probe["dst"] != "<each node IP>" {
        let sample = sample(&mut lab, case, probe)?;
        return compare(&case["observed"], &sample, &lab);
    }
    let want = case["observed"]["backends_per_node"].as_object().ok_or("backends_per_node is not there")?;
    only_known(&case["observed"], &["backends_per_node"])?;
    let nodes: Vec<(String, String)> = lab.nodes.iter().map(|n| (n.name.clone(), n.ip.to_string())).collect();
    for (name, ip) in nodes.into_iter().filter(|(name, _)| want.contains_key(name)) {
        let mut probe = probe.clone();
        probe["dst"] = ip.into();
        compare_list(&name, &want[&name], &sample(&mut lab, case, &probe)?)?;
    }
    Ok(())
}

fn sample(lab: &mut Lab, case: &Value, probe: &Value) -> Result<Sample, String> {
    let asked = probe["count"].as_u64().ok_or("no count")?;
    let one_socket = probe["same_socket"] == true;
    let gap = probe["gap_s"].as_f64().map(Duration::from_secs_f64);
    let several = case["observed"]["backends"].as_object().is_some_and(|b| b.len() > 1);
    let count = if several && gap.is_none() { asked.max(ENOUGH) } else { asked };
    let mut single = probe.clone();
    for key in ["count", "same_socket", "gap_s"] {
        single.as_object_mut().ok_or("the probe is no object")?.remove(key);
    }
    let mut sample = Sample::default();
    let mut flow = None;
    for i in 0..count {
        let started = lab.world.now();
        let mut seen = Observed::new();
        let answered = if one_socket {
            let flow = match &mut flow {
                Some(flow) => flow,
                none => none.insert(Flow::open(lab, probe, 41001)?),
            };
            flow.send(lab, &mut seen, 16)?
        } else {
            single["sport"] = (41001 + i % 20000).into();
            seen = probe::run(lab, &single, &json!({}))?;
            seen.value.clone()
        };
        let by = answered["answered_by"].as_str().unwrap_or("nobody").to_owned();
        *sample.backends.entry(by.clone()).or_default() += 1;
        sample.sequence.push(by);
        for saw in &seen.saw {
            let source = saw["saw_src"].as_str().and_then(|s| s.rsplit_once(':'));
            sample.sources.extend(source.map(|(ip, _)| ip.to_owned()));
        }
        if let Some(gap) = gap {
            let until = started + gap;
            let now = lab.world.now();
            probe::settle(lab, &mut seen, until.since(now));
        }
    }
    Ok(sample)
}

fn compare(want: &Value, got: &Sample, lab: &Lab) -> Result<(), String> {
    for (key, value) in want.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("backend_random", Value::String(name)) => {
                let known = lab.pods.iter().any(|p| p.name == *name);
                let one = got.backends.len() == 1 && !got.backends.contains_key("nobody");
                if !(known && one) {
                    return Err(format!("{key}: the kernel drew {name}, the simulator {:?}", got.backends));
                }
            }
            ("distinct" | "distinct_backends", Value::Number(n)) => {
                let distinct = got.backends.len() as u64;
                if n.as_u64() != Some(distinct) {
                    return Err(format!("{key}: the kernel saw {n}, the simulator {:?}", got.backends));
                }
            }
            ("backends", Value::Object(counts)) => {
                let want: Counts =
                    counts.iter().filter_map(|(k, v)| Some((k.clone(), v.as_u64()?))).collect();
                // One backend for all: which one it is was drawn.
                if want.len() == 1
                    && got.backends.len() == 1
                    && lab.pods.iter().any(|p| got.backends.contains_key(&p.name))
                {
                    continue;
                }
                same_distribution(&want, &got.backends)?;
            }
            ("backends", Value::Array(_)) => compare_list(key, value, got)?,
            ("server_saw_source_ips", Value::Array(list)) => {
                let want: BTreeSet<String> =
                    list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                if want != got.sources {
                    return Err(format!("{key}: the kernel {want:?}, the simulator {:?}", got.sources));
                }
            }
            _ => return Err(format!("observed \"{key}\" is not understood for this kind of probe")),
        }
    }
    Ok(())
}

/// A list of the distinct backends, of which only the number is not random; or who answered each connection in turn.
fn compare_list(what: &str, want: &Value, got: &Sample) -> Result<(), String> {
    let list: Vec<&str> = want.as_array().ok_or("not a list")?.iter().filter_map(Value::as_str).collect();
    let distinct: BTreeSet<&str> = list.iter().copied().collect();
    let turn = list.len() > distinct.len() && list.len() != got.sequence.len();
    if turn || distinct.len() != got.backends.len() || got.backends.contains_key("nobody") {
        return Err(format!("{what}: the kernel {list:?}, the simulator {:?}", got.sequence));
    }
    Ok(())
}

/// Datagrams of as many flows, and how many ICMP errors come back.
pub(super) fn burst(file: &Value, case: &Value) -> Result<(), String> {
    only_known(&case["observed"], &["icmp_errors_received"])?;
    let mut lab = lab(file, case, 1)?;
    probe::warm_up(&mut lab)?;
    super::super::change::all(&mut lab, file, case)?;
    lab.world.start_recording();
    let probe = &case["probe"];
    let count = probe["count"].as_u64().ok_or("no count")?;
    let gap = Duration::from_secs_f64(probe["gap_ms"].as_f64().unwrap_or(0.0) / 1000.0);
    let mut seen = Observed::new();
    for i in 0..count {
        let flow = Flow::open(&mut lab, probe, (41001 + i) as u16)?;
        // A limit may make the system call itself fail; the burst goes on.
        let _ = flow.fire(&mut lab, 16);
        probe::settle(&mut lab, &mut seen, gap);
    }
    probe::settle(&mut lab, &mut seen, Duration::from_millis(500));
    let trace = lab.world.take_trace();
    let at = format!("{}/eth0 in ", probe["src"].as_str().unwrap_or_default());
    let is_error =
        |l: &&(_, String)| l.1.starts_with(&at) && l.1.contains(" icmp ") && l.1.contains("about [");
    let got = frames::lines(&lab, &trace).iter().filter(is_error).count() as u64;
    match case["observed"]["icmp_errors_received"].as_u64() {
        Some(want) if want == got => Ok(()),
        want => Err(format!("icmp_errors_received: the kernel {want:?}, the simulator {got}")),
    }
}

/// Two queries at once from one socket, or one each from two.
pub(super) fn pairs(file: &Value, case: &Value) -> Result<(), String> {
    let want = &case["observed"];
    only_known(want, &["both_answered", "both_from_same_backend"])?;
    let mut lab = lab(file, case, 1)?;
    super::super::change::all(&mut lab, file, case)?;
    let probe = &case["probe"];
    let count = probe["count"].as_u64().ok_or("no count")?;
    let title = case["title"].as_str().unwrap_or_default();
    let two = probe["sockets"] == 2
        || ["two sockets", "own socket", "separate sockets", "different sockets"]
            .iter()
            .any(|t| title.contains(t));
    let (mut answered, mut same) = (0, 0);
    for i in 0..count {
        let port = 41001 + (2 * i) as u16;
        let mut seen = Observed::new();
        let first = Flow::open(&mut lab, probe, port)?;
        let second = if two { Some(Flow::open(&mut lab, probe, port + 1)?) } else { None };
        let _ = first.fire(&mut lab, 16);
        let _ = second.as_ref().unwrap_or(&first).fire(&mut lab, 16);
        probe::settle(&mut lab, &mut seen, Duration::from_millis(200));
        let mut by = first.answers(&mut lab);
        by.extend(second.iter().flat_map(|s| s.answers(&mut lab)));
        first.close(&mut lab);
        if let Some(second) = second {
            second.close(&mut lab);
        }
        answered += u64::from(by.len() == 2);
        same += u64::from(by.len() == 2 && by[0] == by[1]);
    }
    if want["both_answered"].as_u64() != Some(answered) {
        return Err(format!("both_answered: the kernel {}, the simulator {answered}", want["both_answered"]));
    }
    let split = |same: u64| Counts::from([("same".to_owned(), same), ("other".to_owned(), count - same)]);
    match want["both_from_same_backend"].as_u64() {
        Some(w) => same_distribution(&split(w), &split(same)),
        None => Ok(()),
    }
}

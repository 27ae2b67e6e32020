//! Reading knobs of a fresh namespace.

use serde_json::Value;

/// Knobs whose value belongs to the machine of the recording, not to the kernel.
const OF_THE_MACHINE: [&str; 1] = ["net.netfilter.nf_conntrack_count"];

/// Reads every knob that the recording lists. They were read in a namespace of a pod, whose `rp_filter` the recordings set to 0,
/// and whose `bridge-nf` switches had not been touched.
pub(super) fn run(file: &Value, case: &Value) -> Result<(), String> {
    let lab = super::lab(file, case, 1)?;
    let mut world = lab.world;
    let (fresh, other) = (world.add_netns("fresh"), world.add_netns("other"));
    world.add_veth((fresh, "eth0"), (other, "eth0")).map_err(|e| e.to_string())?;
    let mut wrong = Vec::new();
    for (name, value) in case["observed"].as_object().into_iter().flatten() {
        if OF_THE_MACHINE.contains(&name.as_str()) || name.ends_with(".eth0.rp_filter") {
            continue;
        }
        // `neigh.eth0` stands for `neigh.eth0` below `net.ipv4`.
        let got = world.ns(fresh).sysctl_get(name).map_err(|e| e.to_string());
        if got.as_deref().ok() != value.as_str() {
            wrong.push(format!("{name}: the kernel says {value}, the simulator {got:?}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

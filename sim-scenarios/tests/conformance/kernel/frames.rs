//! The recordings' view of a trace: a line for every frame at every interface.

use std::collections::BTreeMap;

use sim_core::linux::link::IfKind;
use sim_core::time::SimTime;
use sim_core::trace::{Event, Step, Trace};

use super::topology::Lab;

/// `<namespace>/<interface> in|out <packet> ttl N`, in time order, ARP included. The underlay switch has no tap, and a frame on `lo`
/// is seen once, coming in. A frame that a bridge or a tunnel hands up keeps the time stamp of its arrival at the port.
pub(crate) fn lines(lab: &Lab, trace: &Trace) -> Vec<(SimTime, String)> {
    let mut arrived = BTreeMap::new();
    let mut lines: Vec<(usize, SimTime, String)> = Vec::new();
    for (i, event) in trace.events().enumerate() {
        let mut order = i;
        let virtual_one = |dev| lab.world.ns(event.ns).iface(dev).is_some_and(|d| d.peer.is_none());
        let key = (event.ns, event.packet);
        match event.step {
            Step::Rx { iface } if virtual_one(*iface) && arrived.contains_key(&key) => order = arrived[&key],
            Step::Rx { .. } => drop(arrived.insert(key, i)),
            // Sent on by the host itself: the stamp is gone.
            Step::Tx { iface } if virtual_one(*iface) => drop(arrived.remove(&key)),
            _ => {}
        }
        lines.extend(line(lab, trace, event).map(|l| (order, event.at, l)));
    }
    lines.sort_by_key(|(order, ..)| *order);
    lines.into_iter().map(|(_, at, l)| (at, l)).collect()
}

fn line(lab: &Lab, trace: &Trace, event: Event<'_>) -> Option<String> {
    let (iface, direction) = match event.step {
        Step::Tx { iface } => (*iface, "out"),
        Step::Rx { iface } => (*iface, "in"),
        _ => return None,
    };
    let ns = lab.world.ns(event.ns);
    let dev = ns.iface(iface)?;
    if &*ns.name == "underlay" || (matches!(dev.kind, IfKind::Loopback) && direction == "out") {
        return None;
    }
    Some(format!("{}/{} {direction} {}", ns.name, dev.name, trace.frame(&event)))
}

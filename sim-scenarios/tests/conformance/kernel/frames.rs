//! The recordings' view of a trace: a line for every frame at every interface.

use sim_core::linux::link::IfKind;
use sim_core::trace::{Event, Step, Trace};

use super::topology::Lab;

/// `<namespace>/<interface> in|out <packet> ttl N`, in time order, ARP included. The underlay switch has no tap, and a frame on `lo`
/// is seen once, coming in.
pub(crate) fn lines(lab: &Lab, trace: &Trace) -> Vec<String> {
    trace.events().filter_map(|e| line(lab, trace, e)).collect()
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

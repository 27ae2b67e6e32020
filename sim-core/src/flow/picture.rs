//! A flow as a picture in text: the machines that the request passes, the interfaces it crosses, and what changes on the way.

use std::fmt::Write as _;

use super::FlowReport;
use crate::packet::{Frame, FrameBody, IpPacket};
use crate::trace::{Journey, Names, NatKind, NsId, Step};

impl FlowReport {
    /// The way of the request and of the reply, drawn from what was recorded.
    #[must_use]
    pub fn to_picture(&self, names: &dyn Names) -> String {
        let mut out = String::new();
        for (title, journey) in [("request", self.request()), ("reply", self.reply())] {
            let Some(journey) = journey else { continue };
            let first = journey.first().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(out, "{title}  {first}");
            draw(&journey, self, names, &mut out);
            out.push('\n');
        }
        let _ = writeln!(out, "{}", self.verdict.text(names));
        out
    }
}

fn draw(journey: &Journey<'_>, report: &FlowReport, names: &dyn Names, out: &mut String) {
    let mut place: Option<NsId> = None;
    let mut before: Option<&Frame> = None;
    for event in &journey.events {
        let after = report.trace.frame(event);
        let dev = |id| names.iface(event.ns, id);
        let line = match event.step {
            Step::Tx { iface } => Some(format!("{:<14} ─►", dev(*iface))),
            Step::Rx { iface } => Some(format!("{:<14} ◄─", dev(*iface))),
            Step::Nat { kind } => before.and_then(|b| translation(*kind, b, after)),
            Step::Ipvs { virtual_server, real, reply: false } => {
                Some(format!("virtual server {virtual_server} chooses {real}"))
            }
            Step::Ipvs { virtual_server, real, reply: true } => {
                Some(format!("source {real} becomes virtual server {virtual_server}"))
            }
            Step::Encap { iface, remote } => Some(format!("{:<14} wraps it for {remote}", dev(*iface))),
            Step::Decap { iface } => Some(format!("{:<14} unwraps it", dev(*iface))),
            Step::End(verdict) => Some(verdict.to_string()),
            Step::Made { .. }
            | Step::Hook { .. }
            | Step::Rule { .. }
            | Step::Skipped { .. }
            | Step::Conntrack(_)
            | Step::Route(_)
            | Step::Neighbour { .. }
            | Step::NeighbourWait { .. }
            | Step::Bridge { .. } => None,
        };
        before = Some(after);
        let Some(line) = line else { continue };
        if place != Some(event.ns) {
            if place.is_some() {
                out.push_str("   │\n");
            }
            let _ = writeln!(out, "   {}", names.ns(event.ns));
            place = Some(event.ns);
        }
        let _ = writeln!(out, "   │  {line}");
    }
}

/// `destination 10.96.123.4:80 becomes 10.244.1.5:80`.
fn translation(kind: NatKind, before: &Frame, after: &Frame) -> Option<String> {
    let (before, after) = (ip(before)?, ip(after)?);
    Some(match kind {
        NatKind::Destination => {
            format!("destination {} becomes {}", before.destination(), after.destination())
        }
        NatKind::Source => format!("source {} becomes {}", before.source(), after.source()),
    })
}

const fn ip(frame: &Frame) -> Option<&IpPacket> {
    match &frame.body {
        FrameBody::Ip(p) => Some(p),
        FrameBody::Arp(_) => None,
    }
}

//! `pkttype`: how the frame was addressed on its link.

use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::packet::MacAddr;

/// `-m pkttype`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pkttype {
    kind: Kind,
    inverted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Unicast,
    Broadcast,
    Multicast,
}

/// Names that are read; the first of a kind is printed.
const NAMES: [(&str, Kind); 6] = [
    ("unicast", Kind::Unicast),
    ("broadcast", Kind::Broadcast),
    ("multicast", Kind::Multicast),
    ("bcast", Kind::Broadcast),
    ("mcast", Kind::Multicast),
    ("host", Kind::Unicast),
];

impl Pkttype {
    fn name(&self) -> &'static str {
        NAMES.iter().find(|(_, k)| *k == self.kind).map_or("unicast", |(n, _)| n)
    }
}

impl Extension for Pkttype {
    const NAME: &'static str = "pkttype";
    const OPTIONS: &'static [Opt] = &[Opt::value("pkt-type").inv().req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let read = args.value("pkt-type", |text| {
            let found = NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(text));
            found.map(|(_, k)| *k).ok_or_else(|| Problem::usage(format!("Bad packet type '{text}'")))
        })?;
        let (kind, inverted) = read.unwrap_or((Kind::Unicast, false));
        Ok(Self { kind, inverted })
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inverted { " ! --pkt-type " } else { " --pkt-type " });
        out.push_str(self.name());
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(if self.inverted { " PKTTYPE != " } else { " PKTTYPE = " });
        out.push_str(self.name());
    }

    fn matches(&self, packet: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        let kind = match packet.mac {
            MacAddr::BROADCAST => Kind::Broadcast,
            mac if mac.is_group() => Kind::Multicast,
            _ => Kind::Unicast,
        };
        (kind == self.kind) != self.inverted
    }
}

//! `rpfilter`: whether a reply would leave by the interface that the packet came in by.

use std::net::IpAddr;

use super::{Cx, Extension, Place};
use crate::linux::netfilter::env::AddrType;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::policy::Flow;
use crate::trace::{Hook, TableId};

/// `-m rpfilter`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rpfilter {
    given: [bool; 4],
}

const NAMES: [&str; 4] = ["loose", "validmark", "accept-local", "invert"];
const LOOSE: usize = 0;
const VALID_MARK: usize = 1;
const ACCEPT_LOCAL: usize = 2;
const INVERT: usize = 3;

impl Extension for Rpfilter {
    const NAME: &'static str = "rpfilter";
    const OPTIONS: &'static [Opt] =
        &[Opt::flag(NAMES[0]), Opt::flag(NAMES[1]), Opt::flag(NAMES[2]), Opt::flag(NAMES[3])];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        Ok(Self { given: NAMES.map(|n| args.has(n)) })
    }

    fn save(&self, out: &mut String) {
        for (name, _) in NAMES.iter().zip(self.given).filter(|(_, given)| *given) {
            out.push_str(" --");
            out.push_str(name);
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" rpfilter");
        for (name, _) in NAMES.iter().zip(self.given).filter(|(_, given)| *given) {
            out.push(' ');
            out.push_str(name);
        }
    }

    /// `rpfilter_mt`: packets over the loopback interface and from no address always pass.
    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let (env, src) = (&*cx.env, packet.ip.src);
        if env.iif == Some("lo") {
            return !self.given[INVERT];
        }
        let ok = if packet.ip.dst.is_ipv4() && src.is_unspecified() {
            true
        } else {
            let mark = if self.given[VALID_MARK] { cx.mark } else { 0 };
            let back = Flow { src: Some(packet.ip.dst).filter(is_somebody), dst: src, iif: None, mark };
            match env.addrs.addr_type(&back, None) {
                AddrType::Local => self.given[ACCEPT_LOCAL],
                AddrType::Unicast => {
                    let dev = env.addrs.device_towards(&back);
                    dev.is_some() && (self.given[LOOSE] || dev == env.iif)
                }
                _ => false,
            }
        };
        ok != self.given[INVERT]
    }

    fn allowed(&self, place: &Place) -> bool {
        matches!(place.table, TableId::Raw | TableId::Mangle)
            && place.hook.is_none_or(|h| h == Hook::Prerouting)
    }
}

/// Whether a packet to this address could have come from it (`rpfilter_get_saddr`).
fn is_somebody(addr: &IpAddr) -> bool {
    match addr {
        IpAddr::V4(a) => !a.is_multicast() && !a.is_broadcast() && a.octets()[0] != 0,
        IpAddr::V6(a) => !a.is_multicast() && !a.is_unspecified(),
    }
}

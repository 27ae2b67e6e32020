//! `NETMAP`: translates a whole network, address by address.

use std::net::IpAddr;

use super::{Effect, Extension};
use crate::linux::netfilter::address::{AddrMatch, bits, from_bits, full_mask, prefix_length};
use crate::linux::netfilter::matches::Place;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::problem::Problem;
use crate::trace::{Family, TableId};

/// `-j NETMAP`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Netmap {
    to: AddrMatch,
}

/// A network that addresses are moved into; the bits outside the mask stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Net {
    family: Family,
    addr: u128,
    mask: u128,
}

impl Net {
    /// The address in this network that stands for `addr`.
    pub(crate) fn moved(self, addr: IpAddr) -> IpAddr {
        from_bits(self.family, (bits(addr) & full_mask(self.family) & !self.mask) | self.addr)
    }
}

impl Extension for Netmap {
    const NAME: &'static str = "NETMAP";
    const OPTIONS: &'static [Opt] = &[Opt::value("to").req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let family = args.rule.family;
        let to = args.value("to", |text| AddrMatch::parse(family, text, false))?;
        let none = AddrMatch { family, addr: 0, mask: 0, inverted: false };
        let (to, _) = to.unwrap_or((none, false));
        // A mask that is no prefix is taken for that of a single address.
        let to = match prefix_length(family, to.mask) {
            Some(_) => to.network(),
            None => AddrMatch { mask: full_mask(family), ..to },
        };
        Ok(Self { to })
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --to ");
        self.to.save(out);
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" to:");
        self.to.save(out);
    }

    fn allowed(&self, place: &Place) -> bool {
        place.table == TableId::Nat
    }

    fn effect(&self) -> Effect {
        let AddrMatch { family, addr, mask, .. } = self.to;
        Effect::Netmap(Net { family, addr, mask })
    }
}

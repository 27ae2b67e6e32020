//! What a walk reads from its surroundings, and how it ends.

use std::net::IpAddr;

use crate::chance::Dice;
use crate::linux::conntrack::{CtView, NatRange};
use crate::linux::ipset::Sets;
use crate::linux::ipvs::Ipvs;
use crate::linux::kmsg::KernelLog;
use crate::linux::policy::Flow;
use crate::time::SimTime;
use crate::trace::{Hook, NsId, RejectWith, RuleRef};

/// The surroundings of one walk: the time, the place in the stack, and what other parts of the stack know of the packet.
pub struct Env<'a> {
    /// Now.
    pub now: SimTime,
    /// The namespace, for the record; its number is also the place of random draws.
    pub ns: NsId,
    /// The hook that is walked.
    pub hook: Hook,
    /// A bridge called iptables (bridge-nf).
    pub bridged: bool,
    /// Interface the packet came in by (the bridge itself, if bridged); none in OUTPUT and POSTROUTING.
    pub iif: Option<&'a str>,
    /// Interface the packet will leave by; none in PREROUTING and INPUT.
    pub oif: Option<&'a str>,
    /// Bridge port the frame came in by.
    pub physin: Option<&'a str>,
    /// Bridge port the frame will leave by.
    pub physout: Option<&'a str>,
    /// What connection tracking says of the packet.
    pub ct: CtView,
    /// Out: `CONNMARK` set the flow's mark; the caller stores it in the flow.
    pub set_ct_mark: Option<u32>,
    /// The virtual servers, if one of them has dealt with the packet.
    pub ipvs: Option<&'a Ipvs>,
    /// The sets that rules ask and change.
    pub sets: &'a mut Sets,
    /// Where `LOG` writes.
    pub log: &'a mut KernelLog,
    /// Random draws.
    pub dice: &'a mut Dice,
    /// The routing table's opinion of addresses, for `addrtype`.
    pub addrs: &'a dyn AddrTypes,
}

/// Tells what kind of address an address is for a host.
pub trait AddrTypes {
    /// The type that a routing look-up of the flow's destination yields; limited to addresses of `dev` if one is given.
    fn addr_type(&self, flow: &Flow, dev: Option<&str>) -> AddrType;

    /// The interface by which such a packet would leave; none without a route.
    fn device_towards(&self, flow: &Flow) -> Option<&str> {
        let _ = flow;
        None
    }

    /// The MTU of that interface in bytes.
    fn mtu_towards(&self, addr: IpAddr) -> Option<u32> {
        let _ = addr;
        None
    }
}

/// Route types (`RTN_*` in `linux/rtnetlink.h`) as `-m addrtype` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddrType {
    /// No type: the unspecified address.
    Unspec,
    /// A gateway or direct route.
    Unicast,
    /// An address of this host.
    Local,
    /// A broadcast address.
    Broadcast,
    /// An anycast address.
    Anycast,
    /// A multicast address.
    Multicast,
    /// A blackhole route.
    Blackhole,
    /// An unreachable route, or none at all.
    Unreachable,
    /// A prohibit route.
    Prohibit,
}

impl AddrType {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// How a walk through one table at one hook ended.
///
/// `CT --notrack` and `NOTRACK` do not end a walk: they set `skb.ct` to `SkbCt::NoTrack` and the next rule is tried, as in
/// the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalkEnd {
    /// Go on with the next table.
    Accept,
    /// Throw it away. Number 0 is the chain's policy.
    Drop(RuleRef),
    /// Throw it away and tell the sender.
    Reject {
        /// Who said so.
        rule: RuleRef,
        /// What the sender is told.
        with: RejectWith,
    },
    /// Go on, and set up this address translation for the flow.
    Nat {
        /// Who said so.
        rule: RuleRef,
        /// The translation.
        target: NatTarget,
    },
}

/// An address translation that a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatTarget {
    /// Translate the destination.
    Dnat(NatRange),
    /// Translate the source.
    Snat(NatRange),
    /// Translate the source to the address of the outgoing interface; `addrs` is none.
    Masquerade(NatRange),
    /// Translate the destination to this host: in PREROUTING to the first address of the incoming interface, in OUTPUT to
    /// the loopback address; `addrs` is none.
    Redirect(NatRange),
}

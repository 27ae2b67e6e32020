//! What a walk reads from its surroundings.

use crate::chance::Dice;
use crate::linux::conntrack::{Conntrack, Counter, CtView};
use crate::linux::netfilter::AddrTypes;
use crate::linux::policy::Flow as RouteFlow;
use crate::linux::{Iface, Skb};
use crate::time::SimTime;
use crate::trace::{Hook, IfId, NsId};

/// The surroundings of one walk.
pub struct Env<'a> {
    /// Now.
    pub now: SimTime,
    /// The namespace, for the record; its number is also the place of random draws.
    pub ns: NsId,
    /// The hook that is walked.
    pub hook: Hook,
    /// Interface the packet came in by.
    pub iif: Option<&'a Iface>,
    /// Interface the packet will leave by.
    pub oif: Option<&'a Iface>,
    /// What connection tracking says of the packet.
    pub ct: Flow,
    /// Out: `ct mark set`; the caller stores it in the flow.
    pub set_ct_mark: Option<u32>,
    /// Random draws.
    pub dice: &'a mut Dice,
    /// The routing table's opinion.
    pub fib: &'a dyn FibLookup,
}

/// What rules may ask of a packet's flow.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// State, direction, mark, tuples.
    pub view: CtView,
    /// `IPS_*` bits; none without a flow.
    pub status: Option<u32>,
    /// Milliseconds until the entry ends.
    pub expires_ms: u64,
    /// Packets and bytes of both directions, if they are counted.
    pub counters: Option<[Counter; 2]>,
}

impl Flow {
    /// What connection tracking knows of a packet's flow.
    #[must_use]
    pub fn of(table: &Conntrack, skb: &Skb, now: SimTime) -> Self {
        let conn = table.of(skb);
        Self {
            view: table.view(skb),
            status: conn.map(|c| c.status.0),
            expires_ms: conn.map_or(0, |c| c.expires.since(now).as_millis() as u64),
            counters: conn.and_then(|c| c.counters),
        }
    }
}

/// The routing table's opinion of addresses, for `fib`.
pub trait FibLookup: AddrTypes {
    /// The interface that a packet would leave by; with `dev`, that one if its route leads out of it. None for an address of this host
    /// and for one without a route.
    fn out_interface(&self, flow: &RouteFlow, dev: Option<IfId>) -> Option<IfId>;

    /// Name of an interface.
    fn interface_name(&self, id: IfId) -> Option<&str>;
}

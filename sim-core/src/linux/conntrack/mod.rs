//! Connection tracking: flows, their states, and address translation.

mod nat;
mod tuple;

pub use nat::NatRange;
pub use tuple::{Direction, Tuple};

use serde::{Deserialize, Serialize};

/// A flow in the table, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnId(pub u32);

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conn {
    /// Tuple of the first packet.
    pub orig: Tuple,
    /// Tuple expected of replies.
    pub reply: Tuple,
}

/// State of a packet as `-m conntrack --ctstate` sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CtState {
    /// No flow can be made of it.
    Invalid,
    /// First packet of a flow, or a flow that has seen one direction only.
    New,
    /// Part of a flow that has seen both directions.
    Established,
    /// Starts a flow that belongs to another, or an ICMP error about one.
    Related,
    /// Connection tracking does not look at it.
    Untracked,
}

/// What rules may ask of connection tracking about one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtView {
    /// The packet's state.
    pub state: CtState,
    /// Runs against the direction of the first packet.
    pub reply: bool,
    /// The flow's source is translated (`--ctstate SNAT`).
    pub snat: bool,
    /// The flow's destination is translated (`--ctstate DNAT`).
    pub dnat: bool,
    /// The flow's mark.
    pub mark: u32,
    /// The flow's two tuples (`--ctorigdst` and friends), if there is a flow.
    pub tuples: Option<(Tuple, Tuple)>,
}

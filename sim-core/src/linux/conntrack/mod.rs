//! Connection tracking (`nf_conntrack`) and address translation (`nf_nat`).
//!
//! A [`Conn`] is two [`Tuple`]s: the one that its first packet had, and the one that replies are expected to have. Address
//! translation is nothing but a reply tuple that is not the inverse of the original one:
//!
//! ```text
//!  original  10.244.1.5:41001 → 10.96.123.4:80     as the client sends
//!  reply     10.244.2.9:80    → 10.244.1.5:41001   as the backend answers: the destination is translated
//! ```
//!
//! A packet's way through [`Conntrack`], which is one per network namespace:
//!
//! 1. [`Conntrack::track`] in PREROUTING and OUTPUT finds the flow or makes a new one, which then lives in the packet's
//!    buffer ([`SkbCt::New`](super::SkbCt)): dropping the packet drops the flow.
//! 2. While [`Conntrack::nat_pending`], the nat table is walked, and its answer goes to [`Conntrack::nat_setup`].
//! 3. [`Conntrack::nat_apply`] rewrites the packet at each nat hook.
//! 4. [`Conntrack::confirm`] puts a new flow into the table at the end of POSTROUTING and INPUT.
//!
//! A packet that the stack makes because of another one (an ICMP error, a reset by REJECT) is tied to that packet's flow by
//! [`Conntrack::attach`] before it is sent.
//!
//! The behaviour follows Linux 6.18, `net/netfilter/nf_conntrack_*.c` and `nf_nat_core.c`. Not modelled: expectations and
//! helpers, zones, labels and GRE with keys.

mod by_hand;
mod conn;
mod events;
mod filter;
mod icmp;
mod nat;
mod sctp;
mod settings;
mod stats;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod track;
mod tuple;
mod view;

pub use by_hand::{Change, Entry, EntryExists};
pub use conn::{Conn, ConnId, Counter, ProtoState, Status};
pub use events::{Event, EventKind, Heard, ListenerId};
pub use filter::{Filter, Nat};
pub use nat::NatRange;
pub use sctp::SctpState;
pub use settings::{SctpTimeouts, Settings, TcpTimeouts, Timeouts};
pub use stats::Stats;
pub use tcp::{TcpState, TcpTrack};
pub use track::Conntrack;
pub use tuple::{Direction, Tuple};
pub use view::{ConnNews, ConnView, protocol_name};

use crate::time::SimTime;
use serde::{Deserialize, Serialize};

/// State of a packet as `-m conntrack --ctstate` sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CtState {
    /// No flow can be made of it, or connection tracking has not seen it yet.
    Invalid,
    /// First packet of a flow, or a flow that has seen one direction only.
    New,
    /// Part of a flow that has seen both directions.
    Established,
    /// Starts a flow that belongs to another, or an ICMP error about one.
    Related,
    /// Connection tracking was told not to look at it.
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
    /// What has happened to the flow (`--ctstatus`).
    pub status: Status,
    /// When its entry ends (`--ctexpire`); zero without a flow.
    pub expires: SimTime,
    /// The flow's two tuples (`--ctorigdst` and friends), if there is a flow.
    pub tuples: Option<(Tuple, Tuple)>,
}

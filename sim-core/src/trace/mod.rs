//! What happened: events, verdicts, and who keeps them.
//!
//! The network stack reports each step of a packet as an [`Event`] to a [`Recorder`]. The recorder is a type parameter all
//! the way down, so [`NoTrace`] costs nothing; [`Trace`] keeps everything. Every end of a packet is a [`Verdict`]: never a
//! bool, always with the place and the reason.

mod event;
mod log;
mod place;
mod recorder;
mod render;
mod verdict;

pub use event::{BridgeDecision, CtSummary, Event, NatKind, RouteDecision, RouteSummary, RuleAction, Step};
pub use log::Log;
pub use place::{Family, Hook, IfId, NsId, RuleRef, RuleTable, SockId, TableId};
pub use recorder::{NoTrace, PacketId, Recorder, SnapshotId, Tag, Trace};
pub use render::{Journey, Names, StepView, verdict_text};
pub use verdict::{DropReason, RejectWith, Verdict};

//! ICMP errors: which flow they are about (`nf_conntrack_inet_error`).

use super::{Conntrack, Tuple};
use crate::linux::SkbCt;
use crate::packet::IpPacket;
use crate::time::SimTime;

impl Conntrack {
    /// The note on an ICMP error; none if it is about no flow in the table.
    ///
    /// The quoted packet is as it was on the error's side of this host, so what answers it is looked up: that is the tuple
    /// of packets in the error's own direction. Its destination must be the error's destination, or the error would be
    /// carried to somebody who has nothing to do with the flow.
    pub(super) fn related(&mut self, error: &IpPacket, quote: &IpPacket, now: SimTime) -> Option<SkbCt> {
        let tuple = Tuple::of(quote)?.inverted()?;
        let (id, dir) = self.table.find(&tuple, now)?;
        (tuple.dst == error.dst).then_some(SkbCt::Known { id, dir, related: true, established: true })
    }
}

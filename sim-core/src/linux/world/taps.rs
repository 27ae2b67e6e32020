//! Packet sockets: watching interfaces, and sending frames and packets that no socket of the model makes.

use super::{Act, World};
use crate::linux::stack::Cx;
use crate::linux::tap::{Seen, TapId};
use crate::linux::{Errno, Netns, Skb};
use crate::packet::{Frame, IpPacket};
use crate::trace::{IfId, NsId, Recorder, Tag};

impl World {
    /// Starts to copy the frames that cross an interface, or all interfaces of a namespace (`socket(AF_PACKET, SOCK_RAW)`).
    pub fn tap_open(&mut self, ns: NsId, iface: Option<IfId>) -> TapId {
        self.stack(ns).taps.open(iface)
    }

    /// Starts to copy the packets for this host that pass INPUT, as raw sockets get them (`socket(AF_INET, SOCK_RAW)`): addresses are
    /// those after translation.
    pub fn raw_open(&mut self, ns: NsId) -> TapId {
        self.stack(ns).taps.open_local()
    }

    /// What was seen since the last call, oldest first.
    pub fn tap_take(&mut self, ns: NsId, tap: TapId) -> Vec<Seen> {
        self.stack(ns).taps.take(tap)
    }

    /// Stops copying.
    pub fn tap_close(&mut self, ns: NsId, tap: TapId) {
        self.stack(ns).taps.close(tap);
    }

    /// Sends a frame as it is by an interface, past routing and netfilter (`sendto` on a packet socket).
    ///
    /// # Errors
    /// `ENETDOWN` if the interface is down or gone.
    pub fn frame_send(&mut self, ns: NsId, iface: IfId, frame: Frame) -> Result<(), Errno> {
        if !self.bare(ns).iface(iface).is_some_and(|i| i.up) {
            return Err(Errno::ENETDOWN);
        }
        self.act(ns, SendFrame { iface, frame });
        Ok(())
    }

    /// Sends an IP packet that a program has put together itself (`sendto` on a raw socket); an unspecified source address is filled in.
    ///
    /// # Errors
    /// What Linux answers: `ENETUNREACH`, `EPERM`, `EMSGSIZE`, …
    pub fn packet_send(&mut self, ns: NsId, packet: IpPacket) -> Result<(), Errno> {
        self.act(ns, SendPacket { packet })
    }
}

struct SendFrame {
    iface: IfId,
    frame: Frame,
}

impl Act<()> for SendFrame {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) {
        let mut skb = Box::new(Skb::received(self.frame, self.iface, Tag::default()));
        skb.iif = None;
        ns.send_frame(self.iface, skb, cx);
    }
}

struct SendPacket {
    packet: IpPacket,
}

impl Act<Result<(), Errno>> for SendPacket {
    fn run<R: Recorder>(self, ns: &mut Netns, cx: &mut Cx<'_, R>) -> Result<(), Errno> {
        ns.send_local(self.packet, None, cx)
    }
}

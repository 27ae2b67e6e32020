//! The hooks of IPVS: packets to virtual servers go on to real servers, and their answers back.

use super::Cx;
use super::hooks::{At, Stop};
use super::routing::Path;
use crate::linux::ipvs::packet::{Arriving, Incoming, Way, quote};
use crate::linux::{Netns, Skb, SkbCt};
use crate::packet::IcmpError;
use crate::trace::{DropReason, Hook, Recorder, Step};

impl Netns {
    /// A packet that may be for a virtual server: in INPUT and OUTPUT (`ip_vs_in_hook`), and of those that are passed on the errors about
    /// its answers (`ip_vs_forward_icmp`).
    pub(super) fn ipvs_in<R: Recorder>(
        &mut self,
        at: At,
        skb: &mut Skb,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Stop> {
        let to_others = skb.iif.is_some() && skb.frame.dst.is_group();
        let Some(packet) = skb.ip().filter(|_| !skb.ipvs && !to_others) else { return Ok(()) };
        let lo = |id| self.iface(id).is_some_and(crate::linux::Iface::is_loopback);
        let local = skb.iif.is_none_or(lo);
        if quote(packet).is_some() {
            return match self.ipvs.incoming_error(packet, cx.now) {
                Some(way) => self.ipvs_to_real(at, way, local, skb, cx),
                None => Ok(()),
            };
        }
        if at.hook == Hook::Forward {
            return Ok(());
        }
        let confirmed = matches!(skb.ct, SkbCt::Known { .. });
        let (decision, ended) = self.ipvs.incoming(&Arriving { packet, local, confirmed, now: cx.now });
        if let Some(flow) = ended {
            self.conntrack.end_flow(&flow);
        }
        match decision {
            Incoming::Pass => Ok(()),
            Incoming::Drop(reason) => Err(Stop::Drop(reason)),
            Incoming::Refuse(reason) => Err(Stop::Refuse(reason, IcmpError::PortUnreachable)),
            Incoming::Send(way) => self.ipvs_to_real(at, way, local, skb, cx),
        }
    }

    /// Sends a packet on to its real server (`ip_vs_nat_xmit`). If that is on this host, the packet goes on where it is; else it leaves as if
    /// this host had made it.
    fn ipvs_to_real<R: Recorder>(
        &mut self,
        at: At,
        way: Way,
        local: bool,
        skb: &mut Skb,
        cx: &mut Cx<'_, R>,
    ) -> Result<(), Stop> {
        let real = way.real.ip();
        let path =
            self.path_to(real).map_err(|no| Stop::Refuse(no.reason(real), IcmpError::HostUnreachable))?;
        let Some(packet) = skb.ip() else { return Ok(()) };
        if path.local {
            if real.is_loopback() && at.hook != Hook::Output {
                return Err(Stop::Drop(DropReason::MartianDestination));
            }
        } else {
            if local && packet.src.is_loopback() {
                return Err(Stop::Drop(DropReason::MartianSource));
            }
            if packet.ttl <= 1 {
                return Err(Stop::Refuse(DropReason::TtlExceeded, IcmpError::TtlExceeded));
            }
            let mtu = self.path_mtu(&path, real, cx.now);
            if packet.df && packet.len() > mtu as usize {
                let error = IcmpError::FragmentationNeeded { mtu: mtu.min(65535) as u16 };
                return Err(Stop::Refuse(DropReason::PacketTooBig { mtu }, error));
            }
        }
        if way.tracked {
            self.conntrack.redirect_replies(skb, way.real);
        } else {
            skb.ct = SkbCt::NoTrack;
        }
        skb.ipvs = true;
        if let Some(packet) = skb.ip_mut() {
            way.to_real(packet);
            packet.ttl -= u8::from(!path.local);
        }
        self.note(cx, skb, || Step::Ipvs {
            virtual_server: way.virtual_server,
            real: way.real,
            reply: false,
        });
        if path.local { Ok(()) } else { Err(Stop::Stolen(path)) }
    }

    /// The rest of the way of a packet that IPVS took: OUTPUT, then POSTROUTING (`ip_vs_nat_send_or_cont`).
    pub(super) fn ipvs_send<R: Recorder>(&mut self, path: Path, mut skb: Box<Skb>, cx: &mut Cx<'_, R>) {
        self.note_path(&mut skb, &path, cx);
        let at = At { hook: Hook::Output, iif: None, oif: Some(path.dev) };
        match self.hook(at, &mut skb, cx) {
            Ok(()) => {
                let _ = self.ip_output(path, skb, cx);
            }
            Err(stop) => self.stopped(skb, stop, cx),
        }
    }

    /// The answer of a real server takes the virtual server's address (`ip_vs_out_hook`).
    pub(super) fn ipvs_out<R: Recorder>(&mut self, skb: &mut Skb, cx: &mut Cx<'_, R>) {
        let Some(packet) = skb.ip().filter(|_| !skb.ipvs) else { return };
        let found = if quote(packet).is_some() {
            self.ipvs.outgoing_error(packet, cx.now)
        } else {
            self.ipvs.outgoing(packet, cx.now)
        };
        let Some(way) = found else { return };
        if let Some(packet) = skb.ip_mut() {
            way.to_virtual(packet);
        }
        skb.ipvs = true;
        if !way.tracked {
            skb.ct = SkbCt::NoTrack;
        }
        self.note(cx, skb, || Step::Ipvs { virtual_server: way.virtual_server, real: way.real, reply: true });
    }

    /// Forgets the connections whose time is over, and with them their flows in connection tracking.
    pub(super) fn ipvs_expire(&mut self, now: crate::time::SimTime) {
        for flow in self.ipvs.expire(now) {
            self.conntrack.end_flow(&flow);
        }
    }
}

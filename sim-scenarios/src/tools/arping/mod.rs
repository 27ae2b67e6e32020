//! `arping`: asks for a hardware address by ARP, past the kernel's neighbour table.
//!
//! There are three programs of that name: the applet of busybox in its images, Thomas Habets' 2.23 (Debian's package `arping`,
//! `/usr/sbin/arping`), and that of iputils 20221126 (`iputils-arping`, `/usr/bin/arping`). Machines have both packages: a bare `arping`
//! is root's, which looks in `/usr/sbin` first, so Habets'; `/usr/bin/arping` is that of iputils.

mod busybox;
mod habets;
mod iputils;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use sim_core::linux::Errno;
use sim_core::linux::socket::SockOptions;
use sim_core::linux::tap::{SeenKind, TapId};
use sim_core::packet::{Arp, ArpOp, Frame, FrameBody, MacAddr};
use sim_core::time::SimTime;
use sim_core::trace::{IfId, NsId};

use super::out::Held;
use super::{Cx, net};

pub(crate) use busybox::run as run_busybox;

/// The program of a whole machine, by the path it was called by.
pub(crate) fn run_machine(cx: &mut Cx<'_>) -> i32 {
    match cx.args.first().map(String::as_str) {
        Some("/usr/bin/arping" | "/bin/arping") => iputils::run(cx),
        _ => habets::run(cx),
    }
}

/// A packet socket on one interface, for ARP.
struct Socket {
    ns: NsId,
    iface: IfId,
    tap: TapId,
    /// The interface's own address.
    mac: MacAddr,
}

/// An ARP message that came in.
struct Heard {
    at: SimTime,
    kind: SeenKind,
    arp: Arp,
    /// Bytes of the frame.
    length: usize,
}

impl Socket {
    fn open(cx: &mut Cx<'_>, ns: NsId, iface: IfId) -> Self {
        let mac = cx.cluster.world.ns(ns).iface(iface).map_or(MacAddr::ZERO, |i| i.mac);
        let tap = cx.cluster.world.tap_open(ns, Some(iface));
        cx.out.hold(Held::Tap(ns, tap));
        Self { ns, iface, tap, mac }
    }

    fn send(&self, cx: &mut Cx<'_>, dst: MacAddr, arp: Arp) -> Result<(), Errno> {
        let frame = Frame { dst, src: arp.sender_mac, body: FrameBody::Arp(arp) };
        cx.cluster.world.frame_send(self.ns, self.iface, frame)
    }

    /// The ARP messages that come in until then, as soon as there are any.
    fn listen(&self, cx: &mut Cx<'_>, until: SimTime) -> Vec<Heard> {
        let (ns, tap) = (self.ns, self.tap);
        let mut heard = Vec::new();
        cx.wait(until, |cluster| {
            let news = cluster.world.tap_take(ns, tap);
            heard.extend(news.into_iter().filter(|s| s.kind != SeenKind::Outgoing).filter_map(|seen| {
                let FrameBody::Arp(arp) = seen.frame.body else { return None };
                Some(Heard { at: seen.at, kind: seen.kind, arp, length: seen.frame.len() })
            }));
            !heard.is_empty()
        });
        heard
    }

    /// Closes it. A program takes longer to end than an answer that is on its way: the next one does not see it.
    fn close(&self, cx: &mut Cx<'_>) {
        cx.pause(Duration::from_millis(1));
        cx.cluster.world.tap_close(self.ns, self.tap);
    }
}

/// The address from which the kernel would send to `dst`, as `connect` and `getsockname` on a UDP socket tell; with `bind`, that address
/// if it is one of this machine's.
fn source(
    cx: &mut Cx<'_>,
    ns: NsId,
    iface: IfId,
    dst: Ipv4Addr,
    bind: Option<Ipv4Addr>,
) -> Result<Ipv4Addr, Failed> {
    let world = &mut cx.cluster.world;
    let local = SocketAddr::new(bind.unwrap_or(Ipv4Addr::UNSPECIFIED).into(), 0);
    let sock = world.udp_bind(ns, local).map_err(|e| Failed("bind", e))?;
    let found = if let Some(own) = bind {
        Ok(own)
    } else {
        let options = SockOptions { device: Some(iface), ..SockOptions::default() };
        let connected = world
            .set_options(ns, sock, options)
            .and_then(|()| world.udp_connect(ns, sock, SocketAddr::new(dst.into(), 1025)));
        let own = world.ns(ns).sockets.local_addr(sock).map(|a| a.ip());
        match (connected, own) {
            (Err(errno), _) => Err(Failed("connect", errno)),
            (Ok(()), Some(IpAddr::V4(own))) => Ok(own),
            (Ok(()), _) => Ok(Ipv4Addr::UNSPECIFIED),
        }
    };
    world.close(ns, sock);
    found
}

/// A system call that failed, and why.
struct Failed(&'static str, Errno);

/// What both short-lettered programs keep track of: their options and counts.
struct Plan {
    quit_on_reply: bool,
    quiet: bool,
    broadcast_only: bool,
    dad: bool,
    unsolicited: bool,
    /// Replies instead of requests.
    advertise: bool,
}

impl Plan {
    /// The message that goes out.
    fn message(&self, own: MacAddr, source: Ipv4Addr, target: Ipv4Addr, peer: MacAddr) -> Arp {
        Arp {
            op: if self.advertise { ArpOp::Reply } else { ArpOp::Request },
            sender_mac: own,
            sender_ip: source,
            target_mac: if self.advertise { own } else { peer },
            target_ip: target,
        }
    }

    /// Whether a message is an answer to what was asked.
    fn is_answer(&self, heard: &Heard, own: MacAddr, source: Ipv4Addr, target: Ipv4Addr) -> bool {
        let arp = &heard.arp;
        if heard.kind == SeenKind::OtherHost || arp.sender_ip != target {
            return false;
        }
        if self.dad {
            arp.sender_mac != own && (source.is_unspecified() || source == arp.target_ip)
        } else {
            arp.target_ip == source && arp.target_mac == own
        }
    }
}

/// A talk with one address, as both short-lettered programs hold it.
struct Talk<'a> {
    plan: &'a Plan,
    socket: &'a Socket,
    target: Ipv4Addr,
    own: Ipv4Addr,
    peer: MacAddr,
    /// Whether an answer has told whom to ask.
    unicasting: bool,
    /// Whether the first who answers is asked for good.
    faithful: bool,
    counts: Counts,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    sent: u64,
    broadcasts: u64,
    received: u64,
    requests: u64,
    heard_broadcasts: u64,
}

/// An answer, in the words that both programs use.
struct Told<'a> {
    /// `Unicast` or `Broadcast`.
    how: &'static str,
    /// `reply` or `request`.
    what: &'static str,
    arp: &'a Arp,
    /// For whom it is, if that is not who asked.
    to_whom: Option<Ipv4Addr>,
    /// `0.123ms`
    time: String,
}

impl Talk<'_> {
    fn send(&mut self, cx: &mut Cx<'_>) {
        let arp = self.plan.message(self.socket.mac, self.own, self.target, self.peer);
        if self.socket.send(cx, self.peer, arp).is_ok() {
            self.counts.sent += 1;
            self.counts.broadcasts += u64::from(!self.unicasting);
        }
    }

    /// Takes answers until then, each a line; whether there is nothing more to be done.
    fn listen(&mut self, cx: &mut Cx<'_>, until: SimTime, line: fn(&Told<'_>) -> String) -> bool {
        let sent = cx.now();
        loop {
            let heard = self.socket.listen(cx, until);
            if heard.is_empty() {
                return false;
            }
            for message in heard {
                if self.plan.is_answer(&message, self.socket.mac, self.own, self.target) {
                    let told = self.note(&message, message.at.since(sent));
                    if !self.plan.quiet {
                        cx.out.line(line(&told));
                    }
                    if self.plan.quit_on_reply {
                        return true;
                    }
                }
            }
            if cx.out.interrupted() {
                return true;
            }
        }
    }

    fn note<'h>(&mut self, heard: &'h Heard, time: Duration) -> Told<'h> {
        let arp = &heard.arp;
        let broadcast = heard.kind != SeenKind::Host;
        let request = arp.op == ArpOp::Request;
        self.counts.received += 1;
        self.counts.heard_broadcasts += u64::from(broadcast);
        self.counts.requests += u64::from(request);
        if !(self.plan.broadcast_only || self.faithful && self.unicasting) {
            self.peer = arp.sender_mac;
            self.unicasting = true;
        }
        let micros = time.as_micros();
        Told {
            how: if broadcast { "Broadcast" } else { "Unicast" },
            what: if request { "request" } else { "reply" },
            arp,
            to_whom: (arp.target_ip != self.own).then_some(arp.target_ip),
            time: format!("{}.{:03}ms", micros / 1000, micros % 1000),
        }
    }
}

/// The destination of a name or of an address text, IPv4.
fn destination(cx: &mut Cx<'_>, name: &str) -> Result<Ipv4Addr, sim_core::kube::dns::resolver::LookupError> {
    let found = net::lookup(cx, name, sim_core::kube::dns::resolver::Family::V4)?;
    Ok(found
        .addresses
        .iter()
        .find_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None })
        .unwrap_or(Ipv4Addr::UNSPECIFIED))
}

#[cfg(test)]
mod tests;

//! One entry as people read it.

use std::fmt;

use super::conn::GRE;
use super::{Conn, Counter, ProtoState, Status, Tuple};
use crate::packet::proto;
use crate::time::SimTime;

/// An entry at one instant; its `Display` is a line of `conntrack -L` (conntrack-tools 1.4.7).
#[derive(Clone, Copy, Debug)]
pub struct ConnView<'a> {
    conn: &'a Conn,
    now: SimTime,
}

impl Conn {
    /// The entry as of `now`.
    #[must_use]
    pub const fn view(&self, now: SimTime) -> ConnView<'_> {
        ConnView { conn: self, now }
    }
}

impl fmt::Display for ConnView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conn = self.conn;
        write!(f, "{:<8} {} ", protocol_name(conn.orig.protocol), conn.orig.protocol)?;
        write!(f, "{} ", conn.expires.since(self.now).as_secs())?;
        write_flow(conn, f)?;
        write!(f, " mark={} use=1", conn.mark)
    }
}

/// An entry as an event tells it; its `Display` is what `conntrack -E` prints after the kind of event: without a use count, a mark only
/// if there is one or `always_mark`, no time if none is left.
#[derive(Clone, Copy, Debug)]
pub struct ConnNews<'a> {
    /// The flow.
    pub conn: &'a Conn,
    /// The instant of the event.
    pub now: SimTime,
    /// Somebody has set the mark by hand.
    pub always_mark: bool,
}

impl fmt::Display for ConnNews<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conn = self.conn;
        write!(f, "{:<8} {} ", protocol_name(conn.orig.protocol), conn.orig.protocol)?;
        let left = conn.expires.since(self.now).as_secs();
        if left > 0 {
            write!(f, "{left} ")?;
        }
        write_flow(conn, f)?;
        if conn.mark != 0 || self.always_mark { write!(f, " mark={}", conn.mark) } else { Ok(()) }
    }
}

/// The tuples and states of an entry, without what changes from one moment to the next.
pub(super) struct Tuples<'a>(pub(super) &'a Conn);

impl Conn {
    /// `udp src=… dst=… sport=… dport=… [UNREPLIED] src=…`: the protocol, the tuples and the state, in the order of
    /// `/proc/net/nf_conntrack`, without mark, zone and timeout.
    #[must_use]
    pub fn tuples(&self) -> String {
        Tuples(self).to_string()
    }
}

impl fmt::Display for Tuples<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", protocol_name(self.0.orig.protocol))?;
        write_flow(self.0, f)
    }
}

fn write_flow(conn: &Conn, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let ProtoState::Tcp(tcp) = &conn.proto {
        write!(f, "{} ", tcp.state().name())?;
    }
    if let ProtoState::Sctp(state) = &conn.proto {
        write!(f, "{} ", state.name())?;
    }
    let counters = conn.counters.map(|[original, reply]| (original, reply));
    write_tuple(&conn.orig, f)?;
    write_counter(counters.map(|c| c.0), f)?;
    if !conn.status.has(Status::SEEN_REPLY) {
        f.write_str(" [UNREPLIED]")?;
    }
    f.write_str(" ")?;
    write_tuple(&conn.reply, f)?;
    write_counter(counters.map(|c| c.1), f)?;
    if conn.status.has(Status::ASSURED) {
        f.write_str(" [ASSURED]")?;
    }
    Ok(())
}

fn write_tuple(t: &Tuple, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "src={} dst={}", t.src, t.dst)?;
    match t.protocol {
        proto::ICMP | proto::ICMPV6 => {
            write!(f, " type={} code={} id={}", t.icmp_type(), t.icmp_code(), t.sport)
        }
        proto::TCP | proto::UDP | proto::SCTP => write!(f, " sport={} dport={}", t.sport, t.dport),
        GRE => f.write_str(" srckey=0x0 dstkey=0x0"),
        _ => Ok(()),
    }
}

fn write_counter(counter: Option<Counter>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match counter {
        Some(c) => write!(f, " packets={} bytes={}", c.packets, c.bytes),
        None => Ok(()),
    }
}

/// A protocol's name as `conntrack` prints it; `unknown` for one without a tracker of its own.
#[must_use]
pub const fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        proto::ICMP => "icmp",
        proto::TCP => "tcp",
        proto::UDP => "udp",
        proto::SCTP => "sctp",
        proto::ICMPV6 => "icmpv6",
        GRE => "gre",
        _ => "unknown",
    }
}

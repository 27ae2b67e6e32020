//! The sockets that `netstat` lists.

use std::net::{IpAddr, SocketAddr};

use sim_core::linux::socket::{SocketInfo, SocketProtocol, TcpState};

use super::{Dialect, name};
use crate::tools::nc::services;
use crate::tools::ss::owner;
use crate::tools::{Cx, net};

/// What is asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Listing {
    pub(super) tcp: bool,
    pub(super) udp: bool,
    pub(super) raw: bool,
    pub(super) unix: bool,
    pub(super) all: bool,
    pub(super) listening: bool,
    pub(super) numeric: bool,
    pub(super) programs: bool,
    pub(super) wide: bool,
    /// IPv4 only, or IPv6 only.
    pub(super) family: Option<bool>,
}

/// Columns of an address.
const WIDTH: usize = 23;
/// The same with `-W` in busybox.
const WIDE: usize = 51;

pub(super) fn show(cx: &mut Cx<'_>, dialect: Dialect, mut l: Listing) {
    let every = !(l.tcp || l.udp || l.raw || l.unix);
    if every {
        (l.tcp, l.udp, l.unix) = (true, true, l.family.is_none());
    }
    let which = match (l.all, l.listening) {
        (true, _) => "servers and established",
        (false, true) => "only servers",
        (false, false) => "w/o servers",
    };
    if l.tcp || l.udp || l.raw {
        cx.out.line(format!("Active Internet connections ({which})"));
        header(cx, dialect, l);
        for info in sockets(cx, l) {
            row(cx, dialect, l, &info);
        }
    }
    if l.unix {
        let path = if dialect == Dialect::Busybox { "I-Node Path" } else { "I-Node   Path" };
        cx.out.line(format!("Active UNIX domain sockets ({which})"));
        cx.out.line(format!("Proto RefCnt Flags       Type       State         {path}"));
    }
}

fn header(cx: &mut Cx<'_>, dialect: Dialect, l: Listing) {
    let width = if l.wide && dialect == Dialect::Busybox { WIDE } else { WIDTH };
    let mut line =
        format!("Proto Recv-Q Send-Q {:<width$} {:<width$} State      ", "Local Address", "Foreign Address");
    line.push_str(match (dialect, l.programs) {
        (Dialect::NetTools, false) => "",
        (Dialect::Busybox, false) => " ",
        (_, true) => " PID/Program name    ",
    });
    cx.out.line(line);
}

/// The sockets, protocol by protocol and family by family, listeners first.
fn sockets(cx: &Cx<'_>, l: Listing) -> Vec<SocketInfo> {
    let Ok(ns) = net::netns(cx) else { return Vec::new() };
    let mut all = cx.cluster.world.ns(ns).sockets.snapshot();
    all.retain(|s| {
        let wanted = match s.protocol {
            SocketProtocol::Tcp => l.tcp,
            SocketProtocol::Udp => l.udp,
            SocketProtocol::Icmp => false,
        };
        let waits = s.state == TcpState::Listen || (s.protocol == SocketProtocol::Udp && s.remote.is_none());
        wanted && l.family.is_none_or(|v4| s.local.is_ipv4() == v4) && (l.all || waits == l.listening)
    });
    all.sort_by_key(|s| (s.protocol != SocketProtocol::Tcp, s.local.is_ipv6(), s.state != TcpState::Listen));
    all
}

fn row(cx: &mut Cx<'_>, dialect: Dialect, l: Listing, info: &SocketInfo) {
    let udp = info.protocol == SocketProtocol::Udp;
    let six = if info.local.is_ipv6() && dialect == Dialect::NetTools { "6" } else { "" };
    let protocol = format!("{}{six}", if udp { "udp" } else { "tcp" });
    let any: IpAddr = if info.local.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let local = address(cx, dialect, l, info.local, udp);
    let remote = address(cx, dialect, l, info.remote.unwrap_or(SocketAddr::new(any, 0)), udp);
    let state = if udp && info.remote.is_none() { "" } else { state_name(info.state) };
    // Of a listener, the kernel's file has the connections that wait, and no backlog.
    let send_q = if info.state == TcpState::Listen { 0 } else { info.send_q };
    let width = if l.wide && dialect == Dialect::Busybox { WIDE } else { WIDTH };
    let mut line =
        format!("{protocol:<4}  {:>6} {send_q:>6} {local:<width$} {remote:<width$} {state:<11}", info.recv_q);
    line.push_str(match dialect {
        Dialect::Busybox => " ",
        Dialect::NetTools => "",
    });
    if l.programs {
        let program =
            owner::owner(cx, info.id).map_or_else(|| "-".to_owned(), |o| format!("{}/{}", o.pid, o.name));
        line.push_str(&match dialect {
            Dialect::Busybox => format!("{program:.20}"),
            Dialect::NetTools => format!(" {program:<20.19}"),
        });
    }
    cx.out.line(line);
}

/// Address and port, cut to the column unless the listing is wide.
fn address(cx: &mut Cx<'_>, dialect: Dialect, l: Listing, addr: SocketAddr, udp: bool) -> String {
    let service = if l.numeric { None } else { services::name(addr.port(), udp).map(str::to_owned) };
    let port = match (addr.port(), service) {
        (0, _) => "*".to_owned(),
        (_, Some(name)) => name,
        (n, None) => n.to_string(),
    };
    let host = match addr.ip() {
        IpAddr::V6(a) if a.is_unspecified() && !l.numeric && dialect == Dialect::NetTools => {
            "[::]".to_owned()
        }
        ip if ip.is_unspecified() => ip.to_string(),
        ip => name(cx, ip, l.numeric),
    };
    if l.wide {
        return format!("{host}:{port}");
    }
    let room = WIDTH.saturating_sub(port.len() + 1);
    format!("{host:.room$}:{port}")
}

const fn state_name(state: TcpState) -> &'static str {
    match state {
        TcpState::Closed => "CLOSE",
        TcpState::Listen => "LISTEN",
        TcpState::SynSent => "SYN_SENT",
        TcpState::SynReceived => "SYN_RECV",
        TcpState::Established => "ESTABLISHED",
        TcpState::FinWait1 => "FIN_WAIT1",
        TcpState::FinWait2 => "FIN_WAIT2",
        TcpState::CloseWait => "CLOSE_WAIT",
        TcpState::Closing => "CLOSING",
        TcpState::LastAck => "LAST_ACK",
        TcpState::TimeWait => "TIME_WAIT",
    }
}

//! The line that `LOG` writes (`nf_log_syslog.c`: `nf_log_ip_packet`, `dump_ipv4_packet`, `dump_ipv6_packet`).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::env::Env;
use super::packet::Packet;
use crate::packet::{Icmp, IcmpError, IpPacket, Tcp, TcpFlags, Transport};

/// `--log-tcp-sequence`
const TCP_SEQUENCE: u8 = 1;

/// The whole line, with the blank at its end.
pub(super) fn line(prefix: &str, flags: u8, env: &Env<'_>, packet: &Packet<'_>, mark: u32) -> String {
    let mut out = format!("{prefix}IN={} OUT={} ", env.iif.unwrap_or_default(), env.oif.unwrap_or_default());
    for (name, port) in [("PHYSIN", env.physin), ("PHYSOUT", env.physout)] {
        if let Some(port) = port {
            let _ = write!(out, "{name}={port} ");
        }
    }
    if env.iif.is_some() {
        let kind = if packet.ip.dst.is_ipv4() { "08:00" } else { "86:dd" };
        let _ = write!(out, "MAC={}:{}:{kind} ", packet.mac, packet.from_mac);
    }
    dump(&mut out, packet.ip, flags);
    if mark != 0 {
        let _ = write!(out, "MARK=0x{mark:x} ");
    }
    out
}

fn dump(out: &mut String, p: &IpPacket, flags: u8) {
    let (header, later) = match (p.src, p.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let _ = write!(
                out,
                "SRC={src} DST={dst} LEN={} TOS=0x{:02X} PREC=0x{:02X} TTL={} ID={} ",
                p.len(),
                p.tos & 0x1e,
                p.tos & 0xe0,
                p.ttl,
                p.id
            );
            if p.df {
                out.push_str("DF ");
            }
            let offset = p.frag.map_or(0, |f| f.offset / 8);
            if p.frag.is_some_and(|f| f.more) {
                out.push_str("MF ");
            }
            if offset > 0 {
                let _ = write!(out, "FRAG:{offset} ");
            }
            (20, offset > 0)
        }
        (src, dst) => {
            let _ = write!(
                out,
                "SRC={} DST={} LEN={} TC={} HOPLIMIT={} FLOWLBL=0 ",
                in_full(src),
                in_full(dst),
                p.len(),
                p.tos,
                p.ttl
            );
            (40, p.frag.is_some_and(|f| f.offset > 0))
        }
    };
    let body = match &p.body {
        Transport::Piece { whole, .. } => whole,
        body => body,
    };
    let _ = match body {
        Transport::Tcp(_) => write!(out, "PROTO=TCP "),
        Transport::Udp(_) => write!(out, "PROTO=UDP "),
        Transport::Icmp(_) if p.dst.is_ipv4() => write!(out, "PROTO=ICMP "),
        Transport::Icmp(_) => write!(out, "PROTO=ICMPv6 "),
        Transport::Sctp(_) | Transport::Piece { .. } | Transport::Other { .. } => {
            write!(out, "PROTO={} ", p.protocol())
        }
    };
    if later {
        return;
    }
    match body {
        Transport::Tcp(t) => tcp(out, t, flags),
        Transport::Udp(u) => {
            let _ = write!(out, "SPT={} DPT={} LEN={} ", u.sport, u.dport, p.len() - header);
        }
        Transport::Icmp(message) => icmp(out, message, p.dst.is_ipv4(), flags),
        Transport::Sctp(_) | Transport::Piece { .. } | Transport::Other { .. } => {}
    }
}

fn tcp(out: &mut String, t: &Tcp, flags: u8) {
    const NAMES: [(u8, &str); 8] = [
        (0x80, "CWR"),
        (0x40, "ECE"),
        (TcpFlags::URG.0, "URG"),
        (TcpFlags::ACK.0, "ACK"),
        (TcpFlags::PSH.0, "PSH"),
        (TcpFlags::RST.0, "RST"),
        (TcpFlags::SYN.0, "SYN"),
        (TcpFlags::FIN.0, "FIN"),
    ];
    let _ = write!(out, "SPT={} DPT={} ", t.sport, t.dport);
    if flags & TCP_SEQUENCE != 0 {
        let _ = write!(out, "SEQ={} ACK={} ", t.seq, t.ack);
    }
    let _ = write!(out, "WINDOW={} RES=0x00 ", t.window);
    for (_, name) in NAMES.iter().filter(|(bit, _)| t.flags.0 & bit != 0) {
        let _ = write!(out, "{name} ");
    }
    out.push_str("URGP=0 ");
}

fn icmp(out: &mut String, message: &Icmp, v4: bool, flags: u8) {
    let (kind, code) = if v4 { message.type_code() } else { message.type_code_v6() };
    let _ = write!(out, "TYPE={kind} CODE={code} ");
    match message {
        Icmp::EchoRequest { id, seq, .. } | Icmp::EchoReply { id, seq, .. } => {
            let _ = write!(out, "ID={id} SEQ={seq} ");
        }
        Icmp::Error { error, quote } => {
            out.push('[');
            dump(out, quote, flags);
            out.push_str("] ");
            if let IcmpError::FragmentationNeeded { mtu } = error {
                let _ = write!(out, "MTU={mtu} ");
            }
        }
        _ => {}
    }
}

/// `%pI6`: all groups with all digits.
fn in_full(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(a) => a.to_string(),
        IpAddr::V6(a) => a.segments().map(|s| format!("{s:04x}")).join(":"),
    }
}

//! Choosing entries, as the options of `conntrack -L` and `-D` do.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Conn, ProtoState, Status, TcpState};

/// What an entry must be like; every field that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `-f`: IPv4 (true) or IPv6 (false).
    pub ipv4: Option<bool>,
    /// `-p`: IANA protocol number.
    pub protocol: Option<u8>,
    /// `-s`, `--orig-src`.
    pub orig_src: Option<IpNet>,
    /// `-d`, `--orig-dst`.
    pub orig_dst: Option<IpNet>,
    /// `-r`, `--reply-src`.
    pub reply_src: Option<IpNet>,
    /// `-q`, `--reply-dst`.
    pub reply_dst: Option<IpNet>,
    /// `--sport`, `--orig-port-src`; the identifier of ICMP flows (`--icmp-id`).
    pub orig_sport: Option<u16>,
    /// `--dport`, `--orig-port-dst`.
    pub orig_dport: Option<u16>,
    /// `--reply-port-src`.
    pub reply_sport: Option<u16>,
    /// `--reply-port-dst`.
    pub reply_dport: Option<u16>,
    /// `--icmp-type`.
    pub icmp_type: Option<u8>,
    /// `--icmp-code`.
    pub icmp_code: Option<u8>,
    /// `--state`, of TCP.
    pub state: Option<TcpState>,
    /// `-u`: status bits that must be set.
    pub status: Status,
    /// `-u UNREPLIED`: status bits of which none may be set.
    pub status_unset: Status,
    /// `-m`: mark and mask.
    pub mark: Option<(u32, u32)>,
    /// `-n`: the source is translated.
    pub src_nat: Option<Nat>,
    /// `-g`: the destination is translated.
    pub dst_nat: Option<Nat>,
    /// `-j`: one of them is translated.
    pub any_nat: Option<Nat>,
}

/// How one side of a flow must be translated; any way if nothing is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// To this address.
    pub addr: Option<IpAddr>,
    /// To this port.
    pub port: Option<u16>,
}

impl Filter {
    /// Whether an entry is meant.
    #[must_use]
    pub fn matches(&self, conn: &Conn) -> bool {
        let net = |want: Option<IpNet>, addr| want.is_none_or(|n| n.contains(&addr));
        let (o, r) = (&conn.orig, &conn.reply);
        self.ipv4.is_none_or(|v4| o.src.is_ipv4() == v4)
            && same(self.protocol, o.protocol)
            && net(self.orig_src, o.src)
            && net(self.orig_dst, o.dst)
            && net(self.reply_src, r.src)
            && net(self.reply_dst, r.dst)
            && same(self.orig_sport, o.sport)
            && same(self.orig_dport, o.dport)
            && same(self.reply_sport, r.sport)
            && same(self.reply_dport, r.dport)
            && self.icmp_type.is_none_or(|t| is_icmp(conn) && o.icmp_type() == t)
            && self.icmp_code.is_none_or(|c| is_icmp(conn) && o.icmp_code() == c)
            && self.state.is_none_or(|s| matches!(&conn.proto, ProtoState::Tcp(t) if t.state() == s))
            && conn.status.has(self.status)
            && !conn.status.any(self.status_unset)
            && self.mark.is_none_or(|(mark, mask)| conn.mark & mask == mark)
            && self.src_nat.is_none_or(|to| src_nat(conn, to))
            && self.dst_nat.is_none_or(|to| dst_nat(conn, to))
            && self.any_nat.is_none_or(|to| src_nat(conn, to) || dst_nat(conn, to))
    }
}

fn src_nat(conn: &Conn, to: Nat) -> bool {
    let addr = (conn.orig.src, conn.reply.dst);
    // The tool compares what is stored at the place of the ports. For ICMP that is the identifier on one side and the type
    // on the other, so an ICMP flow counts as translated once the nat table has seen it.
    let port = (conn.orig.sport, conn.reply.dport);
    conn.status.has(Status::SRC_NAT_DONE) && to.fits(addr, port)
}

fn dst_nat(conn: &Conn, to: Nat) -> bool {
    let addr = (conn.orig.dst, conn.reply.src);
    let port = (conn.orig.dport, conn.reply.sport);
    conn.status.has(Status::DST_NAT_DONE) && to.fits(addr, port)
}

impl Nat {
    fn fits(&self, addr: (IpAddr, IpAddr), port: (u16, u16)) -> bool {
        let addr_changed = addr.0 != addr.1;
        let port_changed = port.0 != port.1;
        if self.addr.is_none() && self.port.is_none() {
            return addr_changed || port_changed;
        }
        self.addr.is_none_or(|a| addr_changed && a == addr.1)
            && self.port.is_none_or(|p| port_changed && p == port.1)
    }
}

fn same<T: PartialEq>(want: Option<T>, is: T) -> bool {
    want.is_none_or(|w| w == is)
}

const fn is_icmp(conn: &Conn) -> bool {
    matches!(conn.proto, ProtoState::Icmp)
}

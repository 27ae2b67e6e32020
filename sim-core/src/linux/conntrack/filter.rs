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
    /// `-u UNSET`-style: status bits that must not be set.
    pub status_unset: Status,
    /// `-m`: mark and mask.
    pub mark: Option<(u32, u32)>,
    /// `-n`: the source is translated, to this address if one is given.
    pub src_nat: Option<Option<IpAddr>>,
    /// `-g`: the destination is translated, to this address if one is given.
    pub dst_nat: Option<Option<IpAddr>>,
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
            && self.src_nat.is_none_or(|to| conn.status.has(Status::SRC_NAT) && to.is_none_or(|a| a == r.dst))
            && self.dst_nat.is_none_or(|to| conn.status.has(Status::DST_NAT) && to.is_none_or(|a| a == r.src))
    }
}

fn same<T: PartialEq>(want: Option<T>, is: T) -> bool {
    want.is_none_or(|w| w == is)
}

const fn is_icmp(conn: &Conn) -> bool {
    matches!(conn.proto, ProtoState::Icmp)
}

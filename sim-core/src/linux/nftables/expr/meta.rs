//! What is known of a packet beside its headers: `meta` and `ct`.

use super::super::types::Ty;
use crate::linux::conntrack::Direction;

/// `meta …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    Length,
    Protocol,
    Mark,
    Iif,
    Oif,
    Iifname,
    Oifname,
    Nfproto,
    L4proto,
    Pkttype,
}

impl Meta {
    pub(in super::super) const ALL: [Self; 10] = [
        Self::Length,
        Self::Protocol,
        Self::Mark,
        Self::Iif,
        Self::Oif,
        Self::Iifname,
        Self::Oifname,
        Self::Nfproto,
        Self::L4proto,
        Self::Pkttype,
    ];

    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Protocol => "protocol",
            Self::Mark => "mark",
            Self::Iif => "iif",
            Self::Oif => "oif",
            Self::Iifname => "iifname",
            Self::Oifname => "oifname",
            Self::Nfproto => "nfproto",
            Self::L4proto => "l4proto",
            Self::Pkttype => "pkttype",
        }
    }

    pub(in super::super) const fn ty(self) -> Ty {
        match self {
            Self::Length => Ty::Int(32),
            Self::Protocol => Ty::EtherType,
            Self::Mark => Ty::Mark,
            Self::Iif | Self::Oif => Ty::IfIndex,
            Self::Iifname | Self::Oifname => Ty::Ifname,
            Self::Nfproto => Ty::NfProto,
            Self::L4proto => Ty::Proto,
            Self::Pkttype => Ty::PktType,
        }
    }

    /// Written without `meta`.
    pub(in super::super) const fn is_short(self) -> bool {
        matches!(self, Self::Iif | Self::Oif | Self::Iifname | Self::Oifname)
    }
}

/// `ct …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ct {
    /// What.
    pub key: CtKey,
    /// `original`, `reply`.
    pub dir: Option<Direction>,
}

/// What of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtKey {
    State,
    Direction,
    Status,
    Mark,
    Expiration,
    L3proto,
    Protocol,
    Saddr,
    Daddr,
    IpSaddr,
    IpDaddr,
    Ip6Saddr,
    Ip6Daddr,
    ProtoSrc,
    ProtoDst,
    Bytes,
    Packets,
    Avgpkt,
}

impl CtKey {
    pub(in super::super) const ALL: [Self; 18] = [
        Self::State,
        Self::Direction,
        Self::Status,
        Self::Mark,
        Self::Expiration,
        Self::L3proto,
        Self::Protocol,
        Self::Saddr,
        Self::Daddr,
        Self::IpSaddr,
        Self::IpDaddr,
        Self::Ip6Saddr,
        Self::Ip6Daddr,
        Self::ProtoSrc,
        Self::ProtoDst,
        Self::Bytes,
        Self::Packets,
        Self::Avgpkt,
    ];

    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Direction => "direction",
            Self::Status => "status",
            Self::Mark => "mark",
            Self::Expiration => "expiration",
            Self::L3proto => "l3proto",
            Self::Protocol => "protocol",
            Self::Saddr => "saddr",
            Self::Daddr => "daddr",
            Self::IpSaddr => "ip saddr",
            Self::IpDaddr => "ip daddr",
            Self::Ip6Saddr => "ip6 saddr",
            Self::Ip6Daddr => "ip6 daddr",
            Self::ProtoSrc => "proto-src",
            Self::ProtoDst => "proto-dst",
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Avgpkt => "avgpkt",
        }
    }

    pub(in super::super) const fn ty(self) -> Ty {
        match self {
            Self::State => Ty::CtState,
            Self::Direction => Ty::CtDir,
            Self::Status => Ty::CtStatus,
            Self::Mark => Ty::Mark,
            Self::Expiration => Ty::Time,
            Self::L3proto => Ty::NfProto,
            Self::Protocol => Ty::Proto,
            Self::IpSaddr | Self::IpDaddr | Self::Saddr | Self::Daddr => Ty::Ipv4,
            Self::Ip6Saddr | Self::Ip6Daddr => Ty::Ipv6,
            Self::ProtoSrc | Self::ProtoDst => Ty::Service,
            Self::Bytes | Self::Packets | Self::Avgpkt => Ty::Int(64),
        }
    }

    /// Makes no sense without a direction.
    pub(in super::super) const fn needs_direction(self) -> bool {
        matches!(
            self,
            Self::Saddr
                | Self::Daddr
                | Self::IpSaddr
                | Self::IpDaddr
                | Self::Ip6Saddr
                | Self::Ip6Daddr
                | Self::ProtoSrc
                | Self::ProtoDst
        )
    }
}

//! `REJECT`: throw the packet away and tell its sender.

use super::Extension;
use crate::linux::netfilter::matches::Place;
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::problem::Problem;
use crate::packet::{IcmpError, proto};
use crate::trace::{Family, RejectWith, TableId};

/// `-j REJECT`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reject {
    /// Index into the family's kinds.
    kind: usize,
    family: Family,
}

/// Name, short name, and what the sender is told.
type Kind = (&'static str, &'static str, RejectWith);

const V4: [Kind; 8] = [
    ("icmp-net-unreachable", "net-unreach", icmp(IcmpError::NetUnreachable)),
    ("icmp-host-unreachable", "host-unreach", icmp(IcmpError::HostUnreachable)),
    ("icmp-proto-unreachable", "proto-unreach", icmp(IcmpError::ProtocolUnreachable)),
    ("icmp-port-unreachable", "port-unreach", icmp(IcmpError::PortUnreachable)),
    ("icmp-net-prohibited", "net-prohib", icmp(IcmpError::NetProhibited)),
    ("icmp-host-prohibited", "host-prohib", icmp(IcmpError::HostProhibited)),
    ("tcp-reset", "tcp-rst", RejectWith::TcpReset),
    ("icmp-admin-prohibited", "admin-prohib", icmp(IcmpError::AdminProhibited)),
];

const V6: [Kind; 7] = [
    ("icmp6-no-route", "no-route", icmp(IcmpError::NetUnreachable)),
    ("icmp6-adm-prohibited", "adm-prohibited", icmp(IcmpError::AdminProhibited)),
    ("icmp6-addr-unreachable", "addr-unreach", icmp(IcmpError::HostUnreachable)),
    ("icmp6-port-unreachable", "port-unreach", icmp(IcmpError::PortUnreachable)),
    ("tcp-reset", "tcp-reset", RejectWith::TcpReset),
    ("icmp6-policy-fail", "policy-fail", icmp(IcmpError::PolicyFail)),
    ("icmp6-reject-route", "reject-route", icmp(IcmpError::RejectRoute)),
];

const DEFAULT: usize = 3;

const fn icmp(error: IcmpError) -> RejectWith {
    RejectWith::Icmp(error)
}

impl Reject {
    const fn kinds(family: Family) -> &'static [Kind] {
        match family {
            Family::V4 => &V4,
            Family::V6 => &V6,
        }
    }

    /// What the sender is told.
    pub(crate) fn with(&self) -> RejectWith {
        Self::kinds(self.family)[self.kind].2
    }

    fn name(&self) -> &'static str {
        Self::kinds(self.family)[self.kind].0
    }

    /// The first kind whose name starts with `text`.
    fn parse(text: &str, family: Family) -> Result<usize, Problem> {
        let starts = |name: &str| name.get(..text.len()).is_some_and(|n| n.eq_ignore_ascii_case(text));
        let unknown = || {
            let old = text == "echo-reply" || text == "icmp6-echo-reply";
            Problem::usage(format!("unknown reject type \"{text}\"")).preceded(
                if old && family == Family::V4 {
                    "--reject-with echo-reply no longer supported\n"
                } else {
                    ""
                },
            )
        };
        Self::kinds(family).iter().position(|k| starts(k.0) || starts(k.1)).ok_or_else(unknown)
    }
}

impl Extension for Reject {
    const NAME: &'static str = "REJECT";
    const OPTIONS: &'static [Opt] = &[Opt::value("reject-with")];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let family = args.rule.family;
        let kind = args.value("reject-with", |text| Self::parse(text, family))?.map_or(DEFAULT, |(k, _)| k);
        Ok(Self { kind, family })
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --reject-with ");
        out.push_str(self.name());
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" reject-with ");
        out.push_str(self.name());
    }

    fn allowed(&self, place: &Place) -> bool {
        let tcp = place.protocol == proto::TCP && !place.protocol_inverted;
        place.table == TableId::Filter && (tcp || self.with() != RejectWith::TcpReset)
    }
}

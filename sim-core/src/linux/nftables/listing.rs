//! What a listing shows and in which order: implied tests, the order of elements, units, names of priorities.

use super::elements::Element;
use super::expr::{Cmp, Expr, Field, Meta, Proto, Test};
use super::model::{BaseChain, Family, NatTo, Set, Statement};
use super::types::Ty;
use crate::time::SimTime;
use crate::trace::Hook;

/// Statements that are not listed: tests of a protocol that a later test implies (`payload_dependency_kill`). A statement that is no test
/// keeps them.
pub(super) fn hidden(statements: &[Statement], family: Family) -> Vec<usize> {
    let mut hidden = Vec::new();
    let mut network: Option<(usize, Proto)> = None;
    let mut transport: Option<(usize, Proto, bool)> = None;
    for (i, statement) in statements.iter().enumerate() {
        for field in fields(statement) {
            if let Some((at, proto)) = network
                && field.proto == proto
            {
                hidden.push(at);
                network = None;
            }
            if let Some((at, proto, by_header)) = transport
                && field.proto == proto
                && !(by_header && family == Family::Inet)
            {
                hidden.push(at);
                transport = None;
            }
        }
        match statement {
            Statement::Match(left, Test::Value(Cmp::Implicit | Cmp::Eq, value)) => match left {
                Expr::Meta(Meta::L4proto) => {
                    transport = Proto::of_number(*value).map(|p| (i, p, false));
                }
                Expr::Field(f) if f.proto.is_network() && f.ty == Ty::Proto => {
                    transport = Proto::of_number(*value).map(|p| (i, p, true));
                }
                Expr::Meta(Meta::Nfproto) => {
                    network = Some((i, if *value == 2 { Proto::Ip } else { Proto::Ip6 }));
                }
                Expr::Meta(Meta::Protocol) if family != Family::Inet => {
                    network = Some((i, if *value == 0x0800 { Proto::Ip } else { Proto::Ip6 }));
                }
                _ => {}
            },
            Statement::Match(..) => {}
            _ => {
                network = None;
                transport = None;
            }
        }
    }
    hidden
}

/// The fields that a statement looks at.
fn fields(statement: &Statement) -> Vec<&'static Field> {
    let mut found = Vec::new();
    match statement {
        Statement::Match(e, _) | Statement::Vmap(e, _) | Statement::SetMark(e) | Statement::SetCtMark(e) => {
            fields_of(e, &mut found);
        }
        Statement::Dynamic(d) => fields_of(&d.key, &mut found),
        Statement::Nat(nat) => {
            if let NatTo::Map(e) | NatTo::MapWithPort(e) = &nat.to {
                fields_of(e, &mut found);
            }
        }
        _ => {}
    }
    found
}

fn fields_of(expr: &Expr, found: &mut Vec<&'static Field>) {
    match expr {
        Expr::Field(field) => found.push(field),
        Expr::Op(left, ..) | Expr::Map(left, _) | Expr::Jhash { of: left, .. } => fields_of(left, found),
        Expr::Concat(parts) => parts.iter().for_each(|p| fields_of(p, found)),
        _ => {}
    }
}

/// The elements that are not over, in the order in which nft lists them.
pub(super) fn sorted(set: &Set, now: SimTime) -> Vec<&Element> {
    let mut elements: Vec<&Element> = set.elements.iter().filter(|e| e.is_live(now)).collect();
    // A concatenation with ranges is listed as the kernel has it.
    if set.flags.interval && set.key.len() > 1 {
        return elements;
    }
    elements.sort_by_cached_key(|e| (sort_key(set, &e.low), e.low.clone()));
    elements
}

/// Numbers by value, names and concatenations as if their bytes were one little-endian number (`expr_msort_value`).
fn sort_key(set: &Set, key: &[u128]) -> Vec<u8> {
    let bytes = |ty: Ty, value: u128| {
        let width = usize::from(ty.bits().div_ceil(8));
        let mut bytes = value.to_be_bytes()[16 - width..].to_vec();
        if ty.is_host_endian() && ty != Ty::Ifname {
            bytes.reverse();
        }
        bytes
    };
    match (&set.key[..], key) {
        ([ty], [value]) if *ty != Ty::Ifname || set.flags.interval => value.to_be_bytes().to_vec(),
        (types, values) => {
            let mut all: Vec<u8> = types.iter().zip(values).flat_map(|(t, v)| bytes(*t, *v)).collect();
            all.reverse();
            all
        }
    }
}

/// Elements that are listed on one line (`calculate_delim`).
pub(super) const fn per_line(key: &[Ty]) -> usize {
    match key {
        [Ty::Ipv4 | Ty::CtState] => 2,
        [Ty::Service | Ty::Proto | Ty::Mark | Ty::TcpFlag | Ty::NfProto | Ty::Int(_)] => 5,
        _ => 1,
    }
}

/// The length of the prefix that a range is, for types that have prefixes.
pub(super) fn prefix_of(ty: Ty, low: u128, high: u128) -> Option<u8> {
    if !ty.has_prefix() && ty != Ty::Ifname {
        return None;
    }
    let differing = low ^ high;
    let free = 128 - differing.leading_zeros();
    let all = if free >= 128 { u128::MAX } else { (1 << free) - 1 };
    (differing == all && low & all == 0).then(|| ty.bits().saturating_sub(free as u8))
}

/// `quota` and `limit` write bytes in the largest unit that divides them.
pub(super) const fn bytes_text(bytes: u64) -> (u64, &'static str) {
    if bytes > 0 && bytes.is_multiple_of(1024 * 1024) {
        (bytes / (1024 * 1024), "mbytes")
    } else if bytes > 0 && bytes.is_multiple_of(1024) {
        (bytes / 1024, "kbytes")
    } else {
        (bytes, "bytes")
    }
}

/// Named priorities, with the hook that a name is bound to.
pub(super) const PRIORITIES: [(&str, i32, Option<Hook>); 6] = [
    ("raw", -300, None),
    ("mangle", -150, None),
    ("dstnat", -100, Some(Hook::Prerouting)),
    ("filter", 0, None),
    ("security", 50, None),
    ("srcnat", 100, Some(Hook::Postrouting)),
];

/// Farther from a name than this, a priority is a number.
const NEAR: i32 = 10;

pub(super) fn priority_text(base: &BaseChain, numeric: bool) -> String {
    let near = PRIORITIES.iter().find(|(_, at, hook)| {
        base.priority.abs_diff(*at) <= NEAR as u32 && hook.is_none_or(|h| h == base.hook)
    });
    match near {
        Some((name, at, _)) if !numeric => match base.priority - at {
            0 => (*name).to_owned(),
            more @ 1.. => format!("{name} + {more}"),
            less => format!("{name} - {}", -less),
        },
        _ => base.priority.to_string(),
    }
}

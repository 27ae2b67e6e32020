//! Expressions: what a rule reads from a packet, and what it compares that with.

use std::sync::Arc;

use super::model::Set;
use super::types::Ty;

mod header;
mod meta;

pub(super) use header::{Field, Proto, What};
pub(super) use meta::{Ct, CtKey, Meta};

/// Something that a packet is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A field of a header.
    Field(&'static Field),
    /// `meta …`.
    Meta(Meta),
    /// `ct …`.
    Ct(Ct),
    /// `fib …`.
    Fib(Fib),
    /// `numgen random|inc mod N offset M`; the last number that was given out, for `inc`.
    Numgen {
        /// `random`, else `inc`.
        random: bool,
        /// `mod`.
        modulus: u32,
        /// `offset`.
        offset: u32,
        /// The next number of `inc`.
        next: u32,
    },
    /// `jhash EXPR mod N seed S offset M`.
    Jhash {
        /// What is hashed.
        of: Box<Self>,
        /// `mod`.
        modulus: u32,
        /// `seed`; without one it is drawn when the rule is made.
        seed: Option<u32>,
        /// `offset`.
        offset: u32,
    },
    /// `EXPR & | ^ << >> VALUE`.
    Op(Box<Self>, Op, u128),
    /// `EXPR . EXPR`.
    Concat(Vec<Self>),
    /// `EXPR map …`.
    Map(Box<Self>, SetRef),
    /// A value.
    Value(Ty, u128),
}

/// Operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `&`.
    And,
    /// `|`.
    Or,
    /// `^`.
    Xor,
    /// `<<`.
    Left,
    /// `>>`.
    Right,
}

impl Op {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::And => "&",
            Self::Or => "|",
            Self::Xor => "^",
            Self::Left => "<<",
            Self::Right => ">>",
        }
    }

    pub(super) const fn apply(self, a: u128, b: u128) -> u128 {
        match self {
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::Left => {
                if b < 128 {
                    a << b
                } else {
                    0
                }
            }
            Self::Right => {
                if b < 128 {
                    a >> b
                } else {
                    0
                }
            }
        }
    }
}

/// What an expression's value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// A value; flags are tested for any being set if the comparison is not written out.
    Value(Cmp, u128),
    /// A concatenation.
    Values(Cmp, Vec<u128>),
    /// From, to; whether it is inverted.
    Range(bool, u128, u128),
    /// Mask, value; whether it is inverted: a prefix.
    Prefix(bool, u128, u8),
    /// A set; whether it is inverted.
    Set(bool, SetRef),
}

/// How values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// Not written out: equal, or for flags any of them.
    Implicit,
    /// `==`.
    Eq,
    /// `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// `!`: none of the flags.
    Not,
}

impl Cmp {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Implicit => "",
            Self::Eq => "== ",
            Self::Ne => "!= ",
            Self::Lt => "< ",
            Self::Le => "<= ",
            Self::Gt => "> ",
            Self::Ge => ">= ",
            Self::Not => "! ",
        }
    }
}

/// A set that a rule looks into.
#[derive(Clone, Debug, PartialEq)]
pub enum SetRef {
    /// `@name`.
    Named(Arc<str>),
    /// `{ … }`.
    Anonymous(Arc<Set>),
}

/// `fib …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fib {
    /// `saddr`, else `daddr`.
    pub source: bool,
    /// `mark`: the packet's counts for the rules.
    pub mark: bool,
    /// `iif`.
    pub iif: bool,
    /// `oif`.
    pub oif: bool,
    /// What is asked for.
    pub result: FibResult,
}

/// What `fib` yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FibResult {
    /// `type`.
    Type,
    /// `oif`.
    Oif,
    /// `oifname`.
    Oifname,
    /// `oif exists`, `oif missing`.
    Present,
}

impl Expr {
    /// The types of the value, more than one for a concatenation. A map's are those of its data, which only the set knows.
    pub(super) fn types(&self) -> Vec<Ty> {
        match self {
            Self::Concat(parts) => parts.iter().flat_map(Self::types).collect(),
            Self::Map(..) => Vec::new(),
            other => vec![other.ty()],
        }
    }

    /// The type of a plain value.
    pub(super) fn ty(&self) -> Ty {
        match self {
            Self::Field(f) => f.ty,
            Self::Meta(m) => m.ty(),
            Self::Ct(c) => c.key.ty(),
            Self::Fib(f) => match f.result {
                FibResult::Type => Ty::FibType,
                FibResult::Oif => Ty::IfIndex,
                FibResult::Oifname => Ty::Ifname,
                FibResult::Present => Ty::Bool,
            },
            Self::Numgen { .. } | Self::Jhash { .. } => Ty::Int(32),
            Self::Op(left, ..) => left.ty(),
            Self::Value(ty, _) => *ty,
            Self::Concat(parts) => parts.first().map_or(Ty::Int(32), Self::ty),
            Self::Map(..) => Ty::Mark,
        }
    }
}

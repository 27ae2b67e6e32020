//! What a rule set is made of: tables, chains, rules, sets.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::elements::Elements;
use super::expr::{Expr, SetRef, Test};
use super::links::Links;
use super::named::Named;
use super::types::Ty;
use crate::packet::IcmpError;
use crate::time::SimTime;
use crate::trace::{Family as Ip, Hook, RejectWith};

/// Family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
}

impl Family {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
        }
    }

    /// The packets that its chains see.
    pub fn packets(self) -> impl Iterator<Item = Ip> {
        [Ip::V4, Ip::V6].into_iter().filter(move |ip| match self {
            Self::Ip => *ip == Ip::V4,
            Self::Ip6 => *ip == Ip::V6,
            Self::Inet => true,
        })
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Family.
    pub family: Family,
    /// Name.
    pub name: Arc<str>,
    /// Family and name, for the record.
    pub(super) title: Arc<str>,
    /// Handle, counted per namespace.
    pub handle: u64,
    /// `flags dormant`: its base chains are not called.
    pub dormant: bool,
    /// `comment`.
    pub comment: Option<Arc<str>>,
    /// The last handle that something in the table got.
    pub(super) last_handle: u64,
    /// Chains, in order of creation.
    pub chains: Named<Chain>,
    /// Sets and maps, in order of creation.
    pub sets: Named<Set>,
    /// Counters, quotas and limits with names.
    pub objects: IndexMap<(ObjectKind, Arc<str>), Object, FxBuildHasher>,
    /// What leads where.
    pub(super) links: Links,
}

impl Table {
    pub(super) fn next_handle(&mut self) -> u64 {
        self.last_handle += 1;
        self.last_handle
    }
}

/// Kinds of objects, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// `counter`.
    Counter,
    /// `quota`.
    Quota,
    /// `limit`.
    Limit,
}

impl ObjectKind {
    /// Its keyword.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Quota => "quota",
            Self::Limit => "limit",
        }
    }
}

/// A counter, quota or limit with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Handle.
    pub handle: u64,
    /// `comment`.
    pub comment: Option<Arc<str>>,
    /// Its state.
    pub state: ObjectState,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectState {
    /// `counter`.
    Counter(Counter),
    /// `quota`.
    Quota(Quota),
    /// `limit`.
    Limit(Limit),
}

impl ObjectState {
    pub(super) const fn kind(&self) -> ObjectKind {
        match self {
            Self::Counter(_) => ObjectKind::Counter,
            Self::Quota(_) => ObjectKind::Quota,
            Self::Limit(_) => ObjectKind::Limit,
        }
    }
}

/// A chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Name.
    pub name: Arc<str>,
    /// Handle.
    pub handle: u64,
    /// `comment`.
    pub comment: Option<Arc<str>>,
    /// Where it is called, if it is.
    pub base: Option<BaseChain>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// What makes a chain a base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseChain {
    /// `type`.
    pub kind: ChainType,
    /// `hook`.
    pub hook: Hook,
    /// `priority`.
    pub priority: i32,
    /// `policy drop`.
    pub drop: bool,
}

/// Type of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainType {
    /// Decisions.
    Filter,
    /// Address translation.
    Nat,
    /// As `filter`; a changed packet is routed again, which makes no difference without policy routing.
    Route,
}

impl ChainType {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        }
    }
}

/// Name of a hook in `hook prerouting`.
pub(super) const fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Handle.
    pub handle: u64,
    /// Its statements.
    pub statements: Vec<Statement>,
    /// `comment`.
    pub comment: Option<Arc<str>>,
    /// Its text without counters, for the record.
    pub(super) text: Text,
}

/// The text of a rule, which is written when a packet first meets the rule. That of a rule that names interfaces is written with it: they
/// may get other names.
#[derive(Clone, Debug, Default)]
pub(super) struct Text(pub(super) Option<Arc<str>>);

/// It says nothing that the rule does not say.
impl PartialEq for Text {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Where the walk goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `accept`.
    Accept,
    /// `drop`.
    Drop,
    /// `continue`.
    Continue,
    /// `return`.
    Return,
    /// `jump`.
    Jump(Arc<str>),
    /// `goto`.
    Goto(Arc<str>),
}

impl Verdict {
    /// The chain that it leads to.
    pub(super) const fn chain(&self) -> Option<&Arc<str>> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            Self::Accept | Self::Drop | Self::Continue | Self::Return => None,
        }
    }
}

/// One statement of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `EXPR TEST`: the rule goes on if it holds.
    Match(Expr, Test),
    /// A verdict.
    Verdict(Verdict),
    /// `EXPR vmap …`.
    Vmap(Expr, SetRef),
    /// `counter`.
    Counter(Counter),
    /// `counter name`, `quota name`, `limit name`.
    Object(ObjectKind, Arc<str>),
    /// `limit rate`.
    Limit(Limit),
    /// `quota`.
    Quota(Quota),
    /// `log`.
    Log(Log),
    /// `reject`.
    Reject(Reject),
    /// `dnat`, `snat`, `masquerade`, `redirect`.
    Nat(Box<Nat>),
    /// `meta mark set`.
    SetMark(Expr),
    /// `ct mark set`.
    SetCtMark(Expr),
    /// `meta nftrace set`.
    SetTrace(u128),
    /// `tcp option maxseg size set`.
    SetMss(u16),
    /// `notrack`.
    Notrack,
    /// `add @set { … }`, `update @set { … }`, `delete @set { … }`.
    Dynamic(Box<Dynamic>),
}

impl Statement {
    /// Nothing can come after it.
    pub(super) const fn is_terminal(&self) -> bool {
        match self {
            Self::Verdict(v) => !matches!(v, Verdict::Continue),
            Self::Reject(_) | Self::Nat(_) => true,
            _ => false,
        }
    }
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// `limit rate`: a token bucket on virtual time (`nft_limit_eval`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Packets or bytes.
    pub rate: u64,
    /// Seconds of the unit.
    pub unit: u64,
    /// Burst in packets or bytes.
    pub burst: u64,
    /// Bytes, not packets.
    pub bytes: bool,
    /// `over`.
    pub over: bool,
    /// Nanoseconds that are left in the bucket.
    pub(super) tokens: u64,
    /// When it was last looked at.
    pub(super) last: SimTime,
}

/// `quota`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes.
    pub bytes: u64,
    /// Bytes that have gone by.
    pub used: u64,
    /// `over`.
    pub over: bool,
}

/// `log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `prefix`.
    pub prefix: Option<Arc<str>>,
    /// `level`, if it is not `warn`.
    pub level: Option<&'static str>,
    /// `group`.
    pub group: Option<u16>,
    /// `snaplen`.
    pub snaplen: Option<u32>,
    /// `queue-threshold`.
    pub threshold: Option<u16>,
    /// `flags`: 1 tcp sequence, 2 tcp options, 4 ip options, 8 skuid, 32 ether; 47 is all.
    pub flags: u8,
}

/// What the sender of a rejected packet is told, and how the rule says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Kind.
    pub kind: RejectKind,
    /// Code of the ICMP error.
    pub code: u8,
    /// A port that is unreachable is written, too.
    pub verbose: bool,
}

/// Kinds of rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectKind {
    /// `icmp`.
    Icmp,
    /// `icmpv6`.
    Icmp6,
    /// `icmpx`.
    Icmpx,
    /// `tcp reset`.
    Reset,
}

impl Reject {
    /// The error for a packet of `family`; none if it is not for such packets, or if no error here says so.
    pub(super) const fn with(&self, family: Ip) -> Option<RejectWith> {
        let error = match (self.kind, family) {
            (RejectKind::Reset, _) => return Some(RejectWith::TcpReset),
            (RejectKind::Icmp, Ip::V4) => match self.code {
                0 => IcmpError::NetUnreachable,
                1 => IcmpError::HostUnreachable,
                2 => IcmpError::ProtocolUnreachable,
                3 => IcmpError::PortUnreachable,
                9 => IcmpError::NetProhibited,
                10 => IcmpError::HostProhibited,
                13 => IcmpError::AdminProhibited,
                _ => return None,
            },
            (RejectKind::Icmp6, Ip::V6) => match self.code {
                0 => IcmpError::NetUnreachable,
                1 => IcmpError::AdminProhibited,
                3 => IcmpError::HostUnreachable,
                4 => IcmpError::PortUnreachable,
                5 => IcmpError::PolicyFail,
                6 => IcmpError::RejectRoute,
                _ => return None,
            },
            (RejectKind::Icmpx, _) => match self.code {
                0 => IcmpError::NetUnreachable,
                1 => IcmpError::PortUnreachable,
                2 => IcmpError::HostUnreachable,
                _ => IcmpError::AdminProhibited,
            },
            (RejectKind::Icmp, Ip::V6) | (RejectKind::Icmp6, Ip::V4) => return None,
        };
        Some(RejectWith::Icmp(error))
    }
}

/// What a NAT statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// `dnat`.
    Dnat,
    /// `snat`.
    Snat,
    /// `masquerade`.
    Masquerade,
    /// `redirect`.
    Redirect,
}

impl NatKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Dnat => "dnat",
            Self::Snat => "snat",
            Self::Masquerade => "masquerade",
            Self::Redirect => "redirect",
        }
    }
}

/// A NAT statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Nat {
    /// Which.
    pub kind: NatKind,
    /// `ip`, `ip6`: written if the statement does not show it otherwise.
    pub family: Option<Family>,
    /// Where to.
    pub to: NatTo,
    /// First and last port.
    pub ports: Option<(u16, u16)>,
    /// `random`.
    pub random: bool,
    /// `fully-random`.
    pub fully_random: bool,
    /// `persistent`.
    pub persistent: bool,
}

/// Where a NAT statement leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum NatTo {
    /// No address.
    None,
    /// First and last address.
    Addresses(Ty, u128, u128),
    /// `EXPR map …`: an address.
    Map(Expr),
    /// `EXPR map …`: address and port.
    MapWithPort(Expr),
}

/// `add @set { KEY timeout T STATEMENTS }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dynamic {
    /// What.
    pub op: DynamicOp,
    /// The set.
    pub set: Arc<str>,
    /// The element.
    pub key: Expr,
    /// `timeout` in milliseconds.
    pub timeout: Option<u64>,
    /// Its own counter or limit.
    pub statements: Vec<Statement>,
    /// `: DATA` of a map.
    pub data: Option<Expr>,
}

/// What a rule does with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynamicOp {
    /// `add`: only if it is not there.
    Add,
    /// `update`: adds or renews.
    Update,
    /// `delete`.
    Delete,
}

impl DynamicOp {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// A set or a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Name.
    pub name: Arc<str>,
    /// Handle.
    pub handle: u64,
    /// Types of the key; more than one for a concatenation.
    pub key: Vec<Ty>,
    /// What a map's elements lead to.
    pub data: SetData,
    /// `typeof`: key and data as they were written.
    pub typeof_text: Option<(Arc<str>, Option<Arc<str>>)>,
    /// `flags`.
    pub flags: SetFlags,
    /// `timeout` in milliseconds.
    pub timeout: Option<u64>,
    /// `gc-interval` in milliseconds.
    pub gc_interval: Option<u64>,
    /// `size`.
    pub size: Option<u32>,
    /// `policy memory`.
    pub policy_memory: bool,
    /// `auto-merge`.
    pub auto_merge: bool,
    /// `comment`.
    pub comment: Option<Arc<str>>,
    /// `counter`: what each element has of its own.
    pub statements: Vec<Statement>,
    /// The elements.
    pub elements: Elements,
}

/// What a set's elements lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetData {
    /// Nothing: a set.
    None,
    /// Verdicts.
    Verdict,
    /// Values of these types.
    Values(Vec<Ty>),
}

/// `flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetFlags {
    /// `constant`.
    pub constant: bool,
    /// `interval`.
    pub interval: bool,
    /// `timeout`.
    pub timeout: bool,
    /// `dynamic`.
    pub dynamic: bool,
}

impl Set {
    pub(super) const fn is_map(&self) -> bool {
        !matches!(self.data, SetData::None)
    }
}

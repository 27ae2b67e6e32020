//! Match extensions, one file each.
//!
//! Every file has the same shape: a struct that holds what the rule says, and its [`Extension`]: the options, how they are
//! read, how `iptables-save` and `iptables -L` print them, and when a packet matches.

mod addrtype;
mod comment;
mod connmark;
mod conntrack;
pub(super) mod dsfield;
mod hashlimit;
mod headers;
mod helper;
mod icmp;
mod iprange;
mod ipvs;
mod length;
mod limit;
mod mac;
mod mark;
mod multiport;
mod nfacct;
mod physdev;
mod pkttype;
mod policy;
mod ports;
mod quota;
mod recent;
mod rpfilter;
mod set;
mod spi;
mod state;
mod statistic;
mod tcp;
mod tcpmss;
mod ttl;

use std::slice;

pub(super) use hashlimit::Buckets;

use super::env::Env;
use super::options::{Args, Opt};
use super::packet::Packet;
use super::problem::Problem;
use super::recent::RecentLists;
use crate::time::SimTime;
use crate::trace::{Family, Hook, TableId};

/// What every match extension can do.
pub(super) trait Extension: Sized {
    /// Name after `-m`.
    const NAME: &'static str;
    /// Its options.
    const OPTIONS: &'static [Opt];

    /// Reads the options of one `-m`.
    fn build(args: &Args<'_>) -> Result<Self, Problem>;

    /// Appends the options as `iptables-save` prints them, each with a blank before it.
    fn save(&self, out: &mut String);

    /// Appends what `iptables -L` shows, with a blank before it.
    fn list(&self, out: &mut String, numeric: bool);

    /// Whether a packet matches.
    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool;

    /// Whether the kernel takes the match at this place.
    fn allowed(&self, place: &Place) -> bool {
        let _ = place;
        true
    }

    /// What the match remembers from packet to packet, at the beginning.
    fn initial_state(&self) -> Option<MatchState> {
        None
    }

    /// Whether asking leaves nothing behind: nothing remembered, counted or drawn.
    fn is_pure(&self) -> bool {
        self.initial_state().is_none()
    }

    /// The only destination port that matches, if that is what is asked for.
    fn destination_port(&self) -> Option<u16> {
        None
    }
}

/// What a match may look at besides the packet.
pub(super) struct Cx<'w, 'a> {
    /// The surroundings of the walk.
    pub(super) env: &'w mut Env<'a>,
    /// The packet's mark, as earlier rules left it.
    pub(super) mark: u32,
    /// The lists of `recent`.
    pub(super) recent: &'w mut RecentLists,
    /// The buckets of `hashlimit`.
    pub(super) buckets: &'w mut Buckets,
    /// What the matches of this rule remember, in their order.
    pub(super) states: slice::IterMut<'w, MatchState>,
}

/// What a match remembers from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchState {
    /// `statistic --mode nth`: packets seen since the last match.
    Count(u32),
    /// `quota`: bytes that are left.
    Quota(u64),
    /// `limit`: a bucket of credit.
    Bucket {
        /// Credit in nanoseconds; none stands for a full bucket that no packet has met yet.
        credit: Option<u64>,
        /// When the credit was last counted.
        at: SimTime,
    },
}

/// Where a rule stands, as far as the kernel asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The table.
    pub(super) table: TableId,
    /// The hook from which the rule is reached; none for a user chain by itself.
    pub(super) hook: Option<Hook>,
    /// Protocol of `-p`, 0 for all.
    pub(super) protocol: u8,
    /// `! -p`.
    pub(super) protocol_inverted: bool,
}

impl Place {
    /// Whether the rule is reached from one of these hooks.
    pub(super) fn is_at(&self, hooks: &[Hook]) -> bool {
        self.hook.is_some_and(|h| hooks.contains(&h))
    }
}

macro_rules! extensions {
    ($($variant:ident = $path:ty),* $(,)?) => {
        /// One match of a rule.
        #[derive(Clone, Debug, PartialEq)]
        pub(super) enum Match {
            $(#[doc = concat!("`", stringify!($variant), "`.")] $variant($path)),*
        }

        /// The known match extensions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum MatchKind {
            $(#[doc = concat!("`", stringify!($variant), "`.")] $variant),*
        }

        impl MatchKind {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Name after `-m`.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => <$path as Extension>::NAME),* }
            }

            /// The options of the extension.
            pub(super) const fn options(self) -> &'static [Opt] {
                match self { $(Self::$variant => <$path as Extension>::OPTIONS),* }
            }

            /// Reads the options.
            pub(super) fn build(self, args: &Args<'_>) -> Result<Match, Problem> {
                Ok(match self { $(Self::$variant => Match::$variant(<$path as Extension>::build(args)?)),* })
            }
        }

        impl Match {
            /// Which extension it is.
            pub(super) const fn kind(&self) -> MatchKind {
                match self { $(Self::$variant(_) => MatchKind::$variant),* }
            }

            /// Appends the options as `iptables-save` prints them.
            pub(super) fn save(&self, out: &mut String) {
                match self { $(Self::$variant(m) => m.save(out)),* }
            }

            /// Appends what `iptables -L` shows.
            pub(super) fn list(&self, out: &mut String, numeric: bool) {
                match self { $(Self::$variant(m) => m.list(out, numeric)),* }
            }

            /// Whether a packet matches.
            #[inline]
            pub(super) fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
                match self { $(Self::$variant(m) => m.matches(packet, cx)),* }
            }

            /// Whether the kernel takes the match at this place.
            pub(super) fn allowed(&self, place: &Place) -> bool {
                match self { $(Self::$variant(m) => m.allowed(place)),* }
            }

            /// What the match remembers, at the beginning.
            pub(super) fn initial_state(&self) -> Option<MatchState> {
                match self { $(Self::$variant(m) => m.initial_state()),* }
            }

            /// Whether asking leaves nothing behind.
            pub(super) fn is_pure(&self) -> bool {
                match self { $(Self::$variant(m) => m.is_pure()),* }
            }

            /// The only destination port that matches.
            pub(super) fn destination_port(&self) -> Option<u16> {
                match self { $(Self::$variant(m) => m.destination_port()),* }
            }
        }
    };
}

extensions! {
    Addrtype = addrtype::Addrtype,
    Ah = spi::Spi<51>,
    Comment = comment::Comment,
    Connmark = connmark::Connmark,
    Conntrack = Box<conntrack::Conntrack>,
    Dscp = dsfield::Dscp,
    DstOptions = headers::Options<false>,
    Ecn = dsfield::Ecn,
    Esp = spi::Spi<50>,
    Eui64 = headers::Eui64,
    Frag = headers::Frag,
    Hashlimit = Box<hashlimit::Hashlimit>,
    Helper = helper::Helper,
    Hl = ttl::Ttl<6>,
    HopOptions = headers::Options<true>,
    Icmp = icmp::Icmp<4>,
    Icmp6 = icmp::Icmp<6>,
    Iprange = Box<iprange::Iprange>,
    Ipvs = Box<ipvs::Ipvs>,
    Length = length::Length,
    Limit = limit::Limit,
    Mac = mac::Mac,
    Mark = mark::Mark,
    Multiport = multiport::Multiport,
    Nfacct = nfacct::Nfacct,
    Physdev = Box<physdev::Physdev>,
    Pkttype = pkttype::Pkttype,
    Policy = policy::Policy,
    Quota = quota::Quota,
    Recent = Box<recent::Recent>,
    Rpfilter = rpfilter::Rpfilter,
    Rt = headers::Rt,
    Set = Box<set::Set>,
    Sctp = ports::Ports<132>,
    State = state::State,
    Statistic = statistic::Statistic,
    Tcp = tcp::Tcp,
    Tcpmss = tcpmss::Tcpmss,
    Tos = dsfield::Tos,
    Ttl = ttl::Ttl<4>,
    Udp = ports::Ports<17>,
}

/// Matches that exist in iptables 1.8.9 and are not modelled here.
const NOT_MODELLED: &[&str] = &[
    "bpf",
    "cgroup",
    "cluster",
    "connbytes",
    "connlabel",
    "connlimit",
    "cpu",
    "dccp",
    "devgroup",
    "ipv6header",
    "mh",
    "osf",
    "owner",
    "rateest",
    "realm",
    "socket",
    "srh",
    "string",
    "time",
    "u32",
];

impl MatchKind {
    /// Those that iptables has and ip6tables does not.
    const ONLY_V4: &[Self] = &[Self::Icmp, Self::Ttl];
    /// Those that ip6tables has and iptables does not.
    const ONLY_V6: &[Self] =
        &[Self::DstOptions, Self::Eui64, Self::Frag, Self::Hl, Self::HopOptions, Self::Icmp6, Self::Rt];

    /// The extension with this name.
    pub(super) fn find(name: &str, family: Family) -> Result<Self, Problem> {
        let name = if name == "ipv6-icmp" || name == "icmpv6" { "icmp6" } else { name };
        let other_family = if family == Family::V4 { Self::ONLY_V6 } else { Self::ONLY_V4 };
        if let Some(kind) = Self::ALL.iter().find(|k| k.name() == name && !other_family.contains(k)) {
            return Ok(*kind);
        }
        if NOT_MODELLED.contains(&name) {
            return Err(Problem::not_modelled(&format!("match `{name}'")));
        }
        Err(Problem::usage(format!("Couldn't load match `{name}':No such file or directory\n")))
    }

    /// The extension that `-p PROTOCOL` brings along when one of its options is used.
    pub(super) const fn of_protocol(protocol: u8, family: Family) -> Option<Self> {
        match (protocol, family) {
            (6, _) => Some(Self::Tcp),
            (17, _) => Some(Self::Udp),
            (132, _) => Some(Self::Sctp),
            (50, _) => Some(Self::Esp),
            (51, _) => Some(Self::Ah),
            (1, Family::V4) => Some(Self::Icmp),
            (58, Family::V6) => Some(Self::Icmp6),
            _ => None,
        }
    }

    /// Whether connection tracking has to run for this match.
    pub(super) const fn needs_conntrack(self) -> bool {
        matches!(self, Self::Conntrack | Self::State | Self::Connmark)
    }
}

impl<T: Extension> Extension for Box<T> {
    const NAME: &'static str = T::NAME;
    const OPTIONS: &'static [Opt] = T::OPTIONS;

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        T::build(args).map(Self::new)
    }
    fn save(&self, out: &mut String) {
        T::save(self, out);
    }
    fn list(&self, out: &mut String, numeric: bool) {
        T::list(self, out, numeric);
    }
    fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        T::matches(self, packet, cx)
    }
    fn allowed(&self, place: &Place) -> bool {
        T::allowed(self, place)
    }
    fn initial_state(&self) -> Option<MatchState> {
        T::initial_state(self)
    }
    fn is_pure(&self) -> bool {
        T::is_pure(self)
    }
    fn destination_port(&self) -> Option<u16> {
        T::destination_port(self)
    }
}

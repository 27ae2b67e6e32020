//! Targets that change a header or leave a note: one list of them all, as for matches.

use super::super::matches::Place;
use super::super::options::{Args, Opt};
use super::super::problem::Problem;
use super::super::set::SetRef;
use super::{Effect, Extension, field, netmap, note, queue, set, tcpmss, ttl};
use crate::trace::Family;

macro_rules! others {
    ($($variant:ident = $path:ty),* $(,)?) => {
        /// One of these targets with its options.
        #[derive(Clone, Debug, PartialEq)]
        pub(in crate::linux::netfilter) enum Other {
            $(#[doc = concat!("`", stringify!($variant), "`.")] $variant($path)),*
        }

        /// Their names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::linux::netfilter) enum OtherKind {
            $(#[doc = concat!("`", stringify!($variant), "`.")] $variant),*
        }

        impl OtherKind {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => <$path as Extension>::NAME),* }
            }

            pub(super) const fn options(self) -> &'static [Opt] {
                match self { $(Self::$variant => <$path as Extension>::OPTIONS),* }
            }

            pub(super) fn build(self, args: &Args<'_>) -> Result<Other, Problem> {
                Ok(match self { $(Self::$variant => Other::$variant(<$path as Extension>::build(args)?)),* })
            }
        }

        impl Other {
            pub(super) const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => <$path as Extension>::NAME),* }
            }

            pub(super) fn save(&self, out: &mut String) {
                match self { $(Self::$variant(t) => t.save(out)),* }
            }

            pub(super) fn list(&self, out: &mut String, numeric: bool) {
                match self { $(Self::$variant(t) => t.list(out, numeric)),* }
            }

            pub(super) fn allowed(&self, place: &Place) -> bool {
                match self { $(Self::$variant(t) => t.allowed(place)),* }
            }

            /// What it does with a packet.
            pub(in crate::linux::netfilter) fn effect(&self) -> Effect {
                match self { $(Self::$variant(t) => t.effect()),* }
            }
        }
    };
}

others! {
    Audit = note::Audit,
    Checksum = note::Checksum,
    Classify = note::Classify,
    Dscp = field::Dscp,
    Ecn = field::Ecn,
    Hl = ttl::Ttl<6>,
    Netmap = netmap::Netmap,
    Nflog = note::Nflog,
    Nfqueue = queue::Nfqueue,
    Set = set::Set,
    Tcpmss = tcpmss::Tcpmss,
    Tos = field::Tos,
    Ttl = ttl::Ttl<4>,
}

impl Other {
    /// The IP sets that the target changes.
    pub(in crate::linux::netfilter) fn sets(&self) -> &[SetRef] {
        match self {
            Self::Set(set) => set.sets(),
            _ => &[],
        }
    }
}

impl OtherKind {
    /// The target with this name.
    pub(super) fn find(name: &str, family: Option<Family>) -> Option<Self> {
        let not = match family {
            Some(Family::V4) => &[Self::Hl][..],
            Some(Family::V6) => &[Self::Ttl, Self::Ecn],
            None => &[],
        };
        Self::ALL.iter().copied().find(|k| k.name() == name && !not.contains(k))
    }
}

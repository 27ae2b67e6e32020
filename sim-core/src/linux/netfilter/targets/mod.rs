//! What a rule does with a packet that matches; one file per family of targets.

mod ct;
mod field;
mod log;
mod mark;
mod nat;
mod netmap;
mod note;
mod other;
mod queue;
mod reject;
mod set;
mod tcpmss;
mod ttl;

use std::sync::Arc;

pub(super) use ct::Ct;
pub(super) use log::Log;
pub(super) use mark::{Connmark, Mark};
pub(super) use nat::{Dnat, Masquerade, Redirect, Snat};
pub(super) use netmap::Net;
pub(super) use other::{Other, OtherKind};
pub(super) use reject::Reject;

use super::edit::Edit;
use super::matches::Place;
use super::options::{Args, Opt};
use super::problem::Problem;
use crate::trace::Family;

/// What every target extension can do.
pub(super) trait Extension: Sized {
    /// Name after `-j`.
    const NAME: &'static str;
    /// Its options.
    const OPTIONS: &'static [Opt];

    /// Reads the options.
    fn build(args: &Args<'_>) -> Result<Self, Problem>;

    /// Appends the options as `iptables-save` prints them, each with a blank before it.
    fn save(&self, out: &mut String);

    /// Appends what `iptables -L` shows, with a blank before it.
    fn list(&self, out: &mut String, numeric: bool);

    /// Whether the kernel takes the target at this place.
    fn allowed(&self, place: &Place) -> bool {
        let _ = place;
        true
    }

    /// What the target does with a packet, for those of [`Other`].
    fn effect(&self) -> Effect {
        Effect::Continue
    }
}

/// What one of the [`Other`] targets does with a packet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Nothing; the next rule is tried.
    Continue,
    /// Lets it go on with the next table.
    Accept,
    /// Throws it away.
    Drop,
    /// Changes its headers; the next rule is tried.
    Edit(Edit),
    /// Changes IP sets; the next rule is tried.
    Sets,
    /// Translates its address into this network.
    Netmap(Net),
}

/// What a rule does with a packet that matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// Counts it.
    None,
    /// Lets it go on with the next table.
    Accept,
    /// Throws it away.
    Drop,
    /// Leaves the chain; in a built-in chain, leaves it to the policy.
    Return,
    /// Leads it through a chain; afterwards it comes back (`-j`) or leaves this chain too (`-g`).
    Chain {
        /// The chain's name.
        name: Arc<str>,
        /// `-g`.
        goto: bool,
    },
    /// `REJECT`.
    Reject(Reject),
    /// `DNAT`.
    Dnat(Box<Dnat>),
    /// `SNAT`.
    Snat(Box<Snat>),
    /// `MASQUERADE`.
    Masquerade(Box<Masquerade>),
    /// `REDIRECT`.
    Redirect(Box<Redirect>),
    /// `MARK`.
    Mark(Mark),
    /// `CONNMARK`.
    Connmark(Connmark),
    /// `CT`, `NOTRACK`.
    Ct(Ct),
    /// `LOG`.
    Log(Box<Log>),
    /// `TRACE`.
    Trace,
    /// Any other.
    Other(Box<Other>),
}

/// The known target extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetKind {
    /// `REJECT`.
    Reject,
    /// `DNAT`.
    Dnat,
    /// `SNAT`.
    Snat,
    /// `MASQUERADE`.
    Masquerade,
    /// `REDIRECT`.
    Redirect,
    /// `MARK`.
    Mark,
    /// `CONNMARK`.
    Connmark,
    /// `CT`.
    Ct,
    /// `NOTRACK`.
    Notrack,
    /// `LOG`.
    Log,
    /// `TRACE`.
    Trace,
    /// Any other.
    Other(OtherKind),
}

/// Targets that exist in iptables 1.8.9 and are not modelled here.
const NOT_MODELLED: &[&str] = &[
    "CLUSTERIP",
    "CONNSECMARK",
    "DNPT",
    "HMARK",
    "IDLETIMER",
    "LED",
    "QUEUE",
    "RATEEST",
    "SECMARK",
    "SNPT",
    "SYNPROXY",
    "TCPOPTSTRIP",
    "TEE",
    "TPROXY",
    "ULOG",
];

/// Names that are neither chains nor extensions.
pub(super) const VERDICTS: [&str; 4] = ["ACCEPT", "DROP", "RETURN", "QUEUE"];

impl TargetKind {
    const ALL: [Self; 11] = [
        Self::Reject,
        Self::Dnat,
        Self::Snat,
        Self::Masquerade,
        Self::Redirect,
        Self::Mark,
        Self::Connmark,
        Self::Ct,
        Self::Notrack,
        Self::Log,
        Self::Trace,
    ];

    /// The extension of a family, or of any, with this name; none for the name of a chain.
    pub(super) fn find(name: &str, family: Option<Family>) -> Result<Option<Self>, Problem> {
        if NOT_MODELLED.contains(&name) {
            return Err(Problem::not_modelled(&format!("target `{name}'")));
        }
        let first = Self::ALL.into_iter().find(|k| k.name() == name);
        Ok(first.or_else(|| OtherKind::find(name, family).map(Self::Other)))
    }

    /// Name after `-j`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reject => Reject::NAME,
            Self::Dnat => Dnat::NAME,
            Self::Snat => Snat::NAME,
            Self::Masquerade => Masquerade::NAME,
            Self::Redirect => Redirect::NAME,
            Self::Mark => Mark::NAME,
            Self::Connmark => Connmark::NAME,
            Self::Ct => Ct::NAME,
            Self::Notrack => "NOTRACK",
            Self::Log => Log::NAME,
            Self::Trace => "TRACE",
            Self::Other(kind) => kind.name(),
        }
    }

    /// The options of the extension.
    pub(super) const fn options(self) -> &'static [Opt] {
        match self {
            Self::Reject => Reject::OPTIONS,
            Self::Dnat => Dnat::OPTIONS,
            Self::Snat => Snat::OPTIONS,
            Self::Masquerade => Masquerade::OPTIONS,
            Self::Redirect => Redirect::OPTIONS,
            Self::Mark => Mark::OPTIONS,
            Self::Connmark => Connmark::OPTIONS,
            Self::Ct => Ct::OPTIONS,
            Self::Log => Log::OPTIONS,
            Self::Other(kind) => kind.options(),
            Self::Notrack | Self::Trace => &[],
        }
    }

    /// Reads the options.
    pub(super) fn build(self, args: &Args<'_>) -> Result<Target, Problem> {
        Ok(match self {
            Self::Reject => Target::Reject(Reject::build(args)?),
            Self::Dnat => Target::Dnat(Box::new(Dnat::build(args)?)),
            Self::Snat => Target::Snat(Box::new(Snat::build(args)?)),
            Self::Masquerade => Target::Masquerade(Box::new(Masquerade::build(args)?)),
            Self::Redirect => Target::Redirect(Box::new(Redirect::build(args)?)),
            Self::Mark => Target::Mark(Mark::build(args)?),
            Self::Connmark => Target::Connmark(Connmark::build(args)?),
            Self::Ct => Target::Ct(Ct::build(args)?),
            Self::Notrack => Target::Ct(Ct::Notrack),
            Self::Log => Target::Log(Box::new(Log::build(args)?)),
            Self::Trace => Target::Trace,
            Self::Other(kind) => Target::Other(Box::new(kind.build(args)?)),
        })
    }
}

impl Target {
    /// Name after `-j`, as `iptables -L` shows it; empty without a target.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::None => "",
            Self::Accept => "ACCEPT",
            Self::Drop => "DROP",
            Self::Return => "RETURN",
            Self::Chain { name, .. } => name,
            Self::Reject(_) => Reject::NAME,
            Self::Dnat(_) => Dnat::NAME,
            Self::Snat(_) => Snat::NAME,
            Self::Masquerade(_) => Masquerade::NAME,
            Self::Redirect(_) => Redirect::NAME,
            Self::Mark(_) => Mark::NAME,
            Self::Connmark(_) => Connmark::NAME,
            Self::Ct(_) => Ct::NAME,
            Self::Log(_) => Log::NAME,
            Self::Trace => "TRACE",
            Self::Other(t) => t.name(),
        }
    }

    /// Appends ` -j NAME` and the options as `iptables-save` prints them.
    pub(super) fn save(&self, out: &mut String) {
        match self {
            Self::None => return,
            Self::Chain { goto: true, .. } => out.push_str(" -g "),
            _ => out.push_str(" -j "),
        }
        out.push_str(if matches!(self, Self::Ct(Ct::Notrack)) { "NOTRACK" } else { self.name() });
        match self {
            Self::Reject(t) => t.save(out),
            Self::Dnat(t) => t.save(out),
            Self::Snat(t) => t.save(out),
            Self::Masquerade(t) => t.save(out),
            Self::Redirect(t) => t.save(out),
            Self::Mark(t) => t.save(out),
            Self::Connmark(t) => t.save(out),
            Self::Ct(t) => t.save(out),
            Self::Log(t) => t.save(out),
            Self::Other(t) => t.save(out),
            Self::None | Self::Accept | Self::Drop | Self::Return | Self::Chain { .. } | Self::Trace => {}
        }
    }

    /// Appends what `iptables -L` shows of the options.
    pub(super) fn list(&self, out: &mut String, numeric: bool) {
        match self {
            Self::Reject(t) => t.list(out, numeric),
            Self::Dnat(t) => t.list(out, numeric),
            Self::Snat(t) => t.list(out, numeric),
            Self::Masquerade(t) => t.list(out, numeric),
            Self::Redirect(t) => t.list(out, numeric),
            Self::Mark(t) => t.list(out, numeric),
            Self::Connmark(t) => t.list(out, numeric),
            Self::Ct(t) => t.list(out, numeric),
            Self::Log(t) => t.list(out, numeric),
            Self::Other(t) => t.list(out, numeric),
            Self::None | Self::Accept | Self::Drop | Self::Return | Self::Chain { .. } | Self::Trace => {}
        }
    }

    /// Whether the kernel takes the target at this place.
    pub(super) fn allowed(&self, place: &Place) -> bool {
        match self {
            Self::Reject(t) => t.allowed(place),
            Self::Dnat(t) => t.allowed(place),
            Self::Snat(t) => t.allowed(place),
            Self::Masquerade(t) => t.allowed(place),
            Self::Redirect(t) => t.allowed(place),
            Self::Ct(t) => t.allowed(place),
            Self::Other(t) => t.allowed(place),
            _ => true,
        }
    }

    /// Whether connection tracking has to run for this target.
    pub(super) fn needs_conntrack(&self) -> bool {
        let netmap = matches!(self, Self::Other(t) if matches!(**t, Other::Netmap(_)));
        netmap
            || matches!(
                self,
                Self::Connmark(_)
                    | Self::Ct(_)
                    | Self::Dnat(_)
                    | Self::Snat(_)
                    | Self::Masquerade(_)
                    | Self::Redirect(_)
            )
    }
}

/// Whether a name can be that of a user chain: `Err` with the reason if not.
pub(super) fn check_chain_name(name: &str) -> Result<(), Problem> {
    if let Some(first) = name.chars().next().filter(|c| matches!(c, '-' | '!')) {
        return Err(Problem::usage(format!("chain name not allowed to start with `{first}'")));
    }
    check_chain_length(name)?;
    if VERDICTS.contains(&name) || matches!(TargetKind::find(name, None), Err(_) | Ok(Some(_))) {
        return Err(Problem::usage("chain name may not clash with target name"));
    }
    if name.contains(char::is_whitespace) {
        return Err(Problem::usage(format!("Invalid chain name `{name}'")));
    }
    Ok(())
}

/// `XT_EXTENSION_MAXNAMELEN`: 29 bytes with the closing zero.
pub(super) fn check_chain_length(name: &str) -> Result<(), Problem> {
    if name.len() >= MAX_NAME {
        let text = format!("chain name `{name}' too long (must be under {MAX_NAME} chars)");
        return Err(Problem::usage(text));
    }
    Ok(())
}

/// Bytes in a chain's or target's name, the closing zero included.
pub(super) const MAX_NAME: usize = 29;

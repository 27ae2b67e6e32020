//! A rule as it is written: what it matches and what it does.

use std::sync::Arc;

use super::address::AddrMatch;
use super::matches::{Cx, Match, Place};
use super::names::protocol_name;
use super::packet::Packet;
use super::problem::Problem;
use super::targets::Target;

/// An interface name or the beginning of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IfaceMatch {
    /// The name as written, `+` included.
    text: Box<str>,
    /// `!`.
    pub(crate) inverted: bool,
}

impl IfaceMatch {
    /// `IFNAMSIZ` without the closing zero.
    const MAX: usize = 15;

    /// `eth0`, or `eth+` for every name that starts so.
    pub(crate) fn parse(text: &str, inverted: bool) -> Result<Self, Problem> {
        if text.len() > Self::MAX {
            let text = format!("interface name `{text}' must be shorter than IFNAMSIZ ({})", Self::MAX);
            return Err(Problem::usage(text));
        }
        Ok(Self { text: text.into(), inverted })
    }

    /// The name as written.
    pub(crate) fn name(&self) -> &str {
        &self.text
    }

    /// The name, if exactly one interface matches.
    pub(super) fn exact(&self) -> Option<&str> {
        Some(&*self.text).filter(|t| !self.inverted && !t.ends_with('+'))
    }

    /// Whether every packet matches.
    pub(super) fn is_any(&self) -> bool {
        &*self.text == "+" && !self.inverted
    }

    /// Whether an interface matches; a missing one has the empty name.
    #[inline]
    pub(crate) fn matches(&self, dev: Option<&str>) -> bool {
        let dev = dev.unwrap_or("");
        let hit = match self.text.strip_suffix('+') {
            Some(prefix) => dev.starts_with(prefix),
            None => dev == &*self.text,
        };
        hit != self.inverted
    }
}

/// What every rule can ask for without an extension.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Head {
    /// `-s`.
    pub(super) src: Option<AddrMatch>,
    /// `-d`.
    pub(super) dst: Option<AddrMatch>,
    /// `-i`.
    pub(super) iif: Option<IfaceMatch>,
    /// `-o`.
    pub(super) oif: Option<IfaceMatch>,
    /// `-p`, 0 for all.
    pub(super) protocol: u8,
    /// `! -p`.
    pub(super) protocol_inverted: bool,
    /// `-f`, and whether it is inverted.
    pub(super) fragment: Option<bool>,
}

impl Head {
    /// Whether a packet matches. The cheap questions come first.
    #[inline]
    fn matches(&self, packet: &Packet<'_>, cx: &Cx<'_, '_>) -> bool {
        self.dst.as_ref().is_none_or(|m| m.matches(packet.dst))
            && self.src.as_ref().is_none_or(|m| m.matches(packet.src))
            && (self.protocol == 0 || (self.protocol == packet.protocol) != self.protocol_inverted)
            && self.iif.as_ref().is_none_or(|m| m.matches(cx.env.iif))
            && self.oif.as_ref().is_none_or(|m| m.matches(cx.env.oif))
            && self.fragment.is_none_or(|inverted| packet.later_fragment != inverted)
    }

    /// One question of the head by itself.
    fn only(&self, question: Question) -> Self {
        let mut one = Self::default();
        match question {
            Question::Destination => one.dst = self.dst,
            Question::Source => one.src = self.src,
            Question::Protocol => {
                (one.protocol, one.protocol_inverted) = (self.protocol, self.protocol_inverted);
            }
            Question::Incoming => one.iif.clone_from(&self.iif),
            Question::Outgoing => one.oif.clone_from(&self.oif),
            Question::Fragment => one.fragment = self.fragment,
            Question::Match(_) => {}
        }
        one
    }

    fn save(&self, out: &mut String) {
        for (addr, option) in [(&self.src, "-s "), (&self.dst, "-d ")] {
            if let Some(addr) = addr {
                out.push_str(if addr.inverted { " ! " } else { " " });
                out.push_str(option);
                addr.save(out);
            }
        }
        for (iface, option) in [(&self.iif, "-i "), (&self.oif, "-o ")] {
            if let Some(iface) = iface {
                out.push_str(if iface.inverted { " ! " } else { " " });
                out.push_str(option);
                out.push_str(&iface.text);
            }
        }
        if self.protocol != 0 {
            out.push_str(if self.protocol_inverted { " ! -p " } else { " -p " });
            out.push_str(&protocol_text(self.protocol));
        }
        match self.fragment {
            Some(true) => out.push_str(" ! -f"),
            Some(false) => out.push_str(" -f"),
            None => {}
        }
    }
}

/// One of the questions that a rule asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// `-d`.
    Destination,
    /// `-s`.
    Source,
    /// `-p`.
    Protocol,
    /// `-i`.
    Incoming,
    /// `-o`.
    Outgoing,
    /// `-f`.
    Fragment,
    /// That of the match with this index.
    Match(usize),
}

impl Question {
    /// Those of the head, in the order in which they are asked.
    const HEAD: [Self; 6] =
        [Self::Destination, Self::Source, Self::Protocol, Self::Incoming, Self::Outgoing, Self::Fragment];
}

/// Name or number of a protocol.
pub(super) fn protocol_text(protocol: u8) -> String {
    protocol_name(protocol).map_or_else(|| protocol.to_string(), str::to_owned)
}

/// A rule without its counters. Shared: a copy of a table copies only the pointer.
#[derive(Debug, PartialEq)]
pub(super) struct RuleSpec {
    /// `-A CHAIN …` as `iptables-save` prints it.
    pub(super) text: Arc<str>,
    /// What every rule can ask for.
    pub(super) head: Head,
    /// The match extensions, in written order.
    pub(super) matches: Box<[Match]>,
    /// What happens to a packet that matches.
    pub(super) target: Target,
}

impl RuleSpec {
    /// A rule of `chain`.
    pub(super) fn new(chain: &str, head: Head, matches: Box<[Match]>, target: Target) -> Self {
        let mut text = String::with_capacity(160);
        text.push_str("-A ");
        text.push_str(chain);
        head.save(&mut text);
        for m in &matches {
            text.push_str(" -m ");
            text.push_str(m.kind().name());
            m.save(&mut text);
        }
        target.save(&mut text);
        Self { text: text.into(), head, matches, target }
    }

    /// The same rule in a chain that is called `chain`, or with another name of the chain it jumps to.
    pub(super) fn renamed(&self, chain: &str, target: Target) -> Self {
        Self::new(chain, self.head.clone(), self.matches.clone(), target)
    }

    /// Whether a packet matches.
    #[inline]
    pub(super) fn matches(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        self.head.matches(packet, cx) && self.matches.iter().all(|m| m.matches(packet, cx))
    }

    /// The first question that a packet fails; none if the rule matches.
    pub(super) fn failed_question(&self, packet: &Packet<'_>, cx: &mut Cx<'_, '_>) -> Option<Question> {
        let of_head = Question::HEAD.into_iter().find(|q| !self.head.only(*q).matches(packet, cx));
        of_head.or_else(|| Some(Question::Match(self.matches.iter().position(|m| !m.matches(packet, cx))?)))
    }

    /// A question as `iptables-save` prints it.
    pub(super) fn words(&self, question: Question) -> String {
        let mut out = String::new();
        self.head.only(question).save(&mut out);
        if let Question::Match(i) = question
            && let Some(m) = self.matches.get(i)
        {
            out.push_str(" -m ");
            out.push_str(m.kind().name());
            m.save(&mut out);
        }
        out.trim_start().to_owned()
    }

    /// Whether the kernel takes the rule at this place, apart from where its jump leads.
    pub(super) fn allowed(&self, place: &Place) -> bool {
        let never = |addr: &Option<AddrMatch>| addr.as_ref().is_some_and(|a| a.mask == 0 && a.inverted);
        !never(&self.head.src)
            && !never(&self.head.dst)
            && self.target.allowed(place)
            && self.matches.iter().all(|m| m.allowed(place))
    }

    /// Whether connection tracking has to run for this rule.
    pub(super) fn needs_conntrack(&self) -> bool {
        self.target.needs_conntrack() || self.matches.iter().any(|m| m.kind().needs_conntrack())
    }
}

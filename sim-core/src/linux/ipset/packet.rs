//! What rules ask of sets, and how they change them.

use std::net::IpAddr;
use std::sync::Arc;

use super::element::{masked, number, width};
use super::{Element, Extra, Kind, Part, Set, Sets};
use crate::packet::{Fragment, IpPacket, proto};
use crate::time::SimTime;
use crate::trace::Family;

/// Which end of the packet one part of an element stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// `src`
    Source,
    /// `dst`
    Destination,
}

/// A packet that a rule holds against a set.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The packet.
    pub packet: &'a IpPacket,
    /// ICMP type and code.
    pub icmp: Option<(u8, u8)>,
    /// Interface it came in by.
    pub iif: Option<&'a str>,
    /// Interface it will leave by.
    pub oif: Option<&'a str>,
    /// `src,dst`.
    pub dimensions: &'a [Dimension],
    /// Now.
    pub now: SimTime,
    /// Whether the element's counters count the packet.
    pub counts: bool,
}

/// What a set says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not in it.
    No,
    /// An element marked `nomatch` is the closest.
    Exception,
    /// In it; packets and bytes of the element, if it counts.
    Yes(Option<(u64, u64)>),
}

impl Question<'_> {
    fn family(&self) -> Family {
        if self.packet.dst.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    fn address(&self, dimension: Dimension) -> IpAddr {
        match dimension {
            Dimension::Source => self.packet.src,
            Dimension::Destination => self.packet.dst,
        }
    }

    /// Protocol and port (`ip_set_get_ip4_port`); none for a later fragment of a protocol with ports.
    fn port(&self, dimension: Dimension) -> Option<(u8, u16)> {
        let protocol = self.packet.protocol();
        let later = matches!(self.packet.frag, Some(Fragment { offset: 1.., .. }));
        match protocol {
            proto::TCP | proto::UDP | proto::SCTP | 136 => {
                let (src, dst) = self.packet.ports()?;
                Some((protocol, if dimension == Dimension::Source { src } else { dst }))
            }
            proto::ICMP | proto::ICMPV6 if later => None,
            proto::ICMP | proto::ICMPV6 => {
                let (ty, code) = self.icmp?;
                Some((protocol, u16::from_be_bytes([ty, code])))
            }
            _ => Some((protocol, 0)),
        }
    }

    /// The element that the packet is in a set of this kind; networks are whole addresses.
    fn element(&self, set: &Set) -> Option<Element> {
        let parts = set.kind.parts();
        if self.dimensions.len() < parts.len() || set.options.family.is_some_and(|f| f != self.family()) {
            return None;
        }
        let family = self.family();
        let mut element = Element::default();
        for (i, (part, dimension)) in parts.iter().zip(self.dimensions).enumerate() {
            match part {
                Part::Ip | Part::Net => {
                    let addr = number(self.address(*dimension));
                    let keep = set.options.netmask.unwrap_or(width(family));
                    let net = (masked(family, addr, keep), width(family));
                    if i == 0 {
                        element.first = net;
                    } else {
                        element.second = net;
                    }
                }
                Part::Port => element.port = self.port(*dimension)?,
                Part::BarePort => {
                    let (protocol, port) = self.port(*dimension)?;
                    if !matches!(protocol, proto::TCP | proto::UDP) {
                        return None;
                    }
                    element.port = (0, port);
                }
                Part::Iface => {
                    let dev = if *dimension == Dimension::Source { self.iif } else { self.oif };
                    element.iface = Some((false, dev?.into()));
                }
                Part::Set => {}
            }
        }
        Some(element)
    }
}

impl Sets {
    /// Whether a packet is in a set; a set that does not exist has nothing in it.
    pub fn ask(&mut self, name: &str, question: &Question<'_>) -> Answer {
        let Some(set) = self.sets.get_mut(name) else { return Answer::No };
        if set.kind != Kind::List {
            return set.ask(question);
        }
        let members: Vec<Arc<str>> = set
            .elements
            .iter()
            .filter(|(_, x)| !x.is_over(question.now))
            .filter_map(|(e, _)| e.set.clone())
            .collect();
        for member in members {
            let answer = self.sets.get_mut(&member).map_or(Answer::No, |set| set.ask(question));
            if let Answer::Yes(counted) = answer {
                return Answer::Yes(counted);
            }
        }
        Answer::No
    }

    /// `SET --add-set`: puts the packet into a set; one that is there already is renewed with `exist`.
    pub fn put(&mut self, name: &str, question: &Question<'_>, timeout: Option<u32>, exist: bool) {
        let Some(set) = self.sets.get_mut(name) else { return };
        let Some(element) = set.own(question) else { return };
        let extra = Extra::new(&set.options, timeout, question.now);
        // A full set stays as it is; nobody is told.
        let _ = set.add(element, extra, exist, question.now);
    }

    /// `SET --del-set`: takes the packet out of a set.
    pub fn take(&mut self, name: &str, question: &Question<'_>) {
        let Some(set) = self.sets.get_mut(name) else { return };
        if let Some(element) = set.own(question) {
            set.remove(&element);
        }
    }
}

impl Set {
    fn ask(&mut self, question: &Question<'_>) -> Answer {
        match question.element(self) {
            Some(element) if self.in_range(&element) => self.look_up(element, Some(question), question.now),
            _ => Answer::No,
        }
    }

    pub(super) fn in_range(&self, element: &Element) -> bool {
        let (first, last) = self.options.range;
        match self.kind {
            Kind::BitmapIp => (first..=last).contains(&element.first.0),
            Kind::BitmapPort => (first..=last).contains(&u128::from(element.port.1)),
            _ => true,
        }
    }

    /// Networks are tried from the narrowest to the widest.
    pub(super) fn look_up(
        &mut self,
        mut element: Element,
        counting: Option<&Question<'_>>,
        now: SimTime,
    ) -> Answer {
        let family = self.options.family.unwrap_or(Family::V4);
        if !self.kind.has_net() {
            return self.found(&element, counting, now).unwrap_or(Answer::No);
        }
        let in_second = self.kind == Kind::IpPortNet;
        let lengths: smallvec::SmallVec<[u8; 8]> =
            self.prefixes.iter().rev().filter(|(_, n)| **n > 0).map(|(p, _)| *p).collect();
        let (addr, _) = if in_second { element.second } else { element.first };
        for prefix in lengths {
            let net = (masked(family, addr, prefix), prefix);
            if in_second {
                element.second = net;
            } else {
                element.first = net;
            }
            if let Some(answer) = self.found(&element, counting, now) {
                return answer;
            }
        }
        Answer::No
    }

    fn found(&mut self, element: &Element, counting: Option<&Question<'_>>, now: SimTime) -> Option<Answer> {
        let counters = self.options.counters;
        let extra = self.elements.get_mut(element).filter(|x| !x.is_over(now))?;
        if extra.nomatch {
            return Some(Answer::Exception);
        }
        if let Some(question) = counting.filter(|q| counters && q.counts) {
            extra.packets += 1;
            extra.bytes += question.packet.len() as u64;
        }
        Some(Answer::Yes(counters.then_some((extra.packets, extra.bytes))))
    }

    /// The element that `SET` adds or deletes: a network as long as the longest that is there.
    fn own(&self, question: &Question<'_>) -> Option<Element> {
        let mut element = question.element(self).filter(|e| self.in_range(e))?;
        if self.kind == Kind::List {
            return None;
        }
        let longest = self.prefixes.iter().rev().find(|(_, n)| **n > 0).map(|(p, _)| *p);
        if let Some(prefix) = longest.filter(|_| self.kind.has_net()) {
            let net = if self.kind == Kind::IpPortNet { &mut element.second } else { &mut element.first };
            *net = (masked(question.family(), net.0, prefix), prefix);
        }
        Some(element)
    }
}

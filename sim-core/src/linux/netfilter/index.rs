//! The compiled form of a chain: which of its rules a packet can match at all.
//!
//! Long chains are lists of rules that differ only in an address, a port, a protocol or an interface. An [`Index`] sorts such rules
//! by the fields that they ask for exactly (a *shape*), with one hash table for each shape. A packet then meets only the rules
//! that are filed under its own values, and those that no shape takes, in the order of the chain. A rule that is left out could
//! not have matched: its failing question comes before everything in it that remembers, counts or draws. So counters, marks,
//! draws and lists come out as in the plain walk.
//!
//! An index is made when a packet first meets the chain, belongs to this chain alone, and is thrown away when a rule of the chain
//! comes or goes. Left out: inverted questions, name prefixes of interfaces, port ranges; such rules are simply tried.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::address::AddrMatch;
use super::packet::Packet;
use super::rule::{IfaceMatch, RuleSpec};
use super::table::Rule;

/// A chain shorter than this is walked rule by rule: that is as fast.
const MIN_RULES: usize = 8;
/// A shape with fewer rules is not worth a look into a hash table.
const MIN_SHAPE: usize = 4;
/// Shapes of one index; the rules of rarer ones are tried one by one.
const MAX_SHAPES: usize = 12;

/// Where the index of a chain is kept. It says nothing that the rules do not say, so all are equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    index: Option<Arc<Index>>,
    /// When a rule of the chain last came or went, on the table's clock.
    changed: u64,
}

impl PartialEq for Cache {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Cache {
    /// Throws the index away, because the rules change.
    pub(super) fn clear(&mut self, now: u64) {
        self.index = None;
        self.changed = now;
    }

    /// When the rules last changed.
    pub(super) const fn changed(&self) -> u64 {
        self.changed
    }

    /// The index of these rules, made now if need be; none for a chain that is walked rule by rule.
    #[inline]
    pub(super) fn of(&mut self, rules: &[Rule]) -> Option<&Index> {
        if rules.len() < MIN_RULES {
            return None;
        }
        Some(self.index.get_or_insert_with(|| Arc::new(Index::new(rules))))
    }
}

/// The rules of one chain by what they ask for.
#[derive(Debug)]
pub(super) struct Index {
    shapes: Vec<Group>,
    /// Rules of no shape, in order.
    others: Box<[u32]>,
    /// Numbers of the interface names that rules ask for.
    names: FxHashMap<Box<str>, u32>,
}

/// The rules of one shape.
#[derive(Debug)]
struct Group {
    shape: Shape,
    rules: FxHashMap<Key, SmallVec<[u32; 2]>>,
}

/// Which fields are asked for exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    /// Mask of the destination, 0 for any.
    dst: u128,
    /// Mask of the source, 0 for any.
    src: u128,
    protocol: bool,
    dport: bool,
    iif: bool,
    oif: bool,
}

/// The values of those fields; zero where a field is not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    dst: u128,
    src: u128,
    protocol: u8,
    dport: u16,
    iif: u32,
    oif: u32,
}

/// The interfaces that a packet came in by and will leave by.
type Devices<'a> = (Option<&'a str>, Option<&'a str>);

/// The rules of a chain that a packet can match, in the order of the chain.
pub(super) struct Candidates<'i> {
    lists: SmallVec<[&'i [u32]; 6]>,
}

impl Candidates<'_> {
    /// The next one.
    #[inline]
    pub(super) fn next(&mut self) -> Option<usize> {
        let (at, first) =
            self.lists.iter().enumerate().filter_map(|(i, l)| Some((i, *l.first()?))).min_by_key(|c| c.1)?;
        self.lists[at] = &self.lists[at][1..];
        Some(first as usize)
    }
}

impl Index {
    fn new(rules: &[Rule]) -> Self {
        let mut names = FxHashMap::default();
        let filed: Vec<_> = rules.iter().map(|rule| file(&rule.spec, &mut names)).collect();
        let mut count: BTreeMap<Shape, usize> = BTreeMap::new();
        for (shape, _) in &filed {
            *count.entry(*shape).or_default() += 1;
        }
        let worth = |(shape, n): &(Shape, usize)| *shape != Shape::default() && *n >= MIN_SHAPE;
        let mut shapes: Vec<_> = count.into_iter().filter(worth).collect();
        shapes.sort_by_key(|(shape, n)| (Reverse(*n), *shape));
        shapes.truncate(MAX_SHAPES);
        let group = |(shape, _)| Group { shape, rules: FxHashMap::default() };
        let mut shapes: Vec<_> = shapes.into_iter().map(group).collect();
        let mut others = Vec::new();
        for (i, (shape, key)) in filed.into_iter().enumerate() {
            match shapes.iter_mut().find(|g| g.shape == shape) {
                Some(group) => group.rules.entry(key).or_default().push(i as u32),
                None => others.push(i as u32),
            }
        }
        Self { shapes, others: others.into(), names }
    }

    /// The rules from position `from` on that the packet can match.
    #[inline]
    pub(super) fn candidates(&self, packet: &Packet<'_>, devs: Devices<'_>, from: u32) -> Candidates<'_> {
        let behind = |list: &[u32]| list.partition_point(|i| *i < from);
        let mut lists = SmallVec::new();
        for group in &self.shapes {
            let found = self.key(group.shape, packet, devs).and_then(|key| group.rules.get(&key));
            if let Some(list) = found {
                lists.push(&list[behind(list)..]);
            }
        }
        lists.push(&self.others[behind(&self.others)..]);
        Candidates { lists }
    }

    /// The packet's values of the fields of a shape; none if it has no such field or no rule asks for its value.
    #[inline]
    fn key(&self, shape: Shape, packet: &Packet<'_>, (iif, oif): Devices<'_>) -> Option<Key> {
        let name = |asked, dev: Option<&str>| {
            if asked { self.names.get(dev.unwrap_or("")).copied() } else { Some(0) }
        };
        Some(Key {
            dst: packet.dst & shape.dst,
            src: packet.src & shape.src,
            protocol: if shape.protocol { packet.protocol } else { 0 },
            dport: if shape.dport { packet.ports?.1 } else { 0 },
            iif: name(shape.iif, iif)?,
            oif: name(shape.oif, oif)?,
        })
    }
}

/// What a rule asks for exactly, before anything that remembers.
fn file(spec: &RuleSpec, names: &mut FxHashMap<Box<str>, u32>) -> (Shape, Key) {
    let head = &spec.head;
    let address =
        |m: &Option<AddrMatch>| m.filter(|m| !m.inverted).map_or((0, 0), |m| (m.mask, m.addr & m.mask));
    let mut name = |iface: &Option<IfaceMatch>| {
        let exact = iface.as_ref().and_then(IfaceMatch::exact)?;
        let next = names.len() as u32;
        Some(*names.entry(exact.into()).or_insert(next))
    };
    let (dst, src) = (address(&head.dst), address(&head.src));
    let protocol = Some(head.protocol).filter(|p| *p != 0 && !head.protocol_inverted);
    let pure = spec.matches.iter().take_while(|m| m.is_pure());
    let dport = pure.filter_map(|m| m.destination_port()).next();
    let (iif, oif) = (name(&head.iif), name(&head.oif));
    let shape = Shape {
        dst: dst.0,
        src: src.0,
        protocol: protocol.is_some(),
        dport: dport.is_some(),
        iif: iif.is_some(),
        oif: oif.is_some(),
    };
    let key = Key {
        dst: dst.1,
        src: src.1,
        protocol: protocol.unwrap_or(0),
        dport: dport.unwrap_or(0),
        iif: iif.unwrap_or(0),
        oif: oif.unwrap_or(0),
    };
    (shape, key)
}

//! All pairs of pods at once.
//!
//! Every selector is asked once per set of labels, not per pair. Pods of which policies speak alike are one group; pods for which the same
//! policies are share one row of answers over all groups. Sets of connections are numbers, and what two of them make together is
//! worked out once. So the work grows with what differs between pods, not with pairs times policies.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::bits::Bits;
use super::model::{Action, Atom, Direction, Namespaces, Rule, Tier, in_block};
use super::ports::ConnectionSet;
use super::snapshot::NamedPort;
use super::{Endpoint, Engine, What};
use crate::kube::objects::selector::Labels;

/// For every pod, the atoms that speak of it; none for pods in their node's network.
pub(super) fn profiles(engine: &Engine) -> Vec<Bits> {
    let (model, snapshot) = (&engine.model, &engine.snapshot);
    let asked = |labels: &Labels| {
        let mut hits = Bits::below(model.selectors.len());
        let all = model.selectors.iter().enumerate();
        all.filter(|(_, selector)| selector.matches(labels)).for_each(|(i, _)| hits.insert(i));
        hits
    };
    let spaces: BTreeMap<&str, Bits> =
        engine.namespaces.iter().map(|(name, labels)| (name.as_str(), asked(labels))).collect();
    let mut known: FxHashMap<&Labels, Bits> = FxHashMap::default();
    let of_pod = |(number, pod): (usize, &'_ super::PodView), hits: &Bits| {
        let mut profile = Bits::below(model.atoms.len());
        let address = engine.side(Endpoint::Pod(number)).address;
        for (i, atom) in model.atoms.iter().enumerate() {
            let speaks = match atom {
                Atom::Pods { namespaces, pods } => {
                    hits.contains(*pods)
                        && match namespaces {
                            Namespaces::Named(name) => *name == pod.namespace,
                            Namespaces::By(s) => {
                                spaces.get(pod.namespace.as_str()).is_some_and(|b| b.contains(*s))
                            }
                        }
                }
                Atom::Nodes(_) => false,
                Atom::Block { block, except } => {
                    engine.options.blocks_match_pods && address.is_some_and(|ip| in_block(block, except, ip))
                }
            };
            if speaks {
                profile.insert(i);
            }
        }
        profile
    };
    let mut all = Vec::with_capacity(snapshot.pods.len());
    for (number, pod) in snapshot.pods.iter().enumerate() {
        if pod.host_network {
            all.push(Bits::below(model.atoms.len()));
            continue;
        }
        let hits = known.entry(&pod.labels).or_insert_with(|| asked(&pod.labels));
        all.push(of_pod((number, pod), hits));
    }
    all
}

/// Number of the set without connections.
const NONE: u32 = 0;
/// Number of the set of all connections.
const ALL: u32 = 1;

/// Sets of connections by number.
#[derive(Clone, Debug)]
struct Sets {
    list: Vec<ConnectionSet>,
    /// For look-ups only.
    numbers: FxHashMap<ConnectionSet, u32>,
    /// What came of two sets; for look-ups only.
    done: FxHashMap<(Operation, u32, u32), u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

impl Sets {
    fn new() -> Self {
        let mut sets = Self { list: Vec::new(), numbers: FxHashMap::default(), done: FxHashMap::default() };
        sets.number(ConnectionSet::none());
        sets.number(ConnectionSet::all());
        sets
    }

    fn number(&mut self, set: ConnectionSet) -> u32 {
        if let Some(known) = self.numbers.get(&set) {
            return *known;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(set.clone());
        self.numbers.insert(set, number);
        number
    }

    fn make(&mut self, operation: Operation, a: u32, b: u32) -> u32 {
        match (operation, a, b) {
            (Operation::Union, NONE, x) | (Operation::Union, x, NONE) => x,
            (Operation::Union, ALL, _) | (Operation::Union, _, ALL) => ALL,
            (Operation::Intersection, ALL, x) | (Operation::Intersection, x, ALL) => x,
            (Operation::Intersection, NONE, _) | (Operation::Intersection, _, NONE) => NONE,
            (Operation::Difference, x, NONE) => x,
            (Operation::Difference, NONE, _) | (Operation::Difference, _, ALL) => NONE,
            (Operation::Union | Operation::Intersection, x, y) if x == y => x,
            _ => {
                if let Some(known) = self.done.get(&(operation, a, b)) {
                    return *known;
                }
                let (x, y) = (&self.list[a as usize], &self.list[b as usize]);
                let set = match operation {
                    Operation::Union => x.union(y),
                    Operation::Intersection => x.intersection(y),
                    Operation::Difference => x.difference(y),
                };
                let number = self.number(set);
                self.done.insert((operation, a, b), number);
                number
            }
        }
    }
}

/// Every connection between all pods.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    engine: &'a Engine,
    /// By pod: its group.
    groups: Vec<usize>,
    /// By group: its rows for egress and ingress; `None` where nobody has a say.
    own_rows: Vec<[Option<usize>; 2]>,
    /// What a subject lets through, by the other end's group.
    rows: Vec<Vec<u32>>,
    sets: Sets,
}

impl Engine {
    /// What may be between all pods.
    #[must_use]
    pub fn table(&self) -> Table<'_> {
        Maker::new(self).table()
    }
}

impl Table<'_> {
    /// Every connection that may be made from one pod to another, by their numbers in the snapshot.
    #[must_use]
    pub fn connections(&self, from: usize, to: usize) -> ConnectionSet {
        match self.short(from, to) {
            None => self.engine.connections(Endpoint::Pod(from), Endpoint::Pod(to)),
            Some((NONE, _) | (_, NONE)) => ConnectionSet::none(),
            Some((out, into)) => self.set(out).intersection(self.set(into)),
        }
    }

    /// Shows every ordered pair of different pods with its connections, source by source.
    pub fn for_each(&self, mut show: impl FnMut(usize, usize, &ConnectionSet)) {
        let mut sets = self.sets.clone();
        for from in 0..self.groups.len() {
            for to in (0..self.groups.len()).filter(|to| *to != from) {
                let number = match self.short(from, to) {
                    Some((out, into)) => sets.make(Operation::Intersection, out, into),
                    None => sets.number(self.engine.connections(Endpoint::Pod(from), Endpoint::Pod(to))),
                };
                show(from, to, &sets.list[number as usize]);
            }
        }
    }

    /// How many groups of pods behave alike.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.own_rows.len()
    }

    fn set(&self, number: u32) -> &ConnectionSet {
        &self.sets.list[number as usize]
    }

    /// What the source and the destination let through; `None` for pairs that groups do not tell: a pod and itself, a pod and its node.
    fn short(&self, from: usize, to: usize) -> Option<(u32, u32)> {
        let (source, destination) = (*self.groups.get(from)?, *self.groups.get(to)?);
        let pods = &self.engine.snapshot.pods;
        let on_own_node = pods[from].host_network != pods[to].host_network
            && self.engine.nodes[from].is_some()
            && self.engine.nodes[from] == self.engine.nodes[to];
        if from == to || on_own_node {
            return None;
        }
        let look = |row: Option<usize>, other: usize| row.map_or(ALL, |row| self.rows[row][other]);
        let out = look(self.own_rows[source][Direction::Egress as usize], destination);
        let into = look(self.own_rows[destination][Direction::Ingress as usize], source);
        Some((out, into))
    }
}

/// What makes a row: the policies with a say, and the ports that the subject names if they matter.
type RowKey = (Vec<usize>, usize);

/// A table under way.
struct Maker<'a> {
    engine: &'a Engine,
    groups: Vec<usize>,
    /// By group: whether it is of ordinary pods, and the atoms that speak of it.
    profiles: Vec<(bool, Bits)>,
    /// By group: what its pods name, by number in `named`.
    ports: Vec<usize>,
    named: Vec<Vec<NamedPort>>,
    /// By atom: the groups that it speaks of.
    members: Vec<Bits>,
    rows: Vec<Vec<u32>>,
    sets: Sets,
}

impl<'a> Maker<'a> {
    fn new(engine: &'a Engine) -> Self {
        let atoms = engine.model.atoms.len();
        let mut maker = Self {
            engine,
            groups: Vec::with_capacity(engine.snapshot.pods.len()),
            profiles: Vec::new(),
            ports: Vec::new(),
            named: vec![Vec::new()],
            members: Vec::new(),
            rows: Vec::new(),
            sets: Sets::new(),
        };
        let mut known_ports: FxHashMap<Vec<NamedPort>, usize> = [(Vec::new(), 0)].into_iter().collect();
        let mut known: FxHashMap<(bool, Bits, usize), usize> = FxHashMap::default();
        for (number, pod) in engine.snapshot.pods.iter().enumerate() {
            let side = engine.side(Endpoint::Pod(number));
            let ordinary = matches!(side.what, What::Pod(_));
            let (profile, ports) = if ordinary {
                let mut ports = pod.ports.clone();
                ports.sort_unstable();
                let ports = *known_ports.entry(ports).or_insert_with_key(|ports| {
                    maker.named.push(ports.clone());
                    maker.named.len() - 1
                });
                (engine.profiles[number].clone(), ports)
            } else {
                let mut profile = Bits::below(atoms);
                (0..atoms).filter(|a| engine.speaks_of(*a, side)).for_each(|a| profile.insert(a));
                (profile, 0)
            };
            let group = *known.entry((ordinary, profile, ports)).or_insert_with_key(|(_, profile, _)| {
                maker.profiles.push((ordinary, profile.clone()));
                maker.ports.push(ports);
                maker.profiles.len() - 1
            });
            maker.groups.push(group);
        }
        maker.members = vec![Bits::below(maker.profiles.len()); atoms];
        for (group, (_, profile)) in maker.profiles.iter().enumerate() {
            profile.iter().for_each(|atom| maker.members[atom].insert(group));
        }
        maker
    }

    fn table(mut self) -> Table<'a> {
        let mut known: [BTreeMap<RowKey, usize>; 2] = Default::default();
        let mut own_rows = Vec::with_capacity(self.profiles.len());
        for group in 0..self.profiles.len() {
            own_rows.push(Direction::BOTH.map(|direction| {
                let key = self.row_key(group, direction)?;
                if let Some(row) = known[direction as usize].get(&key) {
                    return Some(*row);
                }
                let row = self.row(&key, direction);
                self.rows.push(row);
                known[direction as usize].insert(key, self.rows.len() - 1);
                Some(self.rows.len() - 1)
            }));
        }
        let Self { engine, groups, rows, sets, .. } = self;
        Table { engine, groups, own_rows, rows, sets }
    }

    /// `None`: no policy has a say.
    fn row_key(&self, group: usize, direction: Direction) -> Option<RowKey> {
        let (ordinary, profile) = &self.profiles[group];
        if !ordinary {
            return None;
        }
        let all = self.engine.model.policies.iter().enumerate();
        let selecting = all.filter(|(_, p)| p.subject.is_some_and(|atom| profile.contains(atom)));
        let with_say = selecting.filter(|(_, p)| p.rules(direction).is_some());
        let policies: Vec<usize> = with_say.map(|(i, _)| i).collect();
        let names = |i: &usize| rules(self.engine, *i, direction).iter().any(|r| !r.ports.named.is_empty());
        let ports =
            if direction == Direction::Ingress && policies.iter().any(names) { self.ports[group] } else { 0 };
        (!policies.is_empty()).then_some((policies, ports))
    }

    /// What a subject lets through, by the other end's group: as [`super::sets::let_through`], for all groups at once.
    fn row(&mut self, (policies, ports): &RowKey, direction: Direction) -> Vec<u32> {
        let (engine, count) = (self.engine, self.profiles.len());
        let (mut open, mut allowed) = (vec![ALL; count], vec![NONE; count]);
        for tier in [Tier::Admin, Tier::NetworkPolicy, Tier::Baseline] {
            let of_tier = policies.iter().filter(|i| engine.model.policies[**i].tier == tier);
            let of_tier: Vec<usize> = of_tier.copied().collect();
            if tier == Tier::NetworkPolicy {
                if of_tier.is_empty() {
                    continue;
                }
                let mut any = vec![NONE; count];
                for rule in of_tier.iter().flat_map(|i| rules(engine, *i, direction)) {
                    self.each(rule, direction, *ports, |sets, group, hit| {
                        any[group] = sets.make(Operation::Union, any[group], hit);
                    });
                }
                for (group, sum) in allowed.iter_mut().enumerate() {
                    let hit = self.sets.make(Operation::Intersection, open[group], any[group]);
                    *sum = self.sets.make(Operation::Union, *sum, hit);
                }
                return allowed;
            }
            let mut passed = vec![NONE; count];
            for rule in of_tier.iter().flat_map(|i| rules(engine, *i, direction)) {
                self.each(rule, direction, *ports, |sets, group, matched| {
                    let hit = sets.make(Operation::Intersection, open[group], matched);
                    open[group] = sets.make(Operation::Difference, open[group], hit);
                    match rule.action {
                        Action::Accept => allowed[group] = sets.make(Operation::Union, allowed[group], hit),
                        Action::Pass => passed[group] = sets.make(Operation::Union, passed[group], hit),
                        Action::Deny => {}
                    }
                });
            }
            for (group, left) in open.iter_mut().enumerate() {
                *left = self.sets.make(Operation::Union, *left, passed[group]);
            }
        }
        for (group, sum) in allowed.iter_mut().enumerate() {
            *sum = self.sets.make(Operation::Union, *sum, open[group]);
        }
        allowed
    }

    /// Shows every group at the other end that a rule is about, with the connections that it matches. `own`: what the subject names.
    fn each(
        &mut self,
        rule: &Rule,
        direction: Direction,
        own: usize,
        mut show: impl FnMut(&mut Sets, usize, u32),
    ) {
        let members = rule.peers.as_ref().map(|peers| {
            let mut all = Bits::below(self.profiles.len());
            peers.iter().for_each(|atom| all.add(&self.members[*atom]));
            all
        });
        let groups: Box<dyn Iterator<Item = usize>> = match &members {
            Some(members) => Box::new(members.iter()),
            None => Box::new(0..self.profiles.len()),
        };
        if direction == Direction::Ingress || rule.ports.named.is_empty() {
            let hit = self.sets.number(rule.ports.at(&self.named[own]));
            groups.for_each(|group| show(&mut self.sets, group, hit));
            return;
        }
        let mut at: BTreeMap<usize, u32> = BTreeMap::new();
        for group in groups {
            let ports = self.ports[group];
            let hit = *at.entry(ports).or_insert_with(|| self.sets.number(rule.ports.at(&self.named[ports])));
            show(&mut self.sets, group, hit);
        }
    }
}

fn rules(engine: &Engine, policy: usize, direction: Direction) -> &[Rule] {
    engine.model.policies[policy].rules(direction).unwrap_or_default()
}

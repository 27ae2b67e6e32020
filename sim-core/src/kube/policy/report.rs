//! Connectivity between workloads, and what changed of it, as np-guard's netpol-analyzer reports it.
//!
//! A workload is a group of pods that are alike (a Deployment's, say); its first pod speaks for all. The world outside appears as
//! ranges of addresses, cut where a rule of any policy for the direction begins or ends; differences join neighbours again. What an Ingress opens appears as connections of `{ingress-controller}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::model::Direction;
use super::ports::{ConnectionSet, PortRanges};
use super::snapshot::{PodView, ServiceView};
use super::{Endpoint, Engine};
use crate::kube::objects::{IntOrString, Protocol};

/// Who stands for every controller that serves Ingresses.
const CONTROLLER: &str = "{ingress-controller}";
/// The namespace that it is taken to run in; nobody knows its labels.
const CONTROLLER_NAMESPACE: &str = "ingress-controller-ns";

/// A group of pods that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its kind: `Deployment`.
    pub kind: String,
    /// Its first pod, by number in the snapshot.
    pub pod: usize,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.namespace, self.name, self.kind)
    }
}

/// A Service that an Ingress leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Namespace of the Service.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// Which of its ports.
    pub port: BackendPort,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendPort {
    /// Any.
    Any,
    /// The Service's own number or name, as an Ingress writes it.
    Service(IntOrString),
    /// The Service's own name, or the port of its pods, as a Route of OpenShift writes it.
    Target(IntOrString),
}

/// From whom to whom what may go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Source.
    pub from: String,
    /// Destination.
    pub to: String,
    /// What may go; never nothing.
    pub connections: ConnectionSet,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} => {} : {}", self.from, self.to, self.connections)
    }
}

/// What became of the connections of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeType {
    /// There are others.
    Changed,
    /// There were none.
    Added,
    /// There are none.
    Removed,
}

impl fmt::Display for ChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Removed => "removed",
        })
    }
}

/// A difference between two reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What kind of change.
    pub what: ChangeType,
    /// Source.
    pub from: String,
    /// Destination.
    pub to: String,
    /// Connections before.
    pub before: ConnectionSet,
    /// Connections after.
    pub after: ConnectionSet,
    /// Which ends are new or gone; empty if both are in both reports.
    pub workloads: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, from, to, before, after, workloads } = self;
        write!(f, "diff-type: {what}, source: {from}, destination: {to}, dir1: {before}, dir2: {after}")?;
        if workloads.is_empty() { Ok(()) } else { write!(f, ", workloads-diff-info: {workloads}") }
    }
}

/// Addresses outside that a workload treats alike, and what may go.
type Outside = Vec<((IpAddr, IpAddr), ConnectionSet)>;

/// What may go between workloads, the world outside, and Ingress controllers.
#[derive(Clone, Debug, Default)]
pub struct Connectivity {
    workloads: BTreeSet<String>,
    /// By source and destination.
    pairs: BTreeMap<(String, String), ConnectionSet>,
    /// By workload and direction, over all addresses.
    outside: BTreeMap<(String, Direction), Outside>,
    /// By destination.
    from_controllers: BTreeMap<String, ConnectionSet>,
}

impl Connectivity {
    /// What may go between these workloads of a cluster, with what its Ingresses lead to.
    #[must_use]
    pub fn of(engine: &Engine, workloads: &[Workload], backends: &[Backend]) -> Self {
        let mut all =
            Self { workloads: workloads.iter().map(Workload::to_string).collect(), ..Self::default() };
        let table = engine.table();
        for own in workloads {
            let pod = Endpoint::Pod(own.pod);
            for other in workloads.iter().filter(|other| *other != own) {
                let set = table.connections(own.pod, other.pod);
                all.pairs.insert((own.to_string(), other.to_string()), set);
            }
            for direction in Direction::BOTH {
                let with = |first: IpAddr| {
                    let stranger = Endpoint::Outside(first);
                    match direction {
                        Direction::Egress => engine.connections(pod, stranger),
                        Direction::Ingress => engine.connections(stranger, pod),
                    }
                };
                let ranges = engine.outside_ranges(direction, engine.options.family);
                let each = ranges.iter().map(|range| (*range, with(range.0)));
                all.outside.insert((own.to_string(), direction), each.collect());
            }
        }
        all.from_controllers = from_controllers(engine, workloads, backends);
        all
    }

    /// One line per pair with some connection: workloads and the world outside, then Ingress controllers, each in order.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let pairs = self.pairs.iter().map(|((from, to), set)| Line {
            from: from.clone(),
            to: to.clone(),
            connections: set.clone(),
        });
        let outside = self.outside.iter().flat_map(|((workload, direction), ranges)| {
            ranges.iter().map(move |(range, set)| {
                let (from, to) = ends(workload, *direction, *range);
                Line { from, to, connections: set.clone() }
            })
        });
        let mut lines: Vec<Line> = pairs.chain(outside).filter(|l| !l.connections.is_none()).collect();
        lines.sort();
        lines.extend(self.from_controllers.iter().map(|(to, set)| Line {
            from: CONTROLLER.to_owned(),
            to: to.clone(),
            connections: set.clone(),
        }));
        lines
    }

    /// What is different in another report: changed, added, removed, each in order; Ingress controllers last.
    #[must_use]
    pub fn changes_to(&self, after: &Self) -> Vec<Change> {
        let none = ConnectionSet::none();
        let mut changes = Vec::new();
        let pairs: BTreeSet<_> = self.pairs.keys().chain(after.pairs.keys()).collect();
        for pair in pairs {
            let sets = [&self.pairs, &after.pairs].map(|pairs| pairs.get(pair).unwrap_or(&none).clone());
            changes.extend(self.change(after, (pair.0.clone(), pair.1.clone()), sets));
        }
        let sides: BTreeSet<_> = self.outside.keys().chain(after.outside.keys()).collect();
        for side in sides {
            for (range, sets) in refined(self.outside.get(side), after.outside.get(side)) {
                changes.extend(self.change(after, ends(&side.0, side.1, range), sets));
            }
        }
        changes.sort_by_cached_key(|c| (c.what, c.to_string()));
        let mut controllers = Vec::new();
        let targets: BTreeSet<_> =
            self.from_controllers.keys().chain(after.from_controllers.keys()).collect();
        for to in targets {
            let sets = [&self.from_controllers, &after.from_controllers]
                .map(|all| all.get(to).unwrap_or(&none).clone());
            controllers.extend(self.change(after, (CONTROLLER.to_owned(), to.clone()), sets));
        }
        controllers.sort_by_cached_key(|c| (c.what, c.to_string()));
        changes.extend(controllers);
        changes
    }

    fn change(
        &self,
        other: &Self,
        (from, to): (String, String),
        [before, after]: [ConnectionSet; 2],
    ) -> Option<Change> {
        let what = match (before.is_none(), after.is_none()) {
            _ if before == after => return None,
            (true, _) => ChangeType::Added,
            (_, true) => ChangeType::Removed,
            _ => ChangeType::Changed,
        };
        let in_one = |name: &&String| self.workloads.contains(*name) != other.workloads.contains(*name);
        let only: Vec<&str> = [&from, &to].into_iter().filter(in_one).map(String::as_str).collect();
        let workloads = match only.join(" and ") {
            names if names.is_empty() => names,
            names => format!("workload {names} {what}"),
        };
        Some(Change { what, from, to, before, after, workloads })
    }
}

/// Source and destination of what goes between a workload and addresses outside.
fn ends(workload: &str, direction: Direction, (first, last): (IpAddr, IpAddr)) -> (String, String) {
    let outside = format!("{first}-{last}[External]");
    match direction {
        Direction::Egress => (workload.to_owned(), outside),
        Direction::Ingress => (outside, workload.to_owned()),
    }
}

/// Joins neighbours that are alike.
fn joined<T: PartialEq>(
    ranges: impl IntoIterator<Item = ((IpAddr, IpAddr), T)>,
) -> Vec<((IpAddr, IpAddr), T)> {
    let mut all: Vec<((IpAddr, IpAddr), T)> = Vec::new();
    for ((first, last), set) in ranges {
        match all.last_mut() {
            Some(((_, end), same)) if *same == set => *end = last,
            _ => all.push(((first, last), set)),
        }
    }
    all
}

/// The ranges of two reports cut alike, with the connections of both; neighbours that are alike are one.
fn refined(before: Option<&Outside>, after: Option<&Outside>) -> Vec<((IpAddr, IpAddr), [ConnectionSet; 2])> {
    let whole = before.or(after).and_then(|all| Some((all.first()?.0.0, all.last()?.0.1)));
    let Some(whole) = whole else { return Vec::new() };
    let nothing: Outside = vec![(whole, ConnectionSet::none())];
    let (a, b) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
    let (mut i, mut j, mut cut) = (0, 0, Vec::new());
    while let (Some((x, left)), Some((y, right))) = (a.get(i), b.get(j)) {
        let last = x.1.min(y.1);
        cut.push(((x.0.max(y.0), last), [left.clone(), right.clone()]));
        i += usize::from(x.1 == last);
        j += usize::from(y.1 == last);
    }
    joined(cut)
}

/// What Ingress controllers may send to the pods that Ingresses lead to.
fn from_controllers(
    engine: &Engine,
    workloads: &[Workload],
    backends: &[Backend],
) -> BTreeMap<String, ConnectionSet> {
    let mut all: BTreeMap<String, ConnectionSet> = BTreeMap::new();
    if backends.is_empty() {
        return all;
    }
    let mut snapshot = engine.snapshot.clone();
    snapshot.pods.push(PodView { namespace: CONTROLLER_NAMESPACE.to_owned(), ..PodView::default() });
    let controller = Endpoint::Pod(snapshot.pods.len() - 1);
    let engine = Engine::new(snapshot, engine.options);
    for backend in backends {
        let named = |s: &&ServiceView| s.namespace == backend.namespace && s.name == backend.service;
        let Some(service) = engine.snapshot.services.iter().find(named) else { continue };
        for (_, protocol, number, _) in service.ports.iter().filter(|port| backend.port.is(port)) {
            let pods = engine.snapshot.backends(&service.namespace, &service.name, *protocol, *number);
            for (pod, port) in pods {
                let Some(workload) = workloads.iter().find(|w| w.pod == pod) else { continue };
                let open = ConnectionSet::of(*protocol, PortRanges::range(port, port));
                let set = open.intersection(&engine.connections(controller, Endpoint::Pod(pod)));
                if !set.is_none() {
                    let known = all.entry(workload.to_string()).or_default();
                    *known = known.union(&set);
                }
            }
        }
    }
    all
}

impl BackendPort {
    fn is(&self, (name, _, number, target): &(String, Protocol, u16, IntOrString)) -> bool {
        match self {
            Self::Any => true,
            Self::Service(IntOrString::Int(n)) => *n == i32::from(*number),
            Self::Service(IntOrString::String(wanted)) => wanted == name,
            Self::Target(IntOrString::Int(n)) => *n == i32::from(*number) || *target == IntOrString::Int(*n),
            Self::Target(IntOrString::String(wanted)) => {
                wanted == name || matches!(target, IntOrString::String(t) if t == wanted)
            }
        }
    }
}

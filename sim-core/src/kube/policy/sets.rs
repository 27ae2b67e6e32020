//! The definition: what may come through, as algebra over whole sets of connections.

use super::model::{Action, Direction, Policy, Rule, Tier};
use super::ports::ConnectionSet;
#[cfg(test)]
use super::{Endpoint, Engine, What};

/// What one end lets through: `policies` are those that select it, in order; `matched` is what a rule matches for the other end.
pub(super) fn let_through<'a>(
    policies: impl Iterator<Item = &'a Policy>,
    direction: Direction,
    own_node: bool,
    matched: impl Fn(&Rule) -> ConnectionSet,
) -> ConnectionSet {
    let with_say: Vec<(Tier, &[Rule])> =
        policies.filter_map(|p| p.rules(direction).map(|rules| (p.tier, rules))).collect();
    let of = |tier: Tier| with_say.iter().filter(move |(t, _)| *t == tier).flat_map(|(_, rules)| *rules);
    let (mut open, mut allowed) = (ConnectionSet::all(), ConnectionSet::none());
    for tier in [Tier::Admin, Tier::NetworkPolicy, Tier::Baseline] {
        if tier == Tier::NetworkPolicy {
            if !with_say.iter().any(|(t, _)| *t == tier) {
                continue;
            }
            let any = of(tier).fold(ConnectionSet::none(), |sum, rule| sum.union(&matched(rule)));
            return allowed.union(&if own_node { open } else { open.intersection(&any) });
        }
        let mut passed = ConnectionSet::none();
        for rule in of(tier) {
            let hit = open.intersection(&matched(rule));
            open = open.difference(&hit);
            match rule.action {
                Action::Accept => allowed = allowed.union(&hit),
                Action::Pass => passed = passed.union(&hit),
                Action::Deny => {}
            }
        }
        open = open.union(&passed);
    }
    allowed.union(&open)
}

/// The slow twin of [`Engine::connections`] and of the table: every selector is asked anew for every pair.
#[cfg(test)]
pub(super) fn connections(engine: &Engine, from: Endpoint, to: Endpoint) -> ConnectionSet {
    if from == to {
        return ConnectionSet::all();
    }
    let (source, destination) = (engine.side(from), engine.side(to));
    let end = |own: super::Side, other: super::Side, direction| {
        let What::Pod(pod) = own.what else { return ConnectionSet::all() };
        let policies = engine
            .model
            .policies
            .iter()
            .filter(|p| p.subject.is_some_and(|atom| engine.speaks_of(atom, own)));
        let matched = |rule: &Rule| match &rule.peers {
            Some(peers) if !peers.iter().any(|atom| engine.speaks_of(*atom, other)) => ConnectionSet::none(),
            _ => rule.ports.at(engine.named_ports(destination)),
        };
        let own_node = matches!(other.what, What::Node(node) if engine.snapshot.nodes[node].name == engine.snapshot.pods[pod].node);
        let_through(policies, direction, own_node, matched)
    };
    end(source, destination, Direction::Egress).intersection(&end(destination, source, Direction::Ingress))
}

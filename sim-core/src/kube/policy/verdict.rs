//! One connection: whether it comes through, and which policy and rule decides.

use std::fmt;

use serde::Serialize;

use super::model::{Action, Direction, Policy, PolicyRef, Rule, Tier};
use super::{Engine, Question, Side, What};

/// What both ends say to a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What the source says.
    pub egress: Decision,
    /// What the destination says.
    pub ingress: Decision,
}

impl Verdict {
    /// Whether it comes through. Then its replies do too.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.egress.allowed && self.ingress.allowed
    }

    /// The decision that counts: of two refusals that of the source, which comes first.
    #[must_use]
    pub const fn decisive(&self) -> &Decision {
        if self.egress.allowed { &self.ingress } else { &self.egress }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.allowed() { "allowed" } else { "denied" };
        write!(f, "{word}\n  egress: {}\n  ingress: {}", self.egress, self.ingress)
    }
}

/// What one end says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it consents.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// Rules that left it to the next tier.
    pub passed: Vec<RuleRef>,
    /// Network policies that isolate the pod in this direction.
    pub isolating: Vec<PolicyRef>,
}

/// Why an end consents or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// It is no pod that policies could be for.
    NoPod,
    /// The pod reaches itself.
    Itself,
    /// A pod and its own node reach each other, although network policies isolate the pod.
    OwnNode,
    /// These rules match: one of a policy for the cluster, or all that match of all network policies.
    Rules(Vec<RuleRef>),
    /// Network policies isolate the pod, and none of their rules matches.
    Isolated,
    /// No policy has a say.
    Default,
}

/// A rule, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleRef {
    /// Its policy.
    pub policy: PolicyRef,
    /// The tier of its policy.
    pub tier: Tier,
    /// The direction that it is about.
    pub direction: Direction,
    /// Its number in the policy's list for the direction, from 1.
    pub number: usize,
    /// Its name, for those that have one.
    pub name: String,
    /// What it does.
    pub action: Action,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} rule {}", self.policy, self.direction, self.number)?;
        if !self.name.is_empty() {
            write!(f, " ({})", self.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.allowed { "allowed" } else { "denied" };
        match &self.reason {
            Reason::NoPod => write!(f, "{word}: no policy can be for this end")?,
            Reason::Itself => write!(f, "{word}: a pod reaches itself")?,
            Reason::OwnNode => write!(f, "{word}: a pod and its own node reach each other")?,
            Reason::Rules(rules) => write!(f, "{word} by {}", listed(rules))?,
            Reason::Isolated => {
                write!(f, "{word}: isolated by {}, and no rule matches", listed(&self.isolating))?
            }
            Reason::Default => write!(f, "{word}: no policy has a say")?,
        }
        if !self.passed.is_empty() {
            write!(f, " (passed on by {})", listed(&self.passed))?;
        }
        Ok(())
    }
}

fn listed(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Engine {
    /// Whether a connection may be made, and who decides.
    #[must_use]
    pub fn ask(&self, question: Question) -> Verdict {
        let (source, destination) = (self.side(question.from), self.side(question.to));
        if question.from == question.to && !question.by_service {
            let itself = || Decision { allowed: true, ..Decision::new(Reason::Itself) };
            return Verdict { egress: itself(), ingress: itself() };
        }
        let matches = |rule: &Rule, other: Side| {
            self.matches_peer(rule, other)
                && rule.ports.at(self.named_ports(destination)).contains(question.protocol, question.port)
        };
        Verdict {
            egress: self.decide(source, destination, Direction::Egress, &matches),
            ingress: self.decide(destination, source, Direction::Ingress, &matches),
        }
    }

    fn decide(
        &self,
        own: Side,
        other: Side,
        direction: Direction,
        matches: &dyn Fn(&Rule, Side) -> bool,
    ) -> Decision {
        let What::Pod(pod) = own.what else {
            return Decision { allowed: true, ..Decision::new(Reason::NoPod) };
        };
        let policies: Vec<(&Policy, &[Rule])> =
            self.selecting(pod).filter_map(|p| p.rules(direction).map(|rules| (p, rules))).collect();
        let hits = |tier: Tier| {
            let of_tier = policies.iter().filter(move |(p, _)| p.tier == tier);
            let rules = of_tier.flat_map(|(p, rules)| rules.iter().map(move |rule| (*p, rule)));
            rules
                .filter(|(_, rule)| matches(rule, other))
                .map(|(policy, rule)| reference(policy, rule, direction))
        };
        let mut decision = Decision::new(Reason::Default);
        for tier in [Tier::Admin, Tier::NetworkPolicy, Tier::Baseline] {
            if tier == Tier::NetworkPolicy {
                let isolating = policies.iter().filter(|(p, _)| p.tier == tier);
                decision.isolating = isolating.map(|(p, _)| p.name.clone()).collect();
                if decision.isolating.is_empty() {
                    continue;
                }
                let rules: Vec<RuleRef> = hits(tier).collect();
                decision.allowed = !rules.is_empty();
                decision.reason = if decision.allowed { Reason::Rules(rules) } else { Reason::Isolated };
                if !decision.allowed && self.is_own_node(pod, other) {
                    (decision.allowed, decision.reason) = (true, Reason::OwnNode);
                }
                return decision;
            }
            match hits(tier).next() {
                Some(rule) if rule.action == Action::Pass => decision.passed.push(rule),
                Some(rule) => {
                    decision.allowed = rule.action == Action::Accept;
                    decision.reason = Reason::Rules(vec![rule]);
                    return decision;
                }
                None => {}
            }
        }
        decision.allowed = true;
        decision
    }
}

impl Decision {
    const fn new(reason: Reason) -> Self {
        Self { allowed: false, reason, passed: Vec::new(), isolating: Vec::new() }
    }
}

fn reference(policy: &Policy, rule: &Rule, direction: Direction) -> RuleRef {
    RuleRef {
        policy: policy.name.clone(),
        tier: policy.tier,
        direction,
        number: rule.number,
        name: rule.name.clone(),
        action: rule.action,
    }
}

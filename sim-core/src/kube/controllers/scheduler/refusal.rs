//! Why a pod goes nowhere, in the scheduler's words.

use std::collections::BTreeMap;

use crate::kube::objects::Pod;
use crate::kube::version::Version;

/// Why one node cannot take a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// The words, one for each thing that is short.
    reasons: Vec<String>,
    /// Whether it would be the same without the pods that are there.
    hopeless: bool,
}

impl Unfit {
    /// Nothing that others could give up would help.
    pub(super) fn for_good(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], hopeless: true }
    }

    /// Others stand in the way.
    pub(super) fn for_now(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], hopeless: false }
    }

    /// Several things are short.
    pub(super) const fn short_of(reasons: Vec<String>, hopeless: bool) -> Self {
        Self { reasons, hopeless }
    }
}

/// Why no node can take a pod.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    reasons: BTreeMap<String, u32>,
    hopeless: u32,
    blocked: u32,
}

impl Tally {
    /// Counts a node.
    pub(super) fn add(&mut self, unfit: Unfit) {
        self.add_many(unfit, 1);
    }

    /// Counts several nodes of which the same is true.
    pub(super) fn add_many(&mut self, unfit: Unfit, nodes: u32) {
        if nodes == 0 {
            return;
        }
        for reason in unfit.reasons {
            *self.reasons.entry(reason).or_default() += nodes;
        }
        *(if unfit.hopeless { &mut self.hopeless } else { &mut self.blocked }) += nodes;
    }

    /// The sentence (`framework.FitError`), with what preemption has to say.
    pub(super) fn sentence(&self, total: u32, pod: &Pod, release: Version) -> String {
        if total == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        let mut list: Vec<String> = self.reasons.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        list.sort();
        let (hopeless, blocked) = (self.hopeless, self.blocked);
        said(total, &list.join(", "), hopeless, blocked, pod, release)
    }
}

/// The sentence about a pod of which no node needs to be asked.
pub(super) fn nowhere(total: u32, why: &str, pod: &Pod, release: Version) -> String {
    said(total, why, total, 0, pod, release)
}

/// Preemption speaks since 1.24, and dynamic resources before it since 1.34.
fn said(total: u32, why: &str, hopeless: u32, blocked: u32, pod: &Pod, release: Version) -> String {
    let available = format!("0/{total} nodes are available");
    let first = format!("{available}: {why}.");
    if release < Version::new(1, 24, 0) {
        return first;
    }
    let claims = if release < Version::new(1, 34, 0) { "" } else { "no new claims to deallocate, " };
    if pod.spec.preemption_policy.as_deref() == Some("Never") {
        return format!("{first} {claims}preemption: not eligible due to preemptionPolicy=Never.");
    }
    let mut parts = Vec::new();
    if hopeless > 0 {
        parts.push(format!("{hopeless} Preemption is not helpful for scheduling"));
    }
    if blocked > 0 {
        parts.push(format!("{blocked} No preemption victims found for incoming pod"));
    }
    parts.sort();
    format!("{first} {claims}preemption: {available}: {}.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_preemption_has_its_say() {
        let mut tally = Tally::default();
        tally.add(Unfit::for_good("node(s) had untolerated taint {a: }"));
        tally.add_many(
            Unfit::short_of(vec!["Insufficient cpu".into(), "Insufficient memory".into()], false),
            2,
        );
        let words = |minor| tally.sentence(3, &Pod::default(), Version::new(1, minor, 0));
        assert_eq!(
            words(33),
            "0/3 nodes are available: 1 node(s) had untolerated taint {a: }, 2 Insufficient cpu, 2 Insufficient memory. preemption: 0/3 \
             nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
        );
        assert!(words(34).contains(". no new claims to deallocate, preemption: "));
        assert!(words(20).ends_with("2 Insufficient memory."));
    }
}

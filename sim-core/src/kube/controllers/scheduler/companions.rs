//! Which pods a pod wants near, and which not (the plugin `InterPodAffinity`).
//!
//! Left out: that pods which are there prefer (not require) some company.

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::Unfit;
use super::terms::{Term, placed, preferred, required};
use crate::kube::objects::{Node, Pod};
use crate::kube::store::Store;

const AFFINITY: &str = "podAffinity";
const ANTI: &str = "podAntiAffinity";

/// Label of nodes and its value.
type Place = (String, String);

/// What a pod wants of its neighbours, and they of it, with the places that this leads to.
#[derive(Debug, Default)]
pub(super) struct Companions {
    wanted: Vec<Term>,
    /// Places of pods that are all that is wanted.
    near: BTreeSet<Place>,
    /// Whether the pod is itself what it wants: the first of its kind may go anywhere.
    own_kind: bool,
    /// Places of pods that are not wanted.
    far: BTreeSet<Place>,
    /// Places of pods that do not want this one.
    repelled: BTreeSet<Place>,
    /// How glad it is of a place.
    glad: BTreeMap<Place, i64>,
}

/// Whether a pod keeps others away.
pub(super) fn repels(pod: &Pod) -> bool {
    !required(pod, ANTI).is_empty()
}

/// Whether a pod cannot go anywhere without others.
pub(super) fn depends(pod: &Pod) -> bool {
    !required(pod, AFFINITY).is_empty()
}

impl Companions {
    /// None if neither the pod nor those in `repelling` want anything.
    pub(super) fn of(pod: &Pod, repelling: &BTreeSet<(String, String)>, store: &Store) -> Option<Self> {
        let own =
            [AFFINITY, ANTI].iter().any(|k| !required(pod, k).is_empty() || !preferred(pod, k).is_empty());
        if !own && repelling.is_empty() {
            return None;
        }
        let mut all = Self::default();
        if own {
            all.look_around(pod, store);
        }
        for (namespace, name) in repelling {
            let Some(other) = store.read::<Pod>(namespace, name) else { continue };
            let Some(node) = store.read::<Node>("", &other.spec.node_name) else { continue };
            for term in required(other, ANTI).iter().map(|t| Term::of(t, other, store)) {
                if let Some(place) = term.place(node).filter(|_| term.matches(pod)) {
                    all.repelled.insert((term.key.clone(), place.to_owned()));
                }
            }
        }
        Some(all)
    }

    fn look_around(&mut self, pod: &Pod, store: &Store) {
        let terms = |kind: &str| -> Vec<Term> {
            required(pod, kind).iter().map(|t| Term::of(t, pod, store)).collect()
        };
        let weighted = |kind: &str, sign: i64| -> Vec<(i64, Term)> {
            let weight = |t: &serde_json::Value| sign * t["weight"].as_i64().unwrap_or(1);
            preferred(pod, kind)
                .iter()
                .map(|t| (weight(t), Term::of(&t["podAffinityTerm"], pod, store)))
                .collect()
        };
        self.wanted = terms(AFFINITY);
        self.own_kind = self.wanted.iter().all(|t| t.matches(pod));
        let unwanted = terms(ANTI);
        let mut preferences = weighted(AFFINITY, 1);
        preferences.extend(weighted(ANTI, -1));
        for (other, node) in placed(store) {
            let place = |term: &Term| term.place(node).map(|p| (term.key.clone(), p.to_owned()));
            if !self.wanted.is_empty() && self.wanted.iter().all(|t| t.matches(other)) {
                self.near.extend(self.wanted.iter().filter_map(place));
            }
            self.far.extend(unwanted.iter().filter(|t| t.matches(other)).filter_map(place));
            for (weight, term) in preferences.iter().filter(|(_, t)| t.matches(other)) {
                if let Some(place) = place(term) {
                    *self.glad.entry(place).or_default() += weight;
                }
            }
        }
    }

    /// Whether a node is where the pod can be.
    pub(super) fn check(&self, node: &Node) -> Result<(), Unfit> {
        let at = |places: &BTreeSet<Place>| {
            places.iter().any(|(key, value)| node.metadata.labels.get(key) == Some(value))
        };
        let labelled = self.wanted.iter().all(|t| t.place(node).is_some());
        let near =
            |t: &Term| t.place(node).is_some_and(|p| self.near.contains(&(t.key.clone(), p.to_owned())));
        let first = self.near.is_empty() && self.own_kind;
        if !labelled || !(first || self.wanted.iter().all(near)) {
            return Err(Unfit::for_good("node(s) didn't match pod affinity rules"));
        }
        if at(&self.far) {
            return Err(Unfit::for_now("node(s) didn't match pod anti-affinity rules"));
        }
        if at(&self.repelled) {
            return Err(Unfit::for_now("node(s) didn't satisfy existing pods anti-affinity rules"));
        }
        Ok(())
    }

    /// How glad the pod is of a node.
    pub(super) fn gladness(&self, node: &Node) -> i64 {
        let here = |((key, value), _): &(&Place, &i64)| node.metadata.labels.get(key) == Some(value);
        self.glad.iter().filter(here).map(|(_, weight)| weight).sum()
    }

    /// Whether it likes some nodes more than others.
    pub(super) fn prefers(&self) -> bool {
        !self.glad.is_empty()
    }
}

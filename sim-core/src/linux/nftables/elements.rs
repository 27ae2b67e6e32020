//! The elements of a set, and how one is found.
//!
//! Exact keys are hashed, ranges of one value are kept in order, and ranges in concatenations are tried one after the other. In a set
//! with intervals every element is a range, if only of one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::model::{Statement, Verdict};
use crate::time::SimTime;

/// The values of a key, one for each part of a concatenation.
pub type Key = Box<[u128]>;

/// One element.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// The key, or the beginning of its range.
    pub low: Key,
    /// The end of its range.
    pub high: Option<Key>,
    /// What a map's element leads to.
    pub data: Data,
    /// `comment`.
    pub comment: Option<Arc<str>>,
    /// Its own `timeout` in milliseconds.
    pub timeout: Option<u64>,
    /// When it goes.
    pub expires: Option<SimTime>,
    /// Its counter or limit.
    pub statements: Vec<Statement>,
}

/// What a map's element leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing.
    None,
    /// A verdict.
    Verdict(Verdict),
    /// Values.
    Values(Key),
}

impl Element {
    /// A plain element.
    pub(super) const fn new(low: Key, high: Option<Key>) -> Self {
        Self {
            low,
            high,
            data: Data::None,
            comment: None,
            timeout: None,
            expires: None,
            statements: Vec::new(),
        }
    }

    /// The end of its range, which is its key if it has none.
    pub(super) fn end(&self) -> &[u128] {
        self.high.as_deref().unwrap_or(&self.low)
    }

    pub(super) fn is_live(&self, now: SimTime) -> bool {
        self.expires.is_none_or(|at| at > now)
    }

    fn holds(&self, key: &[u128]) -> bool {
        self.low.len() == key.len()
            && self.low.iter().zip(self.end()).zip(key).all(|((low, high), k)| low <= k && k <= high)
    }
}

/// Elements by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Elements {
    exact: IndexMap<Key, Element, FxBuildHasher>,
    ranges: BTreeMap<u128, Element>,
    boxes: Vec<Element>,
    /// `*`.
    pub(super) any: Option<Box<Element>>,
}

impl Elements {
    /// Adds an element. Of two with the same key the later one stays.
    pub(super) fn insert(&mut self, element: Element) {
        match (element.low.len(), &element.high) {
            (0, _) => self.any = Some(Box::new(element)),
            (_, None) => {
                self.exact.insert(element.low.clone(), element);
            }
            (1, Some(_)) => {
                self.ranges.insert(element.low[0], element);
            }
            _ => self.boxes.push(element),
        }
    }

    /// The element that a key falls into.
    #[must_use]
    pub fn find(&self, key: &[u128], now: SimTime) -> Option<&Element> {
        let exact = self.exact.get(key).filter(|e| e.is_live(now));
        let range = || {
            let [one] = key else { return None };
            self.ranges.range(..=one).next_back().map(|(_, e)| e).filter(|e| e.holds(key) && e.is_live(now))
        };
        let boxed = || self.boxes.iter().find(|e| e.holds(key) && e.is_live(now));
        exact.or_else(range).or_else(boxed).or(self.any.as_deref())
    }

    /// The same, to be changed.
    pub(super) fn find_mut(&mut self, key: &[u128], now: SimTime) -> Option<&mut Element> {
        if self.exact.get(key).is_some_and(|e| e.is_live(now)) {
            return self.exact.get_mut(key);
        }
        if let [one] = key
            && let Some((_, e)) = self.ranges.range_mut(..=one).next_back()
            && e.holds(key)
            && e.is_live(now)
        {
            return Some(e);
        }
        if let Some(e) = self.boxes.iter_mut().find(|e| e.holds(key) && e.is_live(now)) {
            return Some(e);
        }
        self.any.as_deref_mut()
    }

    /// The element of exactly this range.
    pub(super) fn get(&self, low: &[u128], high: Option<&[u128]>) -> Option<&Element> {
        match (low, high) {
            ([], _) => self.any.as_deref(),
            (_, None) => self.exact.get(low),
            ([one], Some(high)) => self.ranges.get(one).filter(|e| e.end() == high),
            (_, Some(high)) => self.boxes.iter().find(|e| *e.low == *low && e.end() == high),
        }
    }

    /// Takes the element of exactly this range out.
    pub(super) fn remove(&mut self, low: &[u128], high: Option<&[u128]>) -> Option<Element> {
        match (low, high) {
            ([], _) => self.any.take().map(|any| *any),
            (_, None) => self.exact.swap_remove(low),
            ([one], Some(_)) => self.ranges.remove(one),
            (_, Some(high)) => {
                let at = self.boxes.iter().position(|e| *e.low == *low && e.end() == high)?;
                Some(self.boxes.remove(at))
            }
        }
    }

    /// An element that overlaps a range without being equal to it.
    pub(super) fn overlap(&self, low: &[u128], high: &[u128]) -> Option<&Element> {
        let ([from], [to]) = (low, high) else { return None };
        let equal = |e: &&Element| *e.low == *low && e.end() == high;
        let below = self.ranges.range(..=to).next_back().map(|(_, e)| e).filter(|e| e.end()[0] >= *from);
        below
            .filter(|e| !equal(e))
            .or_else(|| self.ranges.range(from..=to).map(|(_, e)| e).find(|e| !equal(e)))
    }

    /// All elements: those with exact keys in order of addition, then ranges in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Element> {
        self.exact.values().chain(self.ranges.values()).chain(&self.boxes)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.exact.values_mut().chain(self.ranges.values_mut()).chain(&mut self.boxes)
    }

    /// Elements that are not over.
    #[must_use]
    pub fn len(&self, now: SimTime) -> usize {
        self.iter().filter(|e| e.is_live(now)).count()
    }

    /// Whether there are so many that are not over.
    pub(super) fn fill(&self, size: u32, now: SimTime) -> bool {
        let size = size as usize;
        self.exact.len() + self.ranges.len() + self.boxes.len() >= size && self.len(now) >= size
    }

    /// Whether there is none, not even one that is over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.ranges.is_empty() && self.boxes.is_empty() && self.any.is_none()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets an exact element that is over, to make room for its successor.
    pub(super) fn expire_one(&mut self, key: &[u128]) {
        self.exact.swap_remove(key);
    }
}

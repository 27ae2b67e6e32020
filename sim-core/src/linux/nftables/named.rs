//! Things with names, in order of creation.
//!
//! Each has a slot of its own for as long as it lives. What goes leaves a hole, so that nothing else moves and whoever takes it back puts it
//! where it was.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Chains or sets of a table.
#[derive(Clone, Debug)]
pub struct Named<T> {
    slots: Vec<Option<Arc<T>>>,
    by_name: FxHashMap<Arc<str>, u32>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), by_name: FxHashMap::default() }
    }
}

/// Holes say nothing about what is there.
impl<T: PartialEq> PartialEq for Named<T> {
    fn eq(&self, other: &Self) -> bool {
        self.values().eq(other.values())
    }
}

impl<T> Named<T> {
    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten().map(|t| &**t)
    }

    /// The one with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.at(self.slot(name)?)
    }

    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).map(|slot| *slot as usize)
    }

    pub(super) fn at(&self, slot: usize) -> Option<&T> {
        self.slots.get(slot)?.as_deref()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (usize, &T)> {
        self.slots.iter().enumerate().filter_map(|(i, t)| Some((i, &**t.as_ref()?)))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// What is in a slot, to be kept.
    pub(super) fn share(&self, slot: usize) -> Option<Arc<T>> {
        self.slots.get(slot)?.clone()
    }

    /// Adds one as the latest.
    pub(super) fn push(&mut self, name: Arc<str>, t: T) -> usize {
        let slot = self.slots.len();
        self.by_name.insert(name, slot as u32);
        self.slots.push(Some(Arc::new(t)));
        slot
    }

    /// Takes one out.
    pub(super) fn take(&mut self, name: &str) -> Option<(usize, Arc<T>)> {
        let slot = self.by_name.remove(name)? as usize;
        Some((slot, self.slots.get_mut(slot)?.take()?))
    }

    /// Puts one into its slot, where it was or in another shape.
    pub(super) fn put(&mut self, slot: usize, name: Arc<str>, t: Arc<T>) {
        self.by_name.insert(name, slot as u32);
        if let Some(at) = self.slots.get_mut(slot) {
            *at = Some(t);
        }
    }

    /// Gives one another name.
    pub(super) fn rename(&mut self, from: &str, to: Arc<str>) {
        if let Some(slot) = self.by_name.remove(from) {
            self.by_name.insert(to, slot);
        }
    }

    /// Closes the holes when there are more of them than of anything else. Whether slots have changed.
    pub(super) fn compact(&mut self) -> bool {
        if self.slots.len() < 2 * self.by_name.len() + 16 {
            return false;
        }
        let mut moved = vec![0; self.slots.len()];
        let mut next = 0;
        for (slot, t) in self.slots.iter().enumerate() {
            moved[slot] = next;
            next += u32::from(t.is_some());
        }
        self.slots.retain(Option::is_some);
        self.by_name.values_mut().for_each(|slot| *slot = moved[*slot as usize]);
        true
    }
}

impl<T: Clone> Named<T> {
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.at_mut(self.slot(name)?)
    }

    pub(super) fn at_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.slots.get_mut(slot)?.as_mut().map(Arc::make_mut)
    }
}

#[cfg(test)]
mod tests {
    use super::Named;

    #[test]
    fn holes_are_closed_when_they_are_many_and_order_stays() {
        let mut named = Named::default();
        for i in 0..40_u32 {
            named.push(format!("c{i}").into(), i);
        }
        for i in 0..30 {
            assert!(named.take(&format!("c{i}")).is_some());
        }
        let again = named.clone();
        assert!(named.compact() && !named.compact());
        assert_eq!(named, again);
        assert_eq!(named.values().copied().collect::<Vec<_>>(), (30..40).collect::<Vec<_>>());
        assert_eq!((named.slot("c30"), named.get("c39")), (Some(0), Some(&39)));
    }
}

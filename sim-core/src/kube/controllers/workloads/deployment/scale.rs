//! How many pods each replica set of a Deployment has.

use std::cmp::Reverse;

use super::super::Cx;
use super::{DESIRED, MAXIMUM, Rollout, replicas, scaled};
use crate::kube::objects::ReplicaSet;

impl Rollout<'_> {
    /// Sets the size of a replica set; whether that is another one.
    pub(super) fn scale_to(&mut self, cx: &mut Cx<'_>, i: usize, size: i32) -> bool {
        let before = replicas(&self.sets[i]);
        let mut set = self.sets[i].clone();
        let news = self.note_sizes(&mut set);
        if before == size && !news {
            return false;
        }
        set.spec.replicas = Some(size);
        let name = set.metadata.name.clone();
        self.put_set(cx, i, set);
        if before != size {
            scaled(cx, self.object, &name, before, size);
        }
        before != size
    }

    /// The size that the new replica set may have.
    pub(super) fn room(&self, new: &ReplicaSet) -> i32 {
        if self.deployment.spec.strategy.kind != "RollingUpdate" {
            return self.wanted();
        }
        let most = self.wanted() + self.bounds().0;
        let others = self.sets.iter().filter(|s| s.metadata.name != new.metadata.name).map(replicas);
        let total: i32 = others.sum::<i32>() + replicas(new);
        if total >= most {
            return replicas(new);
        }
        replicas(new) + (most - total).min(self.wanted() - replicas(new))
    }

    pub(super) fn grow_new(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(new) = self.new_set() else { return false };
        let (size, wanted) = (replicas(&self.sets[new]), self.wanted());
        if size == wanted {
            return false;
        }
        let size = if size > wanted { wanted } else { self.room(&self.sets[new]) };
        self.scale_to(cx, new, size)
    }

    /// Takes away from old replica sets what is not needed: first pods that are not available, then others.
    pub(super) fn shrink_old(&mut self, cx: &mut Cx<'_>) -> bool {
        let old: Vec<usize> = self.old_sets().filter(|i| replicas(&self.sets[*i]) > 0).collect();
        if old.is_empty() {
            return false;
        }
        let least = self.wanted() - self.bounds().1;
        let missing =
            self.new_set().map_or(0, |n| replicas(&self.sets[n]) - self.sets[n].status.available_replicas);
        let total: i32 = self.sets.iter().map(replicas).sum();
        let most = total - least - missing;
        if most <= 0 {
            return false;
        }
        let mut done = 0;
        for &i in &old {
            let set = &self.sets[i];
            let unhealthy = (replicas(set) - set.status.available_replicas).min(most - done);
            if unhealthy > 0 {
                let size = replicas(set) - unhealthy;
                self.scale_to(cx, i, size);
                done += unhealthy;
            }
        }
        let available: i32 = self.sets.iter().map(|s| s.status.available_replicas).sum();
        let mut spare = (available - least).max(0);
        for &i in &old {
            let count = replicas(&self.sets[i]).min(spare);
            if count > 0 {
                let size = replicas(&self.sets[i]) - count;
                self.scale_to(cx, i, size);
                spare -= count;
                done += count;
            }
        }
        done > 0
    }

    /// Whether the number of wanted pods has changed since the replica sets were scaled.
    pub(super) fn is_scaling(&self) -> bool {
        let wanted = self.wanted().to_string();
        let active = self.sets.iter().filter(|s| replicas(s) > 0);
        active.filter_map(|s| s.metadata.annotations.get(DESIRED)).any(|d| *d != wanted)
    }

    /// Brings the replica sets to a new number of wanted pods: the only one gets all, several share.
    pub(super) fn scale_all(&mut self, cx: &mut Cx<'_>) {
        let wanted = self.wanted();
        let active: Vec<usize> = (0..self.sets.len()).filter(|i| replicas(&self.sets[*i]) > 0).collect();
        if active.len() <= 1 {
            let newest = self.new_set().or_else(|| self.sets.len().checked_sub(1));
            if let Some(i) = active.first().copied().or(newest) {
                self.scale_to(cx, i, wanted);
            }
            return;
        }
        if let Some(new) = self.new_set().filter(|n| self.is_saturated(*n)) {
            for i in active.into_iter().filter(|i| *i != new) {
                self.scale_to(cx, i, 0);
            }
            return;
        }
        if self.deployment.spec.strategy.kind == "RollingUpdate" {
            self.share(cx, active);
        }
    }

    /// Whether a replica set has all pods that are wanted, as far as was wanted of it.
    fn is_saturated(&self, i: usize) -> bool {
        let set = &self.sets[i];
        let desired = set.metadata.annotations.get(DESIRED).and_then(|d| d.parse::<i32>().ok());
        let wanted = self.wanted();
        replicas(set) == wanted && desired == Some(wanted) && set.status.available_replicas == wanted
    }

    /// Shares what is to be added or taken away in proportion to the sizes; the largest set gets what is left over.
    fn share(&mut self, cx: &mut Cx<'_>, mut active: Vec<usize>) {
        let total: i32 = active.iter().map(|i| replicas(&self.sets[*i])).sum();
        let allowed = if self.wanted() > 0 { self.wanted() + self.bounds().0 } else { 0 };
        let to_add = allowed - total;
        let size = |i: &usize| Reverse(replicas(&self.sets[*i]));
        if to_add > 0 {
            active.sort_by_key(|i| (size(i), Reverse(*i)));
        } else {
            active.sort_by_key(|i| (size(i), *i));
        }
        let mut sizes: Vec<i32> = Vec::new();
        let mut added = 0;
        for &i in &active {
            let part = if to_add == 0 { 0 } else { self.proportion(i, to_add, added) };
            sizes.push(replicas(&self.sets[i]) + part);
            added += part;
        }
        if let Some(first) = sizes.first_mut() {
            *first = (*first + to_add - added).max(0);
        }
        for (i, size) in active.into_iter().zip(sizes) {
            self.scale_to(cx, i, size);
        }
    }

    /// The part of a change that a replica set takes.
    fn proportion(&self, i: usize, to_add: i32, added: i32) -> i32 {
        let set = &self.sets[i];
        if replicas(set) == 0 || to_add == added {
            return 0;
        }
        let fraction = if self.wanted() == 0 {
            -replicas(set)
        } else {
            let noted = set.metadata.annotations.get(MAXIMUM).and_then(|m| m.parse::<i32>().ok());
            let before = noted.filter(|n| *n > 0).unwrap_or(self.deployment.status.replicas).max(1);
            let now = i64::from(replicas(set)) * i64::from(self.wanted() + self.bounds().0);
            // Rounded half up, as an integer.
            let new = (now * 2 + i64::from(before)).div_euclid(i64::from(before) * 2);
            i32::try_from(new).unwrap_or(i32::MAX) - replicas(set)
        };
        let left = to_add - added;
        if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
    }
}

//! What a pod's claims say about its node (the plugin `VolumeBinding`).

use super::PodKey;
use super::refusal::Unfit;
use crate::kube::controllers::volumes::{claims_of, fitting, reachable};
use crate::kube::objects::storage::{PersistentVolume, PersistentVolumeClaim, SELECTED_NODE, StorageClass};
use crate::kube::objects::{Node, Pod};
use crate::kube::store::Store;
use crate::time::SimTime;

/// A pod's claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Volumes that it has.
    bound: Vec<String>,
    /// Claims that get one where the pod goes.
    waiting: Vec<PersistentVolumeClaim>,
}

/// The claims of a pod, or why it can go nowhere.
pub(super) fn claims(store: &Store, pod: &Pod) -> Result<Claims, String> {
    let mut all = Claims::default();
    for name in claims_of(pod) {
        let claim = store
            .read::<PersistentVolumeClaim>(&pod.metadata.namespace, name)
            .ok_or_else(|| format!("persistentvolumeclaim {name:?} not found"))?;
        if claim.metadata.is_terminating() {
            return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
        }
        if claim.is_bound() {
            all.bound.push(claim.spec.volume_name.clone());
        } else if class(store, claim).is_some_and(StorageClass::waits) {
            all.waiting.push(claim.clone());
        } else {
            return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
    }
    Ok(all)
}

fn class<'a>(store: &'a Store, claim: &PersistentVolumeClaim) -> Option<&'a StorageClass> {
    store.read::<StorageClass>("", claim.spec.storage_class_name.as_deref()?)
}

impl Claims {
    /// Whether they can be met on a node.
    pub(super) fn check(&self, store: &Store, node: &Node) -> Result<(), Unfit> {
        for name in &self.bound {
            if store.read::<PersistentVolume>("", name).is_some_and(|v| !reachable(v, node)) {
                return Err(Unfit::for_good("node(s) had volume node affinity conflict"));
            }
        }
        for claim in &self.waiting {
            let made = class(store, claim).is_some_and(StorageClass::provisions);
            if !made && fitting(store, claim, Some(node)).is_none() {
                let reason = "node(s) didn't find available persistent volumes to bind";
                return Err(Unfit::for_good(reason));
            }
        }
        Ok(())
    }
}

/// Tells the claims of a pod that wait for it where it goes.
pub(super) fn select(store: &mut Store, key: &PodKey, node: &str, now: SimTime) {
    let Some(pod) = store.read::<Pod>(&key.0, &key.1) else { return };
    let names: Vec<String> = claims_of(pod).map(str::to_owned).collect();
    for name in names {
        let Some(claim) = store.read::<PersistentVolumeClaim>(&key.0, &name) else { continue };
        if claim.is_bound() || !class(store, claim).is_some_and(StorageClass::waits) {
            continue;
        }
        let mut claim = claim.clone();
        claim.metadata.annotations.insert(SELECTED_NODE.to_owned(), node.to_owned());
        // Whoever else changed it will be noted.
        let _ = store.update(claim, now);
    }
}

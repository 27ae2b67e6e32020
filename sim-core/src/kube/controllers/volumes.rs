//! Claims get their volumes: one that is there and fits, or a new one of the claim's class.
//!
//! Source: <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#lifecycle-of-a-volume-and-claim>. Every provisioner that a
//! class names is taken to run and to reach every node. Left out: growing claims, snapshots, attachments, and what is in a volume.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::scheduler::node_term_holds;
use crate::kube::objects::quantity;
use crate::kube::objects::storage::{
    NO_PROVISIONER, PersistentVolume, PersistentVolumeClaim, SELECTED_NODE, StorageClass,
};
use crate::kube::objects::{Kind, Node, Object, ObjectMeta, Pod, Selector};
use crate::kube::store::{
    CLAIM_PROTECTION, Change, ChangeKind, DeleteOptions, EventType, Store, VOLUME_PROTECTION,
};
use crate::time::SimTime;

const NAME: &str = "persistentvolume-controller";
const BOUND_BY_US: &str = "pv.kubernetes.io/bound-by-controller";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const PROVISIONER: [&str; 2] =
    ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"];
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

type ClaimKey = (String, String);

/// What the controller remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct VolumeController {
    unbound: BTreeSet<ClaimKey>,
    dirty_claims: BTreeSet<ClaimKey>,
    dirty_volumes: BTreeSet<String>,
}

/// The claims that a pod's volumes name.
pub(super) fn claims_of(pod: &Pod) -> impl Iterator<Item = &str> {
    pod.spec.volumes.iter().filter_map(|v| v.get("persistentVolumeClaim")?.get("claimName")?.as_str())
}

impl VolumeController {
    pub(super) fn note(&mut self, change: &Change) {
        let meta = change.object.meta();
        let key = || (meta.namespace.clone(), meta.name.clone());
        let gone = change.what == ChangeKind::Deleted;
        match &*change.object {
            Object::PersistentVolumeClaim(claim) if gone => {
                self.unbound.remove(&key());
                self.dirty_volumes.insert(claim.spec.volume_name.clone());
            }
            Object::PersistentVolumeClaim(_) => {
                self.dirty_claims.insert(key());
            }
            Object::PersistentVolume(_) => {
                self.dirty_volumes.insert(meta.name.clone());
                self.dirty_claims.extend(self.unbound.iter().cloned());
            }
            Object::StorageClass(_) => self.dirty_claims.extend(self.unbound.iter().cloned()),
            // A claim that is to go waits for the pods that use it.
            Object::Pod(pod) if gone => {
                self.dirty_claims.extend(claims_of(pod).map(|c| (meta.namespace.clone(), c.to_owned())));
            }
            _ => {}
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for key in std::mem::take(&mut self.dirty_claims) {
            self.claim(store, &key, now);
        }
        for name in std::mem::take(&mut self.dirty_volumes) {
            volume(store, &name, now);
        }
    }

    fn claim(&mut self, store: &mut Store, key: &ClaimKey, now: SimTime) {
        let Some(claim) = store.read::<PersistentVolumeClaim>(&key.0, &key.1).cloned() else { return };
        if claim.metadata.is_terminating() {
            let uses = |pod: &Pod| !pod.is_finished() && claims_of(pod).any(|c| c == key.1);
            let used = store.all::<Pod>(Some(&key.0)).any(uses);
            if !used {
                unprotect(store, Object::from(claim), CLAIM_PROTECTION, now);
            }
            return;
        }
        if claim.is_bound() {
            self.unbound.remove(key);
            return;
        }
        self.unbound.insert(key.clone());
        let mut claim = claim;
        if claim.spec.storage_class_name.is_none() {
            store.classify(&mut claim);
        }
        let class = claim.spec.storage_class_name.clone().unwrap_or_default();
        let class = store.read::<StorageClass>("", &class).cloned();
        let waits = class.as_ref().is_some_and(StorageClass::waits);
        let chosen = claim.metadata.annotations.get(SELECTED_NODE).cloned();
        if !waits || chosen.is_some() {
            let node = chosen.as_deref().and_then(|name| store.read::<Node>("", name));
            if let Some(volume) = fitting(store, &claim, node).cloned() {
                return bind(store, claim, volume, now);
            }
        }
        provision(store, claim, class.as_ref(), chosen.is_some(), now);
    }
}

/// The volume that is the claim's, or the smallest that fits it; on `node`, if one is given.
pub(super) fn fitting<'a>(
    store: &'a Store,
    claim: &PersistentVolumeClaim,
    node: Option<&Node>,
) -> Option<&'a PersistentVolume> {
    let wanted = quantity::parse(claim.requested()).unwrap_or(0);
    let selector = claim.spec.selector.as_ref().map(Selector::from_label_selector);
    let size =
        |v: &PersistentVolume| v.spec.capacity.get("storage").and_then(|s| quantity::parse(s)).unwrap_or(0);
    let fits = |v: &&PersistentVolume| {
        let named = claim.spec.volume_name.is_empty() || claim.spec.volume_name == v.metadata.name;
        let mine = match &v.spec.claim_ref {
            Some(by) => {
                by.namespace == claim.metadata.namespace
                    && by.name == claim.metadata.name
                    && (by.uid.is_empty() || by.uid == claim.metadata.uid)
            }
            None => true,
        };
        named
            && mine
            && !v.metadata.is_terminating()
            && v.spec.storage_class_name == claim.spec.storage_class_name.as_deref().unwrap_or("")
            && v.spec.volume_mode == claim.spec.volume_mode
            && claim.spec.access_modes.iter().all(|m| v.spec.access_modes.contains(m))
            && size(v) >= wanted
            && selector.as_ref().is_none_or(|s| s.as_ref().is_some_and(|s| s.matches(&v.metadata.labels)))
            && node.is_none_or(|n| reachable(v, n))
    };
    let all = store.all::<PersistentVolume>(None).filter(fits);
    all.min_by_key(|v| (v.spec.claim_ref.is_none(), size(v)))
}

/// Whether a volume can be reached from a node.
pub(super) fn reachable(volume: &PersistentVolume, node: &Node) -> bool {
    let required = volume.spec.node_affinity.as_ref().and_then(|a| a.get("required"));
    let Some(required) = required else { return true };
    let terms = required["nodeSelectorTerms"].as_array();
    terms.is_some_and(|terms| terms.iter().any(|term| node_term_holds(term, node)))
}

fn bind(store: &mut Store, mut claim: PersistentVolumeClaim, mut volume: PersistentVolume, now: SimTime) {
    let yes = || "yes".to_owned();
    if volume.spec.claim_ref.as_ref().is_none_or(|by| by.uid.is_empty()) {
        if volume.spec.claim_ref.is_none() {
            volume.metadata.annotations.insert(BOUND_BY_US.to_owned(), yes());
        }
        volume.spec.claim_ref = Some(Object::from(claim.clone()).reference());
        if store.update(volume.clone(), now).is_err() {
            return;
        }
    }
    if claim.spec.volume_name.is_empty() {
        claim.metadata.annotations.insert(BOUND_BY_US.to_owned(), yes());
        claim.spec.volume_name.clone_from(&volume.metadata.name);
    }
    claim.metadata.annotations.insert(BIND_COMPLETED.to_owned(), yes());
    let (namespace, name) = (claim.metadata.namespace.clone(), claim.metadata.name.clone());
    if store.update(claim, now).is_err() {
        return;
    }
    // Both are there: they were written just now.
    let _ = store.edit_status::<PersistentVolumeClaim>(&namespace, &name, now, |claim| {
        "Bound".clone_into(&mut claim.status.phase);
        claim.status.access_modes.clone_from(&volume.spec.access_modes);
        claim.status.capacity.clone_from(&volume.spec.capacity);
    });
    set_phase(store, &volume.metadata.name, "Bound", now);
}

fn set_phase(store: &mut Store, volume: &str, phase: &str, now: SimTime) {
    // A volume that has gone needs none.
    let _ = store.edit_status::<PersistentVolume>("", volume, now, |v| phase.clone_into(&mut v.status.phase));
}

/// Makes a volume for a claim, or says why there is none yet.
fn provision(
    store: &mut Store,
    mut claim: PersistentVolumeClaim,
    class: Option<&StorageClass>,
    chosen: bool,
    now: SimTime,
) {
    let reference = Object::from(claim.clone()).reference();
    let named = claim.spec.storage_class_name.clone().unwrap_or_default();
    let mut say = |kind, reason: &str, message: &str| {
        store.event(&reference, kind, reason, NAME, message, now);
    };
    let Some(class) = class else {
        if named.is_empty() {
            let message = "no persistent volumes available for this claim and no storage class is set";
            return say(EventType::Normal, "FailedBinding", message);
        }
        let message = format!("storageclass.storage.k8s.io {named:?} not found");
        return say(EventType::Warning, "ProvisioningFailed", &message);
    };
    if class.waits() && !chosen {
        let message = "waiting for first consumer to be created before binding";
        return say(EventType::Normal, "WaitForFirstConsumer", message);
    }
    if !class.provisions() {
        let message = format!("no volume plugin matched name: {NO_PROVISIONER}");
        return say(EventType::Warning, "ProvisioningFailed", &message);
    }
    if !claim.spec.volume_name.is_empty() {
        return;
    }
    let waiting = format!(
        "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system administrator. If volume \
         creation is delayed, please verify that the provisioner is running and correctly registered.",
        class.provisioner
    );
    say(EventType::Normal, "ExternalProvisioning", &waiting);
    let volume = made(&claim, class);
    let name = volume.metadata.name.clone();
    if store.create(volume, now).is_err() {
        return;
    }
    let (namespace, own) = (&claim.metadata.namespace, &claim.metadata.name);
    let from = &class.provisioner;
    let doing = format!("External provisioner is provisioning volume for claim \"{namespace}/{own}\"");
    store.event(&reference, EventType::Normal, "Provisioning", from, &doing, now);
    let done = format!("Successfully provisioned volume {name}");
    store.event(&reference, EventType::Normal, "ProvisioningSucceeded", from, &done, now);
    for annotation in PROVISIONER {
        claim.metadata.annotations.insert(annotation.to_owned(), class.provisioner.clone());
    }
    if let Some(volume) = store.read::<PersistentVolume>("", &name).cloned() {
        bind(store, claim, volume, now);
    }
}

fn made(claim: &PersistentVolumeClaim, class: &StorageClass) -> PersistentVolume {
    let name = format!("pvc-{}", claim.metadata.uid);
    let mut volume = PersistentVolume {
        metadata: ObjectMeta {
            annotations: BTreeMap::from([(PROVISIONED_BY.to_owned(), class.provisioner.clone())]),
            ..ObjectMeta::named(name.clone())
        },
        ..PersistentVolume::default()
    };
    let spec = &mut volume.spec;
    spec.access_modes.clone_from(&claim.spec.access_modes);
    spec.capacity.insert("storage".to_owned(), claim.requested().to_owned());
    spec.claim_ref = Some(Object::from(claim.clone()).reference());
    spec.persistent_volume_reclaim_policy = class.reclaim_policy.clone().unwrap_or_default();
    spec.storage_class_name.clone_from(&class.metadata.name);
    spec.volume_mode.clone_from(&claim.spec.volume_mode);
    let source = json!({"driver": class.provisioner, "volumeHandle": name});
    spec.rest.insert("csi".to_owned(), source);
    volume
}

/// What becomes of a volume: free, bound, or left behind by its claim.
fn volume(store: &mut Store, name: &str, now: SimTime) {
    let Some(volume) = store.read::<PersistentVolume>("", name).cloned() else { return };
    let owner = volume.spec.claim_ref.as_ref().filter(|by| !by.uid.is_empty());
    let Some(owner) = owner else {
        if volume.metadata.is_terminating() {
            unprotect(store, Object::from(volume), VOLUME_PROTECTION, now);
        } else if volume.spec.claim_ref.is_none() {
            set_phase(store, name, "Available", now);
        }
        return;
    };
    let claim = store.read::<PersistentVolumeClaim>(&owner.namespace, &owner.name);
    if claim.is_some_and(|c| c.metadata.uid == owner.uid) {
        return;
    }
    let ours = volume.metadata.annotations.contains_key(PROVISIONED_BY);
    if ours && volume.spec.persistent_volume_reclaim_policy == "Delete" && !volume.metadata.is_terminating() {
        // Somebody may have deleted it already.
        let _ = store.delete(Kind::PersistentVolume, "", name, DeleteOptions::default(), now);
    }
    match store.read::<PersistentVolume>("", name).cloned() {
        Some(marked) if marked.metadata.is_terminating() => {
            unprotect(store, Object::from(marked), VOLUME_PROTECTION, now);
        }
        _ => set_phase(store, name, "Released", now),
    }
}

/// Lets go what was only kept because it was in use.
fn unprotect(store: &mut Store, mut object: Object, finalizer: &str, now: SimTime) {
    object.meta_mut().finalizers.retain(|f| f != finalizer);
    // Whoever else changed it will be noted.
    let _ = store.update(object, now);
}

//! Stateful sets: pods with a number, a name and, through a headless Service, an address in DNS of their own.

use std::sync::Arc;

use serde_json::json;

use super::{Cx, history, pods};
use crate::kube::objects::daemon_set::REVISION_HASH;
use crate::kube::objects::stateful_set::{POD_INDEX, POD_NAME, StatefulSetStatus};
use crate::kube::objects::storage::PersistentVolumeClaim;
use crate::kube::objects::{Kind, Object, ObjectKey, Pod, PodPhase, PodTemplateSpec, Selector, StatefulSet};
use crate::kube::store::{EventType, OwnedPin};

const NAME: &str = "statefulset-controller";

pub(super) fn sync(cx: &mut Cx<'_>, key: &ObjectKey) {
    let Some(object) = cx.store.find(Kind::StatefulSet, &key.namespace, &key.name).cloned() else { return };
    let Object::StatefulSet(set) = &*object else { return };
    let Some(selector) = set.spec.selector.as_ref().and_then(Selector::from_label_selector) else { return };
    if pods::claim(cx, &object, &selector) {
        return;
    }
    let Some(update) = history::current(cx, &object, &set.spec.template, set.status.collision_count) else {
        return;
    };
    let update_name = update.metadata.name.clone();
    let current_name =
        if set.status.current_revision.is_empty() { &update_name } else { &set.status.current_revision };
    // The stored template of the pods that are not to be updated; the present one if it is gone.
    let current = history::all(cx, &object).into_iter().find(|r| r.metadata.name == *current_name);
    let current_template = current.as_ref().and_then(history::template);
    let mut look = Look {
        key,
        object: &object,
        set,
        current: (current_name.clone(), current_template.unwrap_or_else(|| set.spec.template.clone())),
        update: update_name,
        pods: own_pods(cx, set),
    };
    if !set.metadata.is_terminating() {
        look.act(cx);
    }
    look.pods = own_pods(cx, set);
    let status = look.status(cx);
    let used: Vec<String> = [status.current_revision.clone(), status.update_revision.clone()]
        .into_iter()
        .chain(look.pods.iter().map(|(_, pod)| revision(pod).to_owned()))
        .collect();
    if status != set.status {
        // It may be gone by now.
        let _ = cx.store.update_status(StatefulSet { status, ..(**set).clone() }, cx.now);
    }
    history::trim(cx, &object, set.spec.revision_history_limit, |r| used.contains(&r.metadata.name));
}

/// One look at a stateful set.
struct Look<'a> {
    key: &'a ObjectKey,
    object: &'a Object,
    set: &'a StatefulSet,
    /// Name and template of the revision that pods have which are not updated.
    current: (String, PodTemplateSpec),
    update: String,
    /// By ordinal.
    pods: Vec<(i32, Pod)>,
}

fn own_pods(cx: &Cx<'_>, set: &StatefulSet) -> Vec<(i32, Pod)> {
    let all = pods::of_owner(cx, &set.metadata.namespace, &set.metadata.uid);
    let mut all: Vec<(i32, Pod)> = all
        .iter()
        .filter_map(|o| {
            let Object::Pod(pod) = &**o else { return None };
            let (parent, number) = pod.metadata.name.rsplit_once('-')?;
            Some((number.parse().ok().filter(|_| parent == set.metadata.name)?, (**pod).clone()))
        })
        .collect();
    all.sort_by_key(|(n, _)| *n);
    all
}

fn revision(pod: &Pod) -> &str {
    pod.metadata.labels.get(REVISION_HASH).map_or("", String::as_str)
}

impl Look<'_> {
    fn range(&self) -> std::ops::Range<i32> {
        let start = self.set.start();
        start..start.saturating_add(self.set.spec.replicas.unwrap_or(1))
    }

    /// Whether pods come and go one after the other.
    fn in_order(&self) -> bool {
        self.set.spec.pod_management_policy != "Parallel"
    }

    fn pod(&self, ordinal: i32) -> Option<&Pod> {
        self.pods.iter().find(|(n, _)| *n == ordinal).map(|(_, pod)| pod)
    }

    fn available(&self, cx: &mut Cx<'_>, pod: &Pod) -> bool {
        if pod.metadata.is_terminating() || pod.status.phase != PodPhase::Running {
            return false;
        }
        match pods::availability(pod, self.set.spec.min_ready_seconds, cx.now) {
            Ok(()) => true,
            Err(wait) => {
                if let Some(wait) = wait {
                    cx.wake(self.key, wait);
                    cx.wait(self.key);
                }
                false
            }
        }
    }

    fn act(&mut self, cx: &mut Cx<'_>) {
        if self.fill(cx) && self.shrink(cx) {
            self.update(cx);
        }
    }

    /// Makes what is missing; whether the look goes on.
    fn fill(&self, cx: &mut Cx<'_>) -> bool {
        for ordinal in self.range() {
            let Some(pod) = self.pod(ordinal) else {
                if !self.create(cx, ordinal) || self.in_order() {
                    return false;
                }
                continue;
            };
            if pod.metadata.is_terminating() {
                // Its name is free only when it is gone.
                if pods::will_end(cx, pod) {
                    cx.wait(self.key);
                }
                if self.in_order() {
                    return false;
                }
                continue;
            }
            if pod.is_finished() {
                let (reason, what) = if pod.status.phase == PodPhase::Failed {
                    ("RecreatingFailedPod", "failed")
                } else {
                    ("RecreatingTerminatedPod", "terminated")
                };
                let place = format!("{}/{}", self.key.namespace, self.key.name);
                let message = format!("StatefulSet {place} is recreating {what} Pod {}", pod.metadata.name);
                cx.event(self.object, EventType::Warning, reason, NAME, &message);
                self.delete(cx, pod);
                if self.in_order() {
                    return false;
                }
                continue;
            }
            if !self.available(cx, pod) && self.in_order() {
                return false;
            }
        }
        true
    }

    /// Deletes what is too much, the highest number first; whether the look goes on.
    fn shrink(&self, cx: &mut Cx<'_>) -> bool {
        let range = self.range();
        let condemned: Vec<&Pod> =
            self.pods.iter().filter(|(n, _)| !range.contains(n)).map(|(_, pod)| pod).rev().collect();
        let first_unhealthy = self.pods.iter().map(|(_, pod)| pod).find(|p| !p.is_ready());
        let first_unhealthy = first_unhealthy.map(|p| p.metadata.name.clone());
        let any = !condemned.is_empty();
        for pod in condemned {
            if pod.metadata.is_terminating() {
                if pods::will_end(cx, pod) {
                    cx.wait(self.key);
                }
                if self.in_order() {
                    return false;
                }
                continue;
            }
            let hurt = first_unhealthy.as_ref().is_some_and(|name| *name != pod.metadata.name);
            if self.in_order() && !pod.is_ready() && hurt {
                return false;
            }
            self.delete(cx, pod);
            if self.in_order() {
                return false;
            }
        }
        !any
    }

    /// `RollingUpdate`: the highest number that is not updated goes; then the next, when it is back.
    fn update(&self, cx: &mut Cx<'_>) {
        let strategy = &self.set.spec.update_strategy;
        if strategy.kind == "OnDelete" {
            return;
        }
        let partition = strategy.rolling_update.as_ref().and_then(|r| r.partition).unwrap_or(0);
        for ordinal in self.range().rev().take_while(|n| *n - self.set.start() >= partition) {
            let Some(pod) = self.pod(ordinal) else { return };
            if revision(pod) != self.update && !pod.metadata.is_terminating() {
                self.delete(cx, pod);
                return;
            }
            if !self.available(cx, pod) {
                return;
            }
        }
    }

    fn delete(&self, cx: &mut Cx<'_>, pod: &Pod) {
        let name = &pod.metadata.name;
        if pods::delete(cx, &self.key.namespace, name) {
            let message = format!("delete Pod {name} in StatefulSet {} successful", self.key.name);
            cx.event(self.object, EventType::Normal, "SuccessfulDelete", NAME, &message);
            cx.wait(self.key);
        }
    }

    fn create(&self, cx: &mut Cx<'_>, ordinal: i32) -> bool {
        let rolling = &self.set.spec.update_strategy.rolling_update;
        let partition = rolling.as_ref().and_then(|r| r.partition).unwrap_or(0);
        let old = ordinal - self.set.start() < partition;
        let (name, template) =
            if old { (&self.current.0, &self.current.1) } else { (&self.update, &self.set.spec.template) };
        let pod = self.make(ordinal, name, template);
        if !self.claim(cx, &pod) {
            return false;
        }
        let number = usize::try_from(ordinal - self.set.start()).unwrap_or(0);
        let pin = cx.store.config().pins.owned(self.key, number);
        // The name follows from the number; a pin of it would be no other.
        let pin = pin.map_or_else(OwnedPin::default, |p| OwnedPin { name: None, place: p.place.clone() });
        match pods::create_named(cx, self.object, pod, &pin, NAME) {
            Ok(name) => {
                let message = format!("create Pod {name} in StatefulSet {} successful", self.key.name);
                cx.event(self.object, EventType::Normal, "SuccessfulCreate", NAME, &message);
                true
            }
            Err(_) => false,
        }
    }

    /// Makes the claims of a pod that are not there yet; whether the pod has them all.
    fn claim(&self, cx: &mut Cx<'_>, pod: &Pod) -> bool {
        let selector = self.set.spec.selector.as_ref().map(|s| &s.match_labels);
        for template in &self.set.spec.volume_claim_templates {
            let Ok(mut claim) = serde_json::from_value::<PersistentVolumeClaim>(template.clone()) else {
                return false;
            };
            let name = format!("{}-{}", claim.metadata.name, pod.metadata.name);
            if cx.store.read::<PersistentVolumeClaim>(&self.key.namespace, &name).is_some() {
                continue;
            }
            claim.metadata.name.clone_from(&name);
            claim.metadata.namespace.clone_from(&self.key.namespace);
            claim.metadata.labels.extend(selector.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
            let now = cx.now;
            let made = cx.store.create(claim, now);
            let whose = format!("Claim {name} Pod {} in StatefulSet {}", pod.metadata.name, self.key.name);
            match made {
                Ok(_) => {
                    let message = format!("create {whose} success");
                    cx.event(self.object, EventType::Normal, "SuccessfulCreate", NAME, &message);
                }
                Err(e) => {
                    let message = format!("create {whose} failed error: {e}");
                    cx.event(self.object, EventType::Warning, "FailedCreate", NAME, &message);
                    return false;
                }
            }
        }
        true
    }

    /// The pod with a number: its host name, and its volumes, follow from it.
    fn make(&self, ordinal: i32, revision: &str, template: &PodTemplateSpec) -> Pod {
        let mut pod = pods::of_template(self.object, template);
        let name = format!("{}-{ordinal}", self.key.name);
        let labels = &mut pod.metadata.labels;
        labels.insert(POD_NAME.to_owned(), name.clone());
        labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
        labels.insert(REVISION_HASH.to_owned(), revision.to_owned());
        let claims = &self.set.spec.volume_claim_templates;
        let spec = Arc::make_mut(&mut pod.spec);
        spec.hostname.clone_from(&name);
        spec.subdomain.clone_from(&self.set.spec.service_name);
        for claim in claims.iter().filter_map(|c| c["metadata"]["name"].as_str()) {
            spec.volumes.retain(|v| v["name"] != claim);
            let claim_name = format!("{claim}-{name}");
            let volume = json!({"name": claim, "persistentVolumeClaim": {"claimName": claim_name}});
            spec.volumes.push(Arc::new(volume));
        }
        pod.metadata.name = name;
        pod
    }

    fn status(&self, cx: &mut Cx<'_>) -> StatefulSetStatus {
        let count = |test: &dyn Fn(&Pod) -> bool| {
            i32::try_from(self.pods.iter().filter(|(_, p)| test(p)).count()).unwrap_or(i32::MAX)
        };
        let ready =
            |p: &Pod| p.is_ready() && p.status.phase == PodPhase::Running && !p.metadata.is_terminating();
        let fresh = |p: &Pod| !p.metadata.is_terminating();
        let mut available = 0;
        for (_, pod) in &self.pods {
            available += i32::from(self.available(cx, pod));
        }
        let mut status = StatefulSetStatus {
            available_replicas: available,
            current_revision: self.current.0.clone(),
            update_revision: self.update.clone(),
            observed_generation: self.set.metadata.generation,
            replicas: count(&|_| true),
            ready_replicas: count(&ready),
            current_replicas: count(&|p| fresh(p) && revision(p) == self.current.0),
            updated_replicas: count(&|p| fresh(p) && revision(p) == self.update),
            collision_count: Some(self.set.status.collision_count.unwrap_or(0)),
            ..self.set.status.clone()
        };
        let rolling = self.set.spec.update_strategy.kind == "RollingUpdate";
        if rolling && status.updated_replicas == status.replicas && status.ready_replicas == status.replicas {
            status.current_replicas = status.updated_replicas;
            status.current_revision.clone_from(&status.update_revision);
        }
        status
    }
}

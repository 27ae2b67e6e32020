use serde_json::{Value, json};

use crate::chance::Dice;
use crate::kube::controllers::Controllers;
use crate::kube::objects::{
    ControllerRevision, CronJob, DaemonSet, Deployment, Job, Kind, Pod, PodPhase, ReplicaSet, StatefulSet,
};
use crate::kube::store::{
    DeleteOptions, OwnedPin, PatchType, PodPin, Propagation, Store, StoreConfig, set_pod_condition,
};
use crate::time::SimTime;

/// A control plane with two nodes whose kubelets do what the test says.
struct Plane {
    store: Store,
    controllers: Controllers,
    now: SimTime,
}

impl Plane {
    fn new() -> Self {
        Self::with(StoreConfig::default())
    }

    fn with(config: StoreConfig) -> Self {
        let store = Store::new(config, Dice::seeded(1));
        let mut plane = Self { store, controllers: Controllers::default(), now: SimTime::from_secs(60) };
        for node in ["node1", "node2"] {
            let ready = json!([{"type": "Ready", "status": "True"}]);
            plane.create(Kind::Node, json!({"metadata": {"name": node}, "status": {"conditions": ready}}));
        }
        plane
    }

    fn create(&mut self, kind: Kind, body: Value) {
        self.store.create_value(kind, "default", &body, self.now).unwrap();
        self.reconcile();
    }

    fn reconcile(&mut self) {
        self.controllers.reconcile(&mut self.store, self.now);
    }

    fn patch(&mut self, kind: Kind, name: &str, patch: Value) {
        self.store.patch(kind, "default", name, PatchType::Strategic, &patch, self.now).unwrap();
        self.reconcile();
    }

    fn delete(&mut self, kind: Kind, name: &str, propagation: Propagation) {
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        self.store.delete(kind, "default", name, options, self.now).unwrap();
        self.reconcile();
    }

    fn pods(&self) -> Vec<Pod> {
        self.store.all::<Pod>(Some("default")).cloned().collect()
    }

    fn names(&self) -> Vec<String> {
        self.pods().into_iter().map(|p| p.metadata.name).collect()
    }

    fn set_phase(&mut self, name: &str, phase: PodPhase, ready: bool) {
        let now = self.now;
        let edited = self.store.edit_status::<Pod>("default", name, now, |pod| {
            pod.status.phase = phase;
            set_pod_condition(pod, "Ready", if ready { "True" } else { "False" }, "", "", now);
        });
        edited.unwrap();
        self.reconcile();
    }

    /// One round of the kubelets: what is to end ends, what is new becomes ready.
    fn kubelets(&mut self) -> bool {
        let Some(pod) = self.pods().into_iter().find(|p| {
            p.metadata.is_terminating()
                || (p.status.phase == PodPhase::Pending && !p.spec.node_name.is_empty())
        }) else {
            return false;
        };
        if pod.metadata.is_terminating() {
            let at_once = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
            let _ = self.store.delete(Kind::Pod, "default", &pod.metadata.name, at_once, self.now);
            self.reconcile();
        } else {
            self.set_phase(&pod.metadata.name, PodPhase::Running, true);
        }
        true
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            if !self.kubelets() {
                return;
            }
        }
        panic!("the pods do not come to rest");
    }

    fn sleep(&mut self, seconds: u64) {
        let until = self.now + std::time::Duration::from_secs(seconds);
        while let Some(at) = self.controllers.next_at().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.reconcile();
        }
        self.now = until;
        self.reconcile();
    }

    fn deployment(&self, name: &str) -> Deployment {
        self.store.read::<Deployment>("default", name).unwrap().clone()
    }

    fn sets(&self) -> Vec<ReplicaSet> {
        self.store.all::<ReplicaSet>(Some("default")).cloned().collect()
    }

    fn messages(&self, reason: &str) -> Vec<String> {
        let all = self.store.events().all().iter().filter(|e| e.reason == reason);
        all.map(|e| e.message.clone()).collect()
    }
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn workload(replicas: u32, more: Value) -> Value {
    let mut spec = more;
    spec["replicas"] = json!(replicas);
    spec["selector"] = json!({"matchLabels": {"app": "web"}});
    spec["template"] = template("nginx:1");
    json!({"metadata": {"name": "web"}, "spec": spec})
}

fn image(name: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}})
}

#[test]
fn a_deployment_makes_a_replica_set_and_that_makes_pods() {
    let mut plane = Plane::new();
    plane.create(Kind::Deployment, workload(3, json!({})));
    plane.settle();
    let set = plane.sets().remove(0);
    let hash = set.metadata.labels["pod-template-hash"].clone();
    assert_eq!(set.metadata.name, format!("web-{hash}"));
    assert_eq!(plane.names().len(), 3);
    assert!(
        plane.names().iter().all(|n| n.starts_with(&format!("web-{hash}-")) && n.len() == hash.len() + 10)
    );
    let deployment = plane.deployment("web");
    assert_eq!(deployment.metadata.annotations["deployment.kubernetes.io/revision"], "1");
    let status = &deployment.status;
    assert_eq!((status.replicas, status.ready_replicas, status.available_replicas), (3, 3, 3));
    let conditions: Vec<(&str, &str, &str)> =
        status.conditions.iter().map(|c| (c.kind.as_str(), c.status.as_str(), c.reason.as_str())).collect();
    assert_eq!(
        conditions,
        [
            ("Available", "True", "MinimumReplicasAvailable"),
            ("Progressing", "True", "NewReplicaSetAvailable")
        ]
    );
    assert_eq!(
        plane.messages("ScalingReplicaSet"),
        [format!("Scaled up replica set web-{hash} from 0 to 3")]
    );
    assert_eq!(deployment.metadata.generation, Some(1), "what the controller writes is no new wish");
}

#[test]
fn a_rolling_update_keeps_to_its_bounds() {
    let mut plane = Plane::new();
    plane.create(Kind::Deployment, workload(4, json!({})));
    plane.settle();
    plane.patch(Kind::Deployment, "web", image("nginx:2"));
    loop {
        let pods = plane.pods();
        let active = pods.iter().filter(|p| !p.metadata.is_terminating());
        let ready = active.clone().filter(|p| p.is_ready()).count();
        assert!(active.count() <= 5 && ready >= 3);
        if !plane.kubelets() {
            break;
        }
    }
    assert!(plane.pods().iter().all(|p| p.spec.containers[0].image == "nginx:2"));
    let sizes: Vec<Option<i32>> = {
        let mut sets = plane.sets();
        sets.sort_by_key(|s| s.metadata.annotations["deployment.kubernetes.io/revision"].clone());
        sets.iter().map(|s| s.spec.replicas).collect()
    };
    assert_eq!(sizes, [Some(0), Some(4)]);
    // Back to the first template: its replica set becomes the newest revision.
    plane.patch(Kind::Deployment, "web", image("nginx:1"));
    plane.settle();
    let deployment = plane.deployment("web");
    assert_eq!(deployment.metadata.annotations["deployment.kubernetes.io/revision"], "3");
    let newest = plane.sets().into_iter().find(|s| s.spec.replicas == Some(4)).unwrap();
    assert_eq!(newest.metadata.annotations["deployment.kubernetes.io/revision-history"], "1");
}

#[test]
fn recreate_waits_until_the_old_pods_are_gone() {
    let mut plane = Plane::new();
    plane.create(Kind::Deployment, workload(2, json!({"strategy": {"type": "Recreate"}})));
    plane.settle();
    plane.patch(Kind::Deployment, "web", image("nginx:2"));
    assert!(plane.pods().iter().all(|p| p.metadata.is_terminating()));
    assert!(plane.controllers.is_busy());
    plane.settle();
    assert_eq!(plane.pods().len(), 2);
    assert!(!plane.controllers.is_busy());
}

#[test]
fn a_paused_deployment_is_scaled_and_not_rolled_out() {
    let mut plane = Plane::new();
    plane.create(Kind::Deployment, workload(2, json!({})));
    plane.settle();
    plane.patch(Kind::Deployment, "web", json!({"spec": {"paused": true}}));
    plane.patch(Kind::Deployment, "web", image("nginx:2"));
    plane.patch(Kind::Deployment, "web", json!({"spec": {"replicas": 3}}));
    plane.settle();
    assert_eq!((plane.sets().len(), plane.pods().len()), (1, 3));
    plane.patch(Kind::Deployment, "web", json!({"spec": {"paused": false}}));
    plane.settle();
    assert!(plane.pods().iter().all(|p| p.spec.containers[0].image == "nginx:2"));
}

#[test]
fn a_rollout_without_progress_is_told_after_the_deadline() {
    let mut plane = Plane::new();
    plane.create(Kind::Deployment, workload(1, json!({"progressDeadlineSeconds": 30})));
    plane.sleep(20);
    let progressing = |plane: &Plane| plane.deployment("web").condition("Progressing").unwrap().clone();
    assert_eq!(progressing(&plane).status, "True");
    plane.sleep(20);
    let late = progressing(&plane);
    assert_eq!((late.status.as_str(), late.reason.as_str()), ("False", "ProgressDeadlineExceeded"));
    plane.settle();
    assert_eq!(progressing(&plane).reason, "NewReplicaSetAvailable");
}

#[test]
fn pods_count_as_available_after_a_while() {
    let mut plane = Plane::new();
    plane.create(Kind::Deployment, workload(1, json!({"minReadySeconds": 15})));
    plane.settle();
    assert_eq!(plane.deployment("web").status.available_replicas, 0);
    plane.sleep(16);
    assert_eq!(plane.deployment("web").status.available_replicas, 1);
}

#[test]
fn the_cheapest_pods_go_first() {
    let mut plane = Plane::new();
    plane.create(Kind::ReplicaSet, workload(3, json!({})));
    let names = plane.names();
    plane.set_phase(&names[0], PodPhase::Running, true);
    plane.set_phase(&names[1], PodPhase::Running, true);
    plane.patch(Kind::ReplicaSet, "web", json!({"spec": {"replicas": 2}}));
    let leaving = |plane: &Plane| {
        let all = plane.pods().into_iter().filter(|p| p.metadata.is_terminating());
        all.map(|p| p.metadata.name).collect::<Vec<_>>()
    };
    assert_eq!(leaving(&plane), [names[2].clone()], "one that is not ready");
    let cost = json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}}});
    plane.patch(Kind::Pod, &names[1], cost);
    plane.patch(Kind::ReplicaSet, "web", json!({"spec": {"replicas": 1}}));
    assert!(leaving(&plane).contains(&names[1]));
}

#[test]
fn a_pod_that_loses_its_label_is_let_go_and_replaced() {
    let mut plane = Plane::new();
    plane.create(Kind::ReplicaSet, workload(1, json!({})));
    let name = plane.names().remove(0);
    plane.patch(Kind::Pod, &name, json!({"metadata": {"labels": {"app": "debug"}}}));
    assert_eq!(plane.pods().len(), 2);
    assert!(plane.store.read::<Pod>("default", &name).unwrap().metadata.owner_references.is_empty());
    // With the label it is taken back, and one is too many.
    plane.patch(Kind::Pod, &name, json!({"metadata": {"labels": {"app": "web"}}}));
    plane.settle();
    assert_eq!(plane.pods().len(), 1);
}

#[test]
fn what_an_owner_leaves_behind_goes_or_stays_as_asked() {
    for (propagation, left) in
        [(Propagation::Background, 0), (Propagation::Foreground, 0), (Propagation::Orphan, 2)]
    {
        let mut plane = Plane::new();
        plane.create(Kind::Deployment, workload(2, json!({})));
        plane.settle();
        plane.delete(Kind::Deployment, "web", propagation);
        let waits = plane.store.find(Kind::Deployment, "default", "web").is_some();
        assert_eq!(waits, propagation == Propagation::Foreground);
        plane.settle();
        assert_eq!(plane.pods().len(), left, "{propagation:?}");
        assert!(plane.store.find(Kind::Deployment, "default", "web").is_none());
        if propagation == Propagation::Orphan {
            plane.create(Kind::Deployment, workload(2, json!({})));
            plane.settle();
            assert_eq!((plane.sets().len(), plane.pods().len()), (1, 2), "the orphans are taken over");
        }
    }
}

#[test]
fn a_stateful_set_has_names_in_order() {
    let mut plane = Plane::new();
    plane.create(Kind::StatefulSet, workload(3, json!({"serviceName": "peers"})));
    assert_eq!(plane.names(), ["web-0"], "the second waits for the first");
    plane.settle();
    assert_eq!(plane.names(), ["web-0", "web-1", "web-2"]);
    let pod = plane.store.read::<Pod>("default", "web-1").unwrap();
    assert_eq!((pod.spec.hostname.as_str(), pod.spec.subdomain.as_str()), ("web-1", "peers"));
    assert_eq!(pod.metadata.labels["statefulset.kubernetes.io/pod-name"], "web-1");
    assert_eq!(pod.metadata.labels["apps.kubernetes.io/pod-index"], "1");
    plane.delete(Kind::Pod, "web-1", Propagation::Background);
    plane.settle();
    assert_eq!(plane.names(), ["web-0", "web-1", "web-2"], "the name comes back");
    plane.patch(Kind::StatefulSet, "web", json!({"spec": {"replicas": 1}}));
    plane.settle();
    assert_eq!(plane.names(), ["web-0"]);
}

#[test]
fn a_stateful_set_is_updated_from_the_last_to_the_partition() {
    let mut plane = Plane::new();
    let strategy = json!({"rollingUpdate": {"partition": 1}});
    plane.create(Kind::StatefulSet, workload(3, json!({"updateStrategy": strategy})));
    plane.settle();
    plane.patch(Kind::StatefulSet, "web", image("nginx:2"));
    assert!(plane.store.read::<Pod>("default", "web-2").unwrap().metadata.is_terminating());
    assert!(!plane.store.read::<Pod>("default", "web-1").unwrap().metadata.is_terminating());
    plane.settle();
    let images: Vec<String> = plane.pods().iter().map(|p| p.spec.containers[0].image.clone()).collect();
    assert_eq!(images, ["nginx:1", "nginx:2", "nginx:2"]);
    let status = plane.store.read::<StatefulSet>("default", "web").unwrap().status.clone();
    assert_ne!(status.current_revision, status.update_revision);
    assert_eq!((status.current_replicas, status.updated_replicas), (1, 2));
    assert_eq!(plane.store.all::<ControllerRevision>(None).count(), 2);
}

#[test]
fn a_daemon_set_has_a_pod_on_every_node_that_takes_it() {
    let mut plane = Plane::new();
    let taint = json!([{"key": "k", "effect": "NoSchedule"}]);
    plane.create(Kind::Node, json!({"metadata": {"name": "tainted"}, "spec": {"taints": taint}}));
    let mut body = workload(0, json!({}));
    body["spec"].as_object_mut().unwrap().remove("replicas");
    plane.create(Kind::DaemonSet, body);
    plane.settle();
    let nodes = |plane: &Plane| {
        let mut nodes: Vec<String> = plane.pods().iter().map(|p| p.spec.node_name.clone()).collect();
        nodes.sort();
        nodes
    };
    assert_eq!(nodes(&plane), ["node1", "node2"]);
    plane.create(Kind::Node, json!({"metadata": {"name": "node3"}}));
    plane.settle();
    assert_eq!(nodes(&plane), ["node1", "node2", "node3"]);
    plane.patch(Kind::DaemonSet, "web", image("nginx:2"));
    let leaving = plane.pods().iter().filter(|p| p.metadata.is_terminating()).count();
    assert_eq!(leaving, 1, "one at a time");
    plane.settle();
    assert!(plane.pods().iter().all(|p| p.spec.containers[0].image == "nginx:2"));
    let status = &plane.store.read::<DaemonSet>("default", "web").unwrap().status;
    assert_eq!((status.desired_number_scheduled, status.number_ready), (3, 3));
}

fn job(spec: Value) -> Value {
    let mut spec = spec;
    spec["template"] =
        json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "pi"}]}});
    json!({"metadata": {"name": "pi"}, "spec": spec})
}

#[test]
fn a_job_runs_until_enough_pods_have_succeeded() {
    let mut plane = Plane::new();
    plane.create(Kind::Job, job(json!({"completions": 3, "parallelism": 2})));
    for _ in 0..3 {
        assert!(plane.pods().iter().filter(|p| !p.is_finished()).count() <= 2);
        let next = plane.pods().into_iter().find(|p| !p.is_finished()).unwrap();
        plane.set_phase(&next.metadata.name, PodPhase::Succeeded, false);
    }
    let job = plane.store.read::<Job>("default", "pi").unwrap();
    assert!(job.holds("Complete"));
    assert_eq!((job.status.succeeded, job.status.active), (3, 0));
    assert!(plane.pods().iter().all(|p| p.metadata.finalizers.is_empty()), "counted pods are let go");
    assert_eq!(plane.messages("Completed"), ["Job completed"]);
    plane.delete(Kind::Job, "pi", Propagation::Background);
    plane.settle();
    assert_eq!(plane.pods().len(), 0);
}

#[test]
fn a_job_that_fails_too_often_is_given_up() {
    let mut plane = Plane::new();
    plane.create(Kind::Job, job(json!({"backoffLimit": 1})));
    let first = plane.names().remove(0);
    plane.set_phase(&first, PodPhase::Failed, false);
    let second = plane.names().into_iter().find(|n| *n != first).unwrap();
    plane.set_phase(&second, PodPhase::Failed, false);
    let job = plane.store.read::<Job>("default", "pi").unwrap();
    assert!(job.holds("Failed"));
    assert_eq!(job.status.failed, 2);
    assert_eq!(plane.messages("BackoffLimitExceeded"), ["Job has reached the specified backoff limit"]);
}

#[test]
fn an_indexed_job_numbers_its_pods() {
    let mut plane = Plane::new();
    let spec = json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed", "ttlSecondsAfterFinished": 9});
    plane.create(Kind::Job, job(spec));
    let pods = plane.pods();
    assert_eq!((pods[0].spec.hostname.as_str(), pods[1].spec.hostname.as_str()), ("pi-0", "pi-1"));
    assert!(pods[0].metadata.name.starts_with("pi-0-"));
    for pod in pods {
        plane.set_phase(&pod.metadata.name, PodPhase::Succeeded, false);
    }
    assert_eq!(plane.store.read::<Job>("default", "pi").unwrap().status.completed_indexes, "0,1");
    plane.sleep(10);
    assert!(plane.store.find(Kind::Job, "default", "pi").is_none(), "its time is over");
}

#[test]
fn a_cron_job_makes_jobs_by_the_clock() {
    let mut plane = Plane::new();
    let template = json!({"spec": job(json!({}))["spec"]});
    let spec = json!({"schedule": "*/2 * * * *", "jobTemplate": template, "concurrencyPolicy": "Forbid"});
    plane.create(Kind::CronJob, json!({"metadata": {"name": "tick"}, "spec": spec}));
    plane.sleep(61);
    let jobs =
        |plane: &Plane| plane.store.all::<Job>(None).map(|j| j.metadata.name.clone()).collect::<Vec<_>>();
    // Two minutes after the epoch of the simulation, in minutes since 1970.
    assert_eq!(jobs(&plane), ["tick-29453762"]);
    plane.sleep(120);
    assert_eq!(jobs(&plane).len(), 1, "the first still runs");
    let pod = plane.names().remove(0);
    plane.set_phase(&pod, PodPhase::Succeeded, false);
    plane.sleep(120);
    assert_eq!(jobs(&plane).len(), 2);
    assert_eq!(plane.messages("SawCompletedJob"), ["Saw completed job: tick-29453762, condition: Complete"]);
    let cron = plane.store.read::<CronJob>("default", "tick").unwrap();
    assert_eq!(cron.status.active.len(), 1);
}

#[test]
fn pins_name_pods_and_their_replica_set() {
    let mut config = StoreConfig::default();
    let pin = |name: &str| OwnedPin {
        name: Some(name.to_owned()),
        place: PodPin { node: Some("node2".to_owned()), ip: None },
    };
    let pods = vec![pin("web-fc8c7b6c4-7j6hx"), pin("web-fc8c7b6c4-k2p4d")];
    config.pins.owners.insert("deploy/default/web".to_owned(), pods);
    let mut plane = Plane::with(config);
    plane.create(Kind::Deployment, workload(2, json!({})));
    assert_eq!(plane.names(), ["web-fc8c7b6c4-7j6hx", "web-fc8c7b6c4-k2p4d"]);
    assert_eq!(plane.sets()[0].metadata.name, "web-fc8c7b6c4");
    assert!(plane.pods().iter().all(|p| p.spec.node_name == "node2"));
}

#[test]
fn a_node_that_is_silent_loses_its_pods() {
    let mut plane = Plane::new();
    plane.create(Kind::Deployment, workload(2, json!({})));
    plane.settle();
    plane.controllers.node_heard("node1", true, plane.now);
    plane.sleep(39);
    let ready = |plane: &Plane| plane.pods().iter().filter(|p| p.is_ready()).count();
    assert_eq!(ready(&plane), 2);
    plane.sleep(2);
    assert_eq!(ready(&plane), 1);
    assert_eq!(plane.messages("NodeNotReady")[0], "Node node1 status is now: NodeNotReady");
    plane.sleep(298);
    assert_eq!(plane.pods().len(), 2);
    plane.sleep(3);
    assert_eq!(plane.pods().iter().filter(|p| p.metadata.is_terminating()).count(), 1);
    assert_eq!(plane.pods().iter().filter(|p| p.spec.node_name == "node2").count(), 2);
    assert!(plane.messages("TaintManagerEviction")[0].starts_with("Marking for deletion Pod default/web-"));
}

#[test]
fn a_budget_allows_so_many_evictions() {
    let mut plane = Plane::new();
    plane.create(Kind::Deployment, workload(3, json!({})));
    let spec = json!({"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}});
    plane.create(Kind::PodDisruptionBudget, json!({"metadata": {"name": "web"}, "spec": spec}));
    plane.settle();
    let names = plane.names();
    let now = plane.now;
    plane.store.evict("default", &names[0], DeleteOptions::default(), now).unwrap();
    let refused = plane.store.evict("default", &names[1], DeleteOptions::default(), now).unwrap_err();
    assert_eq!(refused.message, "Cannot evict pod as it would violate the pod's disruption budget.");
    plane.reconcile();
    plane.settle();
    assert!(plane.store.evict("default", &names[1], DeleteOptions::default(), plane.now).is_ok());
}

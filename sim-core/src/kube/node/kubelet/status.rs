//! What the kubelet reports of a pod.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::PodRun;
use super::container::{ContainerRun, Ended, State};
use crate::kube::objects::container::{
    ContainerRunning, ContainerState, ContainerTerminated, ContainerWaiting,
};
use crate::kube::objects::pod::{IpEntry, RestartPolicy};
use crate::kube::objects::{ContainerStatus, PodCondition, PodPhase, PodStatus, Timestamp};
use crate::time::SimTime;

/// Fills in everything but what the scheduler has written.
pub(super) fn fill(status: &mut PodStatus, run: &PodRun, node_ips: &[IpAddr], now: SimTime) {
    let entries = |ips: &[IpAddr]| ips.iter().map(|ip| IpEntry { ip: ip.to_string() }).collect::<Vec<_>>();
    let first = |ips: &[IpAddr]| ips.first().map(IpAddr::to_string).unwrap_or_default();
    status.host_ip = first(node_ips);
    status.host_ips = entries(node_ips);
    status.start_time = Some(Timestamp::at(run.started));
    if let Some(sandbox) = &run.sandbox {
        status.pod_ip = first(&sandbox.ips);
        status.pod_ips = entries(&sandbox.ips);
    }
    let (init, main) = run.containers.split_at(run.init);
    status.init_container_statuses =
        init.iter().map(|c| container(c, if c.sidecar { c.is_ready() } else { c.succeeded() })).collect();
    status.container_statuses = main.iter().map(|c| container(c, c.is_ready())).collect();
    status.phase = phase(run);
    let scheduled = status.conditions.iter().find(|c| c.kind == "PodScheduled").cloned();
    let new = conditions(run, status.phase, now);
    let old = std::mem::take(&mut status.conditions);
    status.conditions = new
        .into_iter()
        .map(|mut c| {
            // The time stays while the status does.
            if let Some(before) = old.iter().find(|o| o.kind == c.kind && o.status == c.status) {
                c.last_transition_time = before.last_transition_time;
            }
            c
        })
        .chain(scheduled)
        .collect();
}

/// The phase: how all containers together are doing.
fn phase(run: &PodRun) -> PodPhase {
    let (init, main) = run.containers.split_at(run.init);
    let policy = run.spec.spec.restart_policy.unwrap_or_default();
    let ended = |c: &ContainerRun| matches!(c.state, State::Ended(_));
    if init.iter().any(|c| !c.sidecar && ended(c) && !c.succeeded()) && policy == RestartPolicy::Never {
        return PodPhase::Failed;
    }
    if run.initialized_at.is_none() && init.iter().any(|c| !c.has_initialized()) {
        return PodPhase::Pending;
    }
    let begun = |c: &ContainerRun| c.is_running() || ended(c) || c.last.is_some();
    if !main.iter().all(begun) {
        return PodPhase::Pending;
    }
    let for_good =
        main.iter().all(|c| ended(c) && c.last.is_none() || ended(c) && policy != RestartPolicy::Always);
    if !for_good || policy == RestartPolicy::Always {
        return PodPhase::Running;
    }
    match policy {
        _ if main.iter().all(ContainerRun::succeeded) => PodPhase::Succeeded,
        RestartPolicy::Never => PodPhase::Failed,
        _ => PodPhase::Running,
    }
}

fn conditions(run: &PodRun, phase: PodPhase, now: SimTime) -> Vec<PodCondition> {
    let condition = |kind: &str, holds: bool, since: Option<SimTime>, why: Option<(&str, String)>| {
        let (reason, message) = why.filter(|_| !holds).map(|(r, m)| (r.to_owned(), m)).unwrap_or_default();
        PodCondition {
            kind: kind.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            last_transition_time: Some(Timestamp::at(since.unwrap_or(now))),
            reason,
            message,
            ..PodCondition::default()
        }
    };
    let names = |of: &[ContainerRun], bad: fn(&ContainerRun) -> bool| {
        of.iter().filter(|c| bad(c)).map(|c| c.spec.name.clone()).collect::<Vec<_>>().join(" ")
    };
    let (init, _) = run.containers.split_at(run.init);
    let why = match phase {
        PodPhase::Succeeded => ("PodCompleted", String::new()),
        PodPhase::Failed => ("PodFailed", String::new()),
        _ => ("ContainersNotReady", format!("containers with unready status: [{}]", unready(run))),
    };
    let incomplete = (
        "ContainersNotInitialized",
        format!("containers with incomplete status: [{}]", names(init, |c| !c.has_initialized())),
    );
    vec![
        condition("PodReadyToStartContainers", run.sandbox.is_some(), None, None),
        condition(
            "Initialized",
            run.initialized_at.is_some() || run.init == 0,
            run.initialized_at,
            Some(incomplete),
        ),
        condition("Ready", run.ready_since.is_some(), run.ready_since, Some(why.clone())),
        condition("ContainersReady", run.ready_since.is_some(), run.ready_since, Some(why)),
    ]
}

/// Names of the containers that keep the pod from being ready.
fn unready(run: &PodRun) -> String {
    let counted = run.containers.iter().enumerate().filter(|(i, c)| *i >= run.init || c.sidecar);
    let names = counted.filter(|(_, c)| !c.is_ready()).map(|(_, c)| c.spec.name.clone());
    names.collect::<Vec<_>>().join(" ")
}

fn container(c: &ContainerRun, ready: bool) -> ContainerStatus {
    let pulled = !c.id.is_empty();
    ContainerStatus {
        container_id: if pulled { format!("containerd://{}", c.id) } else { String::new() },
        image: if pulled { c.reference.full() } else { c.spec.image.clone() },
        image_id: if pulled { image_id(c) } else { String::new() },
        last_state: c
            .last
            .as_ref()
            .map(|e| ContainerState { terminated: Some(terminated(e)), ..ContainerState::default() })
            .unwrap_or_default(),
        name: c.spec.name.clone(),
        ready,
        restart_count: c.restarts,
        started: Some(c.has_started()),
        state: state(c),
        ..ContainerStatus::default()
    }
}

fn state(c: &ContainerRun) -> ContainerState {
    match &c.state {
        State::Waiting { reason, message } => ContainerState {
            waiting: Some(ContainerWaiting { reason: (*reason).to_owned(), message: message.clone() }),
            ..ContainerState::default()
        },
        State::Running { since } => ContainerState {
            running: Some(ContainerRunning { started_at: Some(Timestamp::at(*since)) }),
            ..ContainerState::default()
        },
        State::Ended(e) => ContainerState { terminated: Some(terminated(e)), ..ContainerState::default() },
    }
}

fn terminated(e: &Ended) -> ContainerTerminated {
    ContainerTerminated {
        container_id: format!("containerd://{}", e.id),
        exit_code: e.code,
        finished_at: Some(Timestamp::at(e.finished)),
        started_at: Some(Timestamp::at(e.started)),
        reason: e.reason.to_owned(),
        message: e.message.clone(),
        signal: None,
    }
}

/// `docker.io/library/nginx@sha256:…`
fn image_id(c: &ContainerRun) -> String {
    let full = c.reference.full();
    let name = full.rsplit_once(':').map_or(full.as_str(), |(name, _)| name);
    format!("{name}@sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(&full)))
}

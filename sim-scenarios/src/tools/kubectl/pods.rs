//! The pods behind an object, and the one of them that a command goes to.

use std::cmp::{Ordering, Reverse};

use serde_json::Value;
use sim_core::kube::objects::{Kind, LabelSelector, Selector};
use sim_core::kube::store::Store;

use super::failure::Failure;
use super::resource::Resource;
use super::target;
use super::value::{int, list, map, name, namespace, text};

/// The object that a word means: a pod's name, or `TYPE/NAME`.
///
/// # Errors
/// There is none.
pub(crate) fn named(store: &Store, word: &str, namespace: &str) -> Result<(Resource, Value), Failure> {
    let (resource, own) = match word.split_once('/') {
        None => (Resource::Kind(Kind::Pod), word),
        Some((kind, own)) => (Resource::parse(kind)?, own),
    };
    Ok((resource, target::get(store, resource, namespace, own)?))
}

/// The pods that an object leads to, a pod to itself; in the order of the server.
///
/// # Errors
/// Objects of its kind lead to none.
pub(crate) fn of(store: &Store, resource: Resource, object: &Value) -> Result<Vec<Value>, Failure> {
    let selector = match resource.kind_name() {
        "Pod" => return Ok(vec![object.clone()]),
        "Service" => {
            let Some(wanted) = map(object, "/spec/selector") else {
                let own = name(object);
                return Err(Failure::plain(format!(
                    "invalid service '{own}': Service is defined without a selector"
                )));
            };
            let labels = wanted.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").to_owned()));
            Selector::from_labels(&labels.collect())
        }
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            let wanted: Option<LabelSelector> =
                object.pointer("/spec/selector").and_then(|s| serde_json::from_value(s.clone()).ok());
            wanted
                .and_then(|s| Selector::from_label_selector(&s))
                .ok_or_else(|| Failure::plain("invalid label selector"))?
        }
        kind => {
            return Err(Failure::plain(format!(
                "cannot attach to *unstructured.Unstructured: selector for {kind} not implemented"
            )));
        }
    };
    let pods = store.iter(Kind::Pod, Some(namespace(object)));
    Ok(pods.filter(|p| selector.matches(&p.meta().labels)).map(|p| p.to_value()).collect())
}

/// The pod that `exec`, `attach` and `port-forward` choose: the one that is most likely to answer.
pub(crate) fn most_active(pods: Vec<Value>) -> Option<Value> {
    pods.into_iter().min_by(|a, b| activity(a).cmp(&activity(b)))
}

/// Less is better: on a node, running, ready, ready for long, restarted seldom, old.
fn activity(pod: &Value) -> impl Ord + use<> {
    let ready = list(pod, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True");
    let phase = match text(pod, "/status/phase") {
        "Pending" => 2,
        "Unknown" => 1,
        _ => 0,
    };
    let since = ready.map_or("", |c| text(c, "/lastTransitionTime")).to_owned();
    let restarts = list(pod, "/status/containerStatuses").iter().map(|s| int(s, "/restartCount")).max();
    (
        text(pod, "/spec/nodeName").is_empty(),
        phase,
        Reverse(ready.is_some()),
        since,
        restarts.unwrap_or(0),
        text(pod, "/metadata/creationTimestamp").to_owned(),
    )
}

/// The order in which `logs` prefers pods.
pub(crate) fn by_logging(a: &Value, b: &Value) -> Ordering {
    activity(a).cmp(&activity(b))
}

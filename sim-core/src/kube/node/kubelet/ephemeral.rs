//! Ephemeral containers: those that somebody adds to a running pod to look around in it.
//!
//! They share the pod's network namespace, are never restarted, and their images are there at once: nobody measures how long a
//! debugger takes to come.

use serde_json::{Value, json};

use super::container::{ContainerRun, written};
use super::{Kubelet, dns, etc, reference, sandbox};
use crate::kube::node::agents::Hands;
use crate::kube::node::machine::Place;
use crate::kube::objects::{Container, Pod, Timestamp};
use crate::kube::store::EventType;

const STATUSES: &str = "ephemeralContainerStatuses";

impl Kubelet {
    /// Starts the ephemeral containers of a pod that do not run yet.
    pub(super) fn ephemeral(&self, key: &(String, String), pod: &Pod, hands: &mut Hands<'_>) {
        let Some(sandbox) = self.pods.get(key).and_then(|run| run.sandbox.as_ref()) else { return };
        for value in pod.spec.ephemeral_containers() {
            let Ok(spec) = serde_json::from_value::<Container>(value.clone()) else { continue };
            let place = Place::Container {
                namespace: key.0.clone(),
                pod: key.1.clone(),
                container: Some(spec.name.clone()),
            };
            if hands.machines.get(&place).is_some() {
                continue;
            }
            let own = ContainerRun::new(&spec, false, hands.config);
            let lines =
                dns::form(&pod.metadata.namespace, &pod.spec, &etc::node_dns(pod, hands)).lines.text();
            sandbox::add_machine(pod, &own, sandbox, &lines, hands);
            let now = hands.now();
            hands.apps.logs_mut().start(key, &spec.name, written(&spec, &own.image, None), now);
            let about = reference(pod, &format!("spec.ephemeralContainers{{{}}}", spec.name));
            for (reason, message) in [
                ("Created", format!("Created container: {}", spec.name)),
                ("Started", format!("Started container {}", spec.name)),
            ] {
                self.event(&about, EventType::Normal, reason, &message, hands);
            }
            let status = json!({
                "image": own.reference.full(), "imageID": "", "lastState": {}, "name": spec.name, "ready": false,
                "restartCount": 0, "state": {"running": {"startedAt": Timestamp::at(now).to_string()}},
            });
            // The pod may be gone already: deleted by force.
            let _ = hands.store.edit_status::<Pod>(&key.0, &key.1, now, |pod| {
                let all = pod.status.rest.entry(STATUSES.to_owned()).or_insert_with(|| json!([]));
                if let Value::Array(all) = all {
                    all.push(status);
                }
            });
        }
    }
}

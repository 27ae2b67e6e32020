//! The status of Ingresses: where the controller that serves them is reached.
//!
//! In a real cluster the controller's leader writes it, every minute and after changes; here it is in step with the store. Without
//! `--publish-service` the addresses are those of the nodes on which the controller's pods run.

use std::collections::BTreeSet;

use crate::kube::apps::ingress::options::{self, Options};
use crate::kube::objects::ingress::IngressLoadBalancerIngress;
use crate::kube::objects::{Ingress, Kind, Object, ObjectKey, Pod, PodPhase, Service, ServiceType};
use crate::kube::store::{Change, ChangeKind, Store};
use crate::time::SimTime;

/// Writes the status of Ingresses.
#[derive(Clone, Debug, Default)]
pub(super) struct IngressController {
    /// Pods of ingress-nginx.
    pods: BTreeSet<ObjectKey>,
    dirty: bool,
}

impl IngressController {
    pub(super) fn note(&mut self, change: &Change) {
        match &*change.object {
            Object::Pod(pod) => {
                let key = change.object.key();
                let known = match change.what {
                    ChangeKind::Deleted => self.pods.remove(&key),
                    _ if pod.spec.containers.iter().any(|c| options::is_controller(&c.image)) => {
                        self.pods.insert(key);
                        true
                    }
                    _ => false,
                };
                self.dirty |= known;
            }
            Object::Ingress(_) | Object::IngressClass(_) | Object::Service(_) => self.dirty = true,
            _ => {}
        }
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        if !std::mem::take(&mut self.dirty) || self.pods.is_empty() {
            return;
        }
        for key in &self.pods {
            let Some(pod) = store.read::<Pod>(&key.namespace, &key.name).cloned() else { continue };
            if pod.status.phase != PodPhase::Running {
                continue;
            }
            let Some(container) = pod.spec.containers.iter().find(|c| options::is_controller(&c.image))
            else {
                continue;
            };
            let options = Options::of_container(container).in_namespace(&pod.metadata.namespace);
            let addresses = addresses(&options, &pod, store);
            let served: Vec<ObjectKey> = store
                .all::<Ingress>(None)
                .filter(|i| options.serves(i, store) && i.status.load_balancer.ingress != addresses)
                .map(|i| ObjectKey::new(Kind::Ingress, &i.metadata.namespace, &i.metadata.name))
                .collect();
            for key in served {
                // It is there: it was just listed.
                let _ = store.edit_status::<Ingress>(&key.namespace, &key.name, now, |ingress| {
                    ingress.status.load_balancer.ingress.clone_from(&addresses);
                });
            }
        }
    }
}

/// Where a controller is reached (`status.go`).
fn addresses(options: &Options, pod: &Pod, store: &Store) -> Vec<IngressLoadBalancerIngress> {
    let address = |ip: &str| IngressLoadBalancerIngress { ip: ip.to_owned(), ..Default::default() };
    if let Some((namespace, name)) = &options.publish_service {
        let Some(service) = store.read::<Service>(namespace, name) else { return Vec::new() };
        let spec = &service.spec;
        return match spec.service_type() {
            ServiceType::ExternalName => {
                vec![IngressLoadBalancerIngress {
                    hostname: spec.external_name.clone(),
                    ..Default::default()
                }]
            }
            ServiceType::LoadBalancer => {
                let given = service.status.load_balancer.ingress.iter().map(|i| IngressLoadBalancerIngress {
                    ip: i.ip.clone(),
                    hostname: i.hostname.clone(),
                    ..Default::default()
                });
                given.chain(spec.external_ips.iter().map(|ip| address(ip))).collect()
            }
            ServiceType::ClusterIp | ServiceType::NodePort => {
                let external: Vec<_> = spec.external_ips.iter().map(|ip| address(ip)).collect();
                if external.is_empty() { vec![address(&spec.cluster_ip)] } else { external }
            }
        };
    }
    let same = |other: &&Pod| {
        other.metadata.labels == pod.metadata.labels && other.status.phase == PodPhase::Running
    };
    let hosts: BTreeSet<&str> = store
        .all::<Pod>(Some(&pod.metadata.namespace))
        .filter(same)
        .map(|p| p.status.host_ip.as_str())
        .filter(|ip| !ip.is_empty())
        .collect();
    hosts.into_iter().map(address).collect()
}

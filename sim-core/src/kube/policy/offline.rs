//! Manifests without a cluster: what would be there, as far as policies care.

use std::sync::Arc;

use serde_json::{Value, json};

use super::report::{Backend, BackendPort, Workload};
use super::snapshot::{NodeView, PodView, ServiceView, Snapshot};
use crate::chance::Dice;
use crate::diagnostic::Diagnostic;
use crate::kube::objects::decode::decode;
use crate::kube::objects::ingress::IngressServiceBackend;
use crate::kube::objects::{Ingress, IntOrString, Kind, Object, ObjectMeta, Pod, PodTemplateSpec, manifest};
use crate::kube::store::{Store, StoreConfig};
use crate::kube::version::Version;
use crate::time::SimTime;

/// What manifests would make.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// The cluster: one pod stands for all of a workload.
    pub snapshot: Snapshot,
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// What Ingresses lead to.
    pub backends: Vec<Backend>,
}

/// What one file of manifests has in it.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its objects.
    pub objects: Vec<Object>,
    /// What was passed over: kinds that this simulator does not know.
    pub notes: Vec<String>,
}

/// Reads a file of manifests. Policies are looked at as the API server does, and get its defaults; a kind that is not known is passed over
/// with a note.
///
/// # Errors
/// What is wrong with the file, or what the server refuses.
pub fn read(text: &str, source: &str, release: Version) -> Result<File, Vec<Diagnostic>> {
    let read = manifest::read(text, source, 1, release);
    let mut file = File::default();
    let mut mistakes: Vec<Diagnostic> = read.broken.into_iter().map(|b| b.diagnostic).collect();
    for document in &read.documents {
        match &document.kind {
            Err(words) => {
                file.notes.push(format!("{source}:{}: passed over: {words}", document.position.line))
            }
            Ok(_) if !document.diagnostics.is_empty() => {
                mistakes.extend(document.diagnostics.iter().cloned())
            }
            Ok(kind) => match typed(*kind, &document.value) {
                Ok(object) => file.objects.push(object),
                Err(words) => mistakes.push(document.mistake_at("metadata.name", words, None)),
            },
        }
    }
    if mistakes.is_empty() { Ok(file) } else { Err(mistakes) }
}

fn typed(kind: Kind, value: &Value) -> Result<Object, String> {
    let space = value["metadata"]["namespace"].as_str().unwrap_or("default");
    if !kind.is_policy() {
        let mut object = decode(kind, value).map_err(|_| "this cannot be read".to_owned())?.object;
        if kind.namespaced() && object.meta().namespace.is_empty() {
            "default".clone_into(&mut object.meta_mut().namespace);
        }
        return Ok(object);
    }
    // A server of its own for each: two files may name the same policy.
    let mut store = Store::new(StoreConfig::default(), Dice::seeded(0));
    let namespace = json!({"metadata": {"name": space}});
    // It may be there from the beginning.
    let _ = store.create_value(Kind::Namespace, "", &namespace, SimTime::ZERO);
    store.create_value(kind, space, value, SimTime::ZERO).map(|o| (*o).clone()).map_err(|e| e.message)
}

impl Manifests {
    /// What these objects would make. Pods that name the same owner are one workload.
    #[must_use]
    pub fn of(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut all = Self::default();
        for object in objects {
            all.add(object);
        }
        all
    }

    fn add(&mut self, object: Object) {
        if object.kind().namespaced() {
            self.snapshot.namespaces.entry(object.meta().namespace.clone()).or_default();
        }
        let snapshot = &mut self.snapshot;
        match &object {
            Object::Namespace(namespace) => {
                let labels = namespace.metadata.labels.clone();
                snapshot.namespaces.insert(namespace.metadata.name.clone(), labels);
            }
            Object::Node(node) => snapshot.nodes.push(NodeView::of(node)),
            Object::Service(service) => snapshot.services.extend(ServiceView::of(service)),
            Object::Ingress(ingress) => self.backends.extend(backends(ingress)),
            Object::Pod(pod) => self.pod(pod),
            Object::Deployment(o) => self.template(&object, &o.spec.template),
            Object::ReplicaSet(o) => self.template(&object, &o.spec.template),
            Object::StatefulSet(o) => self.template(&object, &o.spec.template),
            Object::DaemonSet(o) => self.template(&object, &o.spec.template),
            Object::Job(o) => self.template(&object, &o.spec.template),
            Object::CronJob(o) => self.template(&object, &o.spec.job_template.spec.template),
            other if other.kind().is_policy() => snapshot.policies.push(Arc::new(object)),
            _ => {}
        }
    }

    fn pod(&mut self, pod: &Pod) {
        let owner = pod.metadata.owner_references.first();
        let (name, kind) = owner.map_or((pod.metadata.name.as_str(), "Pod"), |o| (&o.name, &o.kind));
        let workload = Workload {
            namespace: pod.metadata.namespace.clone(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            pod: self.snapshot.pods.len(),
        };
        let view = PodView::of(pod);
        let same = |w: &&Workload| w.to_string() == workload.to_string();
        let known = self.workloads.iter().find(same).map(|w| &self.snapshot.pods[w.pod]);
        // Siblings that differ are workloads of their own, by their own names.
        match known {
            Some(known) if known.labels == view.labels && known.ports == view.ports => return,
            Some(_) => {
                let (name, kind) = (view.name.clone(), "Pod".to_owned());
                self.workloads.push(Workload { name, kind, ..workload });
            }
            None => self.workloads.push(workload),
        }
        self.snapshot.pods.push(view);
    }

    fn template(&mut self, object: &Object, template: &PodTemplateSpec) {
        let meta = object.meta();
        let pod = Pod {
            metadata: ObjectMeta {
                labels: template.metadata.labels.clone(),
                ..ObjectMeta::namespaced(&meta.namespace, &meta.name)
            },
            spec: Arc::new((*template.spec).clone()),
            ..Pod::default()
        };
        self.workloads.push(Workload {
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            kind: object.kind().name().to_owned(),
            pod: self.snapshot.pods.len(),
        });
        self.snapshot.pods.push(PodView::of(&pod));
    }
}

fn backends(ingress: &Ingress) -> Vec<Backend> {
    let paths = ingress.spec.rules.iter().flat_map(|rule| rule.paths()).map(|path| &path.backend);
    let all = paths.chain(&ingress.spec.default_backend).filter_map(|backend| backend.service.as_ref());
    all.map(|service| Backend {
        namespace: ingress.metadata.namespace.clone(),
        service: service.name.clone(),
        port: BackendPort::Service(port(service)),
    })
    .collect()
}

fn port(service: &IngressServiceBackend) -> IntOrString {
    match service.port.number {
        0 => IntOrString::String(service.port.name.clone()),
        number => IntOrString::Int(number),
    }
}

//! What every namespace has from its first moment: the service account `default` and the cluster's certificate.

use std::collections::{BTreeMap, BTreeSet};

use crate::kube::objects::{ConfigMap, Kind, Namespace, Object, ObjectMeta, ServiceAccount};
use crate::kube::store::{Change, ChangeKind, Store};
use crate::time::SimTime;

const ACCOUNT: &str = "default";
const CERTIFICATE: &str = "kube-root-ca.crt";
const DESCRIPTION: (&str, &str) = (
    "kubernetes.io/description",
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service \
     IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
);
/// The form of a certificate; TLS is not modelled, so there is none in it.
const PEM: &str = "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU6IFRMUyBpcyBub3QgbW9kZWxsZWQ=\n-----END CERTIFICATE-----\n";

/// Makes the two objects in new namespaces, and again where one was deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct AccountController {
    dirty: BTreeSet<String>,
}

impl AccountController {
    pub(super) fn note(&mut self, change: &Change) {
        let meta = change.object.meta();
        let gone = change.what == ChangeKind::Deleted;
        match &*change.object {
            Object::Namespace(_) if !gone => self.dirty.insert(meta.name.clone()),
            Object::ServiceAccount(_) if gone && meta.name == ACCOUNT => {
                self.dirty.insert(meta.namespace.clone())
            }
            Object::ConfigMap(_) if gone && meta.name == CERTIFICATE => {
                self.dirty.insert(meta.namespace.clone())
            }
            _ => false,
        };
    }

    pub(super) fn sync(&mut self, store: &mut Store, now: SimTime) {
        for namespace in std::mem::take(&mut self.dirty) {
            if store.read::<Namespace>("", &namespace).is_none_or(|n| n.metadata.is_terminating()) {
                continue;
            }
            // What somebody else has made in the meantime is as good.
            if store.find(Kind::ServiceAccount, &namespace, ACCOUNT).is_none() {
                let metadata = ObjectMeta::namespaced(&namespace, ACCOUNT);
                let _ = store.create(ServiceAccount { metadata, ..Default::default() }, now);
            }
            if store.find(Kind::ConfigMap, &namespace, CERTIFICATE).is_none() {
                let annotations = BTreeMap::from([(DESCRIPTION.0.to_owned(), DESCRIPTION.1.to_owned())]);
                let metadata = ObjectMeta { annotations, ..ObjectMeta::namespaced(&namespace, CERTIFICATE) };
                let data = BTreeMap::from([("ca.crt".to_owned(), PEM.to_owned())]);
                let _ = store.create(ConfigMap { metadata, data, ..Default::default() }, now);
            }
        }
    }
}

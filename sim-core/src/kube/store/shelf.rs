//! Where the objects are: by kind, namespace and name, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kube::objects::{Kind, Object, ObjectKey};

type ByName = BTreeMap<String, Arc<Object>>;

/// All objects, in the order (kind, namespace, name) in which the API server lists them.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    kinds: BTreeMap<Kind, BTreeMap<String, ByName>>,
}

impl Shelf {
    pub(super) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        let namespace = if kind.namespaced() { namespace } else { "" };
        self.kinds.get(&kind)?.get(namespace)?.get(name)
    }

    pub(super) fn put(&mut self, object: Arc<Object>) -> Option<Arc<Object>> {
        let ObjectKey { kind, namespace, name } = object.key();
        self.kinds.entry(kind).or_default().entry(namespace).or_default().insert(name, object)
    }

    pub(super) fn take(&mut self, key: &ObjectKey) -> Option<Arc<Object>> {
        let namespaces = self.kinds.get_mut(&key.kind)?;
        let names = namespaces.get_mut(&key.namespace)?;
        let taken = names.remove(&key.name);
        if names.is_empty() {
            namespaces.remove(&key.namespace);
        }
        taken
    }

    /// Objects of a kind, of all namespaces or of one.
    pub(super) fn iter<'a>(
        &'a self,
        kind: Kind,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let namespaces = self.kinds.get(&kind);
        let one = namespaces.zip(namespace).and_then(|(all, wanted)| all.get(wanted));
        let all = namespaces.filter(|_| namespace.is_none()).into_iter().flat_map(BTreeMap::values);
        one.into_iter().chain(all).flat_map(BTreeMap::values)
    }
}

//! Addresses and places that a lab wants to reproduce from a real cluster.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::kube::objects::{Kind, ObjectKey};

/// What a person fixed in advance. Pins hold for an object's name, also before it exists and after it was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Pods by `namespace/name`.
    pub pods: BTreeMap<String, PodPin>,
    /// Services by `namespace/name`.
    pub services: BTreeMap<String, ServicePin>,
    /// Pods of an owner in the order of their creation, by `kind/namespace/name` with kubectl's short name of the kind.
    pub owners: BTreeMap<String, Vec<OwnedPin>>,
}

/// What is fixed of a pod that an owner makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedPin {
    /// Its name.
    pub name: Option<String>,
    /// Its node and address.
    pub place: PodPin,
}

/// What is fixed of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodPin {
    /// Node that it is placed on.
    pub node: Option<String>,
    /// Address that it gets.
    pub ip: Option<IpAddr>,
}

/// What is fixed of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePin {
    /// Virtual addresses, at most one per family.
    pub cluster_ips: Vec<IpAddr>,
    /// Node ports.
    pub node_port: Option<NodePortPin>,
}

/// Node ports that are fixed of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodePortPin {
    /// That of the first port that is given one.
    First(u16),
    /// Those of ports by their names.
    ByName(BTreeMap<String, u16>),
}

impl NodePortPin {
    /// Every number.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        let (first, named) = match self {
            Self::First(number) => (Some(*number), None),
            Self::ByName(ports) => (None, Some(ports.values().copied())),
        };
        first.into_iter().chain(named.into_iter().flatten())
    }

    /// Takes the number for a port of this name.
    pub(super) fn take(&mut self, name: &str) -> Option<u16> {
        match self {
            Self::First(number) => {
                let number = *number;
                *self = Self::ByName(BTreeMap::new());
                Some(number)
            }
            Self::ByName(ports) => ports.remove(name),
        }
    }
}

impl Pins {
    /// What is fixed of a pod.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&PodPin> {
        self.pods.get(&format!("{namespace}/{name}"))
    }

    /// What is fixed of the pod of this number that an owner makes.
    #[must_use]
    pub fn owned(&self, owner: &ObjectKey, number: usize) -> Option<&OwnedPin> {
        if self.owners.is_empty() {
            return None;
        }
        let short = match owner.kind {
            Kind::Deployment => "deploy",
            Kind::ReplicaSet => "rs",
            Kind::StatefulSet => "sts",
            Kind::DaemonSet => "ds",
            _ => return None,
        };
        self.owners.get(&format!("{short}/{}/{}", owner.namespace, owner.name))?.get(number)
    }

    /// What is fixed of a Service.
    #[must_use]
    pub fn service(&self, namespace: &str, name: &str) -> Option<&ServicePin> {
        self.services.get(&format!("{namespace}/{name}"))
    }
}

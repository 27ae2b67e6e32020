//! The door to the cluster, as tools see it.

use sim_core::time::SimTime;

/// A running cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    now: SimTime,
}

impl Cluster {
    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.now
    }
}

/// A machine on which commands run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The machine outside the cluster that has kubectl.
    Workstation,
    /// A node of the cluster.
    Node(String),
    /// A machine outside the cluster that the lab names.
    Host(String),
    /// A container of a pod.
    Container {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The container's name; none means the first.
        container: Option<String>,
    },
}

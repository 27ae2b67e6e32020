//! Node agents: each programs its node.
//!
//! - [`kubelet`]: pods become namespaces, files and processes, and report how they are
//! - [`cni`]: pods are wired to their node, nodes to each other
//! - [`proxy`]: Services become rules
//! - [`balancer`]: what brings packets from outside to the nodes
//! - [`machine`], [`files`]: what a person sits at

pub mod agents;
pub mod balancer;
pub mod cni;
pub mod files;
pub mod kubelet;
pub mod machine;
pub mod plan;
pub mod policy;
pub mod proxies;
pub mod proxy;
mod question;

pub use agents::{Hands, NodeAgents, Timer};
pub use proxies::starts_in_iptables;

//! The door to the cluster, as tools see it.

pub use sim_core::cluster::{Cluster, Place};

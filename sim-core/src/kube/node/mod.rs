//! Node agents: each programs its node.

pub mod cni;
pub mod proxy;

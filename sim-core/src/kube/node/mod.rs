//! Node agents: each programs its node.

pub mod cni;
pub mod files;
pub mod machine;
pub mod proxy;

//! kube-proxy: makes a node send Service traffic to endpoints.
//!
//! [`model`] is what kube-proxy knows of Services and endpoints, [`select`] picks the endpoints that count on one node,
//! [`iptables`] and [`nftables`] write the rules, [`names`] the names of their chains; [`services`] keeps count of changes, [`mode`] of
//! what is programmed on a node, [`agent`] brings the two together, [`cleanup`] makes UDP flows follow. [`config`] is its configuration file,
//! [`leftovers`] what a process finds of one before it that ran in another mode.

pub mod agent;
pub mod cleanup;
pub mod config;
pub mod health;
pub mod iptables;
pub mod ipvs;
pub mod jumps;
pub mod leftovers;
pub mod mode;
pub mod model;
pub mod names;
pub mod nftables;
pub mod select;
pub mod services;

#[cfg(test)]
mod tests;

//! kube-proxy: makes a node send Service traffic to endpoints.
//!
//! [`model`] is what kube-proxy knows of Services and endpoints, [`select`] picks the endpoints that count on one node,
//! [`iptables`] and [`nftables`] write the rules, [`names`] the names of their chains; [`agent`] keeps count of changes,
//! [`cleanup`] makes UDP flows follow them.

pub mod agent;
pub mod cleanup;
pub mod iptables;
pub mod model;
pub mod names;
pub mod nftables;
pub mod select;

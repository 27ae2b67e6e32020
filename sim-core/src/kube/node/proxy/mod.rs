//! kube-proxy: makes a node send Service traffic to endpoints.
//!
//! [`model`] is what kube-proxy knows of Services and endpoints, [`select`] picks the endpoints that count on one node,
//! [`iptables`] writes the rules, [`names`] the names of their chains; [`agent`] keeps count of changes.

pub mod agent;
pub mod iptables;
pub mod model;
pub mod names;
pub mod select;

//! Kubernetes: objects, store, controllers, and the node agents that program the ground floor.

pub mod apps;
pub mod config;
pub mod controllers;
pub mod dns;
pub mod node;
pub mod objects;
pub mod policy;
pub mod schedule;
pub mod store;
pub mod version;

//! A deterministic simulator of a Kubernetes cluster's network.

pub mod chance;
pub mod cluster;
pub mod diagnostic;
pub mod flow;
pub mod kube;
pub mod linux;
pub mod packet;
pub mod time;
pub mod trace;

//! kubectl: its command line, its words, its printers.
//!
//! A command goes [`commands`] → [`args`] → one file per verb. Verbs talk to the API server through [`ctl::Ctl`], look at
//! objects as JSON values, and hand them to [`printers`] or [`describe`]. What goes wrong is a [`failure::Failure`], worded in
//! one place.

mod api;
mod apply;
mod args;
mod attach;
mod auth;
mod autoscale;
mod changes;
mod clock;
mod cluster_info;
mod commands;
mod config;
mod cp;
mod create;
mod ctl;
mod debug;
mod delete;
mod describe;
mod diff;
mod edit;
mod events;
mod exec;
mod explain;
mod expose;
mod failure;
mod files;
mod flags;
mod get;
mod kube_config;
mod logs;
mod manifest;
mod metadata;
mod nodes;
mod patch;
mod pods;
mod port_forward;
pub(crate) mod printers;
mod proxy;
mod quantity;
mod replace;
mod resource;
mod rollout;
mod run;
mod scale;
mod selector;
mod set;
mod small;
mod target;
mod value;
mod version;
mod wait;

pub(crate) use commands::run;
pub(crate) use kube_config::KubeConfig;

#[cfg(test)]
mod tests;

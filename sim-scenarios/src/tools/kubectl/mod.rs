//! kubectl: its command line, its words, its printers.
//!
//! A command goes [`commands`] → [`args`] → one file per verb. Verbs talk to the API server through [`ctl::Ctl`], look at
//! objects as JSON values, and hand them to [`printers`] or [`describe`]. What goes wrong is a [`failure::Failure`], worded in
//! one place.

mod apply;
mod args;
mod clock;
mod cluster_info;
mod commands;
mod create;
mod ctl;
mod delete;
mod describe;
mod edit;
mod exec;
mod expose;
mod failure;
mod files;
mod flags;
mod get;
mod manifest;
mod metadata;
mod nodes;
mod patch;
mod printers;
mod quantity;
mod replace;
mod resource;
mod rollout;
mod run;
mod scale;
mod selector;
mod set;
mod target;
mod value;
mod version;
mod wait;

pub(crate) use commands::run;

#[cfg(test)]
mod tests;

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
mod exec;
mod expose;
mod failure;
mod files;
mod get;
mod manifest;
mod metadata;
mod patch;
mod printers;
mod quantity;
mod resource;
mod run;
mod selector;
mod target;
mod value;
mod version;
mod wait;

pub(crate) use commands::run;

#[cfg(test)]
mod tests;

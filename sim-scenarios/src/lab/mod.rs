//! Labs: Markdown documents that a person reads and the simulator runs.
//!
//! [`parse`] reads a document, [`setup`] makes its cluster, [`run`] types its commands into a [`run::Session`] and compares what comes,
//! [`report`] tells people and machines, [`bless`] writes what came into the document, [`check`] only looks for mistakes.

pub mod bless;
pub mod check;
pub mod compare;
pub mod find;
pub mod parse;
pub mod report;
pub mod run;
pub mod setup;

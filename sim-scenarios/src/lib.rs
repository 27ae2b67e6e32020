//! Labs: Markdown documents that a person reads and the simulator runs.

pub mod export;
pub mod lab;
pub mod shell;
pub mod tools;

mod suite;

pub use suite::{lab_tests, lab_tests_of};

#[cfg(test)]
mod testing;

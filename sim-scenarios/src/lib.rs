//! Labs: Markdown documents that a person reads and the simulator runs.

pub mod lab;
pub mod shell;
pub mod tools;

mod suite;

pub use suite::lab_tests;

#[cfg(test)]
mod testing;

//! Labs: Markdown documents that a person reads and the simulator runs.

pub mod lab;
pub mod shell;
pub mod tools;

#[cfg(test)]
mod testing;

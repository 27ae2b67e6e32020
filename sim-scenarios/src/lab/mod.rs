//! Labs: parse, run, compare.

pub mod compare;
pub mod parse;

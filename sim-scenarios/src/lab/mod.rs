//! Labs: parse, run, compare.

pub mod compare;

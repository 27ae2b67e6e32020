//! Labs: parse, run, compare.

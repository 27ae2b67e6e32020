//! A POSIX shell over the tools.

pub mod session;

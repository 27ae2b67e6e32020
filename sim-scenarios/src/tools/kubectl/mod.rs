//! kubectl.

mod args;
mod clock;
mod failure;
mod printers;
mod selector;
mod value;

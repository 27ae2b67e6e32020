//! kubectl.

mod args;
mod clock;
mod describe;
mod failure;
mod printers;
mod quantity;
mod resource;
mod selector;
mod target;
mod value;

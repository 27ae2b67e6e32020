//! kubectl.

mod clock;
mod printers;
mod value;

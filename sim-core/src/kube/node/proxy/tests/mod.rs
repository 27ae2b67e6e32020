//! The modes at work: partial syncs against full ones, and one mode against another.

mod agree;
mod node;
mod random;
mod settings;
mod sync;

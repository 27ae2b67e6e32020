//! Tests of the whole: against what the real tool answered, by property, and packet by packet.

mod engines;
mod extensions;
mod golden;
mod ipvs;
mod property;
mod rules;
mod transactions;
mod transcript;
mod walk;

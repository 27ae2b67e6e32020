//! What a simulated network looks like to other tools.

pub mod netns;

//! Real tools, simulated: one file or folder each.

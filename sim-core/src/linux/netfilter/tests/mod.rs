//! Tests of the whole: against what the real tool answered, and by property.

mod golden;

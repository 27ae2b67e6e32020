//! Printers: from API objects to text.

pub(crate) mod json;
pub(crate) mod tabwriter;
pub(crate) mod yaml;

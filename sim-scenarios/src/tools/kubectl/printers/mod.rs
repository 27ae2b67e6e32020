//! Printers: from API objects to text.

pub(crate) mod columns;
pub(crate) mod custom_columns;
pub(crate) mod go_template;
pub(crate) mod json;
pub(crate) mod jsonpath;
pub(crate) mod output;
pub(crate) mod table;
pub(crate) mod tabwriter;
pub(crate) mod yaml;

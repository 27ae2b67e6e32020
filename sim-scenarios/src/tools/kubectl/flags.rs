//! Flags that many verbs share.

use super::args::{Flag, Kind as F, flag, short};

/// What chooses the printer.
pub(crate) static PRINT: &[Flag] = &[
    short("output", 'o', F::Text),
    flag("template", F::Text),
    flag("allow-missing-template-keys", F::Bool),
    flag("show-managed-fields", F::Bool),
];

/// Objects in files.
pub(crate) static FILES: &[Flag] =
    &[short("filename", 'f', F::List), short("kustomize", 'k', F::Text), short("recursive", 'R', F::Bool)];

/// Objects by their labels.
pub(crate) static SELECT: &[Flag] = &[short("selector", 'l', F::Text), flag("all", F::Bool)];

/// The terminal of a container.
pub(crate) static TERMINAL: &[Flag] =
    &[short("stdin", 'i', F::Bool), short("tty", 't', F::Bool), short("quiet", 'q', F::Bool)];

/// What a change is called, and whether it is made.
pub(crate) static CHANGE: &[Flag] =
    &[flag("dry-run", F::Optional("unchanged")), flag("field-manager", F::Text), flag("record", F::Bool)];

/// For making objects.
pub(crate) static CREATE: &[Flag] = &[flag("save-config", F::Bool), flag("validate", F::Optional("strict"))];

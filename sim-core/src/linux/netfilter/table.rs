//! Tables and chains.

use crate::trace::{Hook, TableId};

/// One table: its built-in chains, in hook order, then the user's.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    id: TableId,
}

/// The hooks at which a table has a built-in chain, in the order of `iptables-save`.
pub(super) const fn hooks(id: TableId) -> &'static [Hook] {
    use Hook::{Forward, Input, Output, Postrouting, Prerouting};
    match id {
        TableId::Raw => &[Prerouting, Output],
        TableId::Mangle => &[Prerouting, Input, Forward, Output, Postrouting],
        TableId::Nat => &[Prerouting, Input, Output, Postrouting],
        TableId::Filter => &[Input, Forward, Output],
    }
}

impl Table {
    /// A table with empty built-in chains and policy ACCEPT.
    pub(super) fn new(id: TableId) -> Self {
        Self { id }
    }

    /// Whether the table has a chain at this hook.
    pub(super) fn has_hook(&self, hook: Hook) -> bool {
        hooks(self.id).contains(&hook)
    }
}

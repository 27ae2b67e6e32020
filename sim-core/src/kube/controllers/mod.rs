//! Controllers: from the store and the time to changes of the store.

use crate::kube::store::Store;
use crate::time::SimTime;

/// Places in the watch log up to which each controller has looked.
#[derive(Clone, Debug, Default)]
pub struct Controllers {
    cursor: u64,
}

impl Controllers {
    /// Lets every controller react to what changed since the last call; whether anything was written.
    /// The work is proportional to the changes.
    pub fn reconcile(&mut self, store: &mut Store, _now: SimTime) -> bool {
        self.cursor = store.changes().cursor();
        false
    }
}

//! What `conntrack -S` counts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Counters of `struct ip_conntrack_stat`, of all processors together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Entries that were in the way of a tuple that NAT wanted.
    pub found: u64,
    /// Packets of which no flow could be made.
    pub invalid: u64,
    /// Entries that user space inserted.
    pub insert: u64,
    /// Entries that could not be inserted because another one had their tuple.
    pub insert_failed: u64,
    /// Packets dropped because their flow could not be kept.
    pub drop: u64,
    /// Entries dropped to make room in a full table.
    pub early_drop: u64,
    /// ICMP errors about no known flow.
    pub error: u64,
    /// Look-ups that had to be restarted; never here.
    pub search_restart: u64,
    /// Insertions that clashed and were resolved.
    pub clash_resolve: u64,
    /// Insertions refused because a hash chain was too long; never here.
    pub chaintoolong: u64,
}

impl fmt::Display for Stats {
    /// One line of `conntrack -S`, as of the first processor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cpu=0   \tfound={} invalid={} insert={} insert_failed={} drop={} early_drop={} error={} \
             search_restart={} clash_resolve={} chaintoolong={} ",
            self.found,
            self.invalid,
            self.insert,
            self.insert_failed,
            self.drop,
            self.early_drop,
            self.error,
            self.search_restart,
            self.clash_resolve,
            self.chaintoolong
        )
    }
}

//! `fallthrough`: which unknown names go to the next plugin.

use super::setup::zones_or_keys;
use crate::kube::dns::name;

/// Zones whose unknown names are passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::kube::dns) struct Fall(Vec<String>);

impl Fall {
    /// The zones of the words behind `fallthrough`; all names if there are none.
    pub(super) fn of_args(args: &[String]) -> Self {
        if args.is_empty() { Self(vec![".".to_owned()]) } else { Self(zones_or_keys(args, &[])) }
    }

    pub(super) fn is_set(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn through(&self, name: &str) -> bool {
        matches(&self.0, name).is_some()
    }
}

/// The longest of the zones that a name is in.
pub(super) fn matches<'z>(zones: &'z [String], asked: &str) -> Option<&'z str> {
    let fits = zones.iter().filter(|z| name::zone_start(asked, z).is_some());
    fits.max_by_key(|z| z.len()).map(String::as_str)
}

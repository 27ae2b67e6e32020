//! `wget`: busybox' and GNU's.

mod busybox;
mod busybox_options;

pub(crate) use busybox::run as run_busybox;

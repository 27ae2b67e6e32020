//! `wget`: busybox' and GNU's.

mod busybox;
mod busybox_options;
#[cfg(test)]
mod tests;

pub(crate) use busybox::run as run_busybox;

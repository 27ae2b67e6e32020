//! `wget`: busybox' and GNU's.

mod busybox;
mod busybox_options;
mod gnu;
mod gnu_bar;
mod gnu_options;
#[cfg(test)]
mod tests;

pub(crate) use busybox::run as run_busybox;
pub(crate) use gnu::run as run_gnu;

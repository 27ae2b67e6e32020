//! `ping`: the applet in busybox images, the one of iputils 20221126 elsewhere.

mod busybox;
mod iputils;
mod probe;

pub(crate) use busybox::run as run_busybox;
pub(crate) use iputils::run as run_iputils;

#[cfg(test)]
mod tests;

//! `traceroute` (2.1.2 of Debian, and the applet of busybox) and `tracepath` (iputils 20221126): real packets with small TTLs.
//!
//! `traceroute -T` and its more exotic methods are not modelled.

mod busybox;
mod debian;
mod probe;
mod tracepath;

pub(crate) use busybox::run as run_busybox;
pub(crate) use debian::run as run_debian;
pub(crate) use tracepath::run as run_tracepath;

#[cfg(test)]
mod tests;

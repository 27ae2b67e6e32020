//! `nslookup`: busybox' two, before and since 1.29, and bind's.

mod big;
mod small;

#[cfg(test)]
mod tests;

use super::net::resolve;
use super::{Cx, busybox};

/// The tool on machines with busybox.
pub(crate) fn run_busybox(cx: &mut Cx<'_>) -> i32 {
    let version = busybox::version(cx);
    if version.minor >= 29 { big::run(cx, version.minor) } else { small::run(cx) }
}

/// The address of a server that was named on the command line; complains if there is none.
fn server_address(cx: &mut Cx<'_>, server: &str) -> Option<std::net::IpAddr> {
    let address = resolve(cx, server).ok().and_then(|a| a.first().copied());
    if address.is_none() {
        cx.out.err(format!("nslookup: bad address '{server}'"));
    }
    address
}

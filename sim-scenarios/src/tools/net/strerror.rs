//! Error texts as the machine's C library words them.

use sim_core::kube::node::machine::Libc;
use sim_core::linux::Errno;

use super::super::Cx;

/// `strerror(3)` on this machine. uClibc uses the kernel's old texts, which glibc shares.
pub(crate) fn strerror(cx: &Cx<'_>, errno: Errno) -> &'static str {
    match super::libc(cx) {
        Libc::Musl => musl(errno),
        Libc::Glibc | Libc::Uclibc => errno.message(),
    }
}

/// Where musl's texts (`src/errno/__strerror.h`) differ from glibc's.
const fn musl(errno: Errno) -> &'static str {
    match errno {
        Errno::EMSGSIZE => "Message too large",
        Errno::EADDRINUSE => "Address in use",
        Errno::EADDRNOTAVAIL => "Address not available",
        Errno::ENETUNREACH => "Network unreachable",
        Errno::EISCONN => "Socket is connected",
        Errno::ENOTCONN => "Socket not connected",
        Errno::ETIMEDOUT => "Operation timed out",
        Errno::EHOSTUNREACH => "Host is unreachable",
        other => other.message(),
    }
}

//! Error numbers that system calls answer with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error number of Linux (`errno(3)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Errno {
    /// Operation not permitted.
    EPERM,
    /// Resource temporarily unavailable.
    EAGAIN,
    /// Invalid argument.
    EINVAL,
    /// Message too long.
    EMSGSIZE,
    /// Protocol not available.
    ENOPROTOOPT,
    /// Address already in use.
    EADDRINUSE,
    /// Cannot assign requested address.
    EADDRNOTAVAIL,
    /// Network is down.
    ENETDOWN,
    /// Network is unreachable.
    ENETUNREACH,
    /// Connection reset by peer.
    ECONNRESET,
    /// Transport endpoint is already connected.
    EISCONN,
    /// Transport endpoint is not connected.
    ENOTCONN,
    /// Connection timed out.
    ETIMEDOUT,
    /// Connection refused.
    ECONNREFUSED,
    /// No route to host.
    EHOSTUNREACH,
    /// Broken pipe.
    EPIPE,
    /// Permission denied.
    EACCES,
    /// Protocol not supported / error: Protocol error.
    EPROTO,
    /// Bad file descriptor: the socket is closed or was never there.
    EBADF,
    /// Destination address required.
    EDESTADDRREQ,
    /// No buffer space available.
    ENOBUFS,
    /// No such file or directory.
    ENOENT,
    /// File exists.
    EEXIST,
    /// Not a directory.
    ENOTDIR,
    /// Is a directory.
    EISDIR,
    /// Directory not empty.
    ENOTEMPTY,
}

impl Errno {
    /// The text of `strerror(3)` in the C locale.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::EPERM => "Operation not permitted",
            Self::EAGAIN => "Resource temporarily unavailable",
            Self::EINVAL => "Invalid argument",
            Self::EMSGSIZE => "Message too long",
            Self::ENOPROTOOPT => "Protocol not available",
            Self::EADDRINUSE => "Address already in use",
            Self::EADDRNOTAVAIL => "Cannot assign requested address",
            Self::ENETDOWN => "Network is down",
            Self::ENETUNREACH => "Network is unreachable",
            Self::ECONNRESET => "Connection reset by peer",
            Self::EISCONN => "Transport endpoint is already connected",
            Self::ENOTCONN => "Transport endpoint is not connected",
            Self::ETIMEDOUT => "Connection timed out",
            Self::ECONNREFUSED => "Connection refused",
            Self::EHOSTUNREACH => "No route to host",
            Self::EPIPE => "Broken pipe",
            Self::EACCES => "Permission denied",
            Self::EPROTO => "Protocol error",
            Self::EBADF => "Bad file descriptor",
            Self::EDESTADDRREQ => "Destination address required",
            Self::ENOBUFS => "No buffer space available",
            Self::ENOENT => "No such file or directory",
            Self::EEXIST => "File exists",
            Self::ENOTDIR => "Not a directory",
            Self::EISDIR => "Is a directory",
            Self::ENOTEMPTY => "Directory not empty",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Errno {}

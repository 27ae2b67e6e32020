//! Which error number an ICMP error becomes, and the queue of detailed errors.

use std::net::SocketAddr;

use super::types::{Common, ErrorOrigin, PmtuDiscovery, QueuedError, SockError};
use crate::linux::Errno;
use crate::packet::{IcmpError, IpPacket};

/// Errors kept per socket. The kernel bounds the queue by the receive buffer; a reader that never looks must not cost memory.
const MAX_QUEUED: usize = 128;

/// The error number of an ICMP error, and whether it is fatal to a datagram socket without `IP_RECVERR`: the kernel's
/// `icmp_err_convert` (`net/ipv4/icmp.c`), or `icmpv6_err_convert` for IPv6.
#[must_use]
pub const fn errno_of(error: IcmpError, ipv6: bool) -> (Errno, bool) {
    match error {
        IcmpError::NetUnreachable => (Errno::ENETUNREACH, false),
        IcmpError::BeyondScope => (Errno::EHOSTUNREACH, false),
        IcmpError::ProtocolUnreachable if ipv6 => (Errno::EPROTO, true),
        IcmpError::HostUnreachable | IcmpError::TtlExceeded | IcmpError::ReassemblyTimeout => {
            (Errno::EHOSTUNREACH, false)
        }
        IcmpError::ProtocolUnreachable => (Errno::ENOPROTOOPT, true),
        IcmpError::PortUnreachable => (Errno::ECONNREFUSED, true),
        IcmpError::FragmentationNeeded { .. } => (Errno::EMSGSIZE, false),
        IcmpError::NetProhibited => (Errno::ENETUNREACH, true),
        IcmpError::PolicyFail | IcmpError::RejectRoute => (Errno::EACCES, true),
        IcmpError::AdminProhibited if ipv6 => (Errno::EACCES, true),
        IcmpError::HostProhibited | IcmpError::AdminProhibited => (Errno::EHOSTUNREACH, true),
    }
}

impl Common {
    /// Takes an ICMP error about a datagram of this socket; whether the socket is now in error (`__udp4_lib_err`).
    pub(super) fn icmp_error(
        &mut self,
        error: IcmpError,
        outer: &IpPacket,
        sent: &IpPacket,
        connected: bool,
    ) -> bool {
        let (errno, mut fatal) = errno_of(error, sent.dst.is_ipv6());
        let mut mtu = None;
        if let IcmpError::FragmentationNeeded { mtu: next } = error {
            let discovers = self.options.pmtu != PmtuDiscovery::Dont;
            // Who discovers nothing is told nothing in IPv4, and not by force in IPv6 (`__udp6_lib_err`).
            if !discovers && sent.dst.is_ipv4() {
                return false;
            }
            fatal = discovers;
            mtu = Some(u32::from(next));
        }
        if self.options.recverr {
            let origin = ErrorOrigin::Icmp { error, from: outer.src };
            self.queue_error(QueuedError {
                errno,
                origin,
                mtu,
                destination: sent.destination(),
                ttl: Some(outer.ttl),
            });
        } else if !fatal || !connected {
            return false;
        }
        self.error = Some(SockError { errno, icmp: Some((error, outer.src)) });
        true
    }

    /// Notes that this host itself refused a datagram (`ip_local_error`). The system call has failed already, so only the
    /// queue learns of it.
    pub(super) fn local_error(&mut self, errno: Errno, destination: SocketAddr, mtu: Option<u32>) {
        if self.options.recverr {
            self.queue_error(QueuedError { errno, origin: ErrorOrigin::Local, mtu, destination, ttl: None });
        }
    }

    fn queue_error(&mut self, entry: QueuedError) {
        if self.errors.len() < MAX_QUEUED {
            self.errors.push_back(entry);
        }
    }

    /// Reads the error queue. The pending error follows the next ICMP entry (`sock_dequeue_err_skb`).
    pub(super) fn pop_error(&mut self) -> Option<QueuedError> {
        let entry = self.errors.pop_front()?;
        let pending = |e: &QueuedError| match e.origin {
            ErrorOrigin::Icmp { error, from } => {
                Some(SockError { errno: e.errno, icmp: Some((error, from)) })
            }
            ErrorOrigin::Local => None,
        };
        if let Some(next) = self.errors.front().and_then(pending) {
            self.error = Some(next);
        } else if pending(&entry).is_some() {
            self.error = None;
        }
        Some(entry)
    }

    /// Reports and clears the pending error (`sock_error`).
    pub(super) const fn check_error(&mut self) -> Result<(), Errno> {
        match self.error.take() {
            Some(e) => Err(e.errno),
            None => Ok(()),
        }
    }
}

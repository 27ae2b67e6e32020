//! `net.netfilter.nf_conntrack_*`.

use serde::{Deserialize, Serialize};

use crate::linux::Errno;

/// The knobs of connection tracking in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Entries that the table may hold.
    pub max: u32,
    /// Count packets and bytes of flows that begin from now on.
    pub acct: bool,
    /// Check checksums of packets that come in.
    pub checksum: bool,
    /// Accept TCP segments outside the window.
    pub tcp_be_liberal: bool,
    /// Pick up TCP connections in the middle.
    pub tcp_loose: bool,
    /// Let resets with a sequence number below the window pass.
    pub tcp_ignore_invalid_rst: bool,
    /// Retransmissions without an answer after which the timeout is cut down.
    pub tcp_max_retrans: u32,
    /// How long entries live.
    pub timeouts: Timeouts,
}

/// How long an entry lives after its last packet, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// UDP, until it is a stream.
    pub udp: u32,
    /// UDP with traffic in both directions for more than two seconds.
    pub udp_stream: u32,
    /// ICMP echo.
    pub icmp: u32,
    /// `ICMPv6` echo.
    pub icmpv6: u32,
    /// GRE in one direction.
    pub gre: u32,
    /// GRE in both directions.
    pub gre_stream: u32,
    /// Protocols that are not known.
    pub generic: u32,
    /// SCTP by state.
    pub sctp: SctpTimeouts,
    /// TCP by state.
    pub tcp: TcpTimeouts,
}

/// How long an SCTP entry lives in each state, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SctpTimeouts {
    /// Closed.
    pub closed: u32,
    /// INIT seen.
    pub cookie_wait: u32,
    /// COOKIE ECHO seen.
    pub cookie_echoed: u32,
    /// COOKIE ACK seen.
    pub established: u32,
    /// SHUTDOWN seen from the opener.
    pub shutdown_sent: u32,
    /// SHUTDOWN seen from the other end.
    pub shutdown_recd: u32,
    /// SHUTDOWN ACK seen.
    pub shutdown_ack_sent: u32,
    /// Picked up at a HEARTBEAT.
    pub heartbeat_sent: u32,
}

/// How long a TCP entry lives in each state, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpTimeouts {
    /// SYN seen.
    pub syn_sent: u32,
    /// SYN-ACK seen.
    pub syn_recv: u32,
    /// Handshake complete.
    pub established: u32,
    /// FIN seen.
    pub fin_wait: u32,
    /// FIN acknowledged.
    pub close_wait: u32,
    /// FIN seen in both directions.
    pub last_ack: u32,
    /// Last ACK seen.
    pub time_wait: u32,
    /// RST seen.
    pub close: u32,
    /// Upper limit after too many retransmissions, and while the window is zero.
    pub max_retrans: u32,
    /// Upper limit while data is unacknowledged.
    pub unacknowledged: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max: 262_144,
            acct: false,
            checksum: true,
            tcp_be_liberal: false,
            tcp_loose: true,
            tcp_ignore_invalid_rst: false,
            tcp_max_retrans: 3,
            timeouts: Timeouts::default(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            udp: 30,
            udp_stream: 120,
            icmp: 30,
            icmpv6: 30,
            gre: 30,
            gre_stream: 180,
            generic: 600,
            sctp: SctpTimeouts {
                closed: 10,
                cookie_wait: 3,
                cookie_echoed: 3,
                established: 210,
                shutdown_sent: 3,
                shutdown_recd: 3,
                shutdown_ack_sent: 3,
                heartbeat_sent: 30,
            },
            tcp: TcpTimeouts {
                syn_sent: 120,
                syn_recv: 60,
                established: 432_000,
                fin_wait: 120,
                close_wait: 60,
                last_ack: 30,
                time_wait: 120,
                close: 10,
                max_retrans: 300,
                unacknowledged: 300,
            },
        }
    }
}

enum Knob<'a> {
    Switch(&'a mut bool),
    Number(&'a mut u32),
}

impl Settings {
    /// Names of all knobs below `net.netfilter.`, sorted.
    pub const NAMES: [&'static str; 32] = [
        "nf_conntrack_acct",
        "nf_conntrack_checksum",
        "nf_conntrack_generic_timeout",
        "nf_conntrack_gre_timeout",
        "nf_conntrack_gre_timeout_stream",
        "nf_conntrack_icmp_timeout",
        "nf_conntrack_icmpv6_timeout",
        "nf_conntrack_max",
        "nf_conntrack_sctp_timeout_closed",
        "nf_conntrack_sctp_timeout_cookie_echoed",
        "nf_conntrack_sctp_timeout_cookie_wait",
        "nf_conntrack_sctp_timeout_established",
        "nf_conntrack_sctp_timeout_heartbeat_sent",
        "nf_conntrack_sctp_timeout_shutdown_ack_sent",
        "nf_conntrack_sctp_timeout_shutdown_recd",
        "nf_conntrack_sctp_timeout_shutdown_sent",
        "nf_conntrack_tcp_be_liberal",
        "nf_conntrack_tcp_ignore_invalid_rst",
        "nf_conntrack_tcp_loose",
        "nf_conntrack_tcp_max_retrans",
        "nf_conntrack_tcp_timeout_close",
        "nf_conntrack_tcp_timeout_close_wait",
        "nf_conntrack_tcp_timeout_established",
        "nf_conntrack_tcp_timeout_fin_wait",
        "nf_conntrack_tcp_timeout_last_ack",
        "nf_conntrack_tcp_timeout_max_retrans",
        "nf_conntrack_tcp_timeout_syn_recv",
        "nf_conntrack_tcp_timeout_syn_sent",
        "nf_conntrack_tcp_timeout_time_wait",
        "nf_conntrack_tcp_timeout_unacknowledged",
        "nf_conntrack_udp_timeout",
        "nf_conntrack_udp_timeout_stream",
    ];

    /// The value of the knob `net.netfilter.<name>`; none if there is no such knob.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u32> {
        // A copy is cheap and rare; it saves a second table of names.
        match self.clone().knob(name)? {
            Knob::Switch(b) => Some(u32::from(*b)),
            Knob::Number(n) => Some(*n),
        }
    }

    /// Sets the knob `net.netfilter.<name>`; none if there is no such knob, `EINVAL` if the value does not suit it.
    pub fn set(&mut self, name: &str, value: &str) -> Option<Result<(), Errno>> {
        let knob = self.knob(name)?;
        let Ok(value) = value.trim().parse::<u32>() else { return Some(Err(Errno::EINVAL)) };
        Some(match (knob, value) {
            (Knob::Switch(b), 0 | 1) => {
                *b = value == 1;
                Ok(())
            }
            (Knob::Switch(_), _) => Err(Errno::EINVAL),
            (Knob::Number(n), _) => {
                *n = value;
                Ok(())
            }
        })
    }

    fn knob(&mut self, name: &str) -> Option<Knob<'_>> {
        let t = &mut self.timeouts;
        Some(match name {
            "nf_conntrack_acct" => Knob::Switch(&mut self.acct),
            "nf_conntrack_checksum" => Knob::Switch(&mut self.checksum),
            "nf_conntrack_generic_timeout" => Knob::Number(&mut t.generic),
            "nf_conntrack_gre_timeout" => Knob::Number(&mut t.gre),
            "nf_conntrack_gre_timeout_stream" => Knob::Number(&mut t.gre_stream),
            "nf_conntrack_icmp_timeout" => Knob::Number(&mut t.icmp),
            "nf_conntrack_icmpv6_timeout" => Knob::Number(&mut t.icmpv6),
            "nf_conntrack_max" => Knob::Number(&mut self.max),
            "nf_conntrack_sctp_timeout_closed" => Knob::Number(&mut t.sctp.closed),
            "nf_conntrack_sctp_timeout_cookie_echoed" => Knob::Number(&mut t.sctp.cookie_echoed),
            "nf_conntrack_sctp_timeout_cookie_wait" => Knob::Number(&mut t.sctp.cookie_wait),
            "nf_conntrack_sctp_timeout_established" => Knob::Number(&mut t.sctp.established),
            "nf_conntrack_sctp_timeout_heartbeat_sent" => Knob::Number(&mut t.sctp.heartbeat_sent),
            "nf_conntrack_sctp_timeout_shutdown_ack_sent" => Knob::Number(&mut t.sctp.shutdown_ack_sent),
            "nf_conntrack_sctp_timeout_shutdown_recd" => Knob::Number(&mut t.sctp.shutdown_recd),
            "nf_conntrack_sctp_timeout_shutdown_sent" => Knob::Number(&mut t.sctp.shutdown_sent),
            "nf_conntrack_tcp_be_liberal" => Knob::Switch(&mut self.tcp_be_liberal),
            "nf_conntrack_tcp_ignore_invalid_rst" => Knob::Switch(&mut self.tcp_ignore_invalid_rst),
            "nf_conntrack_tcp_loose" => Knob::Switch(&mut self.tcp_loose),
            "nf_conntrack_tcp_max_retrans" => Knob::Number(&mut self.tcp_max_retrans),
            "nf_conntrack_tcp_timeout_close" => Knob::Number(&mut t.tcp.close),
            "nf_conntrack_tcp_timeout_close_wait" => Knob::Number(&mut t.tcp.close_wait),
            "nf_conntrack_tcp_timeout_established" => Knob::Number(&mut t.tcp.established),
            "nf_conntrack_tcp_timeout_fin_wait" => Knob::Number(&mut t.tcp.fin_wait),
            "nf_conntrack_tcp_timeout_last_ack" => Knob::Number(&mut t.tcp.last_ack),
            "nf_conntrack_tcp_timeout_max_retrans" => Knob::Number(&mut t.tcp.max_retrans),
            "nf_conntrack_tcp_timeout_syn_recv" => Knob::Number(&mut t.tcp.syn_recv),
            "nf_conntrack_tcp_timeout_syn_sent" => Knob::Number(&mut t.tcp.syn_sent),
            "nf_conntrack_tcp_timeout_time_wait" => Knob::Number(&mut t.tcp.time_wait),
            "nf_conntrack_tcp_timeout_unacknowledged" => Knob::Number(&mut t.tcp.unacknowledged),
            "nf_conntrack_udp_timeout" => Knob::Number(&mut t.udp),
            "nf_conntrack_udp_timeout_stream" => Knob::Number(&mut t.udp_stream),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_knob_and_can_be_set_to_what_it_is() {
        let mut s = Settings::default();
        for name in Settings::NAMES {
            let value = s.get(name).unwrap();
            assert_eq!(s.set(name, &format!("{value}\n")), Some(Ok(())), "{name}");
        }
        assert_eq!(s, Settings::default());
        assert!(Settings::NAMES.is_sorted());
    }

    #[test]
    fn nonsense_is_refused() {
        let mut s = Settings::default();
        assert_eq!(s.set("nf_conntrack_acct", "2"), Some(Err(Errno::EINVAL)));
        assert_eq!(s.set("nf_conntrack_max", "many"), Some(Err(Errno::EINVAL)));
        assert_eq!(s.set("nf_conntrack_maximum", "1"), None);
    }
}

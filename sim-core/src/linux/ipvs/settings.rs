//! The switches of IPVS, `net.ipv4.vs.*`, and its timeouts.

/// Timeouts in seconds that `ipvsadm --set` changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// An open TCP connection.
    pub tcp: u32,
    /// A TCP connection after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// The switches that are acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `conntrack`: connections keep their entry of connection tracking, so that rules see them.
    pub conntrack: bool,
    /// `conn_reuse_mode`: when a client comes again from the same port, its old connection is forgotten if it is over (bit 0), or even
    /// half closed without an answer seen (bit 1).
    pub conn_reuse_mode: u8,
    /// `expire_nodest_conn`: connections to a server that is gone are forgotten at once.
    pub expire_nodest_conn: bool,
    /// `expire_quiescent_template`: clients lose a server of weight 0.
    pub expire_quiescent_template: bool,
    /// `sloppy_tcp`: any segment may begin a connection.
    pub sloppy_tcp: bool,
    /// `sloppy_sctp`: any chunk may begin an association.
    pub sloppy_sctp: bool,
    /// Timeouts of connections.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            conntrack: false,
            conn_reuse_mode: 1,
            expire_nodest_conn: false,
            expire_quiescent_template: false,
            sloppy_tcp: false,
            sloppy_sctp: false,
            timeouts: Timeouts { tcp: 900, tcp_fin: 120, udp: 300 },
        }
    }
}

/// Switches of Linux 6.18 that are shown and can only keep their value.
const FIXED: &[(&str, &str)] = &[
    ("am_droprate", "10"),
    ("amemthresh", "1024"),
    ("backup_only", "0"),
    ("cache_bypass", "0"),
    ("drop_entry", "0"),
    ("drop_packet", "0"),
    ("est_cpulist", ""),
    ("est_nice", "0"),
    ("ignore_tunneled", "0"),
    ("lblc_expiration", "86400"),
    ("lblcr_expiration", "86400"),
    ("nat_icmp_send", "0"),
    ("pmtu_disc", "1"),
    ("run_estimation", "1"),
    ("schedule_icmp", "0"),
    ("secure_tcp", "0"),
    ("snat_reroute", "1"),
    ("sync_persist_mode", "0"),
    ("sync_ports", "1"),
    ("sync_refresh_period", "0"),
    ("sync_retries", "0"),
    ("sync_sock_size", "0"),
    ("sync_threshold", "3\t50"),
    ("sync_version", "1"),
];

/// Switches that are acted on.
const LIVE: [&str; 6] = [
    "conn_reuse_mode",
    "conntrack",
    "expire_nodest_conn",
    "expire_quiescent_template",
    "sloppy_sctp",
    "sloppy_tcp",
];

/// What came of writing a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::linux) enum Written {
    Done,
    Invalid,
    /// It has this value only.
    Fixed(&'static str),
}

impl Settings {
    /// All names behind `net.ipv4.vs.`.
    pub(in crate::linux) fn names() -> impl Iterator<Item = &'static str> {
        FIXED.iter().map(|(name, _)| *name).chain(LIVE)
    }

    /// The value of a switch.
    pub(in crate::linux) fn get(&self, name: &str) -> Option<String> {
        let flag = |on: bool| u8::from(on).to_string();
        Some(match name {
            "conntrack" => flag(self.conntrack),
            "conn_reuse_mode" => self.conn_reuse_mode.to_string(),
            "expire_nodest_conn" => flag(self.expire_nodest_conn),
            "expire_quiescent_template" => flag(self.expire_quiescent_template),
            "sloppy_tcp" => flag(self.sloppy_tcp),
            "sloppy_sctp" => flag(self.sloppy_sctp),
            _ => FIXED.iter().find(|(n, _)| *n == name)?.1.to_owned(),
        })
    }

    /// Writes a switch; none if there is none of that name.
    pub(in crate::linux) fn set(&mut self, name: &str, value: &str) -> Option<Written> {
        let value = value.trim();
        if let Some((_, fixed)) = FIXED.iter().find(|(n, _)| *n == name) {
            let same = value.split_whitespace().eq(fixed.split_whitespace());
            return Some(if same { Written::Done } else { Written::Fixed(fixed) });
        }
        let number = value.parse::<i64>().ok();
        let switch = match name {
            "conn_reuse_mode" => {
                return Some(match number.and_then(|n| u8::try_from(n).ok()) {
                    Some(mode) => {
                        self.conn_reuse_mode = mode;
                        Written::Done
                    }
                    None => Written::Invalid,
                });
            }
            "conntrack" => &mut self.conntrack,
            "expire_nodest_conn" => &mut self.expire_nodest_conn,
            "expire_quiescent_template" => &mut self.expire_quiescent_template,
            "sloppy_tcp" => &mut self.sloppy_tcp,
            "sloppy_sctp" => &mut self.sloppy_sctp,
            _ => return None,
        };
        let Some(number) = number else { return Some(Written::Invalid) };
        *switch = number != 0;
        Some(Written::Done)
    }
}

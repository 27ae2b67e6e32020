//! Names of ports, from Debian's `/etc/services`.

/// The protocols over which a port has its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Tcp,
    Udp,
    Both,
}
use Over::{Both, Tcp, Udp};

const SERVICES: &[(u16, &str, Over)] = &[
    (21, "ftp", Tcp),
    (22, "ssh", Tcp),
    (23, "telnet", Tcp),
    (25, "smtp", Tcp),
    (53, "domain", Both),
    (67, "bootps", Udp),
    (69, "tftp", Udp),
    (80, "http", Tcp),
    (88, "kerberos", Both),
    (110, "pop3", Tcp),
    (111, "sunrpc", Both),
    (123, "ntp", Udp),
    (143, "imap2", Tcp),
    (161, "snmp", Both),
    (179, "bgp", Tcp),
    (389, "ldap", Both),
    (443, "https", Both),
    (445, "microsoft-ds", Tcp),
    (500, "isakmp", Udp),
    (514, "syslog", Udp),
    (636, "ldaps", Both),
    (853, "domain-s", Both),
    (873, "rsync", Tcp),
    (993, "imaps", Tcp),
    (995, "pop3s", Tcp),
    (1194, "openvpn", Both),
    (1433, "ms-sql-s", Tcp),
    (2049, "nfs", Tcp),
    (3306, "mysql", Tcp),
    (5060, "sip", Both),
    (5353, "mdns", Udp),
    (5432, "postgresql", Tcp),
    (5671, "amqps", Tcp),
    (5672, "amqp", Tcp),
    (6379, "redis", Tcp),
    (8080, "http-alt", Tcp),
    (8081, "tproxy", Tcp),
    (9418, "git", Tcp),
];

const fn has(over: Over, udp: bool) -> bool {
    matches!((over, udp), (Both, _) | (Udp, true) | (Tcp, false))
}

/// The name of a port (`getservbyport(3)`).
pub(crate) fn name(port: u16, udp: bool) -> Option<&'static str> {
    SERVICES.iter().find(|(p, _, over)| *p == port && has(*over, udp)).map(|(_, name, _)| *name)
}

/// The port of a name (`getservbyname(3)`).
pub(crate) fn port(name: &str, udp: bool) -> Option<u16> {
    SERVICES.iter().find(|(_, n, over)| *n == name && has(*over, udp)).map(|(p, ..)| *p)
}

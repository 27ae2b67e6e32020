//! What curl prints by version, as far as transcripts of its releases differ.

use sim_core::kube::version::Version;

use super::super::Cx;

/// A release of curl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release(pub(super) Version);

/// The curl of Debian 12.
const DEFAULT: Release = Release(Version::new(7, 88, 1));

impl Release {
    /// The one on this machine.
    pub(super) fn of(cx: &Cx<'_>) -> Self {
        let named = cx.cluster.machine(cx.place).and_then(|m| m.tools.version("curl"));
        named.and_then(Version::parse).map_or(DEFAULT, Self)
    }

    /// `7.88.1`.
    pub(super) fn text(self) -> String {
        format!("{}.{}.{}", self.0.major, self.0.minor, self.0.patch)
    }

    pub(super) const fn at_least(self, major: u16, minor: u16) -> bool {
        let Version { major: own, minor: own_minor, .. } = self.0;
        own > major || (own == major && own_minor >= minor)
    }

    /// What follows `Failed to connect to HOST port PORT`.
    pub(super) fn refusal(self, millis: u128, errno: &str) -> String {
        if self.at_least(8, 10) {
            format!(" after {millis} ms: Could not connect to server")
        } else if self.at_least(7, 85) {
            format!(" after {millis} ms: Couldn't connect to server")
        } else if self.at_least(7, 78) {
            format!(" after {millis} ms: {errno}")
        } else {
            format!(": {errno}")
        }
    }

    /// Whether `--connect-timeout` names the host rather than the connection.
    pub(super) const fn names_host_at_timeout(self) -> bool {
        self.at_least(7, 85)
    }

    /// `* Connected to …`.
    pub(super) fn connected(
        self,
        host: &str,
        to: std::net::SocketAddr,
        from: Option<std::net::SocketAddr>,
        number: usize,
    ) -> Vec<String> {
        let (ip, port) = (to.ip(), to.port());
        let mut lines = Vec::new();
        if self.at_least(8, 16) {
            let from = from.map_or(String::new(), |f| format!(" from {} port {}", f.ip(), f.port()));
            lines.push(format!("* Established connection to {host} ({ip} port {port}){from} "));
        } else if self.at_least(8, 4) {
            lines.push(format!("* Connected to {host} ({ip}) port {port}"));
        } else {
            lines.push(format!("* Connected to {host} ({ip}) port {port} (#{number})"));
        }
        if self.at_least(8, 10) {
            lines.push("* using HTTP/1.x".to_owned());
        }
        lines
    }

    /// `*   Trying …`.
    pub(super) fn trying(self, to: std::net::SocketAddr) -> Vec<String> {
        let mut lines = Vec::new();
        if self.at_least(7, 65) {
            lines.push(format!("*   Trying {to}..."));
        } else {
            lines.push(format!("*   Trying {}...", to.ip()));
        }
        if !self.at_least(7, 69) {
            lines.push("* TCP_NODELAY set".to_owned());
        }
        lines
    }

    /// `* Host … was resolved.`
    pub(super) fn resolved(self, host: &str, port: u16, addresses: &[std::net::IpAddr]) -> Vec<String> {
        if !self.at_least(8, 6) || host.parse::<std::net::IpAddr>().is_ok() {
            return Vec::new();
        }
        let family = |v6: bool| {
            let all: Vec<String> =
                addresses.iter().filter(|a| a.is_ipv6() == v6).map(ToString::to_string).collect();
            if all.is_empty() { "(none)".to_owned() } else { all.join(", ") }
        };
        vec![
            format!("* Host {host}:{port} was resolved."),
            format!("* IPv6: {}", family(true)),
            format!("* IPv4: {}", family(false)),
        ]
    }

    /// What it says once the request is out.
    pub(super) fn sent(self, body: usize) -> Vec<String> {
        match (self.at_least(8, 7), body) {
            (true, 0) => vec!["* Request completely sent off".to_owned()],
            (true, n) => vec![format!("* upload completely sent off: {n} bytes")],
            (false, _) => Vec::new(),
        }
    }

    /// What it says before a response of HTTP/1.1.
    pub(super) fn before_response(self) -> Option<&'static str> {
        (self.at_least(7, 65) && !self.at_least(7, 88)).then_some("* Mark bundle as not supporting multiuse")
    }

    /// `* Closing connection`.
    pub(super) fn closing(self, number: usize) -> String {
        if self.at_least(8, 10) {
            format!("* shutting down connection #{number}")
        } else if self.at_least(8, 4) {
            "* Closing connection".to_owned()
        } else {
            format!("* Closing connection {number}")
        }
    }
}

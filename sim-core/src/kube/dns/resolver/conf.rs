//! `/etc/resolv.conf` (resolv.conf(5)).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Most name servers that glibc and musl use (`MAXNS`).
pub const MAX_SERVERS: usize = 3;

/// A resolver's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// Name servers in order, at most [`MAX_SERVERS`]; 127.0.0.1 if the file names none.
    pub servers: Vec<IpAddr>,
    /// Search domains in order, without final dots.
    pub search: Vec<String>,
    /// Names with fewer dots are searched first.
    pub ndots: usize,
    /// Time for one try at one server.
    pub timeout: Duration,
    /// Rounds over the servers.
    pub attempts: u32,
    /// Start with another server at every look-up.
    pub rotate: bool,
    /// Ask for AAAA only after the answer for A.
    pub single_request: bool,
    /// And from a new socket.
    pub single_request_reopen: bool,
    /// Send an OPT record.
    pub edns0: bool,
    /// Ask over TCP.
    pub use_vc: bool,
    /// Ask for no AAAA where both families are wanted (glibc since 2.36).
    pub no_aaaa: bool,
}

impl Default for ResolvConf {
    fn default() -> Self {
        Self {
            servers: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            single_request: false,
            single_request_reopen: false,
            edns0: false,
            use_vc: false,
            no_aaaa: false,
        }
    }
}

impl ResolvConf {
    /// Reads the file. Like the libraries it passes over what it does not understand.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut conf = Self { servers: Vec::new(), ..Self::default() };
        for line in text.lines().filter(|l| !l.starts_with(['#', ';'])) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let server = words.next().and_then(|w| w.split('%').next()?.parse::<IpAddr>().ok());
                    if conf.servers.len() < MAX_SERVERS {
                        conf.servers.extend(server);
                    }
                }
                // The last of several lines wins; `domain` is a search list of one.
                Some("search") => conf.search = words.map(without_dot).collect(),
                Some("domain") => conf.search = words.take(1).map(without_dot).collect(),
                Some("options") => words.for_each(|w| conf.option(w)),
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers = Self::default().servers;
        }
        conf
    }

    fn option(&mut self, word: &str) {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        let number = value.parse::<u32>().ok();
        match (name, number) {
            // The limits are glibc's: RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY.
            ("ndots", Some(n)) => self.ndots = n.min(15) as usize,
            ("timeout", Some(n)) => self.timeout = Duration::from_secs(u64::from(n.clamp(1, 30))),
            ("attempts", Some(n)) => self.attempts = n.clamp(1, 5),
            ("rotate", _) => self.rotate = true,
            ("single-request", _) => self.single_request = true,
            ("single-request-reopen", _) => self.single_request_reopen = true,
            ("edns0", _) => self.edns0 = true,
            ("use-vc", _) => self.use_vc = true,
            ("no-aaaa", _) => self.no_aaaa = true,
            _ => {}
        }
    }
}

fn without_dot(domain: &str) -> String {
    domain.strip_suffix('.').unwrap_or(domain).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_file_is_read() {
        let conf = ResolvConf::parse(
            "search app.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
        );
        assert_eq!(conf.servers, ["10.96.0.10".parse::<IpAddr>().unwrap()]);
        assert_eq!(conf.search.len(), 3);
        assert_eq!((conf.ndots, conf.attempts, conf.timeout.as_secs()), (5, 2, 5));
    }

    #[test]
    fn an_empty_file_means_the_local_host() {
        assert_eq!(ResolvConf::parse("# nothing\n"), ResolvConf::default());
    }

    #[test]
    fn only_three_servers_count() {
        let conf = ResolvConf::parse(
            "nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver x\nnameserver 1.1.1.3\nnameserver 1.1.1.4",
        );
        assert_eq!(conf.servers.len(), 3);
    }
}

//! What bind's tools print by release, as far as images carry different ones.

use super::super::Cx;

/// A release, as its package names it: `9.18.49-1~deb12u3-Debian`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release(pub(super) &'static str);

/// That of Debian 12.
const DEFAULT: Release = Release("9.18.49-1~deb12u3-Debian");

impl Release {
    /// The one on this machine.
    pub(super) fn of(cx: &Cx<'_>) -> Self {
        let named = cx.cluster.machine(cx.place).and_then(|m| m.tools.version("bind"));
        named.map_or(DEFAULT, Self)
    }

    /// The number after `9.`
    fn minor(self) -> u16 {
        self.0.split('.').nth(1).and_then(|m| m.parse().ok()).unwrap_or(18)
    }

    /// Sends a cookie unless told otherwise.
    pub(super) fn sends_cookies(self) -> bool {
        self.minor() >= 11
    }

    /// The size that `dig` announces.
    pub(super) fn edns_size(self) -> u16 {
        if self.minor() >= 17 { 1232 } else { 4096 }
    }

    /// `(UDP)` behind the server's address.
    pub(super) fn names_transport(self) -> bool {
        self.minor() >= 17
    }

    /// Each failed try is told.
    pub(super) fn tells_tries(self) -> bool {
        self.minor() >= 17
    }

    /// `nslookup` asks for AAAA after A.
    pub(super) fn asks_aaaa(self) -> bool {
        self.minor() >= 12
    }

    /// `nslookup` complains about a server of resolv.conf that does not recurse.
    pub(super) fn checks_recursion(self) -> bool {
        self.minor() >= 17
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_differ() {
        let old = Release("9.9.5-9+deb8u19-Debian");
        assert_eq!((old.sends_cookies(), old.edns_size(), old.asks_aaaa()), (false, 4096, false));
        assert!(DEFAULT.sends_cookies() && DEFAULT.tells_tries());
        assert!(!Release("9.16.44").checks_recursion());
    }
}

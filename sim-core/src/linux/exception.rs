//! Route exceptions: what ICMP has said about single destinations (`struct fib_nh_exception`). A path MTU or a better gateway is
//! believed for a while; `ip route get` shows it as `cache`.

use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::time::SimTime;

/// How long a reported path MTU is believed (`net.ipv4.route.mtu_expires`).
pub const MTU_EXPIRES: Duration = Duration::from_secs(600);
/// The least path MTU that is believed, in bytes (`net.ipv4.route.min_pmtu`).
pub const MIN_PMTU: u32 = 552;
/// The same for IPv6, whose every link carries that much (RFC 8200, 5).
pub const MIN_PMTU_V6: u32 = 1280;
/// How long a redirect is followed (`net.ipv4.route.gc_timeout`).
pub const REDIRECT_EXPIRES: Duration = Duration::from_secs(300);

/// What is known of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Path MTU in bytes.
    pub mtu: Option<u32>,
    /// Gateway that a redirect has named.
    pub gateway: Option<IpAddr>,
    /// When it is forgotten.
    pub expires: SimTime,
}

/// The exceptions of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions {
    entries: IndexMap<IpAddr, Exception, FxBuildHasher>,
    /// How many of them name a gateway: nearly always none, and then no packet pays for the question.
    redirects: usize,
}

impl Exceptions {
    /// What is known of a destination now.
    #[must_use]
    pub fn get(&self, dst: IpAddr, now: SimTime) -> Option<&Exception> {
        self.entries.get(&dst).filter(|e| now < e.expires)
    }

    /// The gateway that a redirect has named for a destination. Redirects that have expired are taken away by a timer.
    #[inline]
    pub(super) fn gateway(&self, dst: IpAddr) -> Option<IpAddr> {
        if self.redirects == 0 { None } else { self.entries.get(&dst)?.gateway }
    }

    /// Takes note of a path MTU in bytes.
    pub(super) fn set_mtu(&mut self, dst: IpAddr, mtu: u32, now: SimTime) {
        let e = self.entry(dst, now);
        e.mtu = Some(mtu.max(if dst.is_ipv4() { MIN_PMTU } else { MIN_PMTU_V6 }));
        e.expires = now + MTU_EXPIRES;
    }

    /// Takes note of a better gateway.
    pub(super) fn set_gateway(&mut self, dst: IpAddr, gateway: IpAddr, now: SimTime) {
        let e = self.entry(dst, now);
        e.gateway = Some(gateway);
        e.expires = now + REDIRECT_EXPIRES;
        self.count();
    }

    fn entry(&mut self, dst: IpAddr, now: SimTime) -> &mut Exception {
        let new = Exception { mtu: None, gateway: None, expires: now };
        let e = self.entries.entry(dst).or_insert(new);
        if e.expires <= now {
            *e = new;
        }
        e
    }

    /// Forgets what is known of some destinations, as a change of their route does.
    pub(super) fn forget(&mut self, gone: impl Fn(IpAddr) -> bool) {
        self.entries.retain(|dst, _| !gone(*dst));
        self.count();
    }

    /// When a redirect expires next.
    pub(super) fn next_timer(&self) -> Option<SimTime> {
        if self.redirects == 0 {
            return None;
        }
        self.entries.values().filter(|e| e.gateway.is_some()).map(|e| e.expires).min()
    }

    /// Forgets what has expired.
    pub(super) fn on_timer(&mut self, now: SimTime) {
        self.entries.retain(|_, e| now < e.expires);
        self.count();
    }

    fn count(&mut self) {
        self.redirects = self.entries.values().filter(|e| e.gateway.is_some()).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtu_and_gateway_stand_together_and_are_forgotten() {
        let (dst, gw) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut e = Exceptions::default();
        e.set_mtu(dst, 1400, SimTime::ZERO);
        assert_eq!((e.gateway(dst), e.next_timer()), (None, None));
        e.set_gateway(dst, gw, SimTime::from_secs(1));
        let known = e.get(dst, SimTime::from_secs(300)).copied();
        assert_eq!(
            known,
            Some(Exception { mtu: Some(1400), gateway: Some(gw), expires: SimTime::from_secs(301) })
        );
        assert_eq!(e.next_timer(), Some(SimTime::from_secs(301)));
        e.on_timer(SimTime::from_secs(301));
        assert_eq!(e, Exceptions::default());
    }

    #[test]
    fn a_tiny_mtu_is_not_believed() {
        let dst = IpAddr::from([10, 0, 0, 1]);
        let mut e = Exceptions::default();
        e.set_mtu(dst, 68, SimTime::ZERO);
        assert_eq!(e.get(dst, SimTime::from_secs(1)).and_then(|e| e.mtu), Some(MIN_PMTU));
        assert_eq!(e.get(dst, SimTime::from_secs(600)), None);
    }
}

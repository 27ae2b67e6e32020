//! Sysctls: the switches of a network namespace.
//!
//! Only switches that change what the model does are here. Reading or writing any other name is an error, worded as `sysctl`
//! words it.

mod fixed;
pub(super) mod known;

use super::icmp::{Global, RouteErrors};
use super::link::{IfConf, Iface};
use super::socket::TcpSettings;

/// Switches of one namespace that do not belong to one interface. Defaults are those of a fresh namespace
/// (Documentation/networking/ip-sysctl.rst).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sysctls {
    /// `net.ipv4.ip_forward`.
    pub ip_forward: bool,
    /// `net.ipv4.ip_default_ttl`.
    pub default_ttl: u8,
    /// `net.ipv4.icmp_ratelimit`, milliseconds between two errors to one host after a burst of six; 0 is no limit.
    pub icmp_ratelimit_ms: u32,
    /// `net.ipv4.icmp_ratemask`: the types of ICMP that the limits are for, one bit each.
    pub icmp_ratemask: u32,
    /// `net.ipv4.icmp_msgs_per_sec` and `net.ipv4.icmp_msgs_burst`.
    pub icmp_msgs: Global,
    /// `net.ipv4.route.error_cost` and `net.ipv4.route.error_burst`.
    pub route_errors: RouteErrors,
    /// `net.ipv4.icmp_echo_ignore_all`.
    pub icmp_echo_ignore_all: bool,
    /// `net.ipv4.icmp_echo_ignore_broadcasts`.
    pub icmp_echo_ignore_broadcasts: bool,
    /// `net.ipv6.icmp.ratelimit`, milliseconds; shorter for destinations behind a short prefix.
    pub icmp6_ratelimit_ms: u32,
    /// `net.ipv6.icmp.echo_ignore_all`.
    pub icmp6_echo_ignore_all: bool,
    /// `net.bridge.bridge-nf-call-iptables`.
    pub bridge_nf_call_iptables: bool,
    /// `net.bridge.bridge-nf-call-ip6tables`.
    pub bridge_nf_call_ip6tables: bool,
    /// `net.ipv6.conf.all.forwarding`.
    pub ip6_forward: bool,
    /// `net.ipv4.conf.all.*`.
    pub all: IfConf,
    /// `net.ipv4.conf.default.*`: what a new interface gets.
    pub default: IfConf,
}

impl Default for Sysctls {
    fn default() -> Self {
        let conf = IfConf {
            send_redirects: true,
            accept_redirects: true,
            accept_redirects6: true,
            secure_redirects: true,
            shared_media: true,
            proxy_delay: 80,
            ..IfConf::default()
        };
        Self {
            ip_forward: false,
            default_ttl: 64,
            icmp_ratelimit_ms: 1000,
            icmp_ratemask: 0x1818,
            icmp_msgs: Global { per_second: 1000, burst: 50 },
            route_errors: RouteErrors { cost: 250, burst: 1250 },
            icmp_echo_ignore_all: false,
            icmp_echo_ignore_broadcasts: true,
            icmp6_ratelimit_ms: 1000,
            icmp6_echo_ignore_all: false,
            bridge_nf_call_iptables: true,
            bridge_nf_call_ip6tables: true,
            ip6_forward: false,
            all: conf,
            default: conf,
        }
    }
}

/// Every switch of a namespace that belongs to no interface, in an order in which they can be written: `ip_forward` resets `forwarding`
/// of every interface.
pub const NAMES: [&str; 9] = [
    "net.ipv4.ip_forward",
    "net.ipv4.ip_default_ttl",
    "net.ipv4.icmp_ratelimit",
    "net.ipv4.icmp_echo_ignore_all",
    "net.ipv6.icmp.ratelimit",
    "net.ipv6.icmp.echo_ignore_all",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.ipv6.conf.all.forwarding",
];

/// Every switch below `net.ipv4.conf.<interface>.`.
pub const CONF_NAMES: [&str; 13] = [
    "forwarding",
    "rp_filter",
    "proxy_arp",
    "route_localnet",
    "accept_local",
    "send_redirects",
    "accept_redirects",
    "secure_redirects",
    "shared_media",
    "arp_ignore",
    "arp_filter",
    "promote_secondaries",
    "arp_announce",
];

/// Why a sysctl could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SysctlError {
    /// The name is not known here.
    #[error("sysctl: cannot stat /proc/sys/{}: No such file or directory", .0.replace('.', "/"))]
    Unknown(String),
    /// The value is not one that the switch takes.
    #[error("sysctl: setting key \"{0}\": Invalid argument")]
    Invalid(String),
    /// The simulator knows this knob in its usual setting only.
    #[error("sysctl: {0} is not modelled with another value than \"{1}\"")]
    NotModelled(String, &'static str),
}

/// One switch of [`Sysctls`].
enum Switch<'a> {
    Bool(&'a mut bool),
    U8(&'a mut u8),
    U32(&'a mut u32),
}

impl Switch<'_> {
    fn show(&self) -> String {
        match self {
            Self::Bool(b) => u8::from(**b).to_string(),
            Self::U8(v) => v.to_string(),
            Self::U32(v) => v.to_string(),
        }
    }

    fn set(self, value: &str) -> Option<()> {
        match self {
            Self::Bool(b) => *b = value.parse::<i64>().ok()? != 0,
            Self::U8(v) => *v = value.parse().ok()?,
            Self::U32(v) => *v = value.parse().ok()?,
        }
        Some(())
    }
}

impl Sysctls {
    fn switch(&mut self, name: &str) -> Option<Switch<'_>> {
        Some(match name {
            "net.ipv4.ip_forward" => Switch::Bool(&mut self.ip_forward),
            "net.ipv4.ip_default_ttl" => Switch::U8(&mut self.default_ttl),
            "net.ipv4.icmp_ratelimit" => Switch::U32(&mut self.icmp_ratelimit_ms),
            "net.ipv4.icmp_ratemask" => Switch::U32(&mut self.icmp_ratemask),
            "net.ipv4.icmp_msgs_per_sec" => Switch::U32(&mut self.icmp_msgs.per_second),
            "net.ipv4.icmp_msgs_burst" => Switch::U32(&mut self.icmp_msgs.burst),
            "net.ipv4.route.error_cost" => Switch::U32(&mut self.route_errors.cost),
            "net.ipv4.route.error_burst" => Switch::U32(&mut self.route_errors.burst),
            "net.ipv4.icmp_echo_ignore_all" => Switch::Bool(&mut self.icmp_echo_ignore_all),
            "net.ipv4.icmp_echo_ignore_broadcasts" => Switch::Bool(&mut self.icmp_echo_ignore_broadcasts),
            "net.ipv6.icmp.ratelimit" => Switch::U32(&mut self.icmp6_ratelimit_ms),
            "net.ipv6.icmp.echo_ignore_all" => Switch::Bool(&mut self.icmp6_echo_ignore_all),
            "net.bridge.bridge-nf-call-iptables" => Switch::Bool(&mut self.bridge_nf_call_iptables),
            "net.bridge.bridge-nf-call-ip6tables" => Switch::Bool(&mut self.bridge_nf_call_ip6tables),
            "net.ipv6.conf.all.forwarding" => Switch::Bool(&mut self.ip6_forward),
            _ => return None,
        })
    }
}

/// The knobs of TCP that sockets look at.
fn tcp_switch<'a>(tcp: &'a mut TcpSettings, name: &str) -> Option<Switch<'a>> {
    Some(match name.strip_prefix("net.ipv4.tcp_")? {
        "syn_retries" => Switch::U32(&mut tcp.syn_retries),
        "syn_linear_timeouts" => Switch::U32(&mut tcp.syn_linear_timeouts),
        "synack_retries" => Switch::U32(&mut tcp.synack_retries),
        "retries2" => Switch::U32(&mut tcp.retries2),
        "orphan_retries" => Switch::U32(&mut tcp.orphan_retries),
        "fin_timeout" => Switch::U32(&mut tcp.fin_timeout),
        "timestamps" => Switch::Bool(&mut tcp.timestamps),
        "sack" => Switch::Bool(&mut tcp.sack),
        "window_scaling" => Switch::Bool(&mut tcp.window_scaling),
        _ => return None,
    })
}

/// Sets a knob of TCP; none if it is none.
pub(super) fn set_tcp(tcp: &mut TcpSettings, name: &str, value: &str) -> Option<Result<(), SysctlError>> {
    let invalid = || SysctlError::Invalid(name.to_owned());
    Some(tcp_switch(tcp, name)?.set(value.trim()).ok_or_else(invalid))
}

/// Reads a knob of TCP; none if it is none.
pub(super) fn get_tcp(mut tcp: TcpSettings, name: &str) -> Option<String> {
    tcp_switch(&mut tcp, name).map(|s| s.show())
}

/// Reads a knob that has one setting only.
pub(super) fn get_fixed<'a>(
    ifaces: impl Iterator<Item = &'a Iface> + Clone,
    name: &str,
) -> Option<&'static str> {
    fixed::fixed(name, |dev| ifaces.clone().any(|i| *i.name == *dev))
}

/// Writes a knob that has one setting only: nothing changes, or it is refused.
///
/// # Errors
/// [`SysctlError::NotModelled`] for another value.
pub(super) fn set_fixed(name: &str, setting: &'static str, value: &str) -> Result<(), SysctlError> {
    if fixed::same(value, setting) { Ok(()) } else { Err(SysctlError::NotModelled(name.to_owned(), setting)) }
}

/// `net.ipv4.neigh.DEV.proxy_delay`: the device. There is none for `all`.
fn proxy_delay_of(name: &str) -> Option<String> {
    let dev = name.strip_prefix("net.ipv4.neigh.")?.strip_suffix(".proxy_delay")?;
    Some(dev.replace('/', "."))
}

fn conf_switch<'a>(conf: &'a mut IfConf, leaf: &str) -> Option<Switch<'a>> {
    Some(match leaf {
        "rp_filter" => Switch::U8(&mut conf.rp_filter),
        "proxy_arp" => Switch::Bool(&mut conf.proxy_arp),
        "route_localnet" => Switch::Bool(&mut conf.route_localnet),
        "accept_local" => Switch::Bool(&mut conf.accept_local),
        "forwarding" => Switch::Bool(&mut conf.forwarding),
        "send_redirects" => Switch::Bool(&mut conf.send_redirects),
        "accept_redirects" => Switch::Bool(&mut conf.accept_redirects),
        "secure_redirects" => Switch::Bool(&mut conf.secure_redirects),
        "shared_media" => Switch::Bool(&mut conf.shared_media),
        "arp_ignore" => Switch::U8(&mut conf.arp_ignore),
        "arp_filter" => Switch::Bool(&mut conf.arp_filter),
        "promote_secondaries" => Switch::Bool(&mut conf.promote_secondaries),
        "arp_announce" => Switch::U8(&mut conf.arp_announce),
        _ => return None,
    })
}

/// Splits `net.ipv4.conf.DEV.LEAF` (or `net.ipv6.conf…`) into family, device and leaf. `sysctl` writes a dot in a device name as `/`.
fn per_device(name: &str) -> Option<(bool, String, &str)> {
    let v4 = name.strip_prefix("net.ipv4.conf.");
    let rest = v4.or_else(|| name.strip_prefix("net.ipv6.conf."))?;
    let (dev, leaf) = rest.rsplit_once('.')?;
    Some((v4.is_some(), dev.replace('/', "."), leaf))
}

/// Sets a switch. `name` may use dots or slashes.
///
/// # Errors
/// The name is unknown or the value unusable.
pub(super) fn set<'a>(
    sys: &mut Sysctls,
    mut ifaces: impl Iterator<Item = &'a mut Iface>,
    name: &str,
    value: &str,
) -> Result<(), SysctlError> {
    let unknown = || SysctlError::Unknown(name.to_owned());
    let invalid = || SysctlError::Invalid(name.to_owned());
    let value = value.trim();
    if let Some(s) = sys.switch(name) {
        s.set(value).ok_or_else(invalid)?;
        if name == "net.ipv4.ip_forward" {
            let on = sys.ip_forward;
            sys.all.forwarding = on;
            // A router does not follow redirects (`inet_forward_change`).
            sys.all.accept_redirects = !on;
            sys.default.forwarding = on;
            ifaces.for_each(|i| i.conf.forwarding = on);
        } else if name == "net.ipv6.conf.all.forwarding" {
            let on = sys.ip6_forward;
            sys.all.forwarding6 = on;
            sys.default.forwarding6 = on;
            ifaces.for_each(|i| i.conf.forwarding6 = on);
        }
        return Ok(());
    }
    if let Some(dev) = proxy_delay_of(name) {
        let conf = match dev.as_str() {
            "default" => &mut sys.default,
            _ => &mut ifaces.find(|i| *i.name == *dev).ok_or_else(unknown)?.conf,
        };
        conf.proxy_delay = value.parse().map_err(|_| invalid())?;
        return Ok(());
    }
    let (v4, dev, leaf) = per_device(name).ok_or_else(unknown)?;
    if !v4 {
        return set_v6(sys, ifaces, &dev, leaf, value).ok_or_else(unknown);
    }
    let conf = match dev.as_str() {
        "all" => &mut sys.all,
        "default" => &mut sys.default,
        _ => &mut ifaces.find(|i| *i.name == *dev).ok_or_else(unknown)?.conf,
    };
    conf_switch(conf, leaf).ok_or_else(unknown)?.set(value).ok_or_else(invalid)?;
    if dev == "all" && leaf == "forwarding" {
        let on = sys.all.forwarding;
        sys.ip_forward = on;
        sys.all.accept_redirects = !on;
        sys.default.forwarding = on;
        ifaces.for_each(|i| i.conf.forwarding = on);
    }
    Ok(())
}

fn set_v6<'a>(
    sys: &mut Sysctls,
    mut ifaces: impl Iterator<Item = &'a mut Iface>,
    dev: &str,
    leaf: &str,
    value: &str,
) -> Option<()> {
    let on = value.parse::<i64>().ok()? != 0;
    if leaf == "accept_redirects" {
        // That of `all` is kept, and nobody asks for it.
        let conf = match dev {
            "all" => &mut sys.all,
            "default" => &mut sys.default,
            _ => &mut ifaces.find(|i| *i.name == *dev)?.conf,
        };
        conf.accept_redirects6 = on;
        return Some(());
    }
    if leaf == "forwarding" {
        // Only `all` decides whether packets are forwarded; `sys.switch` has taken it.
        let conf = match dev {
            "default" => &mut sys.default,
            _ => &mut ifaces.find(|i| *i.name == *dev)?.conf,
        };
        conf.forwarding6 = on;
        return Some(());
    }
    if leaf != "disable_ipv6" {
        return None;
    }
    match dev {
        "all" => {
            sys.all.disable_ipv6 = on;
            sys.default.disable_ipv6 = on;
            ifaces.for_each(|i| disable_v6(i, on));
        }
        "default" => sys.default.disable_ipv6 = on,
        _ => disable_v6(ifaces.find(|i| *i.name == *dev)?, on),
    }
    Some(())
}

fn disable_v6(iface: &mut Iface, off: bool) {
    iface.conf.disable_ipv6 = off;
    if off {
        iface.addrs.retain(|a| a.addr().is_ipv4());
    }
}

/// Reads a switch.
///
/// # Errors
/// The name is unknown.
pub(super) fn get<'a>(
    sys: &Sysctls,
    mut ifaces: impl Iterator<Item = &'a Iface>,
    name: &str,
) -> Result<String, SysctlError> {
    let unknown = || SysctlError::Unknown(name.to_owned());
    let mut sys = *sys;
    if let Some(s) = sys.switch(name) {
        return Ok(s.show());
    }
    if let Some(dev) = proxy_delay_of(name) {
        let conf = match dev.as_str() {
            "default" => sys.default,
            _ => ifaces.find(|i| *i.name == *dev).ok_or_else(unknown)?.conf,
        };
        return Ok(conf.proxy_delay.to_string());
    }
    let (v4, dev, leaf) = per_device(name).ok_or_else(unknown)?;
    let mut conf = match dev.as_str() {
        "all" => sys.all,
        "default" => sys.default,
        _ => ifaces.find(|i| *i.name == *dev).ok_or_else(unknown)?.conf,
    };
    match leaf {
        "disable_ipv6" if !v4 => return Ok(u8::from(conf.disable_ipv6).to_string()),
        "forwarding" if !v4 => return Ok(u8::from(conf.forwarding6).to_string()),
        "accept_redirects" if !v4 => return Ok(u8::from(conf.accept_redirects6).to_string()),
        _ => {}
    }
    conf_switch(&mut conf, leaf).filter(|_| v4).map(|s| s.show()).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_switch_and_can_be_set_to_what_it_is() {
        let mut sys = Sysctls::default();
        let leaves = CONF_NAMES.map(|leaf| format!("net.ipv4.conf.all.{leaf}"));
        for name in NAMES.map(str::to_owned).into_iter().chain(leaves) {
            let value = get(&sys, std::iter::empty(), &name).unwrap();
            set(&mut sys, std::iter::empty(), &name, &value).unwrap();
        }
        assert_eq!(sys, Sysctls::default());
    }
}

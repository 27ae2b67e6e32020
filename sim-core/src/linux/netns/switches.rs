//! What `iptables`, `nft`, `ipset` and `sysctl` change.

use std::collections::BTreeMap;

use super::Netns;
use crate::linux::ipset::{self, ToolError};
use crate::linux::ipvs::{self, Ipvs, Written};
use crate::linux::netfilter::Ruleset;
use crate::linux::nftables::Nftables;
use crate::linux::sysctl::{self, SysctlError};
use crate::time::SimTime;
use crate::trace::Family;

/// Where the switches of IPVS are.
const VS: &str = "net.ipv4.vs.";

impl Netns {
    /// Changes iptables or ip6tables rules.
    pub fn netfilter<T>(&mut self, family: Family, change: impl FnOnce(&mut Ruleset) -> T) -> T {
        let rules = match family {
            Family::V4 => &mut self.nf4,
            Family::V6 => &mut self.nf6,
        };
        std::mem::swap(&mut rules.sets, &mut self.sets);
        let t = change(rules);
        std::mem::swap(&mut rules.sets, &mut self.sets);
        self.refresh_hooks();
        t
    }

    /// Changes nftables rules.
    pub fn nftables<T>(&mut self, change: impl FnOnce(&mut Nftables) -> T) -> T {
        let t = change(&mut self.nft);
        self.refresh_hooks();
        t
    }

    /// Changes virtual servers.
    pub fn ipvs_mut<T>(&mut self, change: impl FnOnce(&mut Ipvs) -> T) -> T {
        let before = self.ipvs.is_enabled();
        let t = change(&mut self.ipvs);
        if self.ipvs.is_enabled() != before {
            self.refresh_hooks();
        }
        t
    }

    fn refresh_hooks(&mut self) {
        let any = |r: &Ruleset| crate::trace::TableId::ALL.iter().any(|t| r.table(*t).is_some());
        self.track = self.nf4.needs_conntrack() || self.nf6.needs_conntrack() || self.nft.needs_conntrack();
        self.netfilter_on = self.track || any(&self.nf4) || any(&self.nf6) || self.nft.is_hooked();
        self.netfilter_on |= self.ipvs.is_enabled();
        self.hooks.refresh(&self.nf4, &self.nf6, &self.nft, self.track, self.ipvs.is_enabled());
    }

    /// `ipset args…` with this standard input: what goes to standard output and, without being an error, to standard error.
    ///
    /// # Errors
    /// The real tool's error text and exit status.
    pub fn ipset(
        &mut self,
        args: &[String],
        input: &str,
        now: SimTime,
    ) -> Result<(String, String), ToolError> {
        let mut references = BTreeMap::new();
        self.nf4.count_set_references(&mut references);
        self.nf6.count_set_references(&mut references);
        self.sets.command(args, ipset::Context { input, now, references: &references })
    }

    /// `sysctl -w name=value`.
    ///
    /// # Errors
    /// The name is unknown or the value unusable.
    pub fn sysctl_set(&mut self, name: &str, value: &str) -> Result<(), SysctlError> {
        if let Some(setting) = sysctl::get_fixed(self.ifaces(), name) {
            return sysctl::set_fixed(name, setting, value);
        }
        if let Some(key) = name.strip_prefix("net.netfilter.")
            && let Some(set) = self.conntrack.settings.set(key, value)
        {
            return set.map_err(|_| SysctlError::Invalid(name.to_owned()));
        }
        if let Some(key) = name.strip_prefix(VS).filter(|_| self.ipvs.is_loaded())
            && let Some(written) = self.ipvs.settings.set(key, value)
        {
            return match written {
                Written::Done => Ok(()),
                Written::Invalid => Err(SysctlError::Invalid(name.to_owned())),
                Written::Fixed(only) => Err(SysctlError::NotModelled(name.to_owned(), only)),
            };
        }
        let mut tcp = self.sockets.tcp_settings();
        if let Some(set) = sysctl::set_tcp(&mut tcp, name, value) {
            self.sockets.set_tcp_settings(tcp);
            return set;
        }
        self.kept_sysctls.remove(name);
        match sysctl::set(&mut self.sys, self.ifaces.iter_mut().flatten(), name, value) {
            Err(SysctlError::Unknown(_)) => {
                let kept = sysctl::known::checked(name, value, &self.device_names())?;
                self.kept_sysctls.insert(name.to_owned(), kept);
                return Ok(());
            }
            other => other?,
        }
        // The kernel keeps these as numbers, whatever of them counts.
        let number = name.starts_with("net.ipv4.conf.") || name.ends_with(".accept_redirects");
        let odd = number && !matches!(value.trim(), "0" | "1");
        if odd && self.sysctl_get(name).is_ok_and(|shown| shown == "1") {
            self.kept_sysctls.insert(name.to_owned(), value.trim().to_owned());
        } else {
            self.kept_sysctls.remove(name);
        }
        if matches!(name, "net.ipv4.ip_forward" | "net.ipv4.conf.all.forwarding") {
            self.kept_sysctls.retain(|kept, _| !kept.ends_with(".forwarding") || kept == name);
        }
        if name.ends_with(".disable_ipv6") {
            self.v6_switched();
        } else if name == "net.ipv6.conf.all.forwarding" {
            self.refresh_all();
        }
        Ok(())
    }

    /// `sysctl -n name`.
    ///
    /// # Errors
    /// The name is unknown.
    pub fn sysctl_get(&self, name: &str) -> Result<String, SysctlError> {
        if let Some(setting) = sysctl::get_fixed(self.ifaces(), name) {
            return Ok(setting.to_owned());
        }
        if name == "net.netfilter.nf_conntrack_count" {
            return Ok(self.conntrack.len().to_string());
        }
        if let Some(value) = sysctl::get_tcp(self.sockets.tcp_settings(), name) {
            return Ok(value);
        }
        if let Some(key) = name.strip_prefix("net.netfilter.")
            && let Some(value) = self.conntrack.settings.get(key)
        {
            return Ok(value.to_string());
        }
        if let Some(key) = name.strip_prefix(VS).filter(|_| self.ipvs.is_loaded())
            && let Some(value) = self.ipvs.settings.get(key)
        {
            return Ok(value);
        }
        let kept = self.kept_sysctls.get(name).map(String::as_str);
        let modelled = sysctl::get(&self.sys, self.ifaces(), name);
        if let (Ok(shown), Some(kept)) = (&modelled, kept)
            && shown == "1"
        {
            return Ok(kept.to_owned());
        }
        modelled.or_else(|unknown| {
            let default = || sysctl::known::default_of(name, &self.device_names());
            kept.or_else(default).map(str::to_owned).ok_or(unknown)
        })
    }

    /// The names of all switches, in the order of `sysctl -a`.
    #[must_use]
    pub fn sysctl_names(&self) -> Vec<String> {
        let mut names = sysctl::known::names(&self.device_names());
        if self.ipvs.is_loaded() {
            names.extend(ipvs::Settings::names().map(|name| format!("{VS}{name}")));
            names.sort_by(|a, b| a.split('.').cmp(b.split('.')));
        }
        names
    }

    fn device_names(&self) -> Vec<&str> {
        self.ifaces().map(|i| &*i.name).collect()
    }
}

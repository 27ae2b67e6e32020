//! Policy routing: rules choose the table in which a packet's destination is looked up (`fib_rules`), as `ip rule` sets them.
//!
//! The tables `local` and `main` belong to the namespace; the others are here. A namespace that nobody has given a rule never asks:
//! it looks into `local`, then `main`. Not modelled: `goto`, `tos`, ports, uid ranges, `suppress_ifgroup`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::link::Iface;
use super::netns::{NetError, Netns};
use super::route::{Route, RouteKind, Table};
use crate::trace::IfId;

/// Number of the table `default`, which is empty until somebody fills it.
pub const DEFAULT: u32 = 253;
/// Number of the table `main`.
pub const MAIN: u32 = 254;
/// Number of the table `local`.
pub const LOCAL: u32 = 255;

/// One rule of `ip rule`. What is not given matches everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Preference: lower ones are asked first.
    pub priority: u32,
    /// For IPv6 packets; else for IPv4.
    pub v6: bool,
    /// `not`: the rule is for what it does not match.
    pub not: bool,
    /// Source.
    pub from: Option<IpNet>,
    /// Destination.
    pub to: Option<IpNet>,
    /// Name of the interface it came in by; `lo` stands for packets that the host itself sends.
    pub iif: Option<Arc<str>>,
    /// Name of the interface that a socket is bound to.
    pub oif: Option<Arc<str>>,
    /// `fwmark VALUE/MASK`.
    pub mark: Option<(u32, u32)>,
    /// `suppress_prefixlength`: a route with a prefix of at most this length does not count.
    pub suppress_prefix: Option<u8>,
    /// What is done.
    pub action: RuleAction,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Looks into a table.
    Lookup(u32),
    /// Drops silently.
    Blackhole,
    /// Refuses with net-unreachable.
    Unreachable,
    /// Refuses with admin-prohibited.
    Prohibit,
}

impl Rule {
    /// A rule for everything of a family.
    #[must_use]
    pub const fn all(v6: bool, priority: u32, action: RuleAction) -> Self {
        Self {
            priority,
            v6,
            not: false,
            from: None,
            to: None,
            iif: None,
            oif: None,
            mark: None,
            suppress_prefix: None,
            action,
        }
    }
}

/// What a route depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source, unspecified while the route is to decide it.
    pub src: Option<IpAddr>,
    /// Destination.
    pub dst: IpAddr,
    /// Interface it came in by; none for a packet of this host.
    pub iif: Option<IfId>,
    /// `nfmark`.
    pub mark: u32,
}

impl Flow {
    /// A packet of this host to `dst`, of which nothing else is known.
    #[must_use]
    pub const fn to(dst: IpAddr) -> Self {
        Self { src: None, dst, iif: None, mark: 0 }
    }
}

/// Rules and the tables that are not `local` or `main`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// By priority, then in order of addition.
    rules: Vec<Rule>,
    pub(super) tables: BTreeMap<u32, Table>,
    /// Tables that were made: numbers and whether they are of IPv6. A table stays when its last route goes.
    made: BTreeSet<(u32, bool)>,
    /// Somebody has changed the rules, after which `local` and `main` are no more one (`fib_unmerge`).
    unmerged: bool,
    /// Only the rules of a fresh namespace, and nothing in its table `default`.
    plain: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rules: Self::fresh(),
            tables: BTreeMap::new(),
            made: BTreeSet::new(),
            unmerged: false,
            plain: true,
        }
    }
}

impl Policy {
    fn fresh() -> Vec<Rule> {
        let rule = |v6, priority, table| Rule::all(v6, priority, RuleAction::Lookup(table));
        vec![
            rule(false, 0, LOCAL),
            rule(true, 0, LOCAL),
            rule(false, 32766, MAIN),
            rule(true, 32766, MAIN),
            rule(false, 32767, DEFAULT),
        ]
    }

    /// Whether `local`, then `main`, is all there is to ask.
    #[inline]
    pub(super) const fn is_plain(&self) -> bool {
        self.plain
    }

    fn note(&mut self) {
        for (number, table) in &self.tables {
            self.made.extend(table.iter().map(|r| (*number, r.dst.addr().is_ipv6())));
        }
        self.tables.retain(|_, t| t.iter().next().is_some());
        self.plain = !self.tables.contains_key(&DEFAULT) && self.rules == Self::fresh();
    }

    /// Removes the routes by an interface that is down or gone.
    pub(super) fn remove_of(&mut self, dev: IfId) {
        for table in self.tables.values_mut() {
            table.remove(|r| r.dev == Some(dev));
        }
        self.note();
    }

    /// The preference of a rule that names none: just before the second (`fib_default_rule_pref`).
    fn next_priority(&self, v6: bool) -> u32 {
        self.rules.iter().filter(|r| r.v6 == v6).nth(1).map_or(0, |r| r.priority.saturating_sub(1))
    }
}

/// How a look-up by rules ends without a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No rule led to a route.
    Nothing,
    /// A rule that refuses.
    Rule(RuleAction),
}

impl Netns {
    /// The rules, first to last.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.policy.rules
    }

    /// The rules that a namespace is born with.
    #[must_use]
    pub fn fresh_rules() -> Vec<Rule> {
        Policy::fresh()
    }

    /// A routing table by its number; none if nothing is in it.
    #[must_use]
    pub fn table(&self, number: u32) -> Option<&Table> {
        self.routing().table(number)
    }

    /// Numbers of the tables that hold routes.
    pub fn tables(&self) -> impl Iterator<Item = u32> {
        self.policy.tables.keys().copied().chain([MAIN, LOCAL])
    }

    /// Whether a table of IPv4 or IPv6 exists, be it empty.
    #[must_use]
    pub fn has_table(&self, number: u32, v6: bool) -> bool {
        matches!(number, MAIN | LOCAL) || self.policy.made.contains(&(number, v6))
    }

    /// Whether the table of a route can be told: as long as nobody has changed the rules, `local` is a part of `main`.
    #[must_use]
    pub const fn tells_tables(&self) -> bool {
        self.policy.unmerged
    }

    /// The route of a packet and the number of its table, by the rules: what `ip route get` asks for.
    ///
    /// # Errors
    /// There is none; the action of the rule that refuses, if one does.
    pub fn route_lookup(&self, flow: &Flow) -> Result<(u32, &Route), Option<RuleAction>> {
        self.table_by_rules(flow, |t| t.lookup(flow.dst)).map_err(|refusal| match refusal {
            Refusal::Nothing => None,
            Refusal::Rule(action) => Some(action),
        })
    }

    pub(super) fn table_mut(&mut self, number: u32) -> &mut Table {
        match number {
            MAIN => &mut self.main,
            LOCAL => &mut self.local,
            other => self.policy.tables.entry(other).or_default(),
        }
    }

    /// `ip rule add`. A priority of 0 stands for one just before the second rule, as the kernel has it.
    ///
    /// # Errors
    /// The same rule is there.
    pub fn rule_add(&mut self, mut rule: Rule) -> Result<(), NetError> {
        if rule.priority == 0 {
            rule.priority = self.policy.next_priority(rule.v6);
        }
        self.rule_add_at(rule)
    }

    /// `ip rule add … pref N`, with a priority that may be 0.
    ///
    /// # Errors
    /// The same rule is there.
    pub fn rule_add_at(&mut self, rule: Rule) -> Result<(), NetError> {
        self.policy.unmerged = true;
        if self.policy.rules.contains(&rule) {
            return Err(NetError::Exists);
        }
        let at = self.policy.rules.partition_point(|r| r.priority <= rule.priority);
        self.policy.rules.insert(at, rule);
        self.policy.note();
        self.flush_exceptions();
        Ok(())
    }

    /// `ip rule del`: the first rule for which `gone` holds.
    ///
    /// # Errors
    /// There is none.
    pub fn rule_del(&mut self, gone: impl Fn(&Rule) -> bool) -> Result<(), NetError> {
        let at = self.policy.rules.iter().position(gone).ok_or(NetError::NoSuchEntry)?;
        self.policy.rules.remove(at);
        self.policy.unmerged = true;
        self.policy.note();
        self.flush_exceptions();
        Ok(())
    }

    /// `ip route add … table N`.
    ///
    /// # Errors
    /// As [`Netns::route_add`].
    pub fn route_add_in(&mut self, table: u32, route: Route) -> Result<(), NetError> {
        let route = self.checked(route)?;
        let added = self.table_mut(table).add(route).map_err(|_| NetError::Exists);
        self.policy.note();
        added
    }

    /// `ip route replace … table N`.
    ///
    /// # Errors
    /// As [`Netns::route_replace`].
    pub fn route_replace_in(&mut self, table: u32, route: Route) -> Result<(), NetError> {
        let route = self.checked(route)?;
        self.table_mut(table).replace(route);
        self.policy.note();
        self.flush_exceptions();
        Ok(())
    }

    /// `ip route del … table N`.
    ///
    /// # Errors
    /// No route matches.
    pub fn route_del_in(&mut self, table: u32, gone: impl Fn(&Route) -> bool) -> Result<(), NetError> {
        let count = self.table_mut(table).remove(gone);
        self.policy.note();
        self.flush_exceptions();
        if count == 0 { Err(NetError::NoSuchRoute) } else { Ok(()) }
    }

    /// Everything that a look-up asks.
    pub(super) fn routing(&self) -> Routing<'_> {
        Routing { policy: &self.policy, local: &self.local, main: &self.main, ifaces: &self.ifaces }
    }

    /// The route of a packet by the rules (`fib_rules_lookup`).
    pub(super) fn route_by_rules(&self, flow: &Flow) -> Result<&Route, Refusal> {
        self.table_by_rules(flow, |t| t.lookup(flow.dst)).map(|(_, route)| route)
    }

    /// The first route that `find` finds in a table to which the rules lead a packet, and the number of that table.
    pub(super) fn table_by_rules<'t>(
        &'t self,
        flow: &Flow,
        find: impl Fn(&'t Table) -> Option<&'t Route>,
    ) -> Result<(u32, &'t Route), Refusal> {
        self.routing().by_rules(flow, find)
    }
}

/// The rules and tables of a namespace, and the names of its interfaces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routing<'a> {
    pub(super) policy: &'a Policy,
    pub(super) local: &'a Table,
    pub(super) main: &'a Table,
    pub(super) ifaces: &'a [Option<Iface>],
}

impl<'a> Routing<'a> {
    /// The route of a packet.
    pub(super) fn lookup(&self, flow: &Flow) -> Option<&'a Route> {
        if self.policy.is_plain() {
            return self.local.lookup(flow.dst).or_else(|| self.main.lookup(flow.dst));
        }
        self.by_rules(flow, |t| t.lookup(flow.dst)).ok().map(|(_, route)| route)
    }

    pub(super) fn iface(&self, id: IfId) -> Option<&'a Iface> {
        self.ifaces.get(id.0 as usize)?.as_ref()
    }

    fn by_rules(
        &self,
        flow: &Flow,
        find: impl Fn(&'a Table) -> Option<&'a Route>,
    ) -> Result<(u32, &'a Route), Refusal> {
        let v6 = flow.dst.is_ipv6();
        for rule in self.policy.rules.iter().filter(|r| r.v6 == v6) {
            if self.rule_matches(rule, flow) == rule.not {
                continue;
            }
            let RuleAction::Lookup(table) = rule.action else { return Err(Refusal::Rule(rule.action)) };
            let found = self.table(table).and_then(&find);
            let counts = |r: &&Route| {
                let suppressed = rule.suppress_prefix.is_some_and(|most| r.dst.prefix_len() <= most);
                r.kind != RouteKind::Throw && !suppressed
            };
            if let Some(route) = found.filter(counts) {
                return Ok((table, route));
            }
        }
        Err(Refusal::Nothing)
    }

    fn table(&self, number: u32) -> Option<&'a Table> {
        match number {
            MAIN => Some(self.main),
            LOCAL => Some(self.local),
            other => self.policy.tables.get(&other),
        }
    }

    fn rule_matches(&self, rule: &Rule, flow: &Flow) -> bool {
        let within = |net: Option<IpNet>, addr: Option<IpAddr>| match (net, addr) {
            (None, _) => true,
            (Some(net), Some(addr)) => net.contains(&addr),
            (Some(net), None) => net.prefix_len() == 0,
        };
        let came_by = match flow.iif.and_then(|i| self.iface(i)) {
            Some(iface) => &*iface.name,
            None => "lo",
        };
        within(rule.from, flow.src)
            && within(rule.to, Some(flow.dst))
            && rule.iif.as_deref().is_none_or(|name| name == came_by)
            // No socket here is bound to an interface.
            && rule.oif.is_none()
            && rule.mark.is_none_or(|(value, mask)| flow.mark & mask == value & mask)
    }
}

#[cfg(test)]
mod tests;

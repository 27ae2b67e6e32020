//! Tables, chains, and the rules in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::graph::Reach;
use super::index::{Cache, Index};
use super::matches::{Match, MatchState};
use super::rule::RuleSpec;
use super::targets::Target;
use crate::trace::{Hook, TableId};

/// Index of a chain in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChainId(pub(super) u32);

/// One table: its built-in chains, in hook order, then the user's.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub(super) id: TableId,
    /// By [`ChainId`]; the built-in chains come first.
    chains: Vec<Option<Chain>>,
    /// Slots that are free.
    free: Vec<ChainId>,
    /// The user chains by name. `iptables-save` prints them in this order.
    names: BTreeMap<Arc<str>, ChainId>,
    /// All chains by name, for look-ups.
    by_name: FxHashMap<Arc<str>, ChainId>,
    /// The built-in chain of each hook.
    hooks: [Option<ChainId>; 5],
    /// Number of rules that need connection tracking.
    conntrack_rules: usize,
    /// Number of rules that use each list of `recent`.
    recent_rules: BTreeMap<Arc<str>, usize>,
    /// Where jumps lead.
    pub(super) reach: Reach,
    clock: Clock,
    /// What is needed to take back the changes of an open transaction.
    journal: Option<Box<Journal>>,
}

/// Counts the changes of a table. When they were made says nothing about what it holds, so all are equal.
#[derive(Clone, Copy, Debug, Default)]
struct Clock(u64);

impl PartialEq for Clock {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A table as it was before a transaction, as far as it has changed.
#[derive(Clone, Debug, Default, PartialEq)]
struct Journal {
    /// Chains that were touched, as they were; none for those that were not there.
    chains: Vec<(ChainId, Option<Chain>)>,
    /// Which chains are among them.
    saved: Vec<bool>,
    slots: usize,
    free: Vec<ChainId>,
    /// Chains and rule numbers whose counters go back to zero. Done at the end, or when the chain is touched otherwise: a long chain is
    /// not copied for that.
    zeroed: BTreeMap<ChainId, BTreeSet<Option<u32>>>,
}

/// One chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub(super) name: Arc<str>,
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<Rule>,
    /// Number of rules that jump or go here.
    pub(super) references: u32,
    /// The rules in compiled form.
    index: Cache,
}

/// What a built-in chain has besides rules.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Base {
    pub(super) hook: Hook,
    pub(super) policy: Policy,
    /// `-P CHAIN POLICY`.
    pub(super) text: Arc<str>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// What happens to a packet that no rule of a built-in chain decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It goes on.
    Accept,
    /// It is thrown away.
    Drop,
}

/// A rule in its chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub(super) spec: Arc<RuleSpec>,
    /// The chain that the target names.
    pub(super) jump: Option<ChainId>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// What the rule's matches remember.
    pub(super) states: Box<[MatchState]>,
}

/// The hooks at which a table has a built-in chain, in the order of `iptables-save`.
pub(super) const fn hooks(id: TableId) -> &'static [Hook] {
    use Hook::{Forward, Input, Output, Postrouting, Prerouting};
    match id {
        TableId::Raw => &[Prerouting, Output],
        TableId::Mangle => &[Prerouting, Input, Forward, Output, Postrouting],
        TableId::Nat => &[Prerouting, Input, Output, Postrouting],
        TableId::Filter => &[Input, Forward, Output],
    }
}

impl Policy {
    /// Name as iptables writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Drop => "DROP",
        }
    }

    /// The policy with this name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Accept, Self::Drop].into_iter().find(|p| p.name() == text)
    }
}

impl Rule {
    /// A rule that no packet has met, and that leads to `jump`.
    pub(super) fn leading(spec: Arc<RuleSpec>, (packets, bytes): (u64, u64), jump: Option<ChainId>) -> Self {
        let states = spec.matches.iter().filter_map(Match::initial_state).collect();
        Self { spec, jump, packets, bytes, states }
    }

    /// The rule as `iptables-save` prints it.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.spec.text
    }

    /// Packets and bytes that matched.
    #[must_use]
    pub const fn counters(&self) -> (u64, u64) {
        (self.packets, self.bytes)
    }
}

impl Base {
    fn new(hook: Hook) -> Self {
        let text = policy_text(hook, Policy::Accept);
        Self { hook, policy: Policy::Accept, text, packets: 0, bytes: 0 }
    }

    /// Sets the policy.
    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.text = policy_text(self.hook, policy);
    }
}

fn policy_text(hook: Hook, policy: Policy) -> Arc<str> {
    format!("-P {} {}", hook.chain(), policy.name()).into()
}

impl Chain {
    /// The chain's name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The policy; none for a user chain.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        self.base.as_ref().map(|b| b.policy)
    }

    /// Packets and bytes that the policy decided on.
    #[must_use]
    pub fn policy_counters(&self) -> (u64, u64) {
        self.base.as_ref().map_or((0, 0), |b| (b.packets, b.bytes))
    }

    /// The rules in order; the first has number 1.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Number of rules that jump or go here.
    #[must_use]
    pub const fn references(&self) -> u32 {
        self.references
    }

    /// When a rule of it last came or went. No two changes of a table have the same number, so a chain whose number is the same as
    /// before has the same rules as before.
    #[must_use]
    pub const fn changed(&self) -> u64 {
        self.index.changed()
    }
}

impl Chain {
    /// The rules in compiled form, made now if need be, and the rules; no compiled form of a short chain.
    #[inline]
    pub(super) fn indexed(&mut self) -> (Option<&Index>, &mut [Rule]) {
        (self.index.of(&self.rules), &mut self.rules)
    }

    /// Counts a packet that the policy of an empty chain accepts.
    pub(super) fn pass_empty(&mut self, length: u64) -> bool {
        match &mut self.base {
            Some(base) if self.rules.is_empty() && base.policy == Policy::Accept => {
                base.packets += 1;
                base.bytes += length;
                true
            }
            _ => false,
        }
    }
}

impl Table {
    /// A table with empty built-in chains and policy ACCEPT.
    pub(super) fn new(id: TableId) -> Self {
        let mut table = Self {
            id,
            chains: Vec::new(),
            free: Vec::new(),
            names: BTreeMap::new(),
            by_name: FxHashMap::default(),
            hooks: [None; 5],
            conntrack_rules: 0,
            recent_rules: BTreeMap::new(),
            reach: Reach::default(),
            clock: Clock::default(),
            journal: None,
        };
        for hook in hooks(id) {
            let id = ChainId(table.chains.len() as u32);
            table.hooks[*hook as usize] = Some(id);
            let (name, base): (Arc<str>, _) = (hook.chain().into(), Some(Base::new(*hook)));
            table.by_name.insert(name.clone(), id);
            table.chains.push(Some(Chain {
                name,
                base,
                rules: Vec::new(),
                references: 0,
                index: Cache::default(),
            }));
        }
        table
    }

    /// Which table it is.
    #[must_use]
    pub const fn id(&self) -> TableId {
        self.id
    }

    /// All chains: the built-in ones in hook order, then the user's by name.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.chain_ids().filter_map(|id| self.get(id))
    }

    /// The chain with this name.
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.get(self.find(name)?)
    }

    /// The chain that a hook enters.
    #[inline]
    pub(super) const fn hook_chain(&self, hook: Hook) -> Option<ChainId> {
        self.hooks[hook as usize]
    }

    /// All chains in the order in which they are printed.
    pub(super) fn chain_ids(&self) -> impl Iterator<Item = ChainId> {
        self.base_ids().chain(self.names.values().copied())
    }

    /// The built-in chains.
    pub(super) fn base_ids(&self) -> impl Iterator<Item = ChainId> + use<> {
        (0..hooks(self.id).len() as u32).map(ChainId)
    }

    /// The chain with this name.
    pub(super) fn find(&self, name: &str) -> Option<ChainId> {
        self.by_name.get(name).copied()
    }

    /// A chain by its index.
    #[inline]
    pub(super) fn get(&self, id: ChainId) -> Option<&Chain> {
        self.chains.get(id.0 as usize)?.as_ref()
    }

    /// A chain by its index.
    #[inline]
    pub(super) fn get_mut(&mut self, id: ChainId) -> Option<&mut Chain> {
        self.chains.get_mut(id.0 as usize)?.as_mut()
    }

    /// Number of chain slots, for side tables by [`ChainId`].
    pub(super) const fn slots(&self) -> usize {
        self.chains.len()
    }

    /// Adds an empty user chain.
    pub(super) fn add_chain(&mut self, name: &str) -> ChainId {
        let name: Arc<str> = name.into();
        let chain = Some(Chain {
            name: name.clone(),
            base: None,
            rules: Vec::new(),
            references: 0,
            index: Cache::default(),
        });
        let id = self.free.pop().unwrap_or_else(|| {
            self.chains.push(None);
            ChainId(self.chains.len() as u32 - 1)
        });
        self.touch(id);
        self.reach.forget(id);
        self.chains[id.0 as usize] = chain;
        self.names.insert(name.clone(), id);
        self.by_name.insert(name, id);
        id
    }

    /// Removes a user chain and its rules.
    pub(super) fn remove_chain(&mut self, id: ChainId) {
        self.flush(id);
        if let Some(chain) = self.chains[id.0 as usize].take() {
            self.names.remove(&chain.name);
            self.by_name.remove(&chain.name);
            self.free.push(id);
        }
    }

    /// Gives a user chain another name, also in the rules that name it.
    pub(super) fn rename_chain(&mut self, id: ChainId, new: &str) {
        let new: Arc<str> = new.into();
        for other in 0..self.chains.len() as u32 {
            let leads_here = |c: &Chain| c.rules.iter().any(|r| r.jump == Some(id));
            if other == id.0 || self.get(ChainId(other)).is_some_and(leads_here) {
                self.touch(ChainId(other));
            }
        }
        let Some(chain) = self.get_mut(id) else { return };
        let old = std::mem::replace(&mut chain.name, new.clone());
        self.names.remove(&old);
        self.by_name.remove(&old);
        self.names.insert(new.clone(), id);
        self.by_name.insert(new.clone(), id);
        for (i, chain) in self.chains.iter_mut().enumerate() {
            let Some(chain) = chain else { continue };
            let own = i == id.0 as usize;
            for rule in chain.rules.iter_mut().filter(|r| own || r.jump == Some(id)) {
                let target = match &rule.spec.target {
                    Target::Chain { goto, .. } if rule.jump == Some(id) => {
                        Target::Chain { name: new.clone(), goto: *goto }
                    }
                    target => target.clone(),
                };
                rule.spec = Arc::new(rule.spec.renamed(&chain.name, target));
            }
        }
    }

    /// Puts a rule in front of position `at` (from 0).
    pub(super) fn insert_rule(&mut self, chain: ChainId, at: usize, rule: Rule) {
        let now = self.touch(chain);
        self.refer(rule.jump, |references| references + 1);
        self.conntrack_rules += usize::from(rule.spec.needs_conntrack());
        for name in recent_names(&rule.spec) {
            *self.recent_rules.entry(name.clone()).or_default() += 1;
        }
        if let Some(chain) = self.get_mut(chain) {
            chain.index.clear(now);
            chain.rules.insert(at.min(chain.rules.len()), rule);
        }
    }

    /// Takes a rule out of its chain.
    pub(super) fn remove_rule(&mut self, chain: ChainId, at: usize) {
        let now = self.touch(chain);
        let removed = self.get_mut(chain).map(|c| {
            c.index.clear(now);
            c.rules.remove(at)
        });
        let Some(rule) = removed else { return };
        self.forget(&rule);
    }

    /// Removes all rules of a chain.
    pub(super) fn flush(&mut self, chain: ChainId) {
        let now = self.touch(chain);
        let Some(chain) = self.get_mut(chain) else { return };
        chain.index.clear(now);
        let rules = std::mem::take(&mut chain.rules);
        for rule in &rules {
            self.forget(rule);
        }
    }

    /// Counts a rule that leads to a chain, or no longer does.
    fn refer(&mut self, target: Option<ChainId>, count: impl FnOnce(u32) -> u32) {
        let Some(id) = target else { return };
        self.save(id);
        if let Some(target) = self.get_mut(id) {
            target.references = count(target.references);
        }
    }

    fn forget(&mut self, rule: &Rule) {
        self.refer(rule.jump, |references| references - 1);
        self.conntrack_rules -= usize::from(rule.spec.needs_conntrack());
        for name in recent_names(&rule.spec) {
            if let Some(n) = self.recent_rules.get_mut(name) {
                *n -= 1;
                if *n == 0 {
                    self.recent_rules.remove(name);
                }
            }
        }
    }

    /// Whether a rule needs connection tracking.
    pub(super) const fn needs_conntrack(&self) -> bool {
        self.conntrack_rules > 0
    }

    /// Whether a rule uses this list of `recent`.
    pub(super) fn uses_recent(&self, name: &str) -> bool {
        self.recent_rules.contains_key(name)
    }
}

impl Table {
    /// Opens a transaction: changes can be taken back from here on.
    pub(super) fn begin(&mut self) {
        let journal = Journal { slots: self.chains.len(), free: self.free.clone(), ..Journal::default() };
        self.journal = Some(Box::new(journal));
    }

    /// Makes this table a later one than `old`, for [`Chain::changed`].
    pub(super) const fn follow(&mut self, old: &Self) {
        self.clock = Clock(old.clock.0 + 1);
    }

    /// Closes a transaction: what changed stays.
    pub(super) fn keep(&mut self) {
        let ids: Vec<_> = self.journal.iter().flat_map(|j| j.zeroed.keys().copied()).collect();
        ids.into_iter().for_each(|id| self.zero_now(id));
        self.journal = None;
    }

    /// Closes a transaction: everything is as it was when it began.
    pub(super) fn take_back(&mut self) {
        let Some(journal) = self.journal.take() else { return };
        for (id, _) in &journal.chains {
            if let Some(chain) = self.chains[id.0 as usize].take() {
                self.names.remove(&chain.name);
                self.by_name.remove(&chain.name);
            }
        }
        for (id, chain) in journal.chains {
            let Some(chain) = chain else { continue };
            if chain.base.is_none() {
                self.names.insert(chain.name.clone(), id);
            }
            self.by_name.insert(chain.name.clone(), id);
            self.chains[id.0 as usize] = Some(chain);
        }
        self.chains.truncate(journal.slots);
        self.free = journal.free;
        self.reach.forget_all();
        self.conntrack_rules = 0;
        self.recent_rules.clear();
        for rule in self.chains.iter().flatten().flat_map(|c| &c.rules) {
            self.conntrack_rules += usize::from(rule.spec.needs_conntrack());
            for name in recent_names(&rule.spec) {
                *self.recent_rules.entry(name.clone()).or_default() += 1;
            }
        }
    }

    /// Keeps a chain as it is for the case that the transaction is taken back.
    pub(super) fn save(&mut self, id: ChainId) {
        let Some(journal) = &mut self.journal else { return };
        let at = id.0 as usize;
        if journal.saved.len() <= at {
            journal.saved.resize(self.chains.len().max(at + 1), false);
        }
        if !std::mem::replace(&mut journal.saved[at], true) {
            journal.chains.push((id, self.chains.get(at).cloned().flatten()));
            if journal.zeroed.contains_key(&id) {
                self.zero_now(id);
            }
        }
    }

    /// The same before rules come or go; the number of this change.
    fn touch(&mut self, id: ChainId) -> u64 {
        self.save(id);
        self.clock.0 += 1;
        self.clock.0
    }

    /// Sets the counters of a chain, or of the rule with a number in it, to zero.
    pub(super) fn zero(&mut self, id: ChainId, number: Option<u32>) {
        if let Some(journal) = &mut self.journal
            && !journal.saved.get(id.0 as usize).is_some_and(|saved| *saved)
        {
            journal.zeroed.entry(id).or_default().insert(number);
            return;
        }
        let Some(chain) = self.get_mut(id) else { return };
        for (i, rule) in chain.rules.iter_mut().enumerate() {
            if number.is_none_or(|n| n as usize == i + 1) {
                (rule.packets, rule.bytes) = (0, 0);
            }
        }
        if let Some(base) = chain.base.as_mut().filter(|_| number.is_none()) {
            (base.packets, base.bytes) = (0, 0);
        }
    }

    /// Does what was put off for a chain.
    fn zero_now(&mut self, id: ChainId) {
        let journal = self.journal.take();
        let numbers = journal.as_ref().and_then(|j| j.zeroed.get(&id).cloned()).unwrap_or_default();
        numbers.into_iter().for_each(|number| self.zero(id, number));
        self.journal = journal;
        if let Some(journal) = &mut self.journal {
            journal.zeroed.remove(&id);
        }
    }

    /// Whether a rule uses these buckets of `hashlimit`.
    pub(super) fn uses_buckets(&self, name: &str) -> bool {
        let uses = |m: &Match| matches!(m, Match::Hashlimit(h) if h.name() == name);
        self.chains().flat_map(|c| &c.rules).any(|r| r.spec.matches.iter().any(uses))
    }
}

/// The lists of `recent` that a rule uses.
fn recent_names(spec: &RuleSpec) -> impl Iterator<Item = &Arc<str>> {
    spec.matches.iter().filter_map(|m| match m {
        Match::Recent(recent) => Some(recent.list_name()),
        _ => None,
    })
}

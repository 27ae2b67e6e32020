//! Configuration that is put off until somebody looks.
//!
//! A large network has many hosts that hold the same long tables and that no packet ever meets. Such a namespace can be *deferred*: what a
//! [`Plan`] would do to it is done when the first packet, system call or command comes by. Nobody can tell the difference. Who only reads
//! ([`World::ns`]) is shown a copy on which the plan has been carried out.
//!
//! A frame that everybody on a link hears and that is for somebody else ([`Netns::overhears`]) does not count as a packet that comes by.
//!
//! What does not depend on the plan (interfaces, addresses, sockets) can be had without it: [`World::bare`], [`World::bare_mut`].

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use super::World;
use crate::linux::Netns;
use crate::time::SimTime;
use crate::trace::NsId;

/// What is to be done to deferred namespaces.
pub trait Plan: Debug + Send + Sync {
    /// Does to a namespace what was put off.
    ///
    /// # Errors
    /// What was refused; the rest is done.
    fn carry_out(&self, ns: &mut Netns, now: SimTime) -> Result<(), String>;
}

/// Which namespaces are deferred, and until what is done to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferred {
    plan: Option<Arc<dyn Plan>>,
    /// By number of the namespace: whether it is deferred, and the copy that those who read were shown.
    views: Vec<Option<OnceLock<Box<Netns>>>>,
    failures: Vec<String>,
}

impl Deferred {
    pub(super) fn holds(&self, id: NsId) -> bool {
        self.views.get(id.0 as usize).is_some_and(Option::is_some)
    }

    /// The namespace as it will be once the plan is carried out; none if it is not deferred.
    fn view(&self, ns: &Netns, now: SimTime) -> Option<&Netns> {
        let view = self.views.get(ns.id.0 as usize)?.as_ref()?;
        Some(view.get_or_init(|| {
            let mut copy = Box::new(ns.clone());
            if let Some(plan) = &self.plan {
                // What is refused is told when it is done in earnest.
                let _ = plan.carry_out(&mut copy, now);
            }
            copy
        }))
    }

    /// Nothing is to be done to a namespace any more.
    pub(super) fn forget(&mut self, id: NsId) {
        if let Some(view) = self.views.get_mut(id.0 as usize) {
            *view = None;
        }
    }

    /// Forgets what readers were shown of a namespace that changes.
    pub(super) fn changes(&mut self, id: NsId) {
        if let Some(Some(view)) = self.views.get_mut(id.0 as usize) {
            view.take();
        }
    }
}

impl World {
    /// Sets what is to be done to deferred namespaces, in place of what was said before.
    pub fn set_plan(&mut self, plan: Arc<dyn Plan>) {
        self.deferred.plan = Some(plan);
        for view in self.deferred.views.iter_mut().flatten() {
            view.take();
        }
    }

    /// Gives the plan back, to be changed; until the next [`World::set_plan`] nobody may look at a deferred namespace.
    pub fn lay_plan_down(&mut self) {
        self.deferred.plan = None;
    }

    /// Puts off what the plan does to a namespace.
    pub fn defer(&mut self, id: NsId) {
        let views = &mut self.deferred.views;
        let at = id.0 as usize;
        if views.len() <= at {
            views.resize(at + 1, None);
        }
        views[at] = Some(OnceLock::new());
    }

    /// Whether a namespace still waits for somebody to look.
    #[must_use]
    pub fn is_deferred(&self, id: NsId) -> bool {
        self.deferred.holds(id)
    }

    /// A namespace without what was put off: for interfaces, addresses and sockets.
    #[must_use]
    pub fn bare(&self, id: NsId) -> &Netns {
        &self.namespaces[id.0 as usize].ns
    }

    /// A namespace without what was put off, to configure what does not depend on it.
    pub fn bare_mut(&mut self, id: NsId) -> &mut Netns {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
        self.stack(id)
    }

    /// The same, for what changes no link.
    pub(super) fn stack(&mut self, id: NsId) -> &mut Netns {
        self.deferred.changes(id);
        &mut self.namespaces[id.0 as usize].ns
    }

    /// Does what was put off. Whoever lets packets meet the namespace calls this first.
    pub(super) fn carry_out(&mut self, id: NsId) {
        if !self.deferred.holds(id) {
            return;
        }
        self.deferred.views[id.0 as usize] = None;
        let Some(plan) = self.deferred.plan.clone() else { return };
        let ns = &mut self.namespaces[id.0 as usize].ns;
        if let Err(why) = plan.carry_out(ns, self.now) {
            self.deferred.failures.push(format!("{}: {why}", ns.name));
        }
    }

    /// What plans were refused since the last call.
    pub fn take_failures(&mut self) -> Vec<String> {
        std::mem::take(&mut self.deferred.failures)
    }

    /// A namespace with everything done that was put off.
    #[must_use]
    pub fn ns(&self, id: NsId) -> &Netns {
        let ns = self.bare(id);
        self.deferred.view(ns, self.now).unwrap_or(ns)
    }

    /// A namespace, to be configured; what was put off is done.
    pub fn ns_mut(&mut self, id: NsId) -> &mut Netns {
        self.carry_out(id);
        self.bare_mut(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::Errno;
    use crate::linux::netfilter::RestoreOptions;
    use crate::packet::{MacAddr, Payload};
    use crate::trace::Family;

    #[derive(Debug)]
    struct Rules(&'static str);

    impl Plan for Rules {
        fn carry_out(&self, ns: &mut Netns, _: SimTime) -> Result<(), String> {
            let done = ns.netfilter(Family::V4, |rules| rules.restore(self.0, RestoreOptions::default()));
            done.map_err(|e| e.to_string())
        }
    }

    fn rules(ns: &Netns) -> String {
        ns.nf4().save(None, false)
    }

    fn world(plan: &'static str) -> (World, NsId) {
        let mut world = World::new(1);
        let ns = world.add_netns("host");
        world.set_plan(Arc::new(Rules(plan)));
        world.defer(ns);
        (world, ns)
    }

    const DROP: &str = "*filter\n-A INPUT -j DROP\nCOMMIT\n";
    const ACCEPT: &str = "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n";

    #[test]
    fn a_reader_sees_the_plan_that_holds_and_leaves_it_undone() {
        let (mut world, ns) = world(DROP);
        assert!(rules(world.ns(ns)).contains("-A INPUT -j DROP"));
        assert!(rules(world.bare(ns)).is_empty());
        world.set_plan(Arc::new(Rules(ACCEPT)));
        assert!(rules(world.ns(ns)).contains("-A INPUT -j ACCEPT"));
        assert!(world.is_deferred(ns));
    }

    #[test]
    fn a_reader_sees_what_was_changed_without_the_plan() {
        let (mut world, ns) = world(DROP);
        assert!(world.ns(ns).iface_id("dummy0").is_none());
        world.bare_mut(ns).add_dummy("dummy0", MacAddr::ZERO).unwrap();
        assert!(world.ns(ns).iface_id("dummy0").is_some());
        assert!(world.is_deferred(ns));
    }

    #[test]
    fn who_configures_has_the_plan_carried_out_once() {
        let (mut world, ns) = world(DROP);
        world.ns_mut(ns);
        assert!(!world.is_deferred(ns));
        world.set_plan(Arc::new(Rules(ACCEPT)));
        assert!(rules(world.ns(ns)).contains("DROP"), "a later plan comes too late");
    }

    #[test]
    fn a_packet_meets_what_was_put_off() {
        let (mut world, ns) = world("*filter\n-A OUTPUT -j DROP\nCOMMIT\n");
        let sock = world.icmp_open(ns, None).unwrap();
        assert!(world.is_deferred(ns), "a socket alone asks no rule");
        let sent = world.icmp_echo(ns, sock, [127, 0, 0, 1].into(), 1, Payload::Empty);
        assert_eq!(sent, Err(Errno::EPERM));
    }

    #[test]
    fn what_a_plan_is_refused_is_told() {
        let (mut world, ns) = world("*filter\n-A NOWHERE -j DROP\nCOMMIT\n");
        world.ns_mut(ns);
        assert_eq!(world.take_failures().len(), 1);
        assert!(world.take_failures().is_empty());
    }
}

//! What a person sits at: a node, a container, a machine outside the cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::files::Files;
use crate::kube::objects::{Container, PodSpec};
use crate::kube::version::Version;
use crate::trace::NsId;

/// Where a command runs, or a packet starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The machine with kubectl, outside the cluster.
    Workstation,
    /// A node, by name.
    Node(String),
    /// Another machine outside the cluster, by name; `gateway` is one of them.
    Host(String),
    /// A container of a pod.
    Container {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The container's name; none for the pod's first container.
        container: Option<String>,
    },
    /// A network namespace that somebody made on a machine and gave a name (`ip netns add`): that machine's programs and files, with
    /// another network.
    Netns {
        /// The machine.
        host: Box<Self>,
        /// The namespace's name.
        name: String,
    },
}

impl Place {
    /// The machine itself: the same, unless it is a namespace on one.
    #[must_use]
    pub fn machine(&self) -> &Self {
        match self {
            Self::Netns { host, .. } => host.machine(),
            whole => whole,
        }
    }

    /// The first container of a pod.
    #[must_use]
    pub fn pod(namespace: &str, pod: &str) -> Self {
        Self::Container { namespace: namespace.to_owned(), pod: pod.to_owned(), container: None }
    }
}

impl fmt::Display for Place {
    /// `workstation`, `node/NAME`, `host/NAME`, `pod/NAMESPACE/NAME`, `pod/NAMESPACE/NAME/CONTAINER`; `…/netns/NAME` for a namespace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workstation => f.write_str("workstation"),
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Host(name) => write!(f, "host/{name}"),
            Self::Container { namespace, pod, container: None } => write!(f, "pod/{namespace}/{pod}"),
            Self::Container { namespace, pod, container: Some(c) } => write!(f, "pod/{namespace}/{pod}/{c}"),
            Self::Netns { host, name } => write!(f, "{host}/netns/{name}"),
        }
    }
}

/// Service variables with the revision of the store that they are of.
type Links = (u64, Arc<IndexMap<String, String>>);

/// A machine as a shell sees it. The containers of one pod are machines of their own that share a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What `hostname` prints.
    pub hostname: String,
    /// Its network namespace.
    pub ns: NsId,
    /// Its file system.
    pub files: Files,
    /// Which programs it has.
    pub tools: ToolSet,
    /// The folder a new shell starts in.
    pub cwd: String,
    /// What its programs may do.
    pub privileges: Privileges,
    /// Environment of a new shell, without the Services'.
    pub env: IndexMap<String, String>,
    /// Variables of Services, shared between the containers of a namespace.
    pub links: Arc<IndexMap<String, String>>,
}

/// What the kernel lets the programs of a machine do beyond what everybody may (capabilities(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges {
    /// `CAP_NET_ADMIN`: change interfaces, routes, rules, connection tracking.
    pub net_admin: bool,
    /// `CAP_NET_RAW`: packet sockets.
    pub net_raw: bool,
    /// `/proc/sys` can be written to.
    pub proc_sys: bool,
}

impl Privileges {
    /// Those of root on a machine of its own.
    pub const ALL: Self = Self { net_admin: true, net_raw: true, proc_sys: true };

    /// Those of a container: what the runtime grants, and what its security context adds and drops. Who is not root has none.
    #[must_use]
    pub fn of_container(pod: &PodSpec, container: &Container) -> Self {
        let none = Value::Null;
        let own = container.rest.get("securityContext").unwrap_or(&none);
        let shared = pod.security_context.as_ref().unwrap_or(&none);
        let user = own["runAsUser"].as_i64().or_else(|| shared["runAsUser"].as_i64());
        let no_root = own["runAsNonRoot"].as_bool().or_else(|| shared["runAsNonRoot"].as_bool());
        if user.map_or(no_root == Some(true), |uid| uid != 0) {
            return Self { net_admin: false, net_raw: false, proc_sys: false };
        }
        if own["privileged"] == true {
            return Self::ALL;
        }
        let named = |list: &str, name: &str| {
            let given = own["capabilities"][list].as_array().into_iter().flatten().filter_map(Value::as_str);
            given.map(|c| c.trim_start_matches("CAP_")).any(|c| c == name)
        };
        // `ALL` says where the runtime begins; then it adds by name, then it drops by name.
        let has = |name: &str, granted: bool| {
            let first = named("add", "ALL") || granted && !named("drop", "ALL");
            (first || named("add", name)) && !named("drop", name)
        };
        Self { net_admin: has("NET_ADMIN", false), net_raw: has("NET_RAW", true), proc_sys: false }
    }
}

impl Machine {
    /// A variable of its environment.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&String> {
        self.env.get(name).or_else(|| self.links.get(name))
    }

    /// The whole environment of a new shell. A variable of the manifest comes before a Service's.
    pub fn environment(&self) -> impl Iterator<Item = (&String, &String)> {
        let links = self.links.iter().filter(|(name, _)| !self.env.contains_key(*name));
        let home = |(name, _): &(&String, &String)| *name == "HOME";
        let own = self.env.iter().filter(move |v| !home(v));
        own.chain(links).chain(self.env.iter().filter(home))
    }
}

/// Every machine there is.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    /// Machines that are not containers, and named namespaces.
    whole: BTreeMap<Place, Machine>,
    /// Containers of pods by namespace and name of the pod, in the order of the pod's spec.
    pods: BTreeMap<(String, String), Vec<(String, Machine)>>,
    /// What is in persistent volumes, by the volume's name: files by their path.
    pub(super) volumes: BTreeMap<String, BTreeMap<String, Arc<[u8]>>>,
    /// Variables of Services by namespace and by whether its own are among them, as of a revision of the Services.
    links: BTreeMap<(String, bool), Links>,
}

impl Machines {
    /// A machine, if it is there.
    #[must_use]
    pub fn get(&self, place: &Place) -> Option<&Machine> {
        match place {
            Place::Container { namespace, pod, container } => {
                let all = self.pods.get(&(namespace.clone(), pod.clone()))?;
                let found = match container {
                    Some(name) => all.iter().find(|(n, _)| n == name),
                    None => all.first(),
                };
                found.map(|(_, m)| m)
            }
            whole => self.whole.get(whole),
        }
    }

    /// A machine, to be changed.
    pub fn get_mut(&mut self, place: &Place) -> Option<&mut Machine> {
        match place {
            Place::Container { namespace, pod, container } => {
                let all = self.pods.get_mut(&(namespace.clone(), pod.clone()))?;
                let found = match container {
                    Some(name) => all.iter_mut().find(|(n, _)| n == name),
                    None => all.first_mut(),
                };
                found.map(|(_, m)| m)
            }
            whole => self.whole.get_mut(whole),
        }
    }

    /// Variables of Services, made anew only if the Services have changed since.
    pub(super) fn links(
        &mut self,
        key: (String, bool),
        revision: u64,
        make: impl FnOnce() -> IndexMap<String, String>,
    ) -> Arc<IndexMap<String, String>> {
        match self.links.get(&key) {
            Some((known, links)) if *known == revision => Arc::clone(links),
            _ => {
                let links = Arc::new(make());
                self.links.insert(key, (revision, Arc::clone(&links)));
                links
            }
        }
    }

    /// Adds a machine, or replaces it. A container comes last in its pod.
    pub fn insert(&mut self, place: Place, machine: Machine) {
        let Place::Container { namespace, pod, container } = place else {
            self.whole.insert(place, machine);
            return;
        };
        let name = container.unwrap_or_default();
        let all = self.pods.entry((namespace, pod)).or_default();
        match all.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = machine,
            None => all.push((name, machine)),
        }
    }

    /// Removes the containers of a pod.
    pub fn remove_pod(&mut self, namespace: &str, pod: &str) {
        self.pods.remove(&(namespace.to_owned(), pod.to_owned()));
    }

    /// Names of a pod's containers that have a machine, in the order of the pod's spec.
    pub fn containers(&self, namespace: &str, pod: &str) -> impl Iterator<Item = &str> {
        let all = self.pods.get(&(namespace.to_owned(), pod.to_owned()));
        all.into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Places that are whole machines: workstation, nodes, hosts.
    pub fn whole(&self) -> impl Iterator<Item = (&Place, &Machine)> {
        self.whole.iter().filter(|(place, _)| !matches!(place, Place::Netns { .. }))
    }

    /// The namespaces that were made on a machine by name, the newest first as their folder lists them.
    #[must_use]
    pub fn named(&self, on: &Place) -> Vec<(&str, NsId)> {
        let mut all: Vec<(&str, NsId)> = self
            .whole
            .iter()
            .filter_map(|(place, m)| match place {
                Place::Netns { host, name } if **host == *on => Some((name.as_str(), m.ns)),
                _ => None,
            })
            .collect();
        all.sort_by_key(|(_, ns)| std::cmp::Reverse(*ns));
        all
    }

    /// The place whose named namespace this is.
    #[must_use]
    pub fn named_place(&self, ns: NsId) -> Option<&Place> {
        self.whole.iter().find(|(p, m)| matches!(p, Place::Netns { .. }) && m.ns == ns).map(|(p, _)| p)
    }

    /// Takes a named namespace away.
    pub fn remove_named(&mut self, place: &Place) -> Option<Machine> {
        matches!(place, Place::Netns { .. }).then(|| self.whole.remove(place)).flatten()
    }
}

/// Which programs a machine has, by the image or system it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSet {
    /// What it was made from.
    pub base: Base,
    /// The C library behind programs that resolve names.
    pub libc: Libc,
    /// Version of busybox, on systems that have it.
    pub busybox: Option<Version>,
    /// Programs beyond those of the base, in byte order.
    pub extra: &'static [&'static str],
    /// Versions of programs and packages, where they differ from those of a current Debian.
    pub versions: &'static [(&'static str, &'static str)],
}

/// The system that a machine was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// The person's own machine: kubectl, curl, wget, nc, ping, dig, nslookup, ssh.
    Workstation,
    /// A node: a Debian with iproute2, iptables, conntrack, tcpdump, crictl.
    Node,
    /// A machine outside the cluster: a Debian with the usual network tools.
    Host,
    /// The busybox image.
    Busybox,
    /// Alpine Linux: busybox with musl.
    Alpine,
    /// A slim Debian: a shell and the text tools, no network tools but those in [`ToolSet::extra`].
    Debian,
    /// No shell at all: `scratch`, distroless.
    Bare,
}

/// The C library, which decides how names are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Libc {
    /// GNU libc.
    Glibc,
    /// musl.
    Musl,
    /// uClibc, in old busybox images.
    Uclibc,
}

/// The busybox of a current image.
pub const BUSYBOX_LATEST: Version = Version::new(1, 37, 0);

impl ToolSet {
    /// The person's machine.
    pub const WORKSTATION: Self =
        Self { base: Base::Workstation, libc: Libc::Glibc, busybox: None, extra: &[], versions: &[] };
    /// A node.
    pub const NODE: Self =
        Self { base: Base::Node, libc: Libc::Glibc, busybox: None, extra: &[], versions: &[] };
    /// A machine outside the cluster.
    pub const HOST: Self =
        Self { base: Base::Host, libc: Libc::Glibc, busybox: None, extra: &[], versions: &[] };
    /// No program that a person could run.
    pub const BARE: Self =
        Self { base: Base::Bare, libc: Libc::Glibc, busybox: None, extra: &[], versions: &[] };

    /// A slim Debian with `extra` programs.
    #[must_use]
    pub const fn debian(extra: &'static [&'static str]) -> Self {
        Self { base: Base::Debian, libc: Libc::Glibc, busybox: None, extra, versions: &[] }
    }

    /// The busybox image with this tag. Images before 1.29 were built with uClibc, later ones with glibc unless the tag says otherwise.
    #[must_use]
    pub fn busybox(tag: &str) -> Self {
        let version = Version::parse(tag).filter(|v| v.minor > 0).unwrap_or(BUSYBOX_LATEST);
        let libc = match tag.rsplit_once('-').map(|(_, variant)| variant) {
            Some("musl") => Libc::Musl,
            Some("uclibc") => Libc::Uclibc,
            Some("glibc") => Libc::Glibc,
            _ if version < Version::new(1, 29, 0) => Libc::Uclibc,
            _ => Libc::Glibc,
        };
        Self { base: Base::Busybox, libc, busybox: Some(version), extra: &[], versions: &[] }
    }

    /// The alpine image with this tag, or an image built on it, with `extra` programs.
    #[must_use]
    pub fn alpine(tag: &str, extra: &'static [&'static str]) -> Self {
        // Alpine releases and the busybox they came with (pkgs.alpinelinux.org).
        let busybox = match Version::parse(tag).filter(|v| v.minor > 0).map_or(u16::MAX, |v| v.minor) {
            ..=8 => Version::new(1, 28, 4),
            9 => Version::new(1, 29, 3),
            10 => Version::new(1, 30, 1),
            11..=12 => Version::new(1, 31, 1),
            13 => Version::new(1, 32, 1),
            14 => Version::new(1, 33, 1),
            15 => Version::new(1, 34, 1),
            16..=17 => Version::new(1, 35, 0),
            18..=20 => Version::new(1, 36, 1),
            _ => BUSYBOX_LATEST,
        };
        Self { base: Base::Alpine, libc: Libc::Musl, busybox: Some(busybox), extra, versions: &[] }
    }

    /// The version of a program or package, if the image says which.
    #[must_use]
    pub fn version(&self, program: &str) -> Option<&'static str> {
        self.versions.iter().find(|(name, _)| *name == program).map(|(_, version)| *version)
    }

    /// Whether there is a shell to open.
    #[must_use]
    pub fn has_shell(&self) -> bool {
        self.base != Base::Bare
    }

    /// Whether this is a container's system, not a whole machine's.
    #[must_use]
    pub const fn is_image(&self) -> bool {
        matches!(self.base, Base::Busybox | Base::Alpine | Base::Debian | Base::Bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_the_busybox() {
        assert_eq!(ToolSet::busybox("1.28").busybox, Some(Version::new(1, 28, 0)));
        assert_eq!(ToolSet::busybox("1.28.4").libc, Libc::Uclibc);
        assert_eq!(ToolSet::busybox("1.36.1-musl").libc, Libc::Musl);
        assert_eq!(ToolSet::busybox("latest").busybox, Some(BUSYBOX_LATEST));
        assert_eq!(ToolSet::busybox("stable").libc, Libc::Glibc);
        assert_eq!(ToolSet::alpine("3.19", &[]).busybox, Some(Version::new(1, 36, 1)));
        assert_eq!(ToolSet::alpine("latest", &[]).busybox, Some(BUSYBOX_LATEST));
    }
}

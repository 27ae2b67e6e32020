//! nginx' servers, made of the Ingresses of a controller's class: the oldest first, and of what two claim the first has it.
//!
//! The API's words go before ingress-nginx' habits in two places: a Prefix path with a final slash also takes the path without it (nginx
//! would redirect), and the `defaultBackend` of an Ingress with rules takes what no rule of any host takes (ingress-nginx asks it for the
//! Ingress' own hosts only).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::annotations::Settings;
use super::location::{self, Location, Matcher, Target};
use super::options::Options;
use crate::kube::objects::ingress::{HttpIngressPath, IngressBackend, ServiceBackendPort};
use crate::kube::objects::{Ingress, Service};
use crate::kube::store::Store;

/// The server of hosts that no rule names.
const CATCH_ALL: &str = "_";

/// What nginx is told.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    servers: BTreeMap<String, Server>,
    /// What the real controller would do and this one does not, in words.
    pub remarks: Vec<String>,
}

/// One host.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Its locations.
    pub locations: Vec<Location>,
    /// There is a certificate for it.
    pub tls: bool,
}

impl Configuration {
    /// Makes the configuration of a controller.
    #[must_use]
    pub fn of(options: &Options, store: &Store) -> Self {
        let mut ingresses: Vec<&Ingress> =
            store.all::<Ingress>(None).filter(|i| options.serves(i, store)).collect();
        // Of two of the same second the later name comes first (`sortIngressSlice`).
        ingresses.sort_by_key(|i| {
            let name = format!("{}/{}", i.metadata.namespace, i.metadata.name);
            (i.metadata.creation_timestamp, Reverse(name))
        });
        let mut all = Self::default();
        let root = options.default_backend.as_ref().and_then(|(ns, name)| first_port(store, ns, name));
        all.servers.insert(CATCH_ALL.to_owned(), Server::new(root.unwrap_or(Target::Nobody)));
        let parsed: Vec<(&Ingress, Arc<Settings>)> = ingresses
            .into_iter()
            .map(|ingress| {
                let (settings, unknown) = Settings::of(ingress);
                for name in unknown {
                    all.remark(ingress, &format!("the annotation {name} is not modelled"));
                }
                (ingress, Arc::new(settings))
            })
            .collect();
        for (ingress, settings) in &parsed {
            all.add_servers(ingress, settings);
        }
        for (ingress, settings) in &parsed {
            all.add_locations(ingress, settings);
        }
        for (ingress, settings) in &parsed {
            all.add_aliases(ingress, settings);
        }
        all.compile();
        all
    }

    fn remark(&mut self, ingress: &Ingress, what: &str) {
        self.remarks
            .push(format!("Ingress {}/{}: {what}", ingress.metadata.namespace, ingress.metadata.name));
    }

    /// A server for each host, with what becomes of paths that no rule takes; and the hosts with a certificate.
    fn add_servers(&mut self, ingress: &Ingress, settings: &Arc<Settings>) {
        let namespace = &ingress.metadata.namespace;
        let default = ingress.spec.default_backend.as_ref().and_then(|b| target(namespace, b));
        if let Some(target) = &default {
            let catch_all = self.servers.entry(CATCH_ALL.to_owned()).or_default();
            if let Some(root) = catch_all.locations.first_mut().filter(|l| l.is_default) {
                root.target = target.clone();
                root.settings = Arc::clone(settings);
                root.is_default = !ingress.spec.rules.is_empty();
            }
        }
        for rule in ingress.spec.rules.iter().filter(|r| !r.host.is_empty()) {
            self.servers
                .entry(rule.host.clone())
                .or_insert_with(|| Server::new(default.clone().unwrap_or(Target::Nobody)));
        }
        for host in ingress.spec.tls.iter().flat_map(|tls| &tls.hosts) {
            if let Some(server) = self.servers.get_mut(host) {
                server.tls = true;
            }
        }
    }

    fn add_locations(&mut self, ingress: &Ingress, settings: &Arc<Settings>) {
        for rule in &ingress.spec.rules {
            let host = if rule.host.is_empty() { CATCH_ALL } else { &rule.host };
            for path in rule.paths() {
                let Some(target) = target(&ingress.metadata.namespace, &path.backend) else {
                    self.remark(ingress, "a resource as backend is not served by ingress-nginx");
                    continue;
                };
                if let Some(server) = self.servers.get_mut(host) {
                    server.add(path, target, settings);
                }
            }
        }
    }

    /// Other names of an Ingress' hosts, unless they are hosts by themselves.
    fn add_aliases(&mut self, ingress: &Ingress, settings: &Arc<Settings>) {
        let Some(host) = ingress.spec.rules.iter().map(|r| &r.host).find(|h| !h.is_empty()) else { return };
        let Some(server) = self.servers.get(host).cloned() else { return };
        for alias in &settings.aliases {
            self.servers.entry(alias.clone()).or_insert_with(|| server.clone());
        }
    }

    /// Settles how paths are compared.
    fn compile(&mut self) {
        let mut bad = BTreeSet::new();
        for server in self.servers.values_mut() {
            server.compile(&mut bad);
        }
        for path in bad {
            self.remarks.push(format!("ingress-nginx: the regular expression {path} is not modelled"));
        }
    }

    /// The server for a `Host` header.
    #[must_use]
    pub fn server(&self, host: &str) -> Option<&Server> {
        let host = without_port(host).to_ascii_lowercase();
        let wild = || {
            let (first, rest) = host.split_once('.')?;
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let label = !first.is_empty() && first.chars().all(word);
            self.servers.get(&format!("*.{rest}")).filter(|_| label)
        };
        self.servers
            .get(&host)
            .filter(|_| host != CATCH_ALL)
            .or_else(wild)
            .or_else(|| self.servers.get(CATCH_ALL))
    }

    /// Where a request goes: the location for a `Host` header and the path of a request target.
    #[must_use]
    pub fn route(&self, host: &str, path: &str) -> Option<&Location> {
        location::find(&self.server(host)?.locations, &location::normalised(path)?)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

impl Server {
    fn new(root: Target) -> Self {
        let root = Location {
            path: "/".to_owned(),
            matcher: Matcher::Text("/".to_owned()),
            target: root,
            is_default: true,
            settings: Arc::default(),
        };
        Self { locations: vec![root], tls: false }
    }

    /// Adds a path unless it is there already with the same type; the root that every server has gives way.
    fn add(&mut self, path: &HttpIngressPath, target: Target, settings: &Arc<Settings>) {
        let text = if path.path.is_empty() { "/" } else { &path.path };
        let kind = path.path_type.as_deref().unwrap_or("ImplementationSpecific");
        let matcher = match kind {
            "Exact" => Matcher::Exact(text.to_owned()),
            "Prefix" if text != "/" => Matcher::Elements(text.trim_end_matches('/').to_owned()),
            _ => Matcher::Text(text.to_owned()),
        };
        let same = |l: &&mut Location| {
            l.path == text && std::mem::discriminant(&l.matcher) == std::mem::discriminant(&matcher)
        };
        let location = Location {
            path: text.to_owned(),
            matcher: matcher.clone(),
            target,
            is_default: false,
            settings: Arc::clone(settings),
        };
        match self.locations.iter_mut().find(same) {
            Some(known) if known.is_default => *known = location,
            Some(_) => {}
            None => self.locations.push(location),
        }
    }

    fn compile(&mut self, bad: &mut BTreeSet<String>) {
        let enforced = self.locations.iter().any(|l| l.settings.regex || l.settings.rewrites(&l.path));
        if !enforced {
            return;
        }
        for l in &mut self.locations {
            if matches!(l.matcher, Matcher::Exact(_)) {
                continue;
            }
            let as_written = l.settings.regex || l.settings.rewrites(&l.path);
            let text = match &l.matcher {
                // Without a rewrite of its own a Prefix path stays one, as an expression.
                Matcher::Elements(path) if !as_written => format!("{}(/|$)", regex::escape(path)),
                _ => l.path.clone(),
            };
            match location::pattern(&text) {
                Some(regex) => l.matcher = Matcher::Regex(regex),
                None => drop(bad.insert(l.path.clone())),
            }
        }
        self.locations.sort_by_key(|l| Reverse(l.path.len()));
    }
}

fn target(namespace: &str, backend: &IngressBackend) -> Option<Target> {
    let service = backend.service.as_ref()?;
    let (namespace, name) = (namespace.to_owned(), service.name.clone());
    Some(Target::Service { namespace, name, port: service.port.clone() })
}

fn first_port(store: &Store, namespace: &str, name: &str) -> Option<Target> {
    let port = store.read::<Service>(namespace, name)?.spec.ports.first()?.port;
    let port = ServiceBackendPort { name: String::new(), number: i32::from(port) };
    Some(Target::Service { namespace: namespace.to_owned(), name: name.to_owned(), port })
}

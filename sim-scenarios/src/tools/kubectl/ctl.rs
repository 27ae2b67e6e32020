//! One run of kubectl: its command line, the server it talks to, and where it prints.

use std::time::Duration;

use sim_core::kube::objects::Kind;
use sim_core::kube::store::Store;
use sim_core::kube::version::Version;
use sim_core::time::SimTime;

use super::args::Args;
use super::clock;
use super::failure::Failure;
use super::kube_config::KubeConfig;
use super::manifest::Document;
use super::resource::Resource;
use crate::tools::{Cluster, Cx};

/// One run of kubectl.
pub(crate) struct Ctl<'a, 'c> {
    pub(crate) cx: &'a mut Cx<'c>,
    pub(crate) args: Args,
    /// `kubectl get`.
    pub(crate) path: String,
    warned: Vec<String>,
}

/// `--dry-run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DryRun {
    None,
    Client,
    Server,
}

impl DryRun {
    /// What stands behind a result.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}

impl<'a, 'c> Ctl<'a, 'c> {
    pub(crate) fn new(cx: &'a mut Cx<'c>, args: Args, path: String) -> Self {
        Self { cx, args, path, warned: Vec::new() }
    }

    pub(crate) fn now(&self) -> SimTime {
        self.cx.cluster.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.cx.cluster.store
    }

    /// The store to change, and the time at which it is changed.
    pub(crate) fn store_mut(&mut self) -> (&mut Store, SimTime) {
        let now = self.now();
        (&mut self.cx.cluster.store, now)
    }

    /// The version of kubectl and of the server, which are one.
    pub(crate) fn version(&self) -> Version {
        self.cx.cluster.config().kubernetes_version
    }

    /// The namespace that is meant: `-n`, or the context's, or `default`.
    pub(crate) fn namespace(&self) -> String {
        let given = self.args.text("namespace");
        let of_context = || {
            let config = self.config();
            let context = config.context(self.args.text("context").unwrap_or(&config.current))?;
            Some(context.namespace.as_str()).filter(|n| !n.is_empty())
        };
        given.or_else(of_context).unwrap_or("default").to_owned()
    }

    /// The kubeconfig file.
    pub(crate) fn config(&self) -> &KubeConfig {
        &self.cx.session.kube_config
    }

    /// The kubeconfig file, to change it.
    pub(crate) fn config_mut(&mut self) -> &mut KubeConfig {
        &mut self.cx.session.kube_config
    }

    /// Lets virtual time pass until `done` holds or `limit` is over. Returns whether it holds.
    pub(crate) fn wait(&mut self, limit: Duration, done: impl FnMut(&mut Cluster) -> bool) -> bool {
        let until = self.now() + limit;
        self.cx.wait(until, done)
    }

    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.cx.out.line(text);
    }

    pub(crate) fn print(&mut self, text: impl AsRef<str>) {
        self.cx.out.print(text);
    }

    pub(crate) fn err(&mut self, text: impl AsRef<str>) {
        self.cx.out.err(text);
    }

    /// A warning of the server or of kubectl itself; the same one only once.
    pub(crate) fn warn(&mut self, text: &str) {
        if !self.warned.iter().any(|w| w == text) {
            self.warned.push(text.to_owned());
            self.err(format!("Warning: {text}"));
        }
    }

    /// The warning that comes with every answer about a type that is on its way out.
    pub(crate) fn warn_deprecated(&mut self, resource: Resource) {
        if resource == Resource::Kind(Kind::Endpoints) && self.version() >= Version::new(1, 33, 0) {
            self.warn("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
        }
    }

    /// The warnings that come with every answer about an object of a manifest.
    pub(crate) fn warn_of(&mut self, document: &Document) {
        self.warn_deprecated(Resource::Kind(document.kind));
        if matches!(document.kind, Kind::ResourceQuota | Kind::LimitRange) {
            let remark =
                format!("{} {} is stored, but nothing is held to it", document.kind, document.name());
            self.cx.remark(remark);
        }
        if let Some(words) = document.older.and_then(|older| older.warning(self.version())) {
            self.warn(&words);
        }
    }

    /// The value of `--dry-run`.
    ///
    /// # Errors
    /// It is none of the three.
    pub(crate) fn dry_run(&mut self) -> Result<DryRun, Failure> {
        match self.args.text("dry-run").unwrap_or("none") {
            "none" | "false" => Ok(DryRun::None),
            "client" => Ok(DryRun::Client),
            "server" => Ok(DryRun::Server),
            "unchanged" | "true" => {
                let stamp = clock::klog(self.now());
                self.err(format!(
                    "W{stamp}       1 helpers.go:755] --dry-run is deprecated and can be replaced with --dry-run=client."
                ));
                Ok(DryRun::Client)
            }
            other => Err(Failure::plain(format!(
                "Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."
            ))),
        }
    }

    /// Refuses flags that kubectl has and this model does not.
    ///
    /// # Errors
    /// The first of them that was given.
    pub(crate) fn refuse(&self, flags: &[&str]) -> Result<(), Failure> {
        match self.args.first_given(flags) {
            Some(name) => Err(Failure::not_modelled(format!("the flag --{name} of {:?}", self.path))),
            None => Ok(()),
        }
    }
}

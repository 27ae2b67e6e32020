//! The kubeconfig file: which cluster, as whom, and in which namespace. It outlives a command.

use serde_json::{Value, json};

/// What the file of a new cluster calls things, as kubeadm writes it.
pub(crate) const CLUSTER: &str = "kubernetes";
pub(crate) const USER: &str = "kubernetes-admin";
const CONTEXT: &str = "kubernetes-admin@kubernetes";

/// Where the file is.
pub(crate) const PATH: &str = "/root/.kube/config";

/// A context: a cluster, a user, and the namespace that is meant when none is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) name: String,
    pub(crate) cluster: String,
    pub(crate) user: String,
    pub(crate) namespace: String,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KubeConfig {
    /// In the order of their names.
    pub(crate) contexts: Vec<Context>,
    pub(crate) current: String,
}

impl Default for KubeConfig {
    fn default() -> Self {
        let context = Context {
            name: CONTEXT.to_owned(),
            cluster: CLUSTER.to_owned(),
            user: USER.to_owned(),
            namespace: String::new(),
        };
        Self { contexts: vec![context], current: CONTEXT.to_owned() }
    }
}

impl KubeConfig {
    /// A context by its name.
    pub(crate) fn context(&self, name: &str) -> Option<&Context> {
        self.contexts.iter().find(|c| c.name == name)
    }

    /// The context by this name to change, made if it is not there; and whether it was.
    pub(crate) fn context_mut(&mut self, name: &str) -> (&mut Context, bool) {
        let at = self.contexts.binary_search_by(|c| c.name.as_str().cmp(name));
        let at = at.map_or_else(
            |at| {
                let new = Context {
                    name: name.to_owned(),
                    cluster: String::new(),
                    user: String::new(),
                    namespace: String::new(),
                };
                self.contexts.insert(at, new);
                (at, false)
            },
            |at| (at, true),
        );
        (&mut self.contexts[at.0], at.1)
    }

    /// The file as a value, without what is secret; only the current context with `minify`.
    pub(crate) fn to_value(&self, server: &str, minify: bool, preferences: bool) -> Value {
        let shown = self.contexts.iter().filter(|c| !minify || c.name == self.current);
        let context = |c: &Context| {
            let mut inner = json!({"cluster": c.cluster, "user": c.user});
            if !c.namespace.is_empty() {
                inner["namespace"] = json!(c.namespace);
            }
            json!({"context": inner, "name": c.name})
        };
        let cluster = json!({"certificate-authority-data": "DATA+OMITTED", "server": server});
        let user = json!({"client-certificate-data": "DATA+OMITTED", "client-key-data": "DATA+OMITTED"});
        let mut value = json!({
            "apiVersion": "v1",
            "clusters": [{"cluster": cluster, "name": CLUSTER}],
            "contexts": shown.map(context).collect::<Vec<_>>(),
            "current-context": self.current,
            "kind": "Config",
            "users": [{"name": USER, "user": user}],
        });
        if preferences {
            value["preferences"] = json!({});
        }
        value
    }
}

//! What the policies of a cluster say.

use std::net::IpAddr;

use super::Cluster;
use crate::kube::config::IpFamily as Families;
use crate::kube::objects::{IpFamily, Protocol};
use crate::kube::policy::{Engine, Options, Reached, Snapshot, UnknownEnd};

impl Cluster {
    /// The policies as they are now, with the namespaces, pods and nodes that they speak of, ready for questions.
    ///
    /// The engine says what the policies ask for. Whether somebody holds packets to them is a matter of the CNI
    /// ([`Cni::enforces`](crate::kube::config::Cni::enforces)); [`Cluster::flow`] shows what becomes of a packet.
    #[must_use]
    pub fn policies(&self) -> Engine {
        let family = match self.config.networking.ip_family {
            Families::V6 => IpFamily::V6,
            Families::V4 | Families::Dual => IpFamily::V4,
        };
        self.policies_among(family)
    }

    fn policies_among(&self, family: IpFamily) -> Engine {
        Engine::new(Snapshot::of_store(&self.store), Options { family, ..Options::default() })
    }

    /// May one end reach another at a port, and which policy and rule decides? For names see [`Engine::may_reach`].
    ///
    /// ```
    /// use sim_core::cluster::Cluster;
    /// use sim_core::kube::objects::Protocol;
    /// use sim_core::kube::policy::Reason;
    ///
    /// let mut cluster = Cluster::builder().build().map_err(|mistakes| mistakes[0].message.clone())?;
    /// cluster
    ///     .apply(
    ///         r#"
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: client}
    /// spec: {containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
    /// ---
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: db, labels: {app: db}}
    /// spec: {containers: [{name: c, image: postgres}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: only-the-shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: db}}
    ///   ingress:
    ///   - from: [{podSelector: {matchLabels: {app: shop}}}]
    ///     ports: [{port: 5432}]
    /// "#,
    ///     )
    ///     .map_err(|mistakes| mistakes[0].message.clone())?;
    /// cluster.settle();
    ///
    /// let answers = cluster.may_reach("client", "db", Protocol::Tcp, 5432).map_err(|e| e.to_string())?;
    /// let verdict = &answers[0].verdict;
    /// assert!(!verdict.allowed());
    /// assert_eq!(verdict.decisive().reason, Reason::Isolated);
    /// assert_eq!(
    ///     verdict.to_string(),
    ///     "denied\n  egress: allowed: no policy has a say\n  ingress: denied: isolated by NetworkPolicy \
    ///      default/only-the-shop, and no rule matches"
    /// );
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// There is no such end, or no pod behind that port of the Service.
    pub fn may_reach(
        &self,
        from: &str,
        to: &str,
        protocol: Protocol,
        port: u16,
    ) -> Result<Vec<Reached>, UnknownEnd> {
        let written = [from, to].into_iter().find_map(|end| end.parse::<IpAddr>().ok());
        let engine = match written {
            Some(IpAddr::V4(_)) => self.policies_among(IpFamily::V4),
            Some(IpAddr::V6(_)) => self.policies_among(IpFamily::V6),
            None => self.policies(),
        };
        engine.may_reach(from, to, protocol, port)
    }
}

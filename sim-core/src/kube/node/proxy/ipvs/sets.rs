//! The sets that rules ask.

use crate::trace::Family;

/// One of the sets, by its place in [`ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetId {
    /// Local endpoints that reach themselves.
    LoopBack,
    /// Cluster IPs.
    ClusterIp,
    /// External IPs.
    ExternalIp,
    /// External IPs of policy Local.
    ExternalIpLocal,
    /// Load balancer addresses.
    LoadBalancer,
    /// Those with source ranges.
    LoadBalancerFw,
    /// Those of policy Local.
    LoadBalancerLocal,
    /// Those that may be used by themselves.
    LoadBalancerSourceIp,
    /// Who may use a load balancer address.
    LoadBalancerSourceCidr,
    /// TCP node ports.
    NodePortTcp,
    /// TCP node ports of policy Local.
    NodePortLocalTcp,
    /// UDP node ports.
    NodePortUdp,
    /// UDP node ports of policy Local.
    NodePortLocalUdp,
    /// SCTP node ports, with addresses.
    NodePortSctp,
    /// SCTP node ports of policy Local.
    NodePortLocalSctp,
    /// Health check ports.
    HealthCheckNodePort,
    /// Everything that is bound to the dummy device.
    IpvsIps,
}

/// All sets in the order in which they are made.
pub const ALL: [SetId; 17] = [
    SetId::LoopBack,
    SetId::ClusterIp,
    SetId::ExternalIp,
    SetId::ExternalIpLocal,
    SetId::LoadBalancer,
    SetId::LoadBalancerFw,
    SetId::LoadBalancerLocal,
    SetId::LoadBalancerSourceIp,
    SetId::LoadBalancerSourceCidr,
    SetId::NodePortTcp,
    SetId::NodePortLocalTcp,
    SetId::NodePortUdp,
    SetId::NodePortLocalUdp,
    SetId::NodePortSctp,
    SetId::NodePortLocalSctp,
    SetId::HealthCheckNodePort,
    SetId::IpvsIps,
];

impl SetId {
    const fn row(self) -> (&'static str, &'static str, &'static str) {
        const PORT: &str = "hash:ip,port";
        const BITS: &str = "bitmap:port";
        match self {
            Self::LoopBack => (
                "LOOP-BACK",
                "hash:ip,port,ip",
                "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose",
            ),
            Self::ClusterIp => {
                ("CLUSTER-IP", PORT, "Kubernetes service cluster ip + port for masquerade purpose")
            }
            Self::ExternalIp => (
                "EXTERNAL-IP",
                PORT,
                "Kubernetes service external ip + port for masquerade and filter purpose",
            ),
            Self::ExternalIpLocal => (
                "EXTERNAL-IP-LOCAL",
                PORT,
                "Kubernetes service external ip + port with externalTrafficPolicy=local",
            ),
            Self::LoadBalancer => ("LOAD-BALANCER", PORT, "Kubernetes service lb portal"),
            Self::LoadBalancerFw => (
                "LOAD-BALANCER-FW",
                PORT,
                "Kubernetes service load balancer ip + port for load balancer with sourceRange",
            ),
            Self::LoadBalancerLocal => (
                "LOAD-BALANCER-LOCAL",
                PORT,
                "Kubernetes service load balancer ip + port with externalTrafficPolicy=local",
            ),
            Self::LoadBalancerSourceIp => (
                "LOAD-BALANCER-SOURCE-IP",
                "hash:ip,port,ip",
                "Kubernetes service load balancer ip + port + source IP for packet filter purpose",
            ),
            Self::LoadBalancerSourceCidr => (
                "LOAD-BALANCER-SOURCE-CIDR",
                "hash:ip,port,net",
                "Kubernetes service load balancer ip + port + source cidr for packet filter purpose",
            ),
            Self::NodePortTcp => {
                ("NODE-PORT-TCP", BITS, "Kubernetes nodeport TCP port for masquerade purpose")
            }
            Self::NodePortLocalTcp => {
                ("NODE-PORT-LOCAL-TCP", BITS, "Kubernetes nodeport TCP port with externalTrafficPolicy=local")
            }
            Self::NodePortUdp => {
                ("NODE-PORT-UDP", BITS, "Kubernetes nodeport UDP port for masquerade purpose")
            }
            Self::NodePortLocalUdp => {
                ("NODE-PORT-LOCAL-UDP", BITS, "Kubernetes nodeport UDP port with externalTrafficPolicy=local")
            }
            Self::NodePortSctp => (
                "NODE-PORT-SCTP-HASH",
                PORT,
                "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
            ),
            Self::NodePortLocalSctp => (
                "NODE-PORT-LOCAL-SCTP-HASH",
                PORT,
                "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
            ),
            Self::HealthCheckNodePort => {
                ("HEALTH-CHECK-NODE-PORT", BITS, "Kubernetes health check node port")
            }
            Self::IpvsIps => ("IPVS-IPS", "hash:ip", "Virtual IP addresses used by IPVS"),
        }
    }

    /// The name; IPv6 has sets of its own, whose names are cut where ipset ends them.
    #[must_use]
    pub fn name(self, family: Family) -> String {
        let prefix = if family == Family::V4 { "KUBE-" } else { "KUBE-6-" };
        let mut name = format!("{prefix}{}", self.row().0);
        name.truncate(31);
        name
    }

    /// The type.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        self.row().1
    }

    /// The comment of rules that ask it.
    #[must_use]
    pub const fn comment(self) -> &'static str {
        self.row().2
    }

    /// The line of `ipset restore` that makes it.
    #[must_use]
    pub fn create(self, family: Family) -> String {
        let (name, kind) = (self.name(family), self.kind());
        if kind == "bitmap:port" {
            return format!("create {name} {kind} range 0-65535\n");
        }
        let inet = if family == Family::V4 { "inet" } else { "inet6" };
        format!("create {name} {kind} family {inet} hashsize 1024 maxelem 65536\n")
    }
}

//! The layouts of earlier releases, which tutorials still show. Each switch is one change of kube-proxy's generator; the releases in which some of
//! them came are known to a release or two only.

/// How rules are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// A port without a name leaves its colon behind, in comments and in hashes: `default/svc-a:`. Before 1.19.
    pub nameless_colon: bool,
    /// Decimals of probabilities: 5 before 1.17, then 10.
    pub probability_digits: usize,
    /// Traffic to a cluster IP is marked in KUBE-SERVICES, not in KUBE-SVC. Before 1.21.
    pub mark_in_services: bool,
    /// One KUBE-FORWARD rule for each direction of pod traffic. Before 1.21.
    pub forward_by_pod_subnet: bool,
    /// KUBE-FORWARD drops what connection tracking finds invalid. Since 1.15.
    pub drop_invalid: bool,
    /// Entry from outside goes by KUBE-XLB (policy Local) or straight to KUBE-SVC, and by KUBE-FW for every load balancer address; since
    /// 1.24 by KUBE-EXT.
    pub entry: Entry,
    /// Comments of the rules in KUBE-SVC and KUBE-SEP.
    pub endpoint_comment: EndpointComment,
    /// What is not for this node is marked 0x8000 and dropped in the kubelet's KUBE-FIREWALL. Before 1.26; since then kube-proxy drops it
    /// in the filter table.
    pub mark_drop: bool,
    /// KUBE-POSTROUTING is one rule, and the mark stays on the packet. Before 1.19.
    pub short_postrouting: bool,
    /// Health check ports are let in by filter KUBE-NODEPORTS. Since 1.20.
    pub health_check_rule: bool,
    /// KUBE-EXTERNAL-SERVICES is met by forwarded packets too. Since 1.21.
    pub external_in_forward: bool,
    /// Canary chains, by which kube-proxy and the kubelet notice a flush. Since 1.17.
    pub canaries: bool,
    /// KUBE-IPTABLES-HINT, by which others see which iptables the kubelet uses. Since 1.24.
    pub hint: bool,
    /// 127.0.0.0/8 is guarded against neighbours (CVE-2020-8558). Since 1.18.
    pub localnet_guard: bool,
}

/// Where traffic from outside comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// KUBE-XLB and KUBE-FW.
    Xlb,
    /// KUBE-EXT.
    Ext,
}

/// Comments of the rules in KUBE-SVC and KUBE-SEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointComment {
    /// None at all: what 1.10 to 1.16 wrote.
    None,
    /// The service port's name.
    Name,
    /// The service port's name, and in KUBE-SVC also the endpoint: `default/svc-a -> 10.244.1.5:80`.
    Arrow,
}

impl Dialect {
    /// Today's, since 1.28.
    pub const TODAY: Self = Self::of_minor(28);

    /// The layout of Kubernetes 1.`minor`.
    #[must_use]
    pub const fn of_minor(minor: u16) -> Self {
        Self {
            nameless_colon: minor < 19,
            probability_digits: if minor < 17 { 5 } else { 10 },
            mark_in_services: minor < 21,
            forward_by_pod_subnet: minor < 21,
            drop_invalid: minor >= 15,
            entry: if minor < 24 { Entry::Xlb } else { Entry::Ext },
            endpoint_comment: match minor {
                10..=16 => EndpointComment::None,
                0..24 => EndpointComment::Name,
                24.. => EndpointComment::Arrow,
            },
            mark_drop: minor < 26,
            short_postrouting: minor < 19,
            health_check_rule: minor >= 20,
            external_in_forward: minor >= 21,
            canaries: minor >= 17,
            hint: minor >= 24,
            localnet_guard: minor >= 18,
        }
    }
}

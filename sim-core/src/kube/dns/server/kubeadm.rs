//! What kubeadm installs: the Corefile, and the release of CoreDNS.

use crate::kube::version::Version;

/// A release of CoreDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Version.
    pub version: Version,
    /// The Go that it was built with, and the commit.
    pub built: (&'static str, &'static str),
}

const fn release(version: Version, go: &'static str, commit: &'static str) -> Release {
    Release { version, built: (go, commit) }
}

/// Releases by the first minor version of Kubernetes whose kubeadm installs them (`cmd/kubeadm/app/constants`).
const RELEASES: [(u16, Release); 14] = [
    (16, release(Version::new(1, 6, 2), "go1.12.8", "795a3eb")),
    (17, release(Version::new(1, 6, 5), "go1.13.4", "c2fd1b2")),
    (18, release(Version::new(1, 6, 7), "go1.13.6", "da7f65b")),
    (19, release(Version::new(1, 7, 0), "go1.14.4", "f59c03d")),
    (21, release(Version::new(1, 8, 0), "go1.15.3", "054c9ae")),
    (22, release(Version::new(1, 8, 4), "go1.16.4", "053c4d5")),
    (23, release(Version::new(1, 8, 6), "go1.17.1", "13a9191")),
    (25, release(Version::new(1, 9, 3), "go1.18.2", "45b0a11")),
    (27, release(Version::new(1, 10, 1), "go1.20", "055b2c3")),
    (29, release(Version::new(1, 11, 1), "go1.20.7", "ae2bbc2")),
    (31, release(Version::new(1, 11, 3), "go1.21.11", "a6338e9")),
    (33, release(Version::new(1, 12, 0), "go1.23.3", "51e11f1")),
    (34, release(Version::new(1, 12, 1), "go1.24.1", "707c7c1")),
    (35, release(Version::new(1, 13, 1), "go1.25.2", "1db4568")),
];

/// The release that kubeadm of a Kubernetes version installs.
#[must_use]
pub fn release_of(kubernetes: Version) -> Release {
    let known = RELEASES.iter().rev().find(|(minor, _)| *minor <= kubernetes.minor);
    known.map_or(RELEASES[0].1, |(_, release)| *release)
}

/// The Corefile that kubeadm writes for a cluster domain. Since 1.33 names of the cluster are not cached.
#[must_use]
pub fn kubeadm_corefile(domain: &str, kubernetes: Version) -> String {
    let minor = kubernetes.minor;
    let (mut concurrent, mut cache) = (" {\n       max_concurrent 1000\n    }", String::new());
    if minor < 19 {
        concurrent = "";
    }
    if minor >= 33 {
        cache = format!(" {{\n       disable success {domain}\n       disable denial {domain}\n    }}");
    }
    let lameduck = if minor < 18 { "" } else { " {\n       lameduck 5s\n    }" };
    format!(
        ".:53 {{
    errors
    health{lameduck}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :9153
    forward . /etc/resolv.conf{concurrent}
    cache 30{cache}
    loop
    reload
    loadbalance
}}
"
    )
}

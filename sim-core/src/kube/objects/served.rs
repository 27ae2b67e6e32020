//! Kinds that a real cluster serves and this one does not, and versions that real clusters no longer serve.

use super::kind::Kind;

/// Kinds of Kubernetes v1.34 that are not modelled, by API version.
const UNMODELLED: &[(&str, &[&str])] = &[
    ("v1", &["Binding", "Event", "PodTemplate", "ReplicationController"]),
    ("networking.k8s.io/v1", &["IPAddress", "ServiceCIDR"]),
    ("storage.k8s.io/v1", &["CSIDriver", "CSINode", "VolumeAttachment"]),
    ("certificates.k8s.io/v1", &["CertificateSigningRequest"]),
    ("apiextensions.k8s.io/v1", &["CustomResourceDefinition"]),
    (
        "admissionregistration.k8s.io/v1",
        &[
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("events.k8s.io/v1", &["Event"]),
    ("node.k8s.io/v1", &["RuntimeClass"]),
];

/// Whether a real cluster serves this kind although this one does not.
#[must_use]
pub fn is_unmodelled(api_version: &str, kind: &str) -> bool {
    UNMODELLED.iter().any(|(version, kinds)| *version == api_version && kinds.contains(&kind))
}

/// The API version under which a kind is served today.
#[must_use]
pub fn version_of(kind: &str) -> Option<String> {
    if let Some(known) = Kind::ALL.into_iter().find(|k| k.name() == kind) {
        return Some(known.api_version());
    }
    UNMODELLED.iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(version, _)| (*version).to_owned())
}

/// Names of all kinds that a real cluster serves.
pub fn kind_names() -> impl Iterator<Item = &'static str> {
    let modelled = Kind::ALL.into_iter().map(Kind::name);
    modelled.chain(UNMODELLED.iter().flat_map(|(_, kinds)| kinds.iter().copied()))
}

//! Resource types as people type them, and how kubectl names them back.

use sim_core::kube::objects::Kind;

use super::failure::Failure;

/// What kubectl can list: the kinds of the store, and events, which the API server keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Objects of the store.
    Kind(Kind),
    /// `v1` Event.
    Event,
}

impl Resource {
    /// The type that a person means.
    ///
    /// # Errors
    /// The server has no such type, or it has and this model does not.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(kind) = Kind::from_resource(text) {
            return Ok(Self::Kind(kind));
        }
        let word = text.to_ascii_lowercase();
        let word = word.split('.').next().unwrap_or("");
        if matches!(word, "events" | "event" | "ev") {
            return Ok(Self::Event);
        }
        Err(match NOT_MODELLED.iter().find(|names| names.contains(&word)) {
            Some(names) => Failure::not_modelled(format!("the resource type {:?}", names[0])),
            None => Failure::plain(format!("the server doesn't have a resource type {text:?}")),
        })
    }

    /// Every type in a list `pods,svc`; `all` stands for the types of that category.
    ///
    /// # Errors
    /// As [`Resource::parse`].
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, Failure> {
        let mut all = Vec::new();
        for word in text.split(',') {
            if word == "all" {
                all.extend(Self::category_all());
            } else {
                all.push(Self::parse(word)?);
            }
        }
        Ok(all)
    }

    /// The types of `kubectl get all`, in its order, as far as they are modelled.
    fn category_all() -> impl Iterator<Item = Self> {
        ALL_CATEGORY.iter().filter_map(|plural| Kind::from_resource(plural)).map(Self::Kind)
    }

    /// `Pod`.
    pub(crate) fn kind_name(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.name(),
            Self::Event => "Event",
        }
    }

    /// `pods`.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.plural(),
            Self::Event => "events",
        }
    }

    /// `pods`, `deployments.apps`: the type in messages about one object.
    pub(crate) fn qualified_plural(self) -> String {
        match self {
            Self::Kind(kind) => kind.qualified_resource(),
            Self::Event => "events".to_owned(),
        }
    }

    /// `pod`, `endpointslice.discovery.k8s.io`: what stands before the slash in kubectl's results.
    pub(crate) fn prefix(self) -> String {
        match self {
            Self::Kind(kind) => kind.qualified_singular(),
            Self::Event => "event".to_owned(),
        }
    }

    /// `/v1, Resource=pods`: the type in messages of the client library.
    pub(crate) fn group_version_resource(self) -> String {
        let (group, version) = match self {
            Self::Kind(kind) => (kind.group(), kind.version()),
            Self::Event => ("", "v1"),
        };
        format!("{group}/{version}, Resource={}", self.plural())
    }

    /// Whether its objects live in a namespace.
    pub(crate) fn namespaced(self) -> bool {
        match self {
            Self::Kind(kind) => kind.namespaced(),
            Self::Event => true,
        }
    }
}

/// The API's category `all`.
pub(crate) const ALL_CATEGORY: &[&str] = &[
    "pods",
    "replicationcontrollers",
    "services",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "horizontalpodautoscalers",
    "cronjobs",
    "jobs",
];

/// Types that every cluster has and that may not be modelled yet, by plural, singular and short names.
const NOT_MODELLED: &[&[&str]] = &[
    &["apiservices", "apiservice"],
    &["certificatesigningrequests", "certificatesigningrequest", "csr"],
    &["componentstatuses", "componentstatus", "cs"],
    &["csidrivers", "csidriver"],
    &["csinodes", "csinode"],
    &["customresourcedefinitions", "customresourcedefinition", "crd", "crds"],
    &["ipaddresses", "ipaddress", "ip"],
    &["mutatingwebhookconfigurations", "mutatingwebhookconfiguration"],
    &["podtemplates", "podtemplate"],
    &["replicationcontrollers", "replicationcontroller", "rc"],
    &["runtimeclasses", "runtimeclass"],
    &["servicecidrs", "servicecidr"],
    &["validatingwebhookconfigurations", "validatingwebhookconfiguration"],
    &["volumeattachments", "volumeattachment"],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_many_names() {
        assert_eq!(Resource::parse("svc"), Ok(Resource::Kind(Kind::Service)));
        assert_eq!(Resource::parse("Events"), Ok(Resource::Event));
        assert_eq!(
            Resource::parse_list("po,endpointslices"),
            Ok(vec![Resource::Kind(Kind::Pod), Resource::Kind(Kind::EndpointSlice)])
        );
        assert!(
            Resource::parse_list("all")
                .unwrap()
                .starts_with(&[Resource::Kind(Kind::Pod), Resource::Kind(Kind::Service)])
        );
    }

    #[test]
    fn what_the_server_does_not_have_is_told_from_what_we_do_not_have() {
        insta::assert_snapshot!(Resource::parse("foo").unwrap_err(), @r#"error: the server doesn't have a resource type "foo""#);
        insta::assert_snapshot!(Resource::parse("crd").unwrap_err(), @r#"error: the resource type "customresourcedefinitions" is not modelled by this simulator"#);
    }
}

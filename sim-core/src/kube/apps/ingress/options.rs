//! The arguments of an ingress-nginx controller.

use crate::kube::apps::image::Reference;
use crate::kube::config::Listen;
use crate::kube::objects::ingress::CLASS_ANNOTATION;
use crate::kube::objects::{Container, Ingress, IngressClass, Protocol};
use crate::kube::store::Store;
use crate::kube::version::Version;

/// What a controller was started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `--ingress-class`: the value of the old annotation.
    pub class: String,
    /// `--controller-class`: who an `IngressClass` must name.
    pub controller: String,
    /// `--watch-ingress-without-class`; controllers before v1 always do.
    pub without_class: bool,
    /// `--ingress-class-by-name`: an `IngressClass` may also be of the name of `--ingress-class`.
    pub by_name: bool,
    /// `--watch-namespace`; empty for all.
    pub namespace: String,
    /// `--default-backend-service`: namespace and name.
    pub default_backend: Option<(String, String)>,
    /// `--publish-service`: whose addresses Ingresses get.
    pub publish_service: Option<(String, String)>,
    /// `--http-port`.
    pub http_port: u16,
    /// `--https-port`.
    pub https_port: u16,
    /// `--healthz-port`.
    pub healthz_port: u16,
    /// `--validating-webhook`: there is a webhook.
    webhook: bool,
}

/// Whether an image is one of ingress-nginx' controllers, under its names of today and of old.
#[must_use]
pub fn is_controller(image: &str) -> bool {
    let name = Reference::parse(image).name;
    ["ingress-nginx/controller", "nginx-ingress-controller", "ingress-nginx-controller"]
        .iter()
        .any(|known| name == *known || name.strip_suffix(known).is_some_and(|rest| rest.ends_with('/')))
        && !name.starts_with("nginx/")
}

impl Options {
    /// The options of a container.
    #[must_use]
    pub fn of_container(container: &Container) -> Self {
        let words: Vec<&str> = container.command.iter().chain(&container.args).map(String::as_str).collect();
        let value = |flag: &str| {
            words.iter().enumerate().rev().find_map(|(i, word)| {
                let rest = word.trim_start_matches('-').strip_prefix(flag)?;
                match rest.strip_prefix('=') {
                    Some(value) => Some(value),
                    None if rest.is_empty() => words.get(i + 1).copied().filter(|w| !w.starts_with('-')),
                    None => None,
                }
            })
        };
        let on = |flag: &str| {
            let bare = words.iter().any(|word| word.trim_start_matches('-') == flag);
            bare || value(flag) == Some("true")
        };
        let object = |flag: &str| {
            let text = value(flag)?.replace("$(POD_NAMESPACE)", "");
            text.split_once('/').map(|(ns, name)| (ns.to_owned(), name.to_owned()))
        };
        let port = |flag: &str, default: u16| value(flag).and_then(|v| v.parse().ok()).unwrap_or(default);
        let old = Version::parse(&Reference::parse(&container.image).tag).is_some_and(|v| v.major == 0);
        Self {
            class: value("ingress-class").filter(|c| !c.is_empty()).unwrap_or("nginx").to_owned(),
            controller: value("controller-class").unwrap_or("k8s.io/ingress-nginx").to_owned(),
            without_class: old || on("watch-ingress-without-class"),
            by_name: old || on("ingress-class-by-name"),
            namespace: value("watch-namespace").unwrap_or_default().to_owned(),
            default_backend: object("default-backend-service"),
            publish_service: object("publish-service"),
            http_port: port("http-port", 80),
            https_port: port("https-port", 443),
            healthz_port: port("healthz-port", 10254),
            webhook: value("validating-webhook").is_some(),
        }
    }

    /// The same with what an empty namespace of `$(POD_NAMESPACE)/name` stands for.
    #[must_use]
    pub fn in_namespace(mut self, pod_namespace: &str) -> Self {
        for (namespace, _) in [&mut self.default_backend, &mut self.publish_service].into_iter().flatten() {
            if namespace.is_empty() {
                pod_namespace.clone_into(namespace);
            }
        }
        self
    }

    /// Where the process listens.
    #[must_use]
    pub fn listen(&self) -> Vec<Listen> {
        let mut ports = vec![self.http_port, self.https_port, self.healthz_port];
        ports.extend(self.webhook.then_some(8443));
        ports.into_iter().map(|port| Listen { port, protocol: Protocol::Tcp }).collect()
    }

    /// Whether an Ingress is this controller's business.
    #[must_use]
    pub fn serves(&self, ingress: &Ingress, store: &Store) -> bool {
        if !self.namespace.is_empty() && ingress.metadata.namespace != self.namespace {
            return false;
        }
        if let Some(name) = &ingress.spec.ingress_class_name {
            let class = store.read::<IngressClass>("", name);
            return class.is_some_and(|class| class.spec.controller == self.controller)
                || (self.by_name && *name == self.class);
        }
        match ingress.metadata.annotations.get(CLASS_ANNOTATION) {
            Some(class) => *class == self.class || (class.is_empty() && self.without_class),
            None => self.without_class,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(image: &str, args: &[&str]) -> Options {
        let args = args.iter().map(|a| (*a).to_owned()).collect();
        Options::of_container(&Container { image: image.into(), args, ..Container::default() })
    }

    #[test]
    fn images_have_had_many_names() {
        for image in [
            "registry.k8s.io/ingress-nginx/controller:v1.11.2@sha256:abc",
            "k8s.gcr.io/ingress-nginx/controller:v0.48.1",
            "quay.io/kubernetes-ingress-controller/nginx-ingress-controller:0.30.0",
            "registry.cn-hangzhou.aliyuncs.com/google_containers/nginx-ingress-controller:v1.1.1",
        ] {
            assert!(is_controller(image), "{image}");
        }
        assert!(!is_controller("nginx/nginx-ingress:3"), "another product");
        assert!(!is_controller("nginx"));
    }

    #[test]
    fn arguments_are_read_in_both_forms() {
        let o = options(
            "registry.k8s.io/ingress-nginx/controller:v1.11.2",
            &[
                "/nginx-ingress-controller",
                "--publish-service=$(POD_NAMESPACE)/ingress-nginx-controller",
                "--controller-class=k8s.io/other",
                "--http-port",
                "8080",
                "--watch-ingress-without-class=true",
            ],
        )
        .in_namespace("ingress-nginx");
        assert_eq!(o.publish_service, Some(("ingress-nginx".into(), "ingress-nginx-controller".into())));
        assert_eq!((o.controller.as_str(), o.http_port, o.without_class), ("k8s.io/other", 8080, true));
        assert!(!options("registry.k8s.io/ingress-nginx/controller:v1.11.2", &[]).without_class);
        assert!(options("k8s.gcr.io/nginx-ingress-controller:0.26.1", &[]).without_class);
    }
}

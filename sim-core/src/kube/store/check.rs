//! Reading manifests as a reviewer: everything that can be known to be wrong without a cluster.

mod policies;
mod review;

use std::collections::BTreeMap;

use super::{Ranges, StoreConfig, defaults, validate_new};
use crate::diagnostic::{Diagnostic, Severity};
use crate::kube::objects::decode;
use crate::kube::objects::manifest::{self, Document};
use crate::kube::objects::{Object, ObjectKey};
use crate::kube::version::Version;

/// Every mistake in a file of manifests: what kubectl cannot read, what the server refuses, and, as warnings, what it takes
/// although it cannot be meant. `first_line` is the number of the text's first line, `release` the Kubernetes that it is for.
#[must_use]
pub fn check_manifest(text: &str, source: &str, first_line: u32, release: Version) -> Vec<Diagnostic> {
    let file = manifest::read(text, source, first_line, release);
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut objects = Vec::new();
    for document in &file.documents {
        found.extend(document.diagnostics.iter().cloned());
        if let Some(object) = typed(document) {
            found.extend(refusals(document, &object));
            objects.push((document, object));
        }
    }
    found.extend(repeated(&objects));
    found.extend(review::review(&objects));
    found.extend(file.broken.map(|b| b.diagnostic));
    found.sort_by_key(|d| (d.line, d.column));
    found
}

/// The object with its defaults, unless its text has mistakes that were told already.
fn typed(document: &Document) -> Option<Object> {
    let kind = document.kind.clone().ok()?;
    let mut object = decode::decode(kind, &document.value).ok()?.object;
    let meta = object.meta_mut();
    if kind.namespaced() && meta.namespace.is_empty() {
        "default".clone_into(&mut meta.namespace);
    }
    defaults::fill(&mut object);
    Some(object)
}

fn refusals(document: &Document, object: &Object) -> Vec<Diagnostic> {
    let mut object = object.clone();
    let mut causes = Vec::new();
    if let Object::Service(service) = &mut object {
        // Of the ranges only the families matter here; a cluster may have others.
        causes.extend(Ranges::new(&StoreConfig::default().service_subnets).init(service, None));
    }
    let known = causes.clone();
    causes.extend(validate_new(&object).into_iter().filter(|cause| !known.contains(cause)));
    let told = causes.iter().map(|cause| {
        // The server speaks of the list even if only its first element was written, under its older name.
        let singular =
            cause.field.starts_with("spec.clusterIPs") && document.value["spec"]["clusterIPs"].is_null();
        let path = if singular { "spec.clusterIP" } else { &cause.field };
        document.mistake_at(path, format!("{}: {}", cause.field, cause.message), None)
    });
    told.collect()
}

/// Two objects of one kind and name: the second changes the first.
fn repeated(objects: &[(&Document, Object)]) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<ObjectKey, u32> = BTreeMap::new();
    let mut found = Vec::new();
    for (document, object) in objects.iter().filter(|(_, o)| !o.meta().name.is_empty()) {
        if let Some(line) = seen.insert(object.key(), document.position.line) {
            let message =
                format!("{} {:?} is in this file already, in line {line}", object.kind(), object.meta().name);
            let help = "give it another name, or delete one of the two".to_owned();
            found.push(warning(document.mistake_at("metadata.name", message, Some(help))));
        }
    }
    found
}

fn warning(diagnostic: Diagnostic) -> Diagnostic {
    Diagnostic { severity: Severity::Warning, ..diagnostic }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let lines = check_manifest(text, "f.yaml", 1, Version::new(1, 34, 0)).into_iter().map(|d| {
            let help = d.help.map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{:?} {}:{} {}{help}", d.severity, d.line, d.column, d.message)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_the_server_refuses_has_a_place() {
        let text = "\
apiVersion: v1
kind: Service
metadata:
  name: Svc_A
spec:
  clusterIP: ten
  ports:
  - port: 70000
  - port: 80
";
        insta::assert_snapshot!(told(text), @r#"
        Error 4:9 metadata.name: Invalid value: "Svc_A": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
        Error 6:14 spec.clusterIPs[0]: Invalid value: "ten": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
        Error 8:5 spec.ports[0].name: Required value
        Error 8:11 spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive
        Error 9:5 spec.ports[1].name: Required value
        "#);
    }

    #[test]
    fn a_selector_that_matches_nothing_is_suspicious() {
        let text = "\
apiVersion: v1
kind: Pod
metadata: {name: pod-a, labels: {app: pod-a}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: svc-a}
spec:
  selector: {app: pod_a}
  ports: [{port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: svc-a}
spec: {selector: {app: pod-a}, ports: [{port: 80}]}
";
        insta::assert_snapshot!(told(text), @r#"
        Warning 10:13 the selector app=pod_a matches no pod of this file (did you mean "app: pod-a"?)
        Warning 15:18 Service "svc-a" is in this file already, in line 6 (give it another name, or delete one of the two)
        "#);
    }

    #[test]
    fn names_that_lead_nowhere_are_suspicious() {
        let text = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
  - {name: a, port: 80, targetPort: htpt}
  - {name: b, port: 81}
  - {name: c, port: 82, targetPort: http}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec:
  defaultBackend: {service: {name: wbe, port: {number: 80}}}
  rules:
  - http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8080}}}}
      - {path: /b, pathType: Prefix, backend: {service: {name: web, port: {name: b}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: webb
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: nginx}]}
";
        insta::assert_snapshot!(told(text), @r#"
        Warning 16:37 the selected pods have no TCP port named "htpt" (did you mean "http"?)
        Warning 17:5 TCP port 81 is none of the selected pods' container ports (they declare 8080)
        Warning 23:18 the selector app=web matches no pod of this file (pods with these labels are in namespace "default")
        Warning 29:36 no Service of this file is named "wbe" (did you mean "web"?)
        Warning 33:83 Service "web" has no port 8080 (it has 80, 81, 82)
        Warning 40:16 no Service of this file is named "webb", so its pods get no names of their own (did you mean "web"?)
        "#);
    }

    #[test]
    fn policies_that_do_nothing_are_suspicious() {
        let text = "\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: nginx, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec:
  podSelector: {matchLabels: {app: wbe}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - ports: [{port: 8080}, {port: htpt}, {port: http, protocol: UDP}]
  egress:
  - {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: c, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: d, namespace: shop}
spec:
  podSelector: {}
";
        insta::assert_snapshot!(told(text), @r#"
        Warning 10:16 the selector app=wbe matches no pod of this file (did you mean "app: web"?)
        Warning 19:34 the selected pods have no TCP port named "htpt" (did you mean "http"?)
        Warning 19:48 the selected pods have no UDP port named "http" (give a container port that name, or write a number)
        Warning 21:3 policyTypes leaves Egress out, so these rules do not count (add Egress to policyTypes)
        Warning 27:16 the selector app=web matches no pod of this file (pods with these labels are in namespace "default")
        "#);
    }

    #[test]
    fn good_manifests_pass() {
        let text =
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: nginx}]}\n";
        assert_eq!(told(text), "");
    }
}

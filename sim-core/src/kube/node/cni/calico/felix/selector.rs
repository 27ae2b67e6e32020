//! Which pods a policy or a rule speaks of, in Calico's terms.
//!
//! Felix keeps the addresses of these pods in a set of the kernel, whose name is a hash of the selector as Calico spells it
//! (`libcalico-go/lib/selector`): a pod has its own labels, its namespace's with `pcns.` before them, and two of Calico's.

use crate::kube::objects::meta::LabelSelector;
use crate::kube::objects::selector::{Labels, Selector};

/// Pods by their labels and their namespace's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    namespaces: Namespaces,
    pods: Selector,
    /// As Calico spells it.
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Namespaces {
    One(String),
    Labelled(Selector),
}

/// What a choice looks at.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The namespace's labels.
    pub namespace_labels: &'a Labels,
    /// The pod's labels.
    pub labels: &'a Labels,
}

impl Choice {
    /// Every pod of the cluster.
    #[must_use]
    pub fn all() -> Self {
        Self {
            namespaces: Namespaces::Labelled(Selector::default()),
            pods: Selector::default(),
            text: "all()".to_owned(),
        }
    }

    /// What the selectors of a peer mean in a policy of `namespace`: without one for namespaces, pods of its own.
    #[must_use]
    pub fn of(namespace: &str, namespaces: Option<&LabelSelector>, pods: Option<&LabelSelector>) -> Self {
        let mut atoms = vec!["projectcalico.org/orchestrator == \"k8s\"".to_owned()];
        atoms.extend(pods.into_iter().flat_map(|selector| spelt("", selector)));
        let pods = meaning(pods);
        let (namespaces, where_) = match namespaces {
            None => {
                let text = format!("projectcalico.org/namespace == \"{namespace}\"");
                (Namespaces::One(namespace.to_owned()), text)
            }
            Some(selector) => {
                let atoms = spelt("pcns.", selector);
                let all = atoms.is_empty().then(|| "has(projectcalico.org/namespace)".to_owned());
                (Namespaces::Labelled(meaning(Some(selector))), all.unwrap_or_else(|| both(&atoms)))
            }
        };
        Self { namespaces, pods, text: both(&[where_, both(&atoms)]) }
    }

    /// As Calico spells it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a pod is meant.
    #[must_use]
    pub fn matches(&self, pod: Candidate<'_>) -> bool {
        let there = match &self.namespaces {
            Namespaces::One(name) => name == pod.namespace,
            Namespaces::Labelled(selector) => selector.matches(pod.namespace_labels),
        };
        there && self.pods.matches(pod.labels)
    }
}

/// The server has refused operators that nobody knows.
fn meaning(selector: Option<&LabelSelector>) -> Selector {
    selector.and_then(Selector::from_label_selector).unwrap_or_default()
}

/// Conditions that must all hold.
fn both(atoms: &[String]) -> String {
    match atoms {
        [only] => only.clone(),
        all => format!("({})", all.join(" && ")),
    }
}

/// The conditions of a selector, on labels with a prefix.
fn spelt(prefix: &str, selector: &LabelSelector) -> Vec<String> {
    let labels = selector.match_labels.iter().map(|(key, value)| format!("{prefix}{key} == \"{value}\""));
    let expressions = selector.match_expressions.iter().map(|e| {
        let key = format!("{prefix}{}", e.key);
        let values = || {
            let mut values: Vec<String> = e.values.iter().map(|v| format!("\"{v}\"")).collect();
            values.sort();
            values.dedup();
            values.join(", ")
        };
        match e.operator.as_str() {
            "In" => format!("{key} in {{{}}}", values()),
            "NotIn" => format!("{key} not in {{{}}}", values()),
            "Exists" => format!("has({key})"),
            _ => format!("!has({key})"),
        }
    });
    labels.chain(expressions).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(yaml: &str) -> LabelSelector {
        serde_json::from_str(yaml).unwrap()
    }

    #[test]
    fn selectors_are_spelt_as_calico_spells_them() {
        let web = selector(r#"{"matchLabels": {"app": "web"}}"#);
        let many = selector(
            r#"{"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [
                {"key": "k", "operator": "In", "values": ["y", "x", "y"]},
                {"key": "l", "operator": "NotIn", "values": ["z"]},
                {"key": "m", "operator": "Exists"}, {"key": "n", "operator": "DoesNotExist"}]}"#,
        );
        let all = LabelSelector::default();
        let own = "projectcalico.org/namespace == \"prod\"";
        let k8s = "projectcalico.org/orchestrator == \"k8s\"";
        for (namespaces, pods, text) in [
            (None, Some(&web), format!("({own} && ({k8s} && app == \"web\"))")),
            (None, Some(&all), format!("({own} && {k8s})")),
            (Some(&all), None, format!("(has(projectcalico.org/namespace) && {k8s})")),
            (Some(&web), None, format!("(pcns.app == \"web\" && {k8s})")),
            (
                Some(&many),
                Some(&web),
                format!(
                    "((pcns.a == \"1\" && pcns.b == \"2\" && pcns.k in {{\"x\", \"y\"}} && pcns.l not in {{\"z\"}} \
                     && has(pcns.m) && !has(pcns.n)) && ({k8s} && app == \"web\"))"
                ),
            ),
        ] {
            assert_eq!(Choice::of("prod", namespaces, pods).text(), text);
        }
    }

    #[test]
    fn a_choice_asks_the_pod_and_its_namespace() {
        let labels = |text: &str| Labels::from([(text.to_owned(), "1".to_owned())]);
        let (a, b) = (labels("a"), labels("b"));
        let pod = Candidate { namespace: "prod", namespace_labels: &a, labels: &b };
        let has = |key: &str| selector(&format!(r#"{{"matchLabels": {{"{key}": "1"}}}}"#));
        assert!(Choice::of("prod", None, Some(&has("b"))).matches(pod));
        assert!(!Choice::of("test", None, Some(&has("b"))).matches(pod));
        assert!(Choice::of("test", Some(&has("a")), None).matches(pod));
        assert!(Choice::of("test", Some(&LabelSelector::default()), Some(&has("b"))).matches(pod));
        assert!(!Choice::of("test", Some(&has("b")), Some(&has("b"))).matches(pod));
        assert!(Choice::all().matches(pod));
    }
}

//! Felix' iptables rules: which packets of pods it accepts, by policy or without, and which it masquerades.
//!
//! Left out, because they decide nothing here: the tables raw and mangle, host endpoints, the chains for IPVS, Calico's own kinds of policy.

mod node;
mod policy;
mod rule;
mod selector;
mod workload;

pub use node::{node_rules, sets};
pub use policy::{AddressSet, Policy, PolicyChain, id, policy};
pub use selector::{Candidate, Choice};
pub use workload::{Workload, policed_rules, without_workload, workload_rules};

#[cfg(test)]
mod tests {
    use super::rule::limited;
    use super::workload::dispatch;
    use super::*;

    /// Comments as they stand in published listings of real nodes.
    #[test]
    fn comments_are_those_of_real_nodes() {
        let text = node_rules(true);
        for known in [
            "-I FORWARD -m comment --comment \"cali:wUHhoiAYhphO9Mso\" --jump cali-FORWARD",
            "-I INPUT -m comment --comment \"cali:Cz_u1IQiXIMmKD4c\" --jump cali-INPUT",
            "-I POSTROUTING -m comment --comment \"cali:O3lYWMrLQYEMJtB5\" --jump cali-POSTROUTING",
            "-A cali-FORWARD -m comment --comment \"cali:NOSxoaGx8OIstr1z\" --jump cali-cidr-block",
            "-A cali-INPUT -m comment --comment \"cali:8TZGxLWh_Eiz66wc\" --in-interface cali+ --goto cali-wl-to-host",
            "cali:S93hcgKJrXEqnTfs",
            "cali:m8Eqm15x1MjD24LD",
            "cali:nSZbcOoG1xPONxb8",
            "cali:zTj6P0TIgYvgz-md",
            "cali:7KNphB1nNHw80nIO",
            "cali:flqWnvo8yq4ULQLa",
            "cali:SXWvdsbh4Mw7wOln",
        ] {
            assert!(text.contains(known), "{known}\n{text}");
        }
        assert!(node_rules(false).contains("cali:FewJpBykm9iJ-YNH"));
        let pod = Workload {
            interface: "cali112d888c0c2",
            namespace: "kube-system",
            service_account: "konnectivity-agent",
        };
        let text = workload_rules(&pod, &[], &["cali112d888c0c2"]);
        for known in [
            "cali:887K6j2m0yTxV8XZ",
            "cali:gxYrST51OJyfBgWw",
            "cali:rM5VAS66uaB9uI7_",
            "cali:djdRyha1SrYGGpRJ",
        ] {
            assert!(text.contains(known), "{known}\n{text}");
        }
        assert_eq!(limited("cali-pri-", "ksa.calico-system.default"), "cali-pri-_og73BH3DuNOZrbBKFW");
        let pod = Workload { interface: "cali11239f98883", namespace: "default", service_account: "default" };
        let text = policed_rules(&pod, &["cali-pi-_DGlcbEzkd1cvh5X1F7M"], &[]);
        for known in [
            "cali:63AiEhcKlL4J9x0W",
            "cali:U_uF6VQoKAohXmTC",
            "cali:6lKycZxeeZ1PugZz",
            "cali:cV0qHtGkHxu9syl8",
        ] {
            assert!(text.contains(known), "{known}\n{text}");
        }
    }

    #[test]
    fn interfaces_that_begin_alike_share_a_chain() {
        let mut out = String::new();
        dispatch(&["cali1a", "cali1b", "cali2c"], &mut out);
        let rules: Vec<&str> =
            out.lines().filter(|l| l.contains("from-wl") && l.contains("--goto")).collect();
        assert_eq!(rules.len(), 4, "{out}");
        assert!(rules[2].ends_with("--in-interface cali1+ --goto cali-from-wl-dispatch-1"));
        assert!(rules[3].ends_with("--in-interface cali2c --goto cali-fw-cali2c"));
    }
}

//! What a cluster block says when it is right, and when it is wrong.

use std::fmt::Write;
use std::time::Duration;

use super::*;

fn mistakes(text: &str) -> String {
    let found = parse(text, "lab.md", 1).expect_err("the block is wrong");
    found.iter().fold(String::new(), |mut all, d| {
        let _ = write!(all, "{}:{}+{}: {}", d.line, d.column, d.length, d.message);
        let _ = writeln!(all, "{}", d.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default());
        all
    })
}

#[test]
fn an_empty_block_is_the_default_cluster() {
    let config = parse("", "lab.md", 1).unwrap();
    assert_eq!(config, ClusterConfig::default());
    assert_eq!(config.mistakes(), []);
    assert_eq!(config.node_network().to_string(), "192.168.100.0/24");
    assert_eq!(config.gateway().to_string(), "192.168.100.1");
    assert_eq!(config.workstation().to_string(), "192.168.100.10");
}

#[test]
fn every_field_of_the_format_is_read() {
    let config = parse(
        r#"
kind: Cluster
seed: 17
kubernetesVersion: "1.34"
settle: false
networking: {ipFamily: ipv4, podSubnet: 10.10.0.0/16, serviceSubnet: 10.20.0.0/16, dnsDomain: k8s.test, cni: bridge, kubeProxyMode: none, kubeProxyDialect: "1.34", mtu: 9000}
nodes:
- {name: m, role: control-plane, ip: 10.32.1.147}
- {name: n1, ip: 10.32.1.148, podCIDR: 10.10.0.0/24, labels: {disktype: ssd}, taints: ["a=b:NoSchedule", {key: c, effect: NoExecute}], addresses: {docker0: 172.17.0.1/16}, sysctl: {net.ipv4.ip_forward: 0}, kubeProxyMode: ipvs}
hosts:
- {name: client, ip: 10.32.1.9}
- {name: db, ip: 10.99.1.149, listen: ["3306/tcp"]}
images:
  example.com/shop:1: {listen: ["8080/tcp"], respond: "shop v1\n"}
pins:
  default/pod-a: {node: n1, ip: 10.10.0.5}
  svc/default/svc-a: {clusterIP: 10.20.1.4}
sysctl: {net.bridge.bridge-nf-call-iptables: 0}
loadBalancer: {mode: none}
dns:
  upstream: {www.example.com: [93.184.216.34]}
faults: []
"#,
        "lab.md",
        10,
    )
    .unwrap();
    insta::assert_debug_snapshot!(config);
}

#[test]
fn unknown_fields_and_values_are_told_with_what_was_meant() {
    insta::assert_snapshot!(mistakes(
        "sead: 1\nnetworking:\n  cni: flanel\n  podsubnet: 10.0.0.0/8\n  kubeProxyMode: userspace\nnodes:\n- {nmae: a}\nsettle: maybe\nkubernetesVersion: 1.34\nkind: Clster\n"
    ));
}

#[test]
fn values_out_of_range_are_refused() {
    insta::assert_snapshot!(mistakes(
        "seed: -1\nnetworking: {mtu: 100, podSubnet: 10.244.1.0/16, dnsDomain: -x}\npins:\n  svc/default/a: {nodePort: 80}\n  x: {}\nhosts:\n- {name: A_b, ip: 1.2.3}\n- {name: db, ip: 9.9.9.9, listen: [0/tcp, 80]}\nkubernetesVersion: \"2.0\"\n"
    ));
}

#[test]
fn what_is_not_modelled_yet_is_named() {
    insta::assert_snapshot!(mistakes(
        "networking: {cni: calico, kubeProxyDialect: \"1.9\", ipFamily: dual}\nloadBalancer: {mode: l2, pool: 203.0.113.0/28}\nfaults: [{name: link-loss}, {name: x}, {name: conntrack-race, end: soon}]\npins:\n  svc/default/x: {nodePort: 30080}\n"
    ));
}

#[test]
fn overlapping_subnets_and_addresses_in_the_wrong_place_are_refused() {
    insta::assert_snapshot!(mistakes(
        "networking:\n  podSubnet: 10.96.0.0/16\nnodes:\n- {name: master, role: control-plane, ip: 192.168.1.1, podCIDR: 10.96.0.0/24}\n- {name: n1, ip: 10.96.9.9, podCIDR: 10.244.1.0/24}\n- {name: n1, ip: 192.168.1.1, podCIDR: 10.96.0.0/25}\n"
    ));
}

#[test]
fn pins_must_fit_the_cluster() {
    insta::assert_snapshot!(mistakes(
        "hosts:\n- {name: node1, ip: 192.168.100.101}\n- {name: web, ip: 10.244.9.9}\npins:\n  default/a: {node: node3}\n  default/b: {node: node1, ip: 10.244.2.9}\n  default/c: {ip: 10.245.0.9}\n  default/d: {ip: 10.244.1.1}\n  default/e: {ip: 10.244.1.7}\n  default/f: {ip: 10.244.1.7}\n  svc/default/a: {clusterIP: 10.244.0.7}\n  svc/default/b: {clusterIP: 10.96.0.10}\n"
    ));
}

#[test]
fn pins_of_owners_must_fit_too() {
    insta::assert_snapshot!(mistakes(
        "pins:\n  default/a: {ip: 10.244.1.7}\n  deploy/default/web:\n    pods:\n    - {name: web-5dd9bf6c97-m7vvt, node: node1, ip: 10.244.1.7}\n    - {node: node2, ip: 10.244.1.8}\n  sts/default/db: {pods: [{node: nod1}]}\n"
    ));
    insta::assert_snapshot!(mistakes(
        "pins:\n  rs/default/web:\n    pods:\n    - {name: wbe-5dd9b, node: node2}\n    - {nam: x}\n  ds/default/x: [a]\n  job/default/x: {}\n"
    ));
}

#[test]
fn text_that_is_not_yaml_is_refused_where_it_breaks() {
    insta::assert_snapshot!(mistakes("seed: 1\nnetworking: {cni: [}\n"));
}

#[test]
fn positions_count_from_the_first_line_in_the_lab() {
    let found = parse("seed: x\n", "lab.md", 41).unwrap_err();
    assert_eq!((found[0].line, found[0].column), (41, 7));
}

#[test]
fn an_ipv4_cluster_has_no_ipv6_addresses() {
    insta::assert_snapshot!(mistakes("networking: {podSubnet: \"fd00:10:244::/56\"}\nhosts: [{name: h, ip: \"fd00::1\"}]\n"), @r"
    1:25+16: fd00:10:244:: is not an IPv4 address, and ipFamily is ipv4
    2:23+7: fd00::1 is not an IPv4 address, and ipFamily is ipv4
    ");
}

#[test]
fn faults_have_a_time_and_a_place() {
    let config =
        parse("faults:\n- {name: conntrack-race, nodes: [node1], start: 90s, end: 2m}\n", "lab.md", 1)
            .unwrap();
    assert_eq!(
        config.faults,
        [Fault {
            kind: FaultKind::ConntrackRace,
            nodes: vec!["node1".to_owned()],
            start: Duration::from_secs(90),
            end: Some(Duration::from_secs(120)),
        }]
    );
}

#[test]
fn the_node_s_own_dns_cache_leaves_the_service_where_it_is() {
    let config =
        parse("networking: {clusterDNS: 169.254.20.10, kubeProxyMode: ipvs}\n", "lab.md", 1).unwrap();
    assert!(config.networking.node_local_dns);
    assert_eq!(config.networking.cluster_dns.to_string(), "10.96.0.10");
    assert_eq!(config.networking.kubelet_dns().to_string(), "169.254.20.10");
}

#[test]
fn switches_must_be_known() {
    insta::assert_snapshot!(mistakes("sysctl:\n  net.ipv4.ip_forwrad: 1\n  net.ipv4.icmp_ratelimit: fast\n  net.ipv4.conf.eth0.rp_filter: 2\n"), @r"
    2:3+19: sysctl net.ipv4.ip_forwrad is not modelled yet
    3:28+4: `fast` is not a value of net.ipv4.icmp_ratelimit
    ");
}

#[test]
fn yaml_that_cannot_be_read_is_explained_without_the_parser_s_settings() {
    let said = |text: &str| {
        let d = parse(text, "lab.md", 11).unwrap_err().remove(0);
        format!("{}:{} {}", d.line, d.column, d.message)
    };
    assert_eq!(said("networking:\n\tcni: bridge\n"), "12:2 a tab in the indentation: YAML wants spaces");
    assert_eq!(said("seed: 1\nseed: 2\n"), "12:1 the field `seed` stands here twice");
    assert_eq!(said("nodes: [{name: a\n"), "11:9 unclosed bracket '{'");
    let deep = format!("nodes: {}", "[".repeat(9000));
    assert!(said(&deep).ends_with("too large or too deep for a cluster block"), "{}", said(&deep));
}

#[test]
fn the_first_and_the_last_address_of_a_network_are_nobody_s() {
    let said = mistakes(
        "nodes:\n- {name: a, role: control-plane, ip: 10.9.0.0}\nhosts:\n- {name: b, ip: 10.9.0.255}\n",
    );
    assert_eq!(
        said,
        "2:38+8: 10.9.0.0 of `a` is no machine's address in 10.9.0.0/24\n4:17+10: 10.9.0.255 of `b` is no machine's address in 10.9.0.0/24\n"
    );
}

/// What a cluster is made of: subnets, DNS, and each machine.
fn addresses(text: &str) -> String {
    let config = parse(text, "lab.md", 1).unwrap();
    let list = |all: &mut dyn Iterator<Item = String>| all.collect::<Vec<_>>().join(" ");
    let net = &config.networking;
    let mut out = format!(
        "pods {}\nservices {}\ndns {}\ngateway {}\nworkstation {}\n",
        list(&mut net.pod_subnets().map(|n| n.to_string())),
        list(&mut net.service_subnets().map(|n| n.to_string())),
        net.cluster_dns,
        list(&mut config.gateways().map(|n| n.to_string())),
        list(&mut config.workstations().into_iter().map(|n| n.to_string())),
    );
    for node in &config.nodes {
        let (ips, cidrs) = (node.ips().map(|i| i.to_string()), node.pod_cidrs().map(|c| c.to_string()));
        out += &format!("{} {}\n", node.name, list(&mut ips.chain(cidrs)));
    }
    for host in &config.hosts {
        out += &format!("{} {}\n", host.name, list(&mut host.ips().map(|i| i.to_string())));
    }
    out
}

#[test]
fn an_ipv6_cluster_has_kind_s_subnets_and_addresses_with_familiar_digits() {
    insta::assert_snapshot!(addresses("networking: {ipFamily: ipv6}\n"), @r"
    pods fd00:10:244::/56
    services fd00:10:96::/112
    dns fd00:10:96::a
    gateway fd00:192:168:100::1
    workstation fd00:192:168:100::10
    master fd00:192:168:100::100 fd00:10:244::/64
    node1 fd00:192:168:100::101 fd00:10:244:1::/64
    node2 fd00:192:168:100::102 fd00:10:244:2::/64
    ");
}

#[test]
fn a_dual_cluster_has_two_of_everything() {
    insta::assert_snapshot!(addresses("networking: {ipFamily: dual}\nhosts: [{name: db, ip: 10.32.1.149}]\n"), @r"
    pods 10.244.0.0/16 fd00:10:244::/56
    services 10.96.0.0/12 fd00:10:96::/112
    dns 10.96.0.10
    gateway 192.168.100.1 fd00:192:168:100::1
    workstation 192.168.100.10 fd00:192:168:100::10
    master 192.168.100.100 fd00:192:168:100::100 10.244.0.0/24 fd00:10:244::/64
    node1 192.168.100.101 fd00:192:168:100::101 10.244.1.0/24 fd00:10:244:1::/64
    node2 192.168.100.102 fd00:192:168:100::102 10.244.2.0/24 fd00:10:244:2::/64
    db 10.32.1.149 fd00:10:32:1::149
    ");
}

#[test]
fn the_family_of_the_first_subnet_leads() {
    insta::assert_snapshot!(addresses(
        "networking: {ipFamily: dual, podSubnet: \"fd00:7::/56,10.7.0.0/16\"}\nnodes:\n\
         - {name: a, role: control-plane, ip: \"192.168.1.5,fd00:1::5\"}\n- {name: b, ip: \"fd00:1::6,192.168.1.6\", podCIDR: \"fd00:7:0:9::/64,10.7.9.0/24\"}\n"
    ), @r"
    pods fd00:7::/56 10.7.0.0/16
    services fd00:10:96::/112 10.96.0.0/12
    dns fd00:10:96::a
    gateway fd00:1::1 192.168.1.1
    workstation fd00:1::10 192.168.1.10
    a fd00:1::5 192.168.1.5 fd00:7::/64 10.7.0.0/24
    b fd00:1::6 192.168.1.6 fd00:7:0:9::/64 10.7.9.0/24
    ");
}

#[test]
fn families_that_do_not_fit_are_named() {
    let said = [
        "networking: {ipFamily: ipv6, podSubnet: 10.244.0.0/16}\nnodes: [{name: a, role: control-plane, ip: 192.168.1.1}]\n",
        "networking: {ipFamily: dual, podSubnet: 10.244.0.0/16, serviceSubnet: \"10.96.0.0/12,10.97.0.0/16\"}\n",
        "networking: {podSubnet: \"10.244.0.0/16,fd00::/56\"}\n",
        "networking: {ipFamily: ipv6, serviceSubnet: \"fd00:10:96::/64\"}\n",
        "networking: {ipFamily: dual}\nnodes: [{name: a, role: control-plane, ip: \"fd00::1\"}]\n",
    ];
    insta::assert_snapshot!(said.map(mistakes).concat());
}

#[test]
fn pools_of_load_balancers_fit_the_families() {
    let block = |family: &str, pool: &str| {
        mistakes(&format!(
            "networking: {{ipFamily: {family}, cni: bridge}}\nloadBalancer: {{mode: l2, pool: \"{pool}\"}}\n"
        ))
    };
    insta::assert_snapshot!(
        [
            block("ipv6", "203.0.113.0/28"),
            block("ipv4", "fd00:203::/64"),
            block("dual", "fd00:203::/64,fd00:204::/64"),
            block("ipv6", "fd00:10:244::/120"),
        ]
        .join("\n")
    );
}

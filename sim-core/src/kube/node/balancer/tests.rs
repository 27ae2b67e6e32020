use super::*;

fn target(n: u8, dual: bool) -> Target {
    let v4 = IpAddr::from([192, 168, 100, 100 + n]);
    let v6 = format!("fd00:192:168:100::{}", 100 + u16::from(n)).parse().unwrap();
    Target {
        name: format!("node{n}"),
        ips: vec![v4, v6].into_iter().filter(|ip| ip.is_ipv4() || dual).collect(),
        ns: NsId(0),
    }
}

fn front() -> Front {
    Front {
        name: ("default".into(), "web".into()),
        vip: IpAddr::from([203, 0, 113, 1]),
        lead: IpAddr::from([203, 0, 113, 1]),
        ports: vec![(Protocol::Tcp, 80, Some(30_080)), (Protocol::Udp, 53, None)],
        check: 10_256,
        local: false,
        ranges: vec!["10.0.0.0/8".parse().unwrap(), "192.168.100.0/24".parse().unwrap()],
    }
}

fn text(mode: LoadBalancerMode, healthy: &[usize]) -> String {
    loaded(mode, &[front()], healthy, false)
}

fn loaded(mode: LoadBalancerMode, fronts: &[Front], healthy: &[usize], dual: bool) -> String {
    let targets = [0, 1, 2].map(|n| target(n, dual));
    let healthy = [(10_256, healthy.iter().copied().collect())].into();
    let text = rules::text(mode, fronts, &targets, &healthy);
    let mut world = World::new(1);
    let ns = world.add_netns("lb");
    rules::load(&mut world, ns, &text).unwrap();
    text
}

#[test]
fn a_cloud_marks_packets_for_healthy_nodes() {
    insta::assert_snapshot!(text(LoadBalancerMode::Cloud, &[1, 2]));
}

#[test]
fn a_proxy_translates_to_node_ports_for_whom_the_service_wants() {
    insta::assert_snapshot!(text(LoadBalancerMode::Proxy, &[2]));
}

#[test]
fn without_healthy_nodes_there_is_nothing_to_pass_on() {
    assert!(!text(LoadBalancerMode::Cloud, &[]).contains("dport"));
}

#[test]
fn each_family_has_a_table_of_its_own() {
    let second = Front {
        vip: "fd00:203::1".parse().unwrap(),
        ranges: vec!["10.0.0.0/8".parse().unwrap(), "fd00:192::/32".parse().unwrap()],
        ..front()
    };
    let texts = [LoadBalancerMode::Cloud, LoadBalancerMode::Proxy]
        .map(|mode| loaded(mode, &[front(), second.clone()], &[1, 2], true));
    insta::assert_snapshot!(texts.join("---\n"));
}

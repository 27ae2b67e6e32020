use super::*;

fn target(n: u8) -> Target {
    Target { name: format!("node{n}"), ip: Ipv4Addr::new(192, 168, 100, 100 + n), ns: NsId(0) }
}

fn front() -> Front {
    Front {
        name: ("default".into(), "web".into()),
        vip: Ipv4Addr::new(203, 0, 113, 1),
        ports: vec![(Protocol::Tcp, 80, Some(30_080)), (Protocol::Udp, 53, None)],
        check: 10_256,
        local: false,
        ranges: vec!["10.0.0.0/8".parse().unwrap(), "192.168.100.0/24".parse().unwrap()],
    }
}

fn text(mode: LoadBalancerMode, healthy: &[usize]) -> String {
    let targets = [target(0), target(1), target(2)];
    let healthy = [(10_256, healthy.iter().copied().collect())].into();
    let text = rules::text(mode, &[front()], &targets, &healthy);
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

//! A whole cluster at work.

mod deferred;
mod policy;
mod policy_agreement;

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::flow::{Outcome, Protocol};
use crate::kube::config::Cni;
use crate::linux::Errno;
use crate::linux::socket::{ReceivedBody, TcpRead};
use crate::packet::{Icmp, IcmpError, Payload};
use crate::trace::{SockId, Step, Verdict};

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: pod-a, labels: {app: pod-a}}
spec: {containers: [{name: busybox, image: busybox, command: [sleep, '3600']}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: nginx, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: svc-web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: svc-none}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
";

fn cluster(cni: Cni) -> Cluster {
    let ip = |text: &str| Some(text.parse().unwrap());
    let mut cluster = Cluster::builder()
        .cni(cni)
        .pin_pod("default", "pod-a", Some("node1"), ip("10.244.1.5"))
        .pin_pod("default", "web", Some("node2"), ip("10.244.2.9"))
        .pin_service("default", "svc-web", "10.96.123.4".parse().unwrap())
        .pin_service("default", "svc-none", "10.96.123.5".parse().unwrap())
        .build()
        .unwrap();
    cluster.apply(PODS).unwrap();
    cluster.settle();
    cluster
}

/// Pings from a place; the time to live of the answer.
fn ping(cluster: &mut Cluster, from: &Place, to: &str) -> Option<u8> {
    let ns = cluster.netns(from).unwrap();
    let sock = cluster.world.icmp_open(ns, None).unwrap();
    cluster.world.icmp_echo(ns, sock, to.parse().unwrap(), 1, Payload::from(vec![0; 56])).unwrap();
    let mut ttl = None;
    let until = cluster.now() + Duration::from_secs(5);
    cluster.wait(until, |c| {
        let got = c.world.recv(ns, sock).ok().flatten();
        ttl = got.filter(|r| matches!(r.body, ReceivedBody::Icmp(Icmp::EchoReply { .. }))).map(|r| r.ttl);
        ttl.is_some()
    });
    cluster.world.close(ns, sock);
    ttl
}

/// Fetches a page over HTTP.
fn get(cluster: &mut Cluster, from: &Place, to: &str) -> Result<String, Errno> {
    let ns = cluster.netns(from).unwrap();
    let sock: SockId = cluster.world.tcp_connect(ns, None, to.parse::<SocketAddr>().unwrap())?;
    let (mut sent, mut got, mut result) = (false, Vec::new(), Err(Errno::ETIMEDOUT));
    let until = cluster.now() + Duration::from_secs(200);
    cluster.wait(until, |c| {
        if !sent {
            match c.world.tcp_send(ns, sock, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") {
                Ok(_) => sent = true,
                Err(Errno::EAGAIN) => return false,
                Err(e) => {
                    result = Err(e);
                    return true;
                }
            }
        }
        loop {
            match c.world.tcp_recv(ns, sock) {
                Ok(TcpRead::Data(bytes)) => got.extend(bytes),
                Ok(TcpRead::WouldBlock) => return false,
                Ok(TcpRead::Eof) => {
                    result = Ok(String::from_utf8_lossy(&got).into_owned());
                    return true;
                }
                Err(e) => {
                    result = Err(e);
                    return true;
                }
            }
        }
    });
    cluster.world.close(ns, sock);
    result
}

#[test]
fn a_cluster_comes_up_with_cluster_dns() {
    for cni in Cni::ALL.into_iter().filter(|cni| *cni != Cni::None) {
        let mut cluster = Cluster::builder().cni(cni).build().unwrap();
        let pods = cluster.pods(Some("kube-system"));
        let mut dns: Vec<_> = pods.map(|p| (p.status.pod_ip.clone(), p.is_ready())).collect();
        dns.sort();
        assert_eq!(dns, [("10.244.0.2".to_owned(), true), ("10.244.0.3".to_owned(), true)], "{cni:?}");
        assert_eq!(cluster.take_remarks(), [""; 0], "{cni:?}");
    }
}

#[test]
fn pods_reach_each_other_across_nodes() {
    for (cni, ttl) in [(Cni::Flannel, 62), (Cni::FlannelHostGw, 62), (Cni::Bridge, 62)] {
        let mut cluster = cluster(cni);
        let a = Place::pod("default", "pod-a");
        assert_eq!(ping(&mut cluster, &a, "10.244.2.9"), Some(ttl), "{cni:?}");
        assert_eq!(ping(&mut cluster, &a, "10.244.1.1"), Some(64), "{cni:?}");
        assert_eq!(
            ping(&mut cluster, &a, "192.168.100.10"),
            Some(63),
            "{cni:?}: the workstation, masqueraded"
        );
        assert_eq!(ping(&mut cluster, &Place::Workstation, "192.168.100.101"), Some(64), "{cni:?}");
        assert_eq!(
            ping(&mut cluster, &Place::Workstation, "10.244.2.9"),
            None,
            "{cni:?}: nobody routes pods there"
        );
    }
}

#[test]
fn a_service_leads_to_its_pod() {
    for cni in [Cni::Flannel, Cni::Bridge] {
        let mut cluster = cluster(cni);
        let a = Place::pod("default", "pod-a");
        for from in [a, Place::Node("node1".into()), Place::pod("default", "web")] {
            let page = get(&mut cluster, &from, "10.96.123.4:80").unwrap();
            assert!(page.starts_with("HTTP/1.1 200 OK\r\nServer: nginx/"), "{from}: {page}");
        }
    }
}

#[test]
fn what_nobody_serves_is_refused() {
    let mut cluster = cluster(Cni::Flannel);
    let a = Place::pod("default", "pod-a");
    assert_eq!(get(&mut cluster, &a, "10.96.123.5:80"), Err(Errno::ECONNREFUSED));
    assert_eq!(get(&mut cluster, &a, "10.244.2.9:81"), Err(Errno::ECONNREFUSED));
    assert_eq!(get(&mut cluster, &Place::pod("default", "web"), "10.244.1.5:80"), Err(Errno::ECONNREFUSED));
}

#[test]
fn a_pod_without_work_is_restarted_and_then_backed_off() {
    let mut cluster = Cluster::builder().build().unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: idle}\nspec: {containers: [{name: c, image: busybox}]}\n";
    cluster.apply(pod).unwrap();
    cluster.settle();
    let status = |cluster: &Cluster| {
        let c = cluster.store.read::<Pod>("default", "idle").unwrap().status.container_statuses[0].clone();
        (c.restart_count, c.state.waiting.map(|w| w.reason).unwrap_or_default())
    };
    assert_eq!(status(&cluster), (1, "CrashLoopBackOff".to_owned()));
    cluster.advance(Duration::from_secs(12));
    cluster.settle();
    assert_eq!(status(&cluster), (2, "CrashLoopBackOff".to_owned()));
}

#[test]
fn a_deleted_pod_leaves_nothing_behind() {
    let mut cluster = cluster(Cni::Flannel);
    let a = Place::pod("default", "pod-a");
    let ns = cluster.netns(&a).unwrap();
    cluster.store.delete(Kind::Pod, "default", "pod-a", Default::default(), cluster.world.now()).unwrap();
    // The shell of busybox ignores SIGTERM: the grace period runs out.
    cluster.advance(Duration::from_secs(29));
    assert!(cluster.exists(Kind::Pod, "default", "pod-a"));
    cluster.advance(Duration::from_secs(2));
    assert!(!cluster.exists(Kind::Pod, "default", "pod-a"));
    assert!(!cluster.world.exists(ns) && cluster.machine(&a).is_none());
    assert_eq!(ping(&mut cluster, &Place::Node("node1".into()), "10.244.1.5"), None);
}

#[test]
fn a_fork_goes_its_own_way() {
    let mut cluster = cluster(Cni::Flannel);
    let mut fork = cluster.fork();
    let a = Place::pod("default", "pod-a");
    let tries = [&mut cluster, &mut fork].map(|c| (ping(c, &a, "10.244.2.9"), c.now()));
    assert_eq!(tries[0], tries[1]);
    fork.advance(Duration::from_secs(1));
    assert_ne!(cluster.now(), fork.now());
}

#[test]
fn containers_find_the_files_that_the_kubelet_writes() {
    let cluster = cluster(Cni::Flannel);
    let machine = cluster.machine(&Place::pod("default", "pod-a")).unwrap();
    let file = |name| machine.files.read_text(name).unwrap();
    assert_eq!(
        file("/etc/resolv.conf"),
        "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    );
    assert!(file("/etc/hosts").ends_with("\n10.244.1.5\tpod-a\n"));
    assert_eq!(file("/etc/hostname"), "pod-a\n");
    assert_eq!(machine.links["KUBERNETES_SERVICE_HOST"], "10.96.0.1");
}

const OUTSIDE: &str = "
networking: {cni: flannel}
hosts:
- {name: client, ip: 192.168.100.9}
- {name: db, ip: 10.32.1.149, listen: [\"3306/tcp\", \"5353/udp\"]}
dns: {upstream: {www.example.com: [93.184.216.34]}}
";

#[test]
fn outside_machines_are_reached_through_the_gateway() {
    let mut cluster = Cluster::builder().block(OUTSIDE).unwrap().build().unwrap();
    let client = Place::Host("client".into());
    assert_eq!(ping(&mut cluster, &client, "192.168.100.101"), Some(64));
    assert_eq!(ping(&mut cluster, &client, "10.32.1.149"), Some(63));
    assert!(get(&mut cluster, &client, "10.32.1.149:3306").unwrap().ends_with("\r\n\r\ndb\n"));
    let udp = cluster.flow(&client, "db:5353", Protocol::Udp);
    assert!(
        matches!(udp.outcome, Outcome::Answered { from, .. } if from.to_string() == "10.32.1.149"),
        "{udp:?}"
    );
    let nowhere = cluster.flow(&client, "8.8.8.8", Protocol::Icmp);
    let Outcome::Failed { icmp: Some((error, from)), .. } = nowhere.outcome else {
        panic!("{:?}", nowhere.outcome)
    };
    assert_eq!((error, from.to_string()), (IcmpError::NetUnreachable, "192.168.100.1".to_owned()));
}

#[test]
fn names_are_resolved_with_real_packets() {
    let mut cluster = Cluster::builder().block(OUTSIDE).unwrap().build().unwrap();
    cluster.apply(PODS).unwrap();
    cluster.settle();
    let (pod, node) = (Place::pod("default", "pod-a"), Place::Node("node1".into()));
    let resolve = |cluster: &mut Cluster, from: &Place, name: &str| {
        let found = cluster
            .resolve(from, name)
            .map(|ips| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        found.map_err(|e| e.to_string())
    };
    assert_eq!(resolve(&mut cluster, &pod, "kubernetes"), Ok("10.96.0.1".into()));
    assert_eq!(resolve(&mut cluster, &pod, "kube-dns.kube-system"), Ok("10.96.0.10".into()));
    assert_eq!(
        resolve(&mut cluster, &pod, "db"),
        Ok("10.32.1.149".into()),
        "through CoreDNS and the gateway"
    );
    assert_eq!(resolve(&mut cluster, &pod, "www.example.com"), Ok("93.184.216.34".into()));
    assert_eq!(resolve(&mut cluster, &node, "db"), Ok("10.32.1.149".into()));
    assert_eq!(resolve(&mut cluster, &node, "node2"), Ok("192.168.100.102".into()), "from /etc/hosts");
    assert_eq!(resolve(&mut cluster, &pod, "no-such-name"), Err("Name or service not known".into()));
    assert_eq!(
        resolve(&mut cluster, &node, "kubernetes.default.svc.cluster.local"),
        Err("Name or service not known".into())
    );
}

#[test]
fn a_flow_tells_how_each_packet_ended() {
    let mut cluster = cluster(Cni::FlannelHostGw);
    let report = cluster.flow(&Place::pod("default", "pod-a"), "svc-web:80", Protocol::Tcp);
    assert!(matches!(report.outcome, Outcome::Answered { .. }), "{:?}", report.outcome);
    assert_eq!(report.destination.unwrap().to_string(), "10.96.123.4:80");
    let lost: Vec<_> = report
        .verdicts
        .iter()
        .filter(|(_, _, v)| !matches!(v, Verdict::Delivered { .. } | Verdict::Consumed { .. }))
        .collect();
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(report.trace.events().any(|e| matches!(e.step, Step::Nat { .. })));
    let refused = cluster.flow(&Place::pod("default", "pod-a"), "svc-none:80", Protocol::Tcp);
    let Outcome::Failed { errno, icmp: Some((IcmpError::PortUnreachable, _)) } = refused.outcome else {
        panic!("{:?}", refused.outcome)
    };
    assert_eq!(errno, Errno::ECONNREFUSED);
    let rule = refused.verdicts.iter().find_map(|(_, _, v)| match v {
        Verdict::Rejected { rule: Some(rule), .. } => Some(rule.text.to_string()),
        _ => None,
    });
    assert!(rule.unwrap().contains("default/svc-none has no endpoints"));
}

fn rules(cluster: &Cluster, node: &str) -> String {
    let ns = cluster.netns(&Place::Node(node.into())).unwrap();
    cluster.world.ns(ns).nf4().save(None, false)
}

#[test]
fn rules_follow_services_on_every_node() {
    let mut cluster = cluster(Cni::Flannel);
    for node in ["master", "node1", "node2"] {
        let rules = rules(&cluster, node);
        assert!(rules.contains("-A KUBE-SERVICES -d 10.96.123.4/32 -p tcp -m comment --comment \"default/svc-web cluster IP\" -m tcp --dport 80 -j KUBE-SVC-"), "{rules}");
        assert!(rules.contains("--comment \"default/svc-web -> 10.244.2.9:80\" -j KUBE-SEP-"), "{rules}");
        assert!(rules.contains("--comment \"default/svc-none has no endpoints\""), "{rules}");
    }
    let before = cluster.fork();
    let now = cluster.now();
    cluster.store.delete(Kind::Service, "default", "svc-web", Default::default(), now).unwrap();
    cluster.settle();
    for node in ["master", "node1", "node2"] {
        assert!(!rules(&cluster, node).contains("svc-web"), "stale chains go with their Service");
        assert!(rules(&before, node).contains("svc-web"));
    }
}

#[test]
fn one_seed_makes_one_cluster() {
    let run = |seed| {
        let mut cluster = Cluster::builder().seed(seed).build().unwrap();
        cluster.apply(PODS).unwrap();
        cluster.settle();
        let report = cluster.flow(&Place::pod("default", "pod-a"), "svc-web:80", Protocol::Tcp);
        let names: Vec<_> = cluster.pods(None).map(|p| p.metadata.name.clone()).collect();
        (names, cluster.now(), rules(&cluster, "node1"), format!("{:?}", report.verdicts))
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).0, run(4).0, "names of pods are drawn");
}

#[test]
fn an_unknown_image_answers_with_the_pods_name() {
    let mut cluster = Cluster::builder().build().unwrap();
    let shop = "
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec: {containers: [{name: c, image: example.com/shop, ports: [{containerPort: 8080}]}]}
";
    cluster.apply(shop).unwrap();
    cluster.settle();
    let ip = cluster.pod_ip("default", "shop").unwrap();
    let page = get(&mut cluster, &Place::Node("node1".into()), &format!("{ip}:8080")).unwrap();
    assert!(page.ends_with("\r\n\r\nshop\n"), "{page}");
    let remarks = cluster.take_remarks();
    assert!(
        remarks.len() == 1 && remarks[0].starts_with("image example.com/shop is not known"),
        "{remarks:?}"
    );
}

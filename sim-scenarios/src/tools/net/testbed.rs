//! A cluster for the tests of network tools, and command lines run in it as a transcript.

use indexmap::IndexMap;
use sim_core::cluster::Cluster;

use crate::tools::{Cx, Out, Place, SessionState, Tool};

const OBJECTS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: pod-a, labels: {app: pod-a}}
spec: {containers: [{name: busybox, image: busybox, command: [sleep, '3600']}]}
---
apiVersion: v1
kind: Pod
metadata: {name: pod-b}
spec: {containers: [{name: busybox, image: busybox, command: [sleep, '3600']}]}
---
apiVersion: v1
kind: Pod
metadata: {name: old}
spec: {containers: [{name: busybox, image: 'busybox:1.28', command: [sleep, '3600']}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alpine}
spec: {containers: [{name: alpine, image: 'alpine:3.19', command: [sleep, '3600']}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: nginx, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: svc-a}
spec: {selector: {app: pod-a}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: www.example.com}
";

/// `pod-b`, `old` (busybox 1.28) and `alpine` to run tools in; `svc-a` 10.96.123.4, behind which nothing listens; `web`
/// 10.96.5.5 with nginx; `alias` for `www.example.com`.
pub(crate) fn cluster() -> Cluster {
    let ip = |text: &str| Some(text.parse().unwrap());
    let mut cluster = Cluster::builder()
        .pin_pod("default", "pod-a", Some("node1"), ip("10.244.1.5"))
        .pin_pod("default", "pod-b", Some("node2"), ip("10.244.2.9"))
        .pin_pod("default", "web", Some("node1"), ip("10.244.1.7"))
        .pin_service("default", "svc-a", "10.96.123.4".parse().unwrap())
        .pin_service("default", "web", "10.96.5.5".parse().unwrap())
        .configure(|c| {
            let addresses = vec!["93.184.216.34".parse().unwrap()];
            c.upstream.insert("www.example.com".to_owned(), addresses);
        })
        .build()
        .unwrap();
    cluster.apply(OBJECTS).unwrap();
    cluster.settle();
    cluster
}

/// Runs command lines one after the other; a status that is not 0 and the time a command took follow its output.
pub(crate) fn transcript(cluster: &mut Cluster, place: &Place, tool: Tool, lines: &[&str]) -> String {
    let mut text = String::new();
    let mut session = SessionState::default();
    for line in lines {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut out = Out::new();
        let started = cluster.now();
        session.start_command(started);
        let status = tool(&mut Cx {
            cluster,
            place,
            args: &args,
            stdin: &[],
            out: &mut out,
            cwd: "/",
            env: &IndexMap::new(),
            session: &mut session,
        });
        text += &format!("$ {line}\n{}", String::from_utf8_lossy(out.terminal()));
        if status != 0 {
            text += &format!("? {status}\n");
        }
        let took = cluster.now().since(started).as_millis();
        if took > 100 {
            text += &format!("({took} ms)\n");
        }
    }
    text
}

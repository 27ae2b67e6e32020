//! Whole command lines against a store.

use indexmap::IndexMap;
use sim_core::kube::config::ClusterConfig;
use sim_core::time::SimTime;

use crate::tools::{Cluster, Cx, Out, Place, SessionState};

fn cluster() -> Cluster {
    Cluster::new(ClusterConfig::default()).unwrap()
}

/// Runs command lines one after the other in one cluster, as a transcript. Standard input of a line stands behind ` <<< `.
fn session(cluster: &mut Cluster, lines: &[&str]) -> String {
    let mut transcript = String::new();
    for line in lines {
        let (command, stdin) = line.split_once(" <<< ").unwrap_or((line, ""));
        let args: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let (mut out, mut session) = (Out::new(), SessionState::default());
        session.start_command(cluster.now());
        let status = super::run(&mut Cx {
            cluster: &mut *cluster,
            place: &Place::Workstation,
            args: &args,
            stdin: stdin.as_bytes(),
            out: &mut out,
            cwd: "/root",
            env: &IndexMap::new(),
            session: &mut session,
        });
        cluster.settle();
        let command = command.lines().next().unwrap_or("");
        transcript += &format!("$ {command}\n{}", String::from_utf8_lossy(out.terminal()));
        if status != 0 {
            transcript += &format!("? {status}\n");
        }
    }
    transcript
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: pod-a, labels: {app: pod-a}}\nspec:\n  containers:\n  - {name: busybox, image: busybox, command: [sleep, \"3600\"]}\n";
const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: svc-a}\nspec:\n  selector: {app: pod-a}\n  ports: [{port: 80}]\n";

#[test]
fn wrong_command_lines_are_refused() {
    let mut cluster = cluster();
    insta::assert_snapshot!(session(
        &mut cluster,
        &[
            "kubectl gte pods",
            "kubectl get",
            "kubectl get foo",
            "kubectl get pods --foo",
            "kubectl get pods -o foo",
            "kubectl get pods x y",
            "kubectl get pod/x pods",
            "kubectl get pods x -l app=a",
            "kubectl get pods -l a=b,",
            "kubectl get pods --field-selector foo=bar",
            "kubectl get pods",
            "kubectl get pods -n shop",
            "kubectl get deployments",
            "kubectl apply",
            "kubectl apply -f x.yaml",
            "kubectl apply -k .",
            "kubectl edit ns default",
            "kubectl attach",
            "kubectl diff",
            "kubectl delete",
            "kubectl delete pod",
            "kubectl delete pod x",
            "kubectl delete pods --all",
            "kubectl describe",
            "kubectl describe pod x",
            "kubectl exec",
            "kubectl exec pod-a",
            "kubectl exec pod-a ls",
            "kubectl exec pod-a -- ls",
            "kubectl create namespace",
            "kubectl edit pod x",
            "kubectl version --client",
        ]
    ));
}

#[test]
fn objects_come_and_go() {
    let mut cluster = cluster();
    let apply = format!("kubectl apply -f - <<< {POD}---\n{SERVICE}");
    insta::assert_snapshot!(session(
        &mut cluster,
        &[
            &apply.replace("-f -", "-f - --dry-run=client"),
            &format!("kubectl apply -f - --dry-run=client -o yaml <<< {SERVICE}"),
            "kubectl get pods",
            &apply,
            "kubectl get pods,svc -o name",
            "kubectl get pod/pod-a -o jsonpath={.metadata.labels.app}",
            "kubectl create namespace shop",
            "kubectl create configmap conf -n shop --from-literal=a=1",
            "kubectl get cm conf -n shop -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,A:.data.a",
            "kubectl delete svc svc-a --dry-run=server",
            "kubectl delete svc/svc-a",
            "kubectl delete pod pod-a --force",
            "kubectl get pods -o yaml",
        ]
    ));
}

/// A pod on a node, with the columns and the description that its status fills in.
#[test]
fn a_pod_runs() {
    let mut cluster = Cluster::builder()
        .pin_pod("default", "pod-a", Some("node1"), "10.244.1.5".parse().ok())
        .build()
        .unwrap();
    // With its node in the manifest the pod needs no scheduler.
    let apply = format!("kubectl apply -f - <<< {POD}  nodeName: node1\n");
    insta::assert_snapshot!(session(
        &mut cluster,
        &[
            &apply,
            "kubectl get pods -o wide",
            "kubectl get pods -l app=pod-a --show-labels --no-headers",
            "kubectl get pods --field-selector status.phase=Running -o name",
            "kubectl describe pod pod-a",
            "kubectl exec pod-a -- hostname",
            "kubectl exec pod-a -- false",
            "kubectl exec pod-a -- nosuch",
            "kubectl exec pod-a -- /bin/nosuch",
            "kubectl exec pod-a -c nope -- ls",
            "kubectl wait --for=condition=Ready pod/pod-a",
            "kubectl wait --for=jsonpath={.status.phase}=Failed pod/pod-a --timeout=5s",
            "kubectl label pod pod-a tier=web",
            "kubectl label pod pod-a tier=db",
            "kubectl label pod pod-a tier-",
            "kubectl annotate pod/pod-a note=x",
            "kubectl expose pod pod-a --port=80 --target-port=8080",
            "kubectl get svc pod-a -o jsonpath={.spec.selector}{.spec.ports[0].targetPort}",
            "kubectl get pods -L tier,app",
            "kubectl delete pod pod-a",
            "kubectl get pods",
            "kubectl cluster-info",
        ]
    ));
}

/// Headers only: what stands below them belongs to others.
#[test]
fn the_default_cluster_has_its_tables() {
    let mut cluster = cluster();
    let mut header = |line: &str| {
        let transcript = session(&mut cluster, &[line]);
        transcript.lines().nth(1).unwrap_or("").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        header("kubectl get nodes -o wide"),
        "NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME"
    );
    assert_eq!(header("kubectl get ns"), "NAME STATUS AGE");
    assert_eq!(header("kubectl get po -A"), "NAMESPACE NAME READY STATUS RESTARTS AGE");
    assert_eq!(
        header("kubectl -n kube-system get svc -o wide"),
        "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR"
    );
    assert_eq!(header("kubectl get endpointslices -A"), "NAMESPACE NAME ADDRESSTYPE PORTS ENDPOINTS AGE");
    assert!(header("kubectl get ep").starts_with("Warning: v1 Endpoints is deprecated in v1.33+;"));
    assert_eq!(header("kubectl api-resources"), "NAME SHORTNAMES APIVERSION NAMESPACED KIND");
}

#[test]
fn a_broken_manifest_changes_nothing() {
    let mut cluster = cluster();
    insta::assert_snapshot!(session(
        &mut cluster,
        &[
            "kubectl apply -f - <<< kind: Pod\nmetadata: {name: x}\n",
            "kubectl apply -f - <<< apiVersion: v1\nkind: Foo\nmetadata: {name: x}\n",
            "kubectl apply -f - <<< a: b: c\n",
            "kubectl apply -f - -n shop <<< apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: default}\n",
            "kubectl get pods",
        ]
    ));
}

#[test]
fn a_watch_ends_when_nobody_presses_control_c() {
    let mut cluster = cluster();
    let transcript =
        session(&mut cluster, &[&format!("kubectl apply -f - <<< {SERVICE}"), "kubectl get svc -w"]);
    assert!(transcript.contains("svc-a"), "{transcript}");
    assert!(transcript.ends_with("? 130\n"), "{transcript}");
    assert!(cluster.now() >= SimTime::from_secs(10));
}

const WEB: &str = "kubectl create deployment web --image=nginx:1.25 --replicas=2 --port=80";

#[test]
fn small_create_commands_make_what_kubectl_makes() {
    let mut cluster = cluster();
    insta::assert_snapshot!(session(
        &mut cluster,
        &[
            &format!("{WEB} --dry-run=client -o yaml"),
            "kubectl create deployment web --image=nginx -- sleep 5",
            "kubectl create deployment a b --image=nginx",
            "kubectl create deployment web",
            "kubectl create job once --image=busybox -o yaml --dry-run=client -- date",
            "kubectl create cronjob tick --image=busybox --schedule=*/5.*.*.*.* --dry-run=client",
            "kubectl create secret generic pass --from-literal=a=1 --from-literal=b='2'",
            "kubectl get secret pass -o jsonpath={.data}",
            "kubectl describe secret pass",
            "kubectl create secret docker-registry reg --docker-username=u --docker-password=p",
            "kubectl create secret tls cert",
            "kubectl create secret",
            "kubectl create secret foo x",
            "kubectl create sa robot",
            "kubectl get sa -o name",
            "kubectl describe sa robot",
            "kubectl create role reader --verb=get,list --resource=pods,deployments.apps",
            "kubectl create role reader --verb=get --resource=foo",
            "kubectl describe role reader",
            "kubectl create rolebinding read --role=reader --serviceaccount=default:robot",
            "kubectl create clusterrolebinding all --clusterrole=cluster-admin --user=me",
            "kubectl get rolebinding,clusterrolebinding -o wide",
            "kubectl describe rolebinding read",
            "kubectl create ingress web --class=nginx --rule=web.example.com/*=web:80 --dry-run=client -o yaml",
            "kubectl create ingress web",
            "kubectl create quota x",
            "kubectl create foo",
            "kubectl run p --image=nginx --serviceaccount=x",
            "kubectl apply -f - <<< apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {serviceAccountName: nobody, containers: [{name: c, image: nginx}]}\n",
        ]
    ));
}

#[test]
fn nodes_are_closed_emptied_and_tainted() {
    let mut cluster = Cluster::builder().pin_pod("default", "pod-a", Some("node1"), None).build().unwrap();
    let apply = format!("kubectl apply -f - <<< {POD}  nodeName: node1\n");
    insta::assert_snapshot!(session(
        &mut cluster,
        &[
            &apply,
            "kubectl cordon",
            "kubectl cordon node9",
            "kubectl cordon node1",
            "kubectl cordon node1",
            "kubectl get nodes node1 -o jsonpath={.spec.unschedulable}",
            "kubectl drain node1",
            "kubectl drain node1 --force --ignore-daemonsets --grace-period=1",
            "kubectl get pods",
            "kubectl uncordon node1 node2",
            "kubectl taint nodes node1 gpu=yes:NoSchedule",
            "kubectl taint node node1 gpu=no:NoSchedule",
            "kubectl taint node node1 gpu=no:NoSchedule --overwrite",
            "kubectl taint node node1 other-",
            "kubectl taint node node1 gpu:NoSchedule-",
            "kubectl taint node node1 gpu",
            "kubectl taint pod x a=b:NoSchedule",
            "kubectl taint nodes a=b:NoSchedule",
        ]
    ));
}

#[test]
fn questions_are_answered() {
    let mut cluster = cluster();
    let apply = format!("kubectl apply -f - <<< {POD}  nodeName: node1\n");
    insta::assert_snapshot!(session(
        &mut cluster,
        &[
            &apply,
            "kubectl get pods -o go-template={{range.items}}{{.metadata.name}}{{end}}",
            "kubectl get pod pod-a --template={{.status.phase}}",
            "kubectl get pod pod-a -o go-template={{.status",
            "kubectl explain ingress.spec.rules",
            "kubectl explain pod.spec.dnsConfig --recursive",
            "kubectl explain pod.foo",
            "kubectl explain foo",
            "kubectl api-resources --namespaced=false",
            "kubectl api-resources --categories=all -o wide --sort-by=kind",
            "kubectl api-resources --api-group=rbac.authorization.k8s.io -o name",
            "kubectl cp nothing pod-a:/tmp",
            "kubectl cp pod-a:/etc/hostname here",
            "kubectl cp a b",
            "kubectl run n --image=nginx --overrides={\"spec\":{\"nodeName\":\"node2\"}} --annotations=a=b --privileged --dry-run=client -o yaml",
            "kubectl run n --image=nginx --expose",
            "kubectl rollout status",
            "kubectl rollout status pod/pod-a",
            "kubectl rollout restart pod/pod-a",
            "kubectl rollout foo",
            "kubectl scale pod pod-a --replicas=2",
            "kubectl scale deployment web",
            "kubectl scale deployment web --replicas=2",
            "kubectl set image pod/pod-a busybox=busybox:1.36",
            "kubectl set image pod/pod-a nope=busybox:1.36",
            "kubectl set image pod/pod-a",
            "kubectl set env pod/pod-a --list",
            "kubectl set env svc/kubernetes A=b",
            "kubectl expose node node1 --port=80",
            "kubectl replace -f - <<< apiVersion: v1\nkind: Pod\nmetadata: {name: nobody}\nspec: {containers: [{name: c, image: nginx}]}\n",
        ]
    ));
}

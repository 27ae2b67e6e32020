//! `ksim` as a person runs it.

use std::path::PathBuf;

use snapbox::cmd::{Command, cargo_bin};
use snapbox::str;

/// A folder of its own for each test, below the target folder.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    for (path, text) in files {
        let path = folder.join(path);
        let made =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
        assert!(made.is_ok(), "{}: {made:?}", path.display());
    }
    folder
}

fn ksim(folder: &PathBuf) -> Command {
    Command::new(cargo_bin!("ksim")).current_dir(folder)
}

const GOOD: &str = "```console\n$ echo hello\nhello\n```\n";
const BAD: &str = "```console\n$ echo hello\ngoodbye\n```\n";

#[test]
fn a_folder_runs_every_lab_below_it() {
    let folder =
        folder("run", &[("labs/b.md", GOOD), ("labs/sub/a.md", BAD), ("labs/prose.md", "# Only prose\n")]);
    ksim(&folder).args(["run", "labs/b.md"]).assert().code(0).stdout_eq(str![[r#"
ok    labs/b.md (1 commands)
1 passed, 0 failed

"#]]);
    ksim(&folder).args(["run", "labs"]).assert().code(1).stdout_eq(str![[r#"
ok    labs/b.md (1 commands)
FAIL  labs/sub/a.md (1 of 1 commands)
      labs/sub/a.md:2: another output of `echo hello`
      @@ labs/sub/a.md:3 @@
      -goodbye
      +hello
1 passed, 1 failed

"#]]);
    ksim(&folder).args(["run", "nowhere.md"]).assert().code(2).stdout_eq("");
    ksim(&folder).args(["run", "labs/prose.md"]).assert().code(2).stdout_eq("").stderr_eq(str![[r#"
ksim: labs/prose.md: no `console` block with a command in it: nothing to run

"#]]);
}

#[test]
fn blessing_writes_what_came() {
    let folder = folder("bless", &[("a.md", BAD)]);
    ksim(&folder).args(["run", "--bless", "a.md"]).assert().code(0).stdout_eq(str![[r#"
ok    a.md (1 commands)
1 passed, 0 failed

"#]]);
    assert_eq!(std::fs::read_to_string(folder.join("a.md")).unwrap(), GOOD);
}

#[test]
fn seeds_and_formats() {
    let folder = folder("seeds", &[("a.md", GOOD)]);
    ksim(&folder).args(["run", "--seeds", "0..3", "a.md"]).assert().code(0).stdout_eq(str![[r#"
ok    a.md (3 seeds, 1 commands)
3 passed, 0 failed

"#]]);
    ksim(&folder).args(["run", "--format", "tap", "a.md"]).assert().code(0).stdout_eq(str![[r#"
TAP version 14
1..1
ok 1 - a.md

"#]]);
}

#[test]
fn mistakes_are_shown_and_nothing_runs() {
    let lab = "```yaml cluster\nsed: 1\n```\n\n```console\n$ echo hello\n```\n";
    let folder = folder(
        "mistakes",
        &[("a.md", lab), ("ok.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")],
    );
    let shown = str![[r#"
error: unknown field `sed` in the cluster block
 --> a.md:2:1
  |
2 | sed: 1
  | ^^^
  |
  = help: did you mean `seed`?


"#]];
    ksim(&folder).args(["run", "a.md"]).assert().code(2).stdout_eq("").stderr_eq(shown);
    ksim(&folder).args(["check", "a.md", "ok.yaml"]).assert().code(2).stdout_eq(str![[r#"
error: unknown field `sed` in the cluster block
 --> a.md:2:1
  |
2 | sed: 1
  | ^^^
  |
  = help: did you mean `seed`?

2 checked, 1 errors, 0 warnings

"#]]);
    ksim(&folder).args(["check", "ok.yaml"]).assert().code(0);
}

#[test]
fn a_shell_answers_what_is_piped_into_it() {
    let folder = folder("shell", &[("a.md", "```yaml file=x.txt\none\n```\n```console\n$ true\n```\n")]);
    let typed = "cat x.txt\nfor i in 1 2\ndo\necho $i\ndone\ncat <<EOF\nhere\nEOF\nssh node1\nhostname\nexit\nhostname\n";
    ksim(&folder).args(["shell", "a.md"]).stdin(typed).assert().code(0).stdout_eq(str![[r#"
one
1
2
here
node1
logout
Connection to node1 closed.
workstation

"#]]);
}

#[test]
fn a_trace_ends_in_a_verdict() {
    let folder = folder("trace", &[("a.md", GOOD)]);
    ksim(&folder)
        .args(["trace", "a.md", "--from", "node/node1", "--to", "node2"])
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
node/node1 to node2 [..]
...
verdict: [..]

"#]]);
    let service = ["trace", "a.md", "--from", "node/node1", "--to", "10.96.0.1:443", "--show-skipped"];
    let output = ksim(&folder).args(service).assert().code(0).get_output().stdout.clone();
    let text = String::from_utf8_lossy(&output);
    assert!(text.contains("→ no match: -d 10.96.0.10/32\n"), "{text}");
    ksim(&folder).args(["trace", "a.md", "--from", "mars", "--to", "node2"]).assert().code(2);
    ksim(&folder).args(["trace", "a.md", "--from", "pod/mars", "--to", "node2"]).assert().code(2);
}

#[test]
fn a_network_is_exported_as_a_script() {
    let folder = folder("export", &[("a.md", GOOD)]);
    ksim(&folder).args(["export", "netns", "a.md"]).assert().code(0).stdout_eq(str![[r#"
#!/bin/sh
# The network of a lab, in real network namespaces. Written by `ksim export netns`.
...
netns add $P-node1
...
"#]]);
    let full = format!("```yaml cluster\nsysctl: {{net.netfilter.nf_conntrack_max: 9}}\n```\n\n{GOOD}");
    let folder = self::folder("export-not", &[("a.md", &full)]);
    ksim(&folder).args(["export", "netns", "a.md"]).assert().code(2).stdout_eq("").stderr_eq(str![[r#"
ksim: a.md: master: net.netfilter.nf_conntrack_max: the kernel has one for all namespaces

"#]]);
}

const SHOP: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: postgres}]}
";

const CLOSED: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]
---
apiVersion: example.com/v1
kind: Shop
metadata: {name: s}
";

#[test]
fn policies_are_asked_without_a_cluster() {
    let folder = folder(
        "policy",
        &[("before/pods.yaml", SHOP), ("after/pods.yaml", SHOP), ("after/sub/policy.yml", CLOSED)],
    );
    ksim(&folder).args(["policy", "list", "after"]).assert().code(0).stdout_eq(str![[r#"
0.0.0.0-255.255.255.255[External] => shop/web[Pod] : All Connections
shop/db[Pod] => 0.0.0.0-255.255.255.255[External] : All Connections
shop/db[Pod] => shop/web[Pod] : All Connections
shop/web[Pod] => 0.0.0.0-255.255.255.255[External] : All Connections
shop/web[Pod] => shop/db[Pod] : TCP 5432

"#]]);
    ksim(&folder).args(["policy", "diff", "before", "after"]).assert().code(1).stdout_eq(str![[r#"
Connectivity diff:
diff-type: changed, source: shop/web[Pod], destination: shop/db[Pod], dir1: All Connections, dir2: TCP 5432
diff-type: removed, source: 0.0.0.0-255.255.255.255[External], destination: shop/db[Pod], dir1: All Connections, dir2: No Connections

"#]]);
    ksim(&folder).args(["policy", "diff", "before", "before"]).assert().code(0).stdout_eq("");
    ksim(&folder).args(["policy", "table", "after", "-p", "TCP/80"]).assert().code(0).stdout_eq(str![[r#"
Ingress:
+----------+----------+---------+
|    -     | SHOP/WEB | SHOP/DB |
+----------+----------+---------+
| shop/web | .        | X       |
| shop/db  | .        | .       |
+----------+----------+---------+

Egress:
+----------+----------+---------+
|    -     | SHOP/WEB | SHOP/DB |
+----------+----------+---------+
| shop/web | .        | .       |
| shop/db  | .        | .       |
+----------+----------+---------+

Combined:
+----------+----------+---------+
|    -     | SHOP/WEB | SHOP/DB |
+----------+----------+---------+
| shop/web | .        | X       |
| shop/db  | .        | .       |
+----------+----------+---------+


"#]]);
    let ask = ["policy", "ask", "after", "--from", "shop/web", "--to", "shop/db"];
    ksim(&folder).args(ask).args(["-p", "TCP/5432"]).assert().code(0).stdout_eq(str![[r#"
pod/shop/db port 5432: allowed
  egress: allowed: no policy has a say
  ingress: allowed by NetworkPolicy shop/db, ingress rule 1

"#]]);
    ksim(&folder).args(ask).args(["-p", "UDP/53"]).assert().code(1).stdout_eq(str![[r#"
pod/shop/db port 53: denied
  egress: allowed: no policy has a say
  ingress: denied: isolated by NetworkPolicy shop/db, and no rule matches

"#]]);
    ksim(&folder)
        .args(["policy", "ask", "after", "--from", "x", "--to", "shop/db", "-p", "UDP/53"])
        .assert()
        .code(2)
        .stdout_eq("");
}

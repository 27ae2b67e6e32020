use super::*;
use crate::lab::report;

fn run_text(text: &str) -> LabResult {
    run(&Lab::parse("lab.md", text).unwrap(), None).unwrap()
}

/// A lab of one console block, and what is said about it.
fn said(transcript: &str) -> String {
    let result = run_text(&format!("```console\n{transcript}```\n"));
    report::text(&[result], false)
}

fn holds(transcript: &str) {
    let said = said(transcript);
    assert!(said.starts_with("ok"), "{said}");
}

#[test]
fn a_transcript_that_holds() {
    holds(
        "$ echo a\na\n\n$ printf 'a\\nb\\nc\\n'\na\n...\nc\n\n$ false\n? 1\n$ nosuch\nbash: nosuch: command not found\n? 127\n",
    );
}

#[test]
fn files_and_variables_live_as_long_as_the_lab() {
    let text = "```yaml file=sub/a.txt\none\n```\n```console\n$ x=1; cat sub/a.txt\none\n[root@node1 ~]# echo [$x]; x=2; cat sub/a.txt\n[]\none\n```\n```yaml file=sub/a.txt\ntwo\n```\n```console\n$ echo $x; cat sub/a.txt\n1\ntwo\nroot@node1:~# echo $x\n2\n```\n";
    assert!(run_text(text).passed(), "{}", report::text(&[run_text(text)], false));
}

#[test]
fn ssh_opens_a_shell_that_exit_leaves() {
    holds(
        "$ ssh node1\n[root@node1 ~]# hostname; x=1\nnode1\n[root@node1 ~]# cd /tmp\n[root@node1 tmp]# pwd\n/tmp\n[root@node1 tmp]# ls /nofile\nls: cannot access '/nofile': No such file or directory\n? 2\n[root@node1 tmp]# exit\nlogout\nConnection to node1 closed.\n? 2\n$ echo $?\n2\n$ hostname\nworkstation\n",
    );
}

#[test]
fn control_c_interrupts_what_does_not_end() {
    holds("$ while true; do echo tick; sleep 1; done\ntick\ntick\n^C\n");
    holds("$ sleep 100\n^C\n$ date +%H:%M\n00:00\n");
    holds("$ tail -f /etc/hostname\nworkstation\n^C\n");
}

#[test]
fn an_endless_command_is_stopped_and_the_lab_fails() {
    insta::assert_snapshot!(said("$ tail -f /etc/hostname\nworkstation\n$ echo on\non\n"), @r"
    FAIL  lab.md (1 of 2 commands)
          lab.md:2: `tail -f /etc/hostname` does not end by itself and was stopped; write `^C` where it should be interrupted
          lab.md:2: `tail -f /etc/hostname` ended with status 130, expected 0; if that is right, write `? 130` below its output
    ");
}

#[test]
fn what_is_not_modelled_never_passes() {
    insta::assert_snapshot!(said("$ ethtool\nksim: not modelled: `ethtool`\n? 69\n$ kubectl cluster-info dump 2>/dev/null | wc -l\n0\n"), @r#"
    FAIL  lab.md (2 of 2 commands)
          lab.md:2: `ethtool` asked for what is real and not modelled: `ethtool`
          lab.md:5: `kubectl cluster-info dump 2>/dev/null | wc -l` asked for what is real and not modelled: "kubectl cluster-info dump"
    "#);
}

#[test]
fn a_flood_is_stopped_and_said() {
    holds("$ yes | head -2\ny\ny\n$ yes no\nno\nno\n^C\n");
    insta::assert_snapshot!(said("$ seq 1000000000000 | wc -l\n$ yes > /dev/null\n$ ping -i 0.0001 -c 100000 -q node1 | tail -1\n[..]\n"), @r"
    FAIL  lab.md (2 of 3 commands)
          lab.md:2: `seq 1000000000000 | wc -l` wrote too much and was stopped
          lab.md:3: `yes` does not end by itself and was stopped; write `^C` where it should be interrupted
          lab.md:3: `yes > /dev/null` ended with status 130, expected 0; if that is right, write `? 130` below its output
    ");
}

#[test]
fn what_differs_is_shown_with_its_line() {
    insta::assert_snapshot!(said("$ seq 3\n1\n2\n4\n$ false\n$ true\n? 1\n/usr is out\n[root@mars ~]# ls\n"), @r"
    FAIL  lab.md (4 of 4 commands)
          lab.md:2: another output of `seq 3`
          @@ lab.md:5 @@
           1
           2
          -4
          +3
          lab.md:6: `false` ended with status 1, expected 0; if that is right, write `? 1` below its output
          lab.md:7: another output of `true`
          @@ lab.md:8 @@
          -? 1
          -/usr is out
          lab.md:10: `ls` was not run: no node, host or pod is called mars
    ");
}

#[test]
fn a_lab_with_mistakes_does_not_run() {
    let lab = Lab::parse("lab.md", "```yaml cluster\nkind: Cluster\nsed: 1\n```\n\n```console\n$ ls\n```\n")
        .unwrap();
    let mistakes = run(&lab, None).unwrap_err();
    assert_eq!((mistakes[0].line, mistakes[0].column), (3, 1));
}

#[test]
fn a_lab_whose_manifest_has_mistakes_runs_and_says_more() {
    let lab = Lab::parse(
        "lab.md",
        "- x\n\n  ```yaml file=a.yaml\n  apiVersion: v1\n  kind: Pod\n  metadata: {nam: x}\n  ```\n\n```console\n$ true\n```\n",
    )
    .unwrap();
    let result = run(&lab, None).unwrap();
    assert!(result.passed());
    assert_eq!(result.remarks, ["lab.md:6:14: unknown field \"metadata.nam\" (did you mean \"name\"?)"]);
}

#[test]
fn many_seeds_keep_their_order() {
    let lab = Lab::parse("lab.md", "```console\n$ true\n```\n").unwrap();
    let results = run_all(&[lab], &RunOptions { seeds: Some(3..7), digest: false }).unwrap();
    assert_eq!(results.iter().map(|r| r.seed).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert_eq!(report::text(&results, true), "ok    lab.md (4 seeds, 1 commands)\n");
    assert_eq!(report::closing_line(&results), "4 passed, 0 failed\n");
}

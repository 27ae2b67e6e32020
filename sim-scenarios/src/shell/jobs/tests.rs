use crate::lab::compare::Pattern;
use crate::lab::parse::Prompt;
use crate::lab::run::Session;
use crate::tools::{Out, net::testbed};

/// Types lines at the workstation, and shows what a person would see.
fn transcript(lines: &[&str]) -> String {
    let mut session = Session::new(testbed::cluster());
    let mut text = String::new();
    for line in lines {
        let answer = session.type_line(&Prompt::Workstation, line, Out::new());
        text += &format!("$ {line}\n{}", answer.output);
        if answer.status != 0 {
            text += &format!("? {}\n", answer.status);
        }
    }
    text
}

#[test]
fn a_job_runs_while_others_do() {
    insta::assert_snapshot!(transcript(&[
        "(sleep 1; echo one; sleep 2; echo three) & sleep 2; echo two; sleep 2",
        "echo after",
    ]));
}

#[test]
fn the_shell_keeps_a_table() {
    insta::assert_snapshot!(transcript(&[
        "sleep 100 &",
        "sleep 200 &",
        "jobs",
        "kill %1",
        "jobs -l",
        "kill -9 $!",
        "false &",
        "wait %9",
        "kill 77",
        "wait",
    ]));
}

#[test]
fn wait_gives_the_status() {
    insta::assert_snapshot!(transcript(&["sh -c 'sleep 3; exit 7' & wait $!; echo $?", "date +%S"]));
}

#[test]
fn programs_on_other_machines_are_jobs_too() {
    insta::assert_snapshot!(transcript(&[
        "kubectl exec pod-b -- ping -c 2 10.244.1.5 & sleep 0.5; echo meanwhile; wait",
        "ssh node1 'ping -c 3 10.244.2.9 > /root/log & wait; grep -c ttl= /root/log'",
    ]));
}

#[test]
fn a_time_limit_ends_a_command() {
    insta::assert_snapshot!(transcript(&[
        "timeout 2 sleep 10; echo $?",
        "timeout 5 echo quick",
        "timeout 3 ping 192.168.100.100 | grep -c ttl",
        "timeout 1",
        "timeout 1 nothing",
    ]));
}

#[test]
fn control_c_reaches_a_job_in_the_foreground() {
    let mut session = Session::new(testbed::cluster());
    session.type_line(&Prompt::Workstation, "ping 192.168.100.100 > /dev/null &", Out::new());
    let answer =
        session.type_line(&Prompt::Workstation, "fg", Out::with_interrupt(Pattern::new(["ping[..]"])));
    assert_eq!(answer.output, "ping 192.168.100.100 > /dev/null\n^C");
}

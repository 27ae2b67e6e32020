//! Sessions with iptables 1.8.9 (nf_tables), played again.
//!
//! `$` starts a command, `<` is a line of its input up to `EOF`, `1` and `2` are lines of standard output and standard error,
//! `?` is an exit status other than 0. `#` is a remark. Each file starts in a new namespace.

use std::fmt::Write as _;

use crate::linux::netfilter::{RestoreOptions, Ruleset};
use crate::trace::Family;

fn play(set: &mut Ruleset, command: &str, input: &str) -> String {
    let mut args: Vec<String> =
        super::super::words::split(command).iter().map(|w| w.text.to_string()).collect();
    let tool = args.remove(0);
    let has = |flag: &str| args.iter().any(|a| a == flag);
    let (stdout, stderr, status) = if tool.ends_with("-restore") {
        let opt = RestoreOptions { noflush: has("-n"), counters: has("-c"), test: has("-t") };
        match set.restore(input, opt) {
            Ok(()) => (String::new(), String::new(), 0),
            Err(e) => (String::new(), e.message, e.status),
        }
    } else if tool.ends_with("-save") {
        let table = args.iter().skip_while(|a| *a != "-t").nth(1).map(|t| t.parse().unwrap());
        (set.save(table, has("-c")), String::new(), 0)
    } else {
        match set.command(&args) {
            Ok(out) => (out, String::new(), 0),
            Err(e) => (String::new(), e.message, e.status),
        }
    };
    let mut out = String::new();
    for (tag, text) in [('1', stdout), ('2', stderr)] {
        for line in text.lines() {
            let _ = writeln!(out, "{tag} {line}");
        }
    }
    if status != 0 {
        let _ = writeln!(out, "? {status}");
    }
    out
}

fn replay(family: Family, transcript: &str) {
    let mut set = Ruleset::new(family);
    let mut wrong = String::new();
    for exchange in format!("\n{transcript}").split("\n$ ").skip(1).filter(|e| !e.trim().is_empty()) {
        let (command, rest) = exchange.split_once('\n').unwrap_or((exchange, ""));
        let mut lines = rest.lines().filter(|l| !l.starts_with('#')).peekable();
        let mut input = String::new();
        while let Some(line) = lines.next_if(|l| l.starts_with("< ")) {
            if line != "< EOF" {
                input += &format!("{}\n", &line[2..]);
            }
        }
        let want: String = lines.map(|l| format!("{l}\n")).collect();
        let got = play(&mut set, command, &input);
        if got != want {
            let _ = writeln!(wrong, "$ {command}\n{input}--- the real tool\n{want}--- here\n{got}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn commands_answer_as_iptables_does() {
    replay(Family::V4, include_str!("commands-v4.txt"));
}

#[test]
fn commands_answer_as_ip6tables_does() {
    replay(Family::V6, include_str!("commands-v6.txt"));
}

#[test]
fn restores_end_as_iptables_restore_does() {
    replay(Family::V4, include_str!("restore.txt"));
}

//! Small commands in a container, as probes and hooks run them: looks at files, and tests.
//!
//! What a person types goes through the shell of labs; this is for what the kubelet runs by itself. A command that is not known is
//! told apart from one that fails.

use crate::kube::node::files::FileKind;
use crate::kube::node::machine::{Base, Machine};

/// The status of a command and what it printed; none if the command is not known here.
#[must_use]
pub fn run(line: &[String], machine: &Machine) -> Option<(i32, String)> {
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    match words.as_slice() {
        [shell, flag, script] if is_shell(shell) && flag.starts_with('-') && flag.ends_with('c') => {
            list(script, machine)
        }
        _ => simple(&words, machine),
    }
}

/// The clients with which manifests ask databases whether they are up: `redis-cli ping`, `pg_isready`, `mysqladmin ping`. Whether
/// somebody listens on the port of the container is the answer.
#[must_use]
pub fn ask_server(line: &[String], listens: impl Fn(u16) -> bool) -> Option<(i32, String)> {
    let words: Vec<&str> = match line {
        [shell, flag, script] if is_shell(shell) && flag.starts_with('-') && flag.ends_with('c') => {
            if script.contains([';', '|', '&', '`', '<', '>', '(']) {
                return None;
            }
            script.split_whitespace().collect()
        }
        all => all.iter().map(String::as_str).collect(),
    };
    let (program, args) = words.split_first()?;
    let program = program.rsplit('/').next().unwrap_or(program);
    let option = |flags: &[&str]| {
        let at = args.iter().position(|a| flags.contains(a));
        let glued = |a: &&&str| flags.iter().any(|f| f.starts_with("--") && a.starts_with(&format!("{f}=")));
        let next = at.and_then(|i| args.get(i + 1)).copied();
        next.or_else(|| args.iter().find(glued).and_then(|a| a.split_once('=')).map(|(_, v)| v))
    };
    let port = |flags: &[&str], default: u16| option(flags).and_then(|p| p.parse().ok()).unwrap_or(default);
    match program {
        "redis-cli" if args.iter().any(|a| a.eq_ignore_ascii_case("ping")) => {
            let port = port(&["-p"], 6379);
            Some(if listens(port) {
                (0, "PONG\n".to_owned())
            } else {
                let host = option(&["-h"]).unwrap_or("127.0.0.1");
                (1, format!("Could not connect to Redis at {host}:{port}: Connection refused\n"))
            })
        }
        "pg_isready" => {
            let port = port(&["-p", "--port"], 5432);
            let host = option(&["-h", "--host"]).unwrap_or("/var/run/postgresql");
            let (status, words) =
                if listens(port) { (0, "accepting connections") } else { (2, "no response") };
            Some((status, format!("{host}:{port} - {words}\n")))
        }
        "mysqladmin" | "mariadb-admin" if args.contains(&"ping") => {
            let port = port(&["-P", "--port"], 3306);
            Some(if listens(port) {
                (0, "mysqld is alive\n".to_owned())
            } else {
                let host = option(&["-h", "--host"]).unwrap_or("localhost");
                (1, format!("{program}: connect to server at '{host}' failed\n"))
            })
        }
        _ => None,
    }
}

fn is_shell(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash"))
}

/// Commands joined by `;`, `&&` and `||`.
fn list(script: &str, machine: &Machine) -> Option<(i32, String)> {
    // Pipes, substitutions and redirections need a real shell.
    if script.contains(['|', '$', '`', '<', '>', '(']) && !script.contains("||") {
        return None;
    }
    let (mut status, mut output) = (0, String::new());
    let mut rest = script;
    let mut runs = true;
    loop {
        let next = [("&&", true), ("||", false), (";", true)]
            .into_iter()
            .filter_map(|(operator, _)| rest.find(operator).map(|at| (at, operator)))
            .min();
        let command = next.map_or(rest, |(at, _)| &rest[..at]);
        if runs && !command.trim().is_empty() {
            let words: Vec<String> =
                command.split_whitespace().map(|w| w.trim_matches(['"', '\'']).to_owned()).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (code, text) = simple(&words, machine)?;
            status = code;
            output.push_str(&text);
        }
        let Some((at, operator)) = next else { return Some((status, output)) };
        rest = &rest[at + operator.len()..];
        runs = match operator {
            "&&" => status == 0,
            "||" => status != 0,
            _ => true,
        };
    }
}

fn simple(words: &[&str], machine: &Machine) -> Option<(i32, String)> {
    let (program, args) = words.split_first()?;
    let files = |name: &&str| !name.starts_with('-');
    match program.rsplit('/').next().unwrap_or(program) {
        "true" | ":" => Some((0, String::new())),
        "false" => Some((1, String::new())),
        "exit" => Some((args.first().and_then(|a| a.parse().ok()).unwrap_or(0), String::new())),
        "echo" => Some((0, format!("{}\n", args.join(" ")))),
        "cat" => Some(each(args.iter().filter(|a| files(a)), |name| cat(name, machine))),
        "ls" | "stat" => Some(each(args.iter().filter(|a| files(a)), |name| look(name, machine))),
        "test" => Some((i32::from(!test(args, machine)?), String::new())),
        "[" => {
            let args = args.strip_suffix(&["]"])?;
            Some((i32::from(!test(args, machine)?), String::new()))
        }
        _ => None,
    }
}

fn each<'a>(
    names: impl Iterator<Item = &'a &'a str>,
    one: impl Fn(&str) -> Result<String, String>,
) -> (i32, String) {
    let (mut status, mut output) = (0, String::new());
    for name in names {
        let text = one(name).unwrap_or_else(|why| {
            status = 1;
            why
        });
        output.push_str(&text);
    }
    (status, output)
}

fn cat(name: &str, machine: &Machine) -> Result<String, String> {
    let path = crate::kube::node::files::Files::resolve(&machine.cwd, name);
    machine.files.read_text(&path).map_err(|e| match machine.tools.base {
        Base::Busybox | Base::Alpine => format!("cat: can't open '{name}': {e}\n"),
        _ => format!("cat: {name}: {e}\n"),
    })
}

fn look(name: &str, machine: &Machine) -> Result<String, String> {
    let path = crate::kube::node::files::Files::resolve(&machine.cwd, name);
    match machine.files.kind(&path) {
        Some(_) => Ok(format!("{name}\n")),
        None => Err(match machine.tools.base {
            Base::Busybox | Base::Alpine => format!("ls: {name}: No such file or directory\n"),
            _ => format!("ls: cannot access '{name}': No such file or directory\n"),
        }),
    }
}

/// `test`; none for a test that is not known.
fn test(args: &[&str], machine: &Machine) -> Option<bool> {
    let kind = |name: &str| machine.files.kind(&crate::kube::node::files::Files::resolve(&machine.cwd, name));
    Some(match args {
        ["!", rest @ ..] => !test(rest, machine)?,
        ["-e", name] => kind(name).is_some(),
        ["-f", name] => kind(name) == Some(FileKind::File),
        ["-d", name] => kind(name) == Some(FileKind::Dir),
        ["-n", text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        [a, "=" | "==", b] => a == b,
        [a, "!=", b] => a != b,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indexmap::IndexMap;

    use super::*;
    use crate::kube::node::files::Files;
    use crate::kube::node::machine::{Privileges, ToolSet};
    use crate::trace::NsId;

    fn said(script: &str) -> Option<(i32, String)> {
        let machine = Machine {
            hostname: "a".to_owned(),
            ns: NsId(0),
            files: Files::new().with("/tmp/healthy", *b"yes\n"),
            tools: ToolSet::busybox("latest"),
            cwd: "/".to_owned(),
            privileges: Privileges::ALL,
            env: IndexMap::new(),
            links: Arc::default(),
        };
        run(&["sh".to_owned(), "-c".to_owned(), script.to_owned()], &machine)
    }

    #[test]
    fn files_are_looked_at() {
        assert_eq!(said("cat /tmp/healthy"), Some((0, "yes\n".to_owned())));
        let missing = "cat: can't open '/tmp/no': No such file or directory\n".to_owned();
        assert_eq!(said("cat /tmp/no"), Some((1, missing)));
        assert_eq!(said("test -f /tmp/healthy && echo ok"), Some((0, "ok\n".to_owned())));
        assert_eq!(said("[ -f /tmp/no ] || exit 3"), Some((3, String::new())));
        assert_eq!(said("redis-cli ping"), None);
        assert_eq!(said("cat /tmp/healthy | grep yes"), None);
    }

    #[test]
    fn databases_are_up_when_they_listen() {
        let ask = |line: &str, up: u16| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            ask_server(&words, |port| port == up)
        };
        assert_eq!(ask("redis-cli ping", 6379), Some((0, "PONG\n".to_owned())));
        assert_eq!(ask("redis-cli -p 7000 ping", 6379).unwrap().0, 1);
        let accepting = "/var/run/postgresql:5432 - accepting connections\n".to_owned();
        assert_eq!(ask("pg_isready -U postgres", 5432), Some((0, accepting)));
        assert_eq!(
            ask("pg_isready --host=localhost", 1).unwrap(),
            (2, "localhost:5432 - no response\n".to_owned())
        );
        assert_eq!(ask("mysqladmin ping -h 127.0.0.1", 3306).unwrap().0, 0);
        assert_eq!(ask("python check.py", 80), None);
        let script = ["sh".to_owned(), "-c".to_owned(), "redis-cli ping".to_owned()];
        assert_eq!(ask_server(&script, |_| true).unwrap().0, 0);
    }
}

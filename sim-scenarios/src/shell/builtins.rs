//! Commands that only the shell itself can do: they change it.

use sim_core::kube::node::files::{FileKind, Files};
use sim_core::linux::Errno;

use super::eval::{Eval, Halt, Step};
use super::{ShellKind, job_control};

type Builtin = fn(&mut Eval<'_, '_>, &[String]) -> Step;

/// The builtins; everything else is a program ([`crate::tools::registry`]).
static BUILTINS: &[(&str, Builtin)] = &[
    (":", |_, _| Ok(0)),
    (".", source),
    ("alias", alias),
    ("bg", job_control::bg),
    ("break", |eval, argv| Err(Halt::Break(eval.count(argv)))),
    ("cd", cd),
    ("command", command),
    ("continue", |eval, argv| Err(Halt::Continue(eval.count(argv)))),
    ("eval", |eval, argv| eval.script(&argv[1..].join(" "))),
    ("exit", exit),
    ("export", export),
    ("fg", job_control::fg),
    ("jobs", job_control::jobs),
    ("kill", job_control::kill),
    ("logout", exit),
    ("read", read),
    ("set", set),
    ("shift", shift),
    ("source", source),
    ("type", type_of),
    ("unalias", unalias),
    ("unset", unset),
    ("wait", job_control::wait),
];

/// Words of shells that are known and not modelled.
const NOT_MODELLED: &[&str] =
    &["disown", "exec", "getopts", "local", "readonly", "return", "trap", "ulimit", "umask"];

impl Eval<'_, '_> {
    /// Runs a builtin; none if the command is a program.
    pub(super) fn builtin(&mut self, argv: &[String]) -> Option<Step> {
        let name = argv.first()?;
        if let Some((_, run)) = BUILTINS.iter().find(|(n, _)| n == name) {
            return Some(run(self, argv));
        }
        NOT_MODELLED.contains(&name.as_str()).then(|| Err(self.not_modelled(format!("the shell's `{name}`"))))
    }

    fn count(&self, argv: &[String]) -> u32 {
        argv.get(1).and_then(|n| n.parse().ok()).unwrap_or(1).max(1)
    }

    /// Prints a builtin's complaint; the line goes on.
    pub(super) fn complain(&mut self, status: i32, text: impl std::fmt::Display) -> Step {
        let message = self.sh.message(text);
        self.io.out.err(message);
        Ok(status)
    }
}

fn cd(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let target = match argv.get(1).map(String::as_str) {
        None => eval.sh.get("HOME").unwrap_or("/").to_owned(),
        Some("-") => {
            let Some(old) = eval.sh.get("OLDPWD").map(str::to_owned) else {
                return eval.complain(1, "cd: OLDPWD not set");
            };
            eval.io.out.line(&old);
            old
        }
        Some(path) => path.to_owned(),
    };
    if argv.len() > 2 && eval.sh.kind == ShellKind::Bash {
        return eval.complain(1, "cd: too many arguments");
    }
    let why = match eval.files().kind(&target) {
        Some(FileKind::Dir) => {
            let new = Files::resolve(&eval.sh.cwd, &target);
            let old = std::mem::replace(&mut eval.sh.cwd, new.clone());
            eval.sh.set("OLDPWD", old);
            eval.sh.set("PWD", new);
            return Ok(0);
        }
        Some(FileKind::File) => Errno::ENOTDIR,
        None => Errno::ENOENT,
    };
    let message = eval.sh.cannot_cd(&target, why);
    eval.io.out.err(message);
    Ok(if eval.sh.kind == ShellKind::Dash { 2 } else { 1 })
}

fn exit(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    match argv.get(1).map(|n| n.parse::<i32>()) {
        None => Err(Halt::Exit(eval.sh.status)),
        Some(Ok(n)) => Err(Halt::Exit(n & 0xff)),
        Some(Err(_)) => {
            let word = &argv[1];
            let text = match eval.sh.kind {
                ShellKind::Bash => format!("exit: {word}: numeric argument required"),
                ShellKind::Ash => format!("exit: Illegal number: {word}"),
                ShellKind::Dash => format!("exit: Illegal number: {word}"),
            };
            let message = eval.sh.message(text);
            eval.io.out.err(message);
            Err(Halt::Exit(2))
        }
    }
}

fn export(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    if matches!(argv.get(1).map(String::as_str), None | Some("-p")) {
        for (name, value) in eval.sh.environment() {
            let line = match eval.sh.kind {
                ShellKind::Bash => format!("declare -x {name}=\"{value}\""),
                _ => format!("export {name}='{value}'"),
            };
            eval.io.out.line(line);
        }
        return Ok(0);
    }
    for word in &argv[1..] {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v)));
        if !is_name(name) {
            return eval.complain(1, format!("export: `{word}': not a valid identifier"));
        }
        if let Some(value) = value {
            eval.sh.set(name, value);
        }
        eval.sh.export(name);
    }
    Ok(0)
}

fn unset(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    for name in argv[1..].iter().filter(|w| !w.starts_with('-')) {
        eval.sh.vars.shift_remove(name);
    }
    Ok(0)
}

fn read(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let mut names: Vec<&str> = Vec::new();
    for word in &argv[1..] {
        match word.as_str() {
            // Backslashes are kept anyway.
            "-r" => {}
            flag if flag.starts_with('-') => return Err(eval.not_modelled(format!("read: option {flag}"))),
            name => names.push(name),
        }
    }
    let Some(line) = eval.stdin.line() else { return Ok(1) };
    let names = if names.is_empty() { vec!["REPLY"] } else { names };
    let separators = eval.sh.get("IFS").unwrap_or(" \t\n").to_owned();
    let white = |c: char| c.is_whitespace() && separators.contains(c);
    let mut rest = line.trim_matches(white);
    for (i, name) in names.iter().enumerate() {
        let last = i + 1 == names.len();
        let cut = if last { rest.len() } else { rest.find(|c| separators.contains(c)).unwrap_or(rest.len()) };
        let (value, after) = rest.split_at(cut);
        let value = value.to_owned();
        rest = after.strip_prefix(|c| separators.contains(c)).unwrap_or(after).trim_start_matches(white);
        eval.sh.set(name, value);
    }
    Ok(0)
}

fn set(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    match argv.get(1).map(String::as_str) {
        None => {
            let mut all: Vec<(String, String)> =
                eval.sh.vars.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect();
            all.sort();
            for (name, value) in all {
                eval.io.out.line(format!("{name}='{value}'"));
            }
            Ok(0)
        }
        Some("--") => {
            eval.sh.positional = argv[2..].to_vec();
            Ok(0)
        }
        Some(flag) if flag.starts_with(['-', '+']) => Err(eval.not_modelled(format!("set {flag}"))),
        Some(_) => {
            eval.sh.positional = argv[1..].to_vec();
            Ok(0)
        }
    }
}

fn shift(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let n = eval.count(argv) as usize;
    if n > eval.sh.positional.len() {
        return Ok(1);
    }
    eval.sh.positional.drain(..n);
    Ok(0)
}

fn source(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let Some(path) = argv.get(1) else {
        return eval.complain(2, format!("{}: filename argument required", argv[0]));
    };
    match eval.files().read(path) {
        Ok(bytes) => {
            let script = String::from_utf8_lossy(&bytes).into_owned();
            eval.sh.depth += 1;
            let step = eval.script(&script);
            eval.sh.depth -= 1;
            step
        }
        Err(why) => {
            let message = eval.sh.cannot_open(path, why);
            eval.io.out.err(message);
            Ok(1)
        }
    }
}

fn alias(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    for word in &argv[1..] {
        match word.split_once('=') {
            Some((name, value)) => {
                eval.sh.aliases.insert(name.to_owned(), value.to_owned());
            }
            None => match eval.sh.aliases.get(word).cloned() {
                Some(value) => eval.io.out.line(format!("alias {word}='{value}'")),
                None => return eval.complain(1, format!("alias: {word}: not found")),
            },
        }
    }
    if argv.len() == 1 {
        for (name, value) in eval.sh.aliases.clone() {
            eval.io.out.line(format!("alias {name}='{value}'"));
        }
    }
    Ok(0)
}

fn unalias(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    for name in &argv[1..] {
        eval.sh.aliases.shift_remove(name);
    }
    Ok(0)
}

/// `command -v NAME`, and `command NAME …`, which skips nothing here because there are no functions.
fn command(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    match argv.get(1).map(String::as_str) {
        Some("-v") => {
            let Some(name) = argv.get(2) else { return Ok(0) };
            match where_is(eval, name) {
                Some(place) => {
                    eval.io.out.line(place);
                    Ok(0)
                }
                None => Ok(if eval.sh.kind == ShellKind::Bash { 1 } else { 127 }),
            }
        }
        Some(flag) if flag.starts_with('-') => Err(eval.not_modelled(format!("command: option {flag}"))),
        Some(_) => eval.run_words(&argv[1..]),
        None => Ok(0),
    }
}

fn type_of(eval: &mut Eval<'_, '_>, argv: &[String]) -> Step {
    let mut status = 0;
    for name in &argv[1..] {
        match where_is(eval, name) {
            Some(path) if path.starts_with('/') => eval.io.out.line(format!("{name} is {path}")),
            Some(_) => eval.io.out.line(format!("{name} is a shell builtin")),
            None if eval.sh.kind == ShellKind::Bash => {
                status = eval.complain(1, format!("type: {name}: not found"))?
            }
            None => {
                eval.io.out.line(format!("{name}: not found"));
                status = 127;
            }
        }
    }
    Ok(status)
}

fn where_is(eval: &Eval<'_, '_>, name: &str) -> Option<String> {
    if BUILTINS.iter().any(|(n, _)| *n == name) {
        return Some(name.to_owned());
    }
    crate::tools::path_of(eval.io.cluster, &eval.sh.place, name)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

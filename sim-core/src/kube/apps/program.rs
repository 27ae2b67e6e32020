//! What a container's command line does: run for good, end after a while, or serve.
//!
//! A container runs `command` and `args`, or what its image says. The programs that manifests use to keep a container alive, or
//! to serve something small, are known; a program that is not known runs for good and does nothing.

use std::time::Duration;

use super::image::{Image, Reference, Server, Speaks, Start, Started};
use super::site::Site;
use crate::kube::config::Listen;
use crate::kube::node::machine::Base;
use crate::kube::objects::{Container, Protocol};

/// What a process will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it serves meanwhile.
    pub serves: Vec<Server>,
    /// When it ends, and with which status; none if it runs for good.
    pub ends: Option<(Duration, i32)>,
    /// The name of a program that is not known: what it does is a guess.
    pub unknown: Option<String>,
    /// What it prints at its start.
    pub log: Vec<String>,
}

/// The container runtime cannot start the program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exec: \"{0}\": executable file not found in $PATH")]
pub struct NotFound(pub String);

impl Program {
    const fn forever() -> Self {
        Self { serves: Vec::new(), ends: None, unknown: None, log: Vec::new() }
    }

    const fn ends(after: Duration, status: i32) -> Self {
        Self { serves: Vec::new(), ends: Some((after, status)), unknown: None, log: Vec::new() }
    }

    fn server(server: Server) -> Self {
        Self { serves: vec![server], ..Self::forever() }
    }
}

/// What a container does.
///
/// # Errors
/// The image has no such program.
pub fn of_container(container: &Container, image: &Image) -> Result<Program, NotFound> {
    let own = container.command.is_empty() && (container.args.is_empty() || image.entrypoint.is_empty());
    let mut line =
        if container.command.is_empty() { image.entrypoint.clone() } else { container.command.clone() };
    if !container.args.is_empty() {
        line.extend(container.args.iter().cloned());
    } else if container.command.is_empty() {
        line.extend(image.cmd.iter().cloned());
    }
    // A server that is started with other arguments is still that server.
    let same_entry = container.command.is_empty() && !image.entrypoint.is_empty();
    if let Some(server) = &image.server
        && ((own && container.args.is_empty()) || same_entry)
    {
        return Ok(Program::server(server.clone()));
    }
    if line.is_empty() {
        return Ok(guess(container, image));
    }
    if let Some(program) = own_program(&line, container, image) {
        return Ok(program);
    }
    let flag = |name: &str| container.rest.get(name).and_then(serde_json::Value::as_bool) == Some(true);
    run(&line, image, flag("stdin") || flag("tty"))
}

/// The image's own program, which reads its command line and environment; a script that prepares the ground for it stands before it.
fn own_program(line: &[String], container: &Container, image: &Image) -> Option<Program> {
    let main = image.main?;
    let last = |word: &String| word.rsplit('/').next().unwrap_or(word).to_owned();
    let script = usize::from(line.first().is_some_and(|w| last(w) == "docker-entrypoint.sh"));
    let (name, args) = line.get(script..)?.split_first()?;
    // An option alone is meant for the script's default program.
    let args = if last(name) == main.name {
        args
    } else if script == 1 && name.starts_with('-') {
        &line[script..]
    } else {
        return None;
    };
    let reference = Reference::parse(&container.image);
    let start = Start { args, env: &container.env, tag: &reference.tag };
    Some(match (main.read)(&start) {
        Started::Serves(serves) => Program { serves, ..Program::forever() },
        Started::Waits => Program::forever(),
        Started::Ends(status, log) => Program { log, ..Program::ends(Duration::ZERO, status) },
        Started::Unknown(what) => Program { unknown: Some(what), ..Program::forever() },
    })
}

/// An unknown image: it listens where the manifest says and answers with the pod's name.
fn guess(container: &Container, image: &Image) -> Program {
    let listen: Vec<Listen> =
        container.ports.iter().map(|p| Listen { port: p.container_port, protocol: p.protocol }).collect();
    let (tcp, other): (Vec<_>, Vec<_>) = listen.into_iter().partition(|l| l.protocol == Protocol::Tcp);
    let site = Site::Text { body: "{hostname}\n".to_owned() };
    let servers =
        [Server { listen: tcp, speaks: Speaks::Http(site) }, Server { listen: other, speaks: Speaks::Other }];
    let serves = servers.into_iter().filter(|s| !s.listen.is_empty()).collect();
    Program { serves, unknown: (!image.known).then(|| container.image.clone()), ..Program::forever() }
}

/// What a command line does. `attached`: its standard input stays open.
fn run(line: &[String], image: &Image, attached: bool) -> Result<Program, NotFound> {
    let Some(program) = line.first() else { return Ok(Program::ends(Duration::ZERO, 0)) };
    let name = program.rsplit('/').next().unwrap_or(program);
    let args: Vec<&str> = line[1..].iter().map(String::as_str).collect();
    if !has_program(image, name) {
        return Err(NotFound(program.clone()));
    }
    Ok(match name {
        "sh" | "ash" | "bash" | "dash" => shell(&args, image, attached)?,
        "sleep" => match args.iter().map(|a| seconds(a)).sum::<Option<f64>>() {
            Some(s) if args.is_empty() || s < 0.0 => Program::ends(Duration::ZERO, 1),
            Some(s) if s.is_infinite() => Program::forever(),
            Some(s) => Program::ends(Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX), 0),
            None => Program::ends(Duration::ZERO, 1),
        },
        "tail" if args.iter().any(|a| matches!(*a, "-f" | "-F" | "--follow")) => Program::forever(),
        "cat" if args.is_empty() && attached => Program::forever(),
        "top" | "ping" | "watch" | "pause" => Program::forever(),
        "httpd" if image.tools.busybox.is_some() => busybox_httpd(&args),
        "nc" | "ncat" | "netcat" if args.iter().any(|a| a.starts_with('-') && a.contains('l')) => {
            netcat(&args)
        }
        "nginx" | "httpd" | "httpd-foreground" | "coredns" | "node-cache" | "kube-proxy" => {
            match &image.server {
                Some(server) => Program::server(server.clone()),
                None => Program { unknown: Some(name.to_owned()), ..Program::forever() },
            }
        }
        "true" | ":" | "echo" | "printf" | "export" | "set" | "cd" | "mkdir" | "touch" | "chmod" | "cat"
        | "date" | "env" | "hostname" | "ls" | "rm" | "cp" | "mv" | "trap" | "wait" | "test" | "["
        | "head" | "tail" | "grep" => Program::ends(Duration::ZERO, 0),
        "false" => Program::ends(Duration::ZERO, 1),
        "exit" => Program::ends(Duration::ZERO, args.first().and_then(|a| a.parse().ok()).unwrap_or(0)),
        _ => Program { unknown: Some(name.to_owned()), ..Program::forever() },
    })
}

fn has_program(image: &Image, name: &str) -> bool {
    match image.tools.base {
        Base::Bare => image.entrypoint.first().is_some_and(|e| e.ends_with(name)) || image.server.is_some(),
        Base::Busybox | Base::Alpine => !matches!(name, "bash" | "curl" | "dig" | "python" | "python3"),
        _ => true,
    }
}

/// A number of seconds as `sleep` takes it: `3600`, `1.5`, `1d`, `infinity`.
fn seconds(text: &str) -> Option<f64> {
    if matches!(text, "infinity" | "inf") {
        return Some(f64::INFINITY);
    }
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.chars().last()?),
        None => (text, 's'),
    };
    let scale = match unit {
        'm' => 60.0,
        'h' => 3600.0,
        'd' => 86400.0,
        _ => 1.0,
    };
    number.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n * scale)
}

/// `httpd [-f] [-p [IP:]PORT] [-h FOLDER]`. Without `-f` it goes to the background, and with it its container's only process.
fn busybox_httpd(args: &[&str]) -> Program {
    let option = |letter: &str| {
        let at = args.iter().position(|a| a.starts_with(letter))?;
        let glued = args[at][letter.len()..].to_owned();
        if glued.is_empty() { args.get(at + 1).map(|s| (*s).to_owned()) } else { Some(glued) }
    };
    let port = option("-p").and_then(|p| p.rsplit(':').next().and_then(|n| n.parse().ok())).unwrap_or(80);
    let root = option("-h").unwrap_or_else(|| "/".to_owned());
    let server = Server {
        listen: vec![Listen { port, protocol: Protocol::Tcp }],
        speaks: Speaks::Http(Site::Busybox { root: root.trim_end_matches('/').to_owned() }),
    };
    let stays = args.iter().any(|a| a.starts_with("-f") || a.starts_with("-vf"));
    Program {
        serves: vec![server],
        ends: (!stays).then_some((Duration::ZERO, 0)),
        unknown: None,
        log: Vec::new(),
    }
}

/// `nc -l -p PORT`, `nc -lk PORT`, `-u` for UDP.
fn netcat(args: &[&str]) -> Program {
    let flags = |c: char| args.iter().any(|a| a.starts_with('-') && !a.starts_with("--") && a.contains(c));
    let port = args.iter().rev().find_map(|a| a.parse::<u16>().ok());
    let protocol = if flags('u') { Protocol::Udp } else { Protocol::Tcp };
    let listen = port.map(|port| Listen { port, protocol }).into_iter().collect();
    Program::server(Server { listen, speaks: Speaks::Other })
}

/// A shell: a script, or nobody who types.
fn shell(args: &[&str], image: &Image, attached: bool) -> Result<Program, NotFound> {
    let script = match args {
        [] | ["-i" | "-l" | "-"] if attached => return Ok(Program::forever()),
        [flags, script, ..] if flags.starts_with('-') && flags.ends_with('c') => *script,
        // Nobody types: the end of input is there at once. A script file is not read.
        [] => return Ok(Program::ends(Duration::ZERO, 0)),
        [file, ..] => return Ok(Program { unknown: Some((*file).to_owned()), ..Program::forever() }),
    };
    if ["while true", "while :", "until false", "for ((;;))"].iter().any(|endless| script.contains(endless)) {
        let mut program = sequence(script.split("while").next().unwrap_or_default(), image, attached)?;
        let body = sequence(script.rsplit("do ").next().unwrap_or_default(), image, attached)?;
        program.serves.extend(body.serves);
        return Ok(Program { ends: None, ..program });
    }
    sequence(script, image, attached)
}

/// Commands one after the other: their times add up until one runs for good.
fn sequence(script: &str, image: &Image, attached: bool) -> Result<Program, NotFound> {
    let mut all = Program::ends(Duration::ZERO, 0);
    for command in script.split([';', '\n', '&']).flat_map(|c| c.split("||")).filter(|c| !c.trim().is_empty())
    {
        let line: Vec<String> = command
            .split_whitespace()
            .skip_while(|w| matches!(*w, "exec" | "do" | "then" | "{" | "nohup") || is_assignment(w))
            .map(|w| w.trim_matches(['"', '\'']).to_owned())
            .collect();
        if line.is_empty() || matches!(line[0].as_str(), "done" | "fi" | "}") {
            continue;
        }
        // A shell goes on after a command that it does not find.
        let next = run(&line, image, attached).unwrap_or_else(|_| Program::ends(Duration::ZERO, 127));
        all.serves.extend(next.serves);
        all.unknown = all.unknown.or(next.unknown);
        let Some((after, status)) = next.ends else {
            all.ends = None;
            return Ok(all);
        };
        let so_far = all.ends.map_or(Duration::ZERO, |(d, _)| d);
        all.ends = Some((so_far.saturating_add(after), status));
        if line[0] == "exit" {
            break;
        }
    }
    Ok(all)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::apps::image;
    use crate::kube::config::ClusterConfig;

    fn program(image: &str, command: &[&str], args: &[&str]) -> Result<Program, NotFound> {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        let container = Container {
            image: image.into(),
            command: words(command),
            args: words(args),
            ..Container::default()
        };
        of_container(&container, &image::find(&ClusterConfig::default(), image))
    }

    fn end(image: &str, command: &[&str], args: &[&str]) -> Option<(u64, i32)> {
        program(image, command, args).unwrap().ends.map(|(d, status)| (d.as_secs(), status))
    }

    #[test]
    fn a_shell_without_anybody_ends_at_once() {
        assert_eq!(end("busybox", &[], &[]), Some((0, 0)));
        assert_eq!(end("alpine", &["sh"], &[]), Some((0, 0)));
    }

    #[test]
    fn what_keeps_a_container_alive() {
        assert_eq!(end("busybox", &["sleep", "3600"], &[]), Some((3600, 0)));
        assert_eq!(end("busybox", &["sh", "-c", "echo hi; sleep 1h && sleep 5"], &[]), Some((3605, 0)));
        assert_eq!(end("busybox", &[], &["sleep", "1d"]), Some((86400, 0)));
        for forever in [
            ["sleep", "infinity", ""],
            ["tail", "-f", "/dev/null"],
            ["/bin/sh", "-c", "while true; do sleep 30; done"],
            ["/bin/sh", "-c", "exec tail -f /dev/null"],
        ] {
            let line: Vec<&str> = forever.into_iter().filter(|w| !w.is_empty()).collect();
            assert_eq!(end("busybox", &line, &[]), None, "{line:?}");
        }
        assert_eq!(end("busybox", &["sh", "-c", "exit 3"], &[]), Some((0, 3)));
    }

    #[test]
    fn servers_serve() {
        let ports = |p: Program| p.serves.iter().flat_map(|s| &s.listen).map(|l| l.port).collect::<Vec<_>>();
        assert_eq!(ports(program("nginx", &[], &[]).unwrap()), [80]);
        assert_eq!(ports(program("nginx", &["nginx", "-g", "daemon off;"], &[]).unwrap()), [80]);
        assert_eq!(ports(program("nginx", &["sleep", "9"], &[]).unwrap()), [0_u16; 0]);
        assert_eq!(ports(program("busybox", &["httpd", "-f", "-p", "8080"], &[]).unwrap()), [8080]);
        assert_eq!(
            ports(program("busybox", &["sh", "-c", "echo x > /index.html; httpd -f -p80"], &[]).unwrap()),
            [80]
        );
        assert_eq!(ports(program("busybox", &["nc", "-lk", "-p", "9000"], &[]).unwrap()), [9000]);
        assert_eq!(
            ports(program("busybox", &["sh", "-c", "while true; do nc -l -p 7; done"], &[]).unwrap()),
            [7]
        );
    }

    #[test]
    fn a_program_that_is_not_in_the_image_cannot_start() {
        let error = program("busybox", &["bash"], &[]).unwrap_err();
        assert_eq!(error.to_string(), "exec: \"bash\": executable file not found in $PATH");
    }

    #[test]
    fn an_unknown_image_listens_where_the_manifest_says() {
        let mut container = Container { image: "example.com/shop".into(), ..Container::default() };
        container
            .ports
            .push(crate::kube::objects::ContainerPort { container_port: 8080, ..Default::default() });
        let program =
            of_container(&container, &image::find(&ClusterConfig::default(), &container.image)).unwrap();
        assert_eq!(program.serves[0].listen[0].port, 8080);
        assert_eq!(program.unknown.as_deref(), Some("example.com/shop"));
    }
}

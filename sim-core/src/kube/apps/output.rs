//! What a container's programs write on standard output, as far as it can be told from its command line: greetings of servers, scripts
//! of `echo`, `date` and `sleep`. What cannot be told is said to be unknown, and nobody guesses.

use std::time::Duration;

use super::image::{Image, Reference, Server, Speaks, Start, Started};
use super::site::Site;
use crate::kube::node::files::Files;
use crate::kube::objects::{Container, Timestamp};
use crate::time::SimTime;

mod script;

/// What a program writes by itself, without being asked over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    first: Vec<Line>,
    /// Lines that come again and again: the length of a round, and its lines.
    round: Option<(Duration, Vec<Line>)>,
    /// When the first round begins.
    begins: Duration,
    /// The program of which it is not known what it writes.
    unknown: Option<String>,
    /// What it writes besides, which is not modelled.
    left_out: Option<&'static str>,
}

/// A line, and how long after the start it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    after: Duration,
    text: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `date`.
    Date,
    /// `2026/01/01 00:00:05`, as nginx' error log has it.
    Nginx,
}

/// At most so many lines are told, the last ones.
const LONGEST: u64 = 10_000;

impl Output {
    /// The program of which it is not known what it writes.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// What it writes besides, which is not modelled.
    #[must_use]
    pub const fn left_out(&self) -> Option<&'static str> {
        self.left_out
    }

    /// The lines until `now` of a program that was started at `started`.
    #[must_use]
    pub fn lines(&self, started: SimTime, now: SimTime) -> Vec<(SimTime, String)> {
        let mut all: Vec<(SimTime, &Line)> = self.first.iter().map(|l| (started + l.after, l)).collect();
        if let Some((length, lines)) = &self.round {
            let since = now.since(started).saturating_sub(self.begins);
            let rounds = (since.as_nanos() / length.as_nanos().max(1)) as u64 + 1;
            let kept = LONGEST / (lines.len() as u64).max(1);
            for round in rounds.saturating_sub(kept)..rounds {
                let begin = started + self.begins + Duration::from_nanos(length.as_nanos() as u64 * round);
                all.extend(lines.iter().map(|l| (begin + l.after, l)));
            }
        }
        let there = all.into_iter().filter(|(at, _)| *at <= now);
        there.map(|(at, line)| (at, line.text.iter().map(|part| part.at(at)).collect())).collect()
    }

    /// When the next line after `now` comes.
    #[must_use]
    pub fn next(&self, started: SimTime, now: SimTime) -> Option<SimTime> {
        let first = self.first.iter().map(|l| started + l.after).find(|at| *at > now);
        first.or_else(|| {
            let (length, lines) = self.round.as_ref()?;
            let since = now.since(started).saturating_sub(self.begins);
            let round = (since.as_nanos() / length.as_nanos().max(1)) as u64;
            (round..round + 2)
                .flat_map(|n| lines.iter().map(move |l| (n, l)))
                .map(|(n, l)| {
                    started + self.begins + Duration::from_nanos(length.as_nanos() as u64 * n) + l.after
                })
                .find(|at| *at > now)
        })
    }
}

impl Part {
    fn at(&self, at: SimTime) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Date => date(at),
            Self::Nginx => Timestamp::at(at).to_string().replace('-', "/").replace('T', " ").replace('Z', ""),
        }
    }
}

/// The time as `date` prints it: `Thu Jan  1 00:00:05 UTC 2026`.
fn date(at: SimTime) -> String {
    let text = super::http::date(Timestamp::at(at));
    let parts: Vec<&str> = text.split([' ', ',']).filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        [weekday, day, month, year, time, _] => {
            format!("{weekday} {month} {:>2} {time} UTC {year}", day.trim_start_matches('0'))
        }
        _ => text,
    }
}

/// What a container's programs find.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Variables, in the order of `env`. There are many where a namespace has many Services, and few programs ask.
    pub env: &'a dyn Fn() -> Vec<(String, String)>,
    /// Files.
    pub files: &'a Files,
    /// The name of the machine.
    pub hostname: &'a str,
}

/// What a container writes.
#[must_use]
pub fn of_container(container: &Container, image: &Image, around: Around<'_>) -> Output {
    let mut line =
        if container.command.is_empty() { image.entrypoint.clone() } else { container.command.clone() };
    let own = container.command.is_empty() && container.args.is_empty();
    line.extend(if container.args.is_empty() && container.command.is_empty() {
        image.cmd.clone()
    } else {
        container.args.clone()
    });
    let site = image.server.as_ref().map(|s| &s.speaks);
    match site {
        Some(Speaks::Http(Site::Nginx { version, .. })) if own => return greeting_of_nginx(version),
        Some(Speaks::Ingress) => {
            let left_out = Some("the controller's own lines are left out, its access log is there");
            return Output { left_out, ..Output::default() };
        }
        Some(Speaks::ClusterDns | Speaks::KubeProxy) if own => return Output::default(),
        Some(Speaks::Http(Site::Small(small))) if own => match small.greeting() {
            Some(lines) => return said(lines),
            None => return unknown(&container.image),
        },
        Some(_) if own => return unknown(&container.image),
        _ if line.is_empty() => return unknown(&container.image),
        _ => {}
    }
    if let Some(main) = &image.main
        && line
            .first()
            .is_some_and(|p| image.entrypoint.first() == Some(p) || p.rsplit('/').next() == Some(main.name))
    {
        let reference = Reference::parse(&container.image);
        let args = if image.entrypoint.first() == line.first() { &line[1..] } else { &line[..] };
        let args = args.strip_prefix(&[main.name.to_owned()][..]).unwrap_or(args);
        let start = Start { args, env: &container.env, tag: &reference.tag };
        return match (main.read)(&start) {
            Started::Serves(servers) => greeting_of_servers(&servers).unwrap_or_else(|| unknown(main.name)),
            // What it prints is noted when it is started.
            Started::Waits | Started::Ends(..) => Output::default(),
            Started::Unknown(what) => unknown(&what),
        };
    }
    script::follow(&line, around)
}

/// Lines that a server writes when it starts; a time stands for `\u{1}`.
fn said(lines: Vec<String>) -> Output {
    let line = |text: String| {
        let mut parts = Vec::new();
        for (i, piece) in text.split('\u{1}').enumerate() {
            if i > 0 {
                parts.push(Part::Nginx);
            }
            parts.push(Part::Text(piece.to_owned()));
        }
        Line { after: Duration::ZERO, text: parts }
    };
    Output { first: lines.into_iter().map(line).collect(), ..Output::default() }
}

/// What the small servers say, if all of them are known to say something.
fn greeting_of_servers(servers: &[Server]) -> Option<Output> {
    let mut lines = Vec::new();
    for server in servers {
        let Speaks::Http(Site::Small(small)) = &server.speaks else { return None };
        let port = server.listen.first().map_or(0, |l| l.port);
        lines.extend(small.greeting_on(port)?);
    }
    Some(said(lines))
}

fn unknown(what: &str) -> Output {
    Output { unknown: Some(what.to_owned()), ..Output::default() }
}

/// What the entrypoint of nginx' own image says, and nginx after it.
fn greeting_of_nginx(version: &str) -> Output {
    const SCRIPT: &str = "/docker-entrypoint.sh: ";
    const IPV6: &str = "10-listen-on-ipv6-by-default.sh: info: ";
    let of_script = [
        format!("{SCRIPT}/docker-entrypoint.d/ is not empty, will attempt to perform configuration"),
        format!("{SCRIPT}Looking for shell scripts in /docker-entrypoint.d/"),
        format!("{SCRIPT}Launching /docker-entrypoint.d/10-listen-on-ipv6-by-default.sh"),
        format!("{IPV6}Getting the checksum of /etc/nginx/conf.d/default.conf"),
        format!("{IPV6}Enabled listen on IPv6 in /etc/nginx/conf.d/default.conf"),
        format!("{SCRIPT}Sourcing /docker-entrypoint.d/15-local-resolvers.envsh"),
        format!("{SCRIPT}Launching /docker-entrypoint.d/20-envsubst-on-templates.sh"),
        format!("{SCRIPT}Launching /docker-entrypoint.d/30-tune-worker-processes.sh"),
        format!("{SCRIPT}Configuration complete; ready for start up"),
    ];
    let notices = [
        "using the \"epoll\" event method".to_owned(),
        format!("nginx/{version}"),
        "start worker processes".to_owned(),
        "start worker process 29".to_owned(),
    ];
    let plain = |text: String| Line { after: Duration::ZERO, text: vec![Part::Text(text)] };
    let notice = |text: String| Line {
        after: Duration::ZERO,
        text: vec![Part::Nginx, Part::Text(format!(" [notice] 1#1: {text}"))],
    };
    let first = of_script.into_iter().map(plain).chain(notices.into_iter().map(notice)).collect();
    Output { first, ..Output::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::apps::image;
    use crate::kube::config::ClusterConfig;

    static NO_FILES: std::sync::LazyLock<Files> = std::sync::LazyLock::new(Files::new);

    fn lines(command: &[&str], until: u64) -> String {
        let container = Container {
            image: "busybox".into(),
            command: command.iter().map(|w| (*w).to_owned()).collect(),
            ..Container::default()
        };
        let files = Files::new().with("/etc/hosts", *b"127.0.0.1 localhost\n");
        let env = || vec![("NAME".to_owned(), "value".to_owned())];
        let around = Around { env: &env, files: &files, hostname: "pod-a" };
        let output = of_container(&container, &image::find(&ClusterConfig::default(), "busybox"), around);
        match output.unknown() {
            Some(what) => format!("? {what}"),
            None => {
                let lines = output.lines(SimTime::ZERO, SimTime::from_secs(until));
                lines
                    .iter()
                    .map(|(at, text)| format!("{}:{text}", at.0 / 1_000_000_000))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
    }

    #[test]
    fn scripts_of_echo_and_sleep_are_followed() {
        assert_eq!(lines(&["sleep", "3600"], 10), "");
        assert_eq!(lines(&["echo", "hello", "you"], 10), "0:hello you");
        assert_eq!(
            lines(&["sh", "-c", "echo 'a; b' && sleep 5; echo c; sleep 1h; echo d"], 10),
            "0:a; b 5:c"
        );
        assert_eq!(lines(&["/bin/sh", "-c", "while true; do echo hi; sleep 4; done"], 9), "0:hi 4:hi 8:hi");
        assert_eq!(lines(&["sh", "-c", "echo x > /tmp/x; tail -f /dev/null"], 9), "");
        assert_eq!(lines(&["sh", "-c", "echo $(date) up"], 9), "0:Thu Jan  1 00:00:00 UTC 2026 up");
        assert_eq!(
            lines(&["sh", "-c", "echo $NAME ${NAME}s '$NAME' $(hostname)"], 9),
            "0:value values $NAME pod-a"
        );
        assert_eq!(
            lines(&["sh", "-c", "echo -n a; echo -e 'b\\nc'; printf '%s=%d\\n' x 5"], 9),
            "0:ab 0:c 0:x=5"
        );
        assert_eq!(lines(&["cat", "/etc/hosts"], 9), "0:127.0.0.1 localhost");
        assert_eq!(lines(&["sh", "-c", "env; printenv NAME"], 9), "0:NAME=value 0:value");
        assert_eq!(lines(&["sh", "-c", "echo $(ls)"], 9), "? echo");
        assert_eq!(lines(&["python3", "x.py"], 9), "? python3");
        assert_eq!(lines(&["sh", "-c", "ls | wc"], 9), "? sh");
    }

    #[test]
    fn nginx_greets() {
        let container = Container { image: "nginx:1.25".into(), ..Container::default() };
        let output = of_container(
            &container,
            &image::find(&ClusterConfig::default(), "nginx:1.25"),
            Around { env: &Vec::new, files: &NO_FILES, hostname: "" },
        );
        let lines = output.lines(SimTime::ZERO, SimTime::from_secs(5));
        assert!(
            lines.iter().any(|(_, l)| l.starts_with("2026/01/01 00:00:00 [notice] 1#1: nginx/1.25")),
            "{lines:?}"
        );
    }

    #[test]
    fn the_next_line_is_known() {
        let container = Container {
            image: "busybox".into(),
            command: ["sh", "-c", "while true; do echo hi; sleep 4; done"].map(str::to_owned).to_vec(),
            ..Container::default()
        };
        let output = of_container(
            &container,
            &image::find(&ClusterConfig::default(), "busybox"),
            Around { env: &Vec::new, files: &NO_FILES, hostname: "" },
        );
        assert_eq!(output.next(SimTime::ZERO, SimTime::from_secs(4)), Some(SimTime::from_secs(8)));
    }
}

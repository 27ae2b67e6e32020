//! What a container's programs write on standard output, as far as it can be told from its command line: greetings of servers, scripts
//! of `echo`, `date` and `sleep`. What cannot be told is said to be unknown, and nobody guesses.

use std::time::Duration;

use super::image::{Image, Speaks};
use super::site::Site;
use crate::kube::objects::{Container, Timestamp};
use crate::time::SimTime;

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

/// What a container writes.
#[must_use]
pub fn of_container(container: &Container, image: &Image) -> Output {
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
        Some(Speaks::ClusterDns | Speaks::KubeProxy) if own => return Output::default(),
        Some(_) if own => return unknown(&container.image),
        _ if line.is_empty() => return unknown(&container.image),
        _ => {}
    }
    let mut script = Script::default();
    script.command(&line);
    script.done
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

/// A script as far as it has been followed.
#[derive(Default)]
struct Script {
    done: Output,
    time: Duration,
    /// Nothing behind this runs, or nobody knows what.
    over: bool,
}

impl Script {
    fn command(&mut self, words: &[String]) {
        let Some(program) = words.first() else { return };
        let name = program.rsplit('/').next().unwrap_or(program);
        let args = &words[1..];
        match name {
            "sh" | "ash" | "bash" | "dash" => self.shell(args),
            "echo" => self.echo(args),
            "date" if args.is_empty() => self.line(vec![Part::Date]),
            "sleep" => match args.first().and_then(|a| seconds(a)) {
                Some(time) => self.time += time,
                None => self.over = true,
            },
            "exec" => self.command(args),
            // A server or an endless wait: nothing comes after it, and by itself it is silent.
            "httpd" | "nc" | "pause" | "coredns" | "node-cache" | "kube-proxy" => self.over = true,
            "tail" if args.iter().any(|a| a == "/dev/null") => self.over = true,
            "cat" if args.is_empty() => self.over = true,
            "exit" | "false" => self.over = true,
            "true" | ":" | "cd" | "mkdir" | "touch" | "export" | "set" | "trap" | "chmod" | "rm" => {}
            _ => self.give_up(name),
        }
    }

    fn give_up(&mut self, what: &str) {
        self.over = true;
        self.done.unknown.get_or_insert_with(|| what.to_owned());
    }

    fn line(&mut self, text: Vec<Part>) {
        self.done.first.push(Line { after: self.time, text });
    }

    fn echo(&mut self, args: &[String]) {
        let args = match args.first().map(String::as_str) {
            Some("-n" | "-e") => return self.give_up("echo"),
            _ => args,
        };
        let mut text = Vec::new();
        for (i, piece) in args.join(" ").split("$(date)").enumerate() {
            if i > 0 {
                text.push(Part::Date);
            }
            if piece.contains(['$', '`', '*', '\\']) {
                return self.give_up("echo");
            }
            text.push(Part::Text(piece.to_owned()));
        }
        self.line(text);
    }

    fn shell(&mut self, args: &[String]) {
        match args {
            [] => self.over = true,
            [flags, script, ..] if flags.starts_with('-') && flags.ends_with('c') => self.script(script),
            [file, ..] => self.give_up(file),
        }
    }

    fn script(&mut self, text: &str) {
        let Some(commands) = commands(text) else { return self.give_up("sh") };
        let mut rest = commands.as_slice();
        while let Some((words, after)) = rest.split_first() {
            if self.over {
                return;
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["while", "true" | ":"] => return self.endless(Duration::ZERO, after),
                ["while", "sleep", time] => {
                    return match seconds(time) {
                        Some(time) => self.endless(time, after),
                        None => self.give_up("while"),
                    };
                }
                ["while" | "for" | "if" | "until" | "case", ..] => return self.give_up(words[0]),
                _ => {}
            }
            let redirected = words.iter().any(|w| w.starts_with('>'));
            if !redirected {
                self.command(&rest[0]);
            }
            rest = after;
        }
    }

    /// `do …; done`.
    fn endless(&mut self, pause: Duration, commands: &[Vec<String>]) {
        let mut body = Self { time: pause, ..Self::default() };
        for (i, words) in commands.iter().enumerate() {
            let words: Vec<String> = if i == 0 && words.first().is_some_and(|w| w == "do") {
                words[1..].to_vec()
            } else {
                words.clone()
            };
            if words.first().is_some_and(|w| w == "done") {
                break;
            }
            let redirected = words.iter().any(|w| w.starts_with('>'));
            if !redirected && !body.over {
                body.command(&words);
            }
        }
        self.over = true;
        if body.done.unknown.is_some() {
            self.done.unknown = body.done.unknown;
        } else if body.over || body.time.is_zero() {
            // It stands still in its first round, or spins.
            let time = self.time;
            self.done.first.extend(body.done.first.into_iter().map(|l| Line { after: time + l.after, ..l }));
        } else if !body.done.first.is_empty() {
            self.done.begins = self.time;
            self.done.round = Some((body.time, body.done.first));
        }
    }
}

/// A number of seconds as `sleep` takes it; none if it never ends.
fn seconds(text: &str) -> Option<Duration> {
    let (number, scale) = match text.chars().last()? {
        's' => (&text[..text.len() - 1], 1.0),
        'm' => (&text[..text.len() - 1], 60.0),
        'h' => (&text[..text.len() - 1], 3600.0),
        'd' => (&text[..text.len() - 1], 86400.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(seconds * scale).ok()
}

/// Splits a script into commands of words, quotes taken off; none if there is more to it than that.
fn commands(script: &str) -> Option<Vec<Vec<String>>> {
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | '`' | '{' | '<') => return None,
            (None, '&') if chars.next() != Some('&') => return None,
            (None, ';' | '\n' | '&') => {
                words.extend(word.take());
                if !words.is_empty() {
                    all.push(std::mem::take(&mut words));
                }
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '$') if chars.peek() == Some(&'(') => {
                let inner: String = chars.by_ref().take_while(|c| *c != ')').collect();
                let text = word.get_or_insert_default();
                text.push_str(&format!("${inner})"));
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if !words.is_empty() {
        all.push(words);
    }
    quote.is_none().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::apps::image;
    use crate::kube::config::ClusterConfig;

    fn lines(command: &[&str], until: u64) -> String {
        let container = Container {
            image: "busybox".into(),
            command: command.iter().map(|w| (*w).to_owned()).collect(),
            ..Container::default()
        };
        let output = of_container(&container, &image::find(&ClusterConfig::default(), "busybox"));
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
        assert_eq!(lines(&["sh", "-c", "echo $HOME"], 9), "? echo");
        assert_eq!(lines(&["python3", "x.py"], 9), "? python3");
        assert_eq!(lines(&["sh", "-c", "ls | wc"], 9), "? sh");
    }

    #[test]
    fn nginx_greets() {
        let container = Container { image: "nginx:1.25".into(), ..Container::default() };
        let output = of_container(&container, &image::find(&ClusterConfig::default(), "nginx:1.25"));
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
        let output = of_container(&container, &image::find(&ClusterConfig::default(), "busybox"));
        assert_eq!(output.next(SimTime::ZERO, SimTime::from_secs(4)), Some(SimTime::from_secs(8)));
    }
}

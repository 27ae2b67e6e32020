//! Scripts of `echo`, `date` and `sleep`, followed from the first line as far as that can be told without running them.

use std::time::Duration;

use super::{Around, Line, Output, Part};
use crate::kube::node::files::Files;

/// What a command line writes.
pub(super) fn follow(line: &[String], around: Around<'_>) -> Output {
    let mut script = Script { around: Some(around), ..Script::default() };
    script.command(line);
    script.done
}

/// A script as far as it has been followed.
#[derive(Default)]
struct Script<'a> {
    around: Option<Around<'a>>,
    done: Output,
    time: Duration,
    /// What was written of a line that is not at its end.
    begun: Vec<Part>,
    /// Nothing behind this runs, or nobody knows what.
    over: bool,
}

impl Script<'_> {
    fn command(&mut self, words: &[String]) {
        let Some(program) = words.first() else { return };
        let name = program.rsplit('/').next().unwrap_or(program);
        let args = &words[1..];
        match name {
            "sh" | "ash" | "bash" | "dash" => self.shell(args),
            "echo" => self.echo(args),
            "printf" => self.printf(args),
            "hostname" if args.is_empty() => {
                let name = self.around.map_or("", |a| a.hostname).to_owned();
                self.line(vec![Part::Text(name)]);
            }
            "env" | "printenv" if args.is_empty() => {
                let all = self.env();
                all.iter().for_each(|(k, v)| self.line(vec![Part::Text(format!("{k}={v}"))]));
            }
            "printenv" => {
                let all = self.env();
                let wanted = args.iter().filter_map(|name| all.iter().find(|(k, _)| k == name));
                wanted.for_each(|(_, v)| self.line(vec![Part::Text(v.clone())]));
            }
            "cat" if !args.is_empty() => self.cat(args),
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
        let flags = args.first().filter(|a| matches!(a.as_str(), "-n" | "-e" | "-en" | "-ne"));
        let text = args[usize::from(flags.is_some())..].join(" ");
        let flag = |f| flags.is_some_and(|all| all.contains(f));
        if text.contains('\\') && !flag('e') {
            return self.give_up("echo");
        }
        let text = if flag('e') { escapes(&text) } else { text };
        self.write("echo", &text, !flag('n'));
    }

    fn printf(&mut self, args: &[String]) {
        let Some((format, values)) = args.split_first() else { return };
        let mut text = String::new();
        let mut values = values.iter();
        let mut rest = format.as_str();
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            match rest[at + 1..].chars().next() {
                Some('%') => text.push('%'),
                Some('s' | 'd') => text.push_str(values.next().map_or("", String::as_str)),
                _ => return self.give_up("printf"),
            }
            rest = &rest[at + 2..];
        }
        text.push_str(rest);
        self.write("printf", &escapes(&text), false);
    }

    fn cat(&mut self, paths: &[String]) {
        for path in paths {
            let found = self.around.and_then(|a| a.files.read_text(&Files::resolve("/", path)).ok());
            match found {
                Some(text) => self.plain(vec![Part::Text(text)]),
                None => return self.give_up("cat"),
            }
        }
    }

    /// Text with variables and `$(date)`.
    fn write(&mut self, who: &str, text: &str, newline: bool) {
        let mut parts = Vec::new();
        for (i, piece) in text.split("$(date)").enumerate() {
            if i > 0 {
                parts.push(Part::Date);
            }
            let Some(piece) = self.variables(piece) else { return self.give_up(who) };
            parts.push(Part::Text(piece));
        }
        if newline {
            parts.push(Part::Text("\n".to_owned()));
        }
        self.plain(parts);
    }

    fn env(&self) -> Vec<(String, String)> {
        self.around.map_or_else(Vec::new, |a| (a.env)())
    }

    /// `$NAME`, `${NAME}` and `$(hostname)` for their values; none if there is more to it.
    fn variables(&self, text: &str) -> Option<String> {
        let env = if text.contains('$') { self.env() } else { Vec::new() };
        let value = |name: &str| env.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str());
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '`', '*']) {
            out.push_str(&rest[..at]);
            let after = rest[at..].strip_prefix('$')?;
            if let Some(inner) = after.strip_prefix("(hostname)") {
                out.push_str(self.around?.hostname);
                rest = inner;
                continue;
            }
            let (name, more) = match after.strip_prefix('{') {
                Some(inner) => inner.split_once('}')?,
                None => {
                    let end =
                        after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !plain {
                return None;
            }
            out.push_str(value(name));
            rest = more;
        }
        out.push_str(rest);
        Some(out.replace(QUOTED, "$"))
    }

    /// Parts of lines; each line is written when its end is there.
    fn plain(&mut self, parts: Vec<Part>) {
        for part in parts {
            let Part::Text(text) = part else {
                self.begun.push(part);
                continue;
            };
            let mut pieces = text.split('\n').peekable();
            while let Some(piece) = pieces.next() {
                if !piece.is_empty() {
                    self.begun.push(Part::Text(piece.to_owned()));
                }
                if pieces.peek().is_some() {
                    let line = std::mem::take(&mut self.begun);
                    self.line(line);
                }
            }
        }
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
        let mut body = Script { time: pause, around: self.around, ..Script::default() };
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

/// Stands for a dollar sign that means itself.
const QUOTED: char = '\u{e000}';

/// `\n`, `\t` and `\\` for what they mean.
fn escapes(text: &str) -> String {
    text.replace("\\\\", "\u{e001}").replace("\\n", "\n").replace("\\t", "\t").replace('\u{e001}', "\\")
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
            (Some('\''), '$') => word.get_or_insert_default().push(QUOTED),
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
            (None, '$') if chars.peek() == Some(&'{') => {
                let inner: String = chars.by_ref().take_while(|c| *c != '}').collect();
                let text = word.get_or_insert_default();
                text.push_str(&format!("${inner}}}"));
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

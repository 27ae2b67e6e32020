//! GNU `wget` 1.21 (Debian 12).

use std::net::SocketAddr;
use std::time::Duration;

use sim_core::kube::dns::resolver::LookupError;
use sim_core::kube::objects::Timestamp;
use sim_core::linux::Errno;

use super::super::net::http::{End, Head, HeadError, Reader};
use super::super::net::url::Url;
use super::super::net::{Failure, Stream, connect, deadline, resolve, rules};
use super::super::{Cx, SIGINT_STATUS};
use super::gnu_bar;
use super::gnu_options::Options;

/// Exit statuses (wget(1)).
const FILE_ERROR: i32 = 3;
const NETWORK_FAILURE: i32 = 4;
const SERVER_ERROR: i32 = 8;
/// Longest pause between tries, in seconds.
const LONGEST_PAUSE: u64 = 10;

/// The tool.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::parse(cx) {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.spider && !options.quiet && !options.terse {
        cx.out.err("Spider mode enabled. Check if remote file exists.");
    }
    let mut worst = 0;
    for text in &options.urls {
        let status = Download { options: &options, resolved: Vec::new() }.run(cx, text);
        if status == SIGINT_STATUS {
            return status;
        }
        // Of several failures the one with the lowest number counts.
        worst = match (worst, status) {
            (0, s) | (s, 0) => s,
            (a, b) => a.min(b),
        };
    }
    worst
}

struct Download<'a> {
    options: &'a Options,
    /// Hosts that were resolved already, with their addresses.
    resolved: Vec<(String, Vec<std::net::IpAddr>)>,
}

/// Why a try ended without a download.
enum Failed {
    /// Another try makes sense.
    Retry,
    Final(i32),
}

impl Download<'_> {
    fn run(&mut self, cx: &mut Cx<'_>, text: &str) -> i32 {
        let Some(mut url) = Url::parse(text).filter(|u| !u.host.is_empty()) else {
            cx.out.err(format!("{text}: Invalid host name."));
            return 1;
        };
        let first = url.clone();
        let mut redirections = 0;
        let mut tried = 0;
        loop {
            if url.scheme != "http" {
                return cx.not_modelled(format!("wget: {}://", url.scheme));
            }
            tried += 1;
            let mark = if tried > 1 { format!("  (try:{tried:>2})") } else { String::new() };
            self.say(cx, &format!("--{}--{mark}  {}", stamp(cx), url.whole()));
            match self.attempt(cx, &url, &first) {
                Ok(None) => return 0,
                Ok(Some(_)) if redirections >= self.options.most_redirections => {
                    self.say(cx, &format!("{redirections} redirections exceeded."));
                    return SERVER_ERROR;
                }
                Ok(Some(next)) => {
                    redirections += 1;
                    tried = 0;
                    url = next;
                }
                Err(Failed::Final(status)) => return status,
                Err(Failed::Retry) => {
                    let last = tried >= self.options.tries;
                    self.say(cx, if last { "Giving up.\n" } else { "Retrying.\n" });
                    if last {
                        return NETWORK_FAILURE;
                    }
                    let pause = Duration::from_secs(u64::from(tried).min(LONGEST_PAUSE));
                    let until = cx.now() + pause;
                    if super::super::net::wait(cx, Some(until), |_| false) == Err(Failure::Interrupted) {
                        return SIGINT_STATUS;
                    }
                }
            }
        }
    }

    /// Prints a line unless quiet or terse.
    fn say(&self, cx: &mut Cx<'_>, line: &str) {
        if !self.options.quiet && !self.options.terse {
            cx.out.err(line);
        }
    }

    /// The same without a line end.
    fn begin(&self, cx: &mut Cx<'_>, text: &str) {
        if !self.options.quiet && !self.options.terse {
            cx.out.eprint(text);
        }
    }

    /// One try: the URL to go on to after a redirection, or nothing at the end.
    fn attempt(&mut self, cx: &mut Cx<'_>, url: &Url, first: &Url) -> Result<Option<Url>, Failed> {
        let stream = self.connect(cx, url)?;
        self.begin(cx, "HTTP request sent, awaiting response... ");
        let mut reader = Reader::new(stream, deadline(cx, Some(self.options.timeout)));
        let sent = stream.send(cx, self.request(url).as_bytes()).map_err(HeadError::Failed);
        let head = sent.and_then(|()| reader.head(cx)).map_err(|error| self.no_head(cx, &error));
        let outcome = head.and_then(|head| self.respond(cx, url, first, &mut reader, &head));
        stream.close(cx);
        outcome
    }

    fn connect(&mut self, cx: &mut Cx<'_>, url: &Url) -> Result<Stream, Failed> {
        let literal = url.host.parse::<std::net::IpAddr>().is_ok();
        let addresses = self.addresses(cx, url, literal)?;
        let mut last = Failed::Final(NETWORK_FAILURE);
        for ip in addresses {
            let to = SocketAddr::new(ip, url.port());
            let place =
                if literal { to.to_string() } else { format!("{0} ({0})|{ip}|:{1}", url.host, to.port()) };
            self.begin(cx, &format!("Connecting to {place}... "));
            let until = deadline(cx, Some(self.options.timeout));
            let why = match connect(cx, to, until) {
                Ok(stream) => {
                    self.say(cx, "connected.");
                    return Ok(stream);
                }
                Err(Failure::Interrupted) => return Err(Failed::Final(SIGINT_STATUS)),
                Err(Failure::TimedOut) => Errno::ETIMEDOUT,
                Err(Failure::Errno(errno)) => errno,
            };
            self.say(cx, &format!("failed: {why}."));
            let fatal = matches!(why, Errno::ECONNREFUSED | Errno::ENETUNREACH | Errno::EHOSTUNREACH);
            last = if fatal { Failed::Final(NETWORK_FAILURE) } else { Failed::Retry };
        }
        Err(last)
    }

    fn addresses(
        &mut self,
        cx: &mut Cx<'_>,
        url: &Url,
        literal: bool,
    ) -> Result<Vec<std::net::IpAddr>, Failed> {
        if let Some((_, known)) = self.resolved.iter().find(|(host, _)| *host == url.host) {
            return Ok(known.clone());
        }
        if !literal {
            self.begin(cx, &format!("Resolving {0} ({0})... ", url.host));
        }
        match resolve(cx, &url.host) {
            Ok(addresses) => {
                if !literal {
                    let list: Vec<String> = addresses.iter().take(3).map(ToString::to_string).collect();
                    let more = if addresses.len() > 3 { ", ..." } else { "" };
                    self.say(cx, &format!("{}{more}", list.join(", ")));
                }
                self.resolved.push((url.host.clone(), addresses.clone()));
                Ok(addresses)
            }
            Err(error) => {
                let error = if error == LookupError::NoData { LookupError::NotFound } else { error };
                let why = error.message(rules(cx));
                self.say(cx, &format!("failed: {why}."));
                if !self.options.quiet {
                    cx.out.err(format!("wget: unable to resolve host address '{}'", url.host));
                }
                Err(Failed::Final(NETWORK_FAILURE))
            }
        }
    }

    fn request(&self, url: &Url) -> String {
        let options = self.options;
        let method = match (&options.post, options.spider) {
            (Some(_), _) => "POST",
            (None, true) => "HEAD",
            (None, false) => "GET",
        };
        let mut text = format!("{method} {} HTTP/1.1\r\n", url.path);
        let own = |h: &&String, name: &str| h.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name));
        for (name, value) in [
            ("Host", url.authority().as_str()),
            ("User-Agent", &options.agent),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("Connection", "Keep-Alive"),
        ] {
            match options.headers.iter().find(|h| own(h, name)) {
                Some(header) => text += &format!("{header}\r\n"),
                None => text += &format!("{name}: {value}\r\n"),
            }
        }
        let known = ["Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"];
        for header in options.headers.iter().filter(|h| !known.iter().any(|name| own(h, name))) {
            text += &format!("{header}\r\n");
        }
        let Some(data) = &options.post else { return text + "\r\n" };
        text += "Content-Type: application/x-www-form-urlencoded\r\n";
        text + &format!("Content-Length: {}\r\n\r\n{data}", data.len())
    }

    fn no_head(&self, cx: &mut Cx<'_>, error: &HeadError) -> Failed {
        let why = match error {
            HeadError::Empty => "No data received.".to_owned(),
            HeadError::Malformed => "200 No headers, assuming HTTP/0.9".to_owned(),
            HeadError::Failed(Failure::Errno(errno)) => format!("Read error ({errno}) in headers."),
            HeadError::Failed(Failure::TimedOut) => {
                format!("Read error ({}) in headers.", Errno::ETIMEDOUT)
            }
            HeadError::Failed(Failure::Interrupted) => return Failed::Final(SIGINT_STATUS),
        };
        self.say(cx, &why);
        Failed::Retry
    }

    fn respond(
        &self,
        cx: &mut Cx<'_>,
        url: &Url,
        first: &Url,
        reader: &mut Reader,
        head: &Head,
    ) -> Result<Option<Url>, Failed> {
        if self.options.show_response {
            self.say(cx, "");
            let text = String::from_utf8_lossy(&head.raw).into_owned();
            for line in text.split("\r\n").take_while(|l| !l.is_empty()) {
                self.say(cx, &format!("  {line}"));
            }
        } else {
            self.say(cx, format!("{} {}", head.status, head.reason).trim_end());
        }
        if matches!(head.status, 300..=303 | 307 | 308)
            && let Some(location) = head.header("location")
        {
            self.say(cx, &format!("Location: {location} [following]"));
            let next = url.join(location).ok_or(Failed::Final(SERVER_ERROR))?;
            return Ok(Some(next));
        }
        if head.status >= 400 {
            if self.options.spider {
                self.say(cx, "Remote file does not exist -- broken link!!!\n");
            } else if !self.options.quiet {
                let line = format!("{} ERROR {}: {}.", stamp(cx), head.status, head.reason);
                cx.out.err(if self.options.terse {
                    format!("{}:\n{line}", url.whole())
                } else {
                    line + "\n"
                });
            }
            return Err(Failed::Final(SERVER_ERROR));
        }
        self.length(cx, head);
        if self.options.spider {
            let is_html = head.header("content-type").is_some_and(|t| t.starts_with("text/html"));
            self.say(
                cx,
                if is_html {
                    "Remote file exists and could contain further links,\nbut recursion is disabled -- not retrieving.\n"
                } else {
                    "Remote file exists.\n"
                },
            );
            return Ok(None);
        }
        self.store(cx, url, first, reader, head).map(|()| None)
    }

    fn length(&self, cx: &mut Cx<'_>, head: &Head) {
        let length = match head.length() {
            Some(n) if n >= 1024 => format!("{n} ({})", gnu_bar::short(n)),
            Some(n) => n.to_string(),
            None => "unspecified".to_owned(),
        };
        let kind = head.header("content-type").and_then(|t| t.split(';').next()).map(|t| format!(" [{t}]"));
        self.say(cx, &format!("Length: {length}{}", kind.unwrap_or_default()));
    }

    fn store(
        &self,
        cx: &mut Cx<'_>,
        url: &Url,
        first: &Url,
        reader: &mut Reader,
        head: &Head,
    ) -> Result<(), Failed> {
        let target = self.target(cx, first);
        let to_stdout = target == "-";
        let shown = if to_stdout { "STDOUT" } else { &target };
        self.say(cx, &format!("Saving to: '{shown}'\n"));
        let started = cx.now();
        reader.until = deadline(cx, Some(self.options.timeout));
        let (body, end) = reader.body(cx, head, false);
        if to_stdout {
            cx.out.write(&body);
        } else if let Err(errno) = cx.files().write(&target, &body) {
            cx.out.err(format!("{target}: {errno}"));
            return Err(Failed::Final(FILE_ERROR));
        }
        let took = cx.now().since(started);
        let name = target.rsplit('/').next().unwrap_or(&target);
        let name = if target.starts_with('/') { target.as_str() } else { name };
        self.say(cx, &format!("{}\n", gnu_bar::line(name, body.len() as u64, head.length(), took)));
        match end {
            End::Complete => {}
            End::Failed(Failure::Interrupted) => return Err(Failed::Final(SIGINT_STATUS)),
            End::Short(_) | End::Failed(_) => {
                let rate = gnu_bar::rate(body.len() as u64, took);
                let total = head.length().map_or(String::new(), |n| format!("/{n}"));
                self.say(
                    cx,
                    &format!("{} ({rate}) - Connection closed at byte {}{total}.", stamp(cx), body.len()),
                );
                return Err(Failed::Retry);
            }
        }
        let total = head.length().map_or(String::new(), |n| format!("/{n}"));
        let count = format!("[{}{total}]", body.len());
        if self.options.terse && !self.options.quiet {
            cx.out.err(format!("{} URL:{} {count} -> \"{target}\" [1]", stamp(cx), url.whole()));
        }
        let rate = gnu_bar::rate(body.len() as u64, took);
        let done = if to_stdout { "written to stdout".to_owned() } else { format!("'{target}' saved") };
        self.say(cx, &format!("{} ({rate}) - {done} {count}\n", stamp(cx)));
        Ok(())
    }

    /// The file to write, `-` for standard output. A name that is taken gets a number.
    fn target(&self, cx: &mut Cx<'_>, url: &Url) -> String {
        if let Some(output) = &self.options.output {
            return output.clone();
        }
        let name = url.path.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or("index.html");
        let name = match &self.options.folder {
            Some(folder) => format!("{}/{name}", folder.trim_end_matches('/')),
            None => name.to_owned(),
        };
        if cx.files().kind(&name).is_none() {
            return name;
        }
        let numbered = (1..u32::MAX).map(|i| format!("{name}.{i}"));
        let files = cx.files();
        let free = numbered.into_iter().find(|n| files.kind(n).is_none());
        free.unwrap_or(name)
    }
}

/// `2026-01-01 00:00:10`.
fn stamp(cx: &Cx<'_>) -> String {
    Timestamp::at(cx.now()).to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

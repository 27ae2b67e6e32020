//! One URL: connecting, asking, receiving, following redirections.

use std::net::{IpAddr, SocketAddr};

use sim_core::time::SimTime;

use super::super::net::http::{End, Head, HeadError, Reader};
use super::super::net::url::Url;
use super::super::net::{Failure, Stream, connect_from, lookup_until, strerror};
use super::super::{Cx, SIGINT_STATUS};
use super::options::Options;
use super::version::Release;

/// Why a transfer ended badly: curl's exit status and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) code: i32,
    pub(super) message: String,
}

impl Failed {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A transfer and what is known about it afterwards.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) options: &'a Options,
    release: Release,
    /// The URL as typed.
    pub(super) text: &'a str,
    pub(super) url: Url,
    pub(super) started: SimTime,
    pub(super) resolved: Option<SimTime>,
    pub(super) connected: Option<SimTime>,
    pub(super) answered: Option<SimTime>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
    pub(super) head: Option<Head>,
    /// What goes to the output: headers where asked, and bodies.
    pub(super) received: Vec<u8>,
    pub(super) body_len: u64,
    pub(super) header_len: usize,
    /// All heads of responses, for `-D`.
    pub(super) heads: Vec<u8>,
    /// Length that the server promised.
    pub(super) expected: Option<u64>,
    pub(super) redirections: usize,
    pub(super) connections: usize,
    /// The body is on the terminal: `-v` need not say so.
    pub(super) shows_data: bool,
}

impl<'a> Transfer<'a> {
    /// Takes the URL apart.
    pub(super) fn new(cx: &Cx<'_>, options: &'a Options, text: &'a str) -> Result<Self, Failed> {
        let malformed = || Failed::new(3, "URL using bad/illegal format or missing URL");
        let url =
            Url::parse(text).filter(|u| !u.host.is_empty() && !text.contains(' ')).ok_or_else(malformed)?;
        if url.scheme != "http" && url.scheme != "https" {
            let message = format!("Protocol \"{}\" not supported or disabled in libcurl", url.scheme);
            return Err(Failed::new(1, message));
        }
        Ok(Self {
            options,
            release: Release::of(cx),
            text,
            url,
            started: cx.now(),
            resolved: None,
            connected: None,
            answered: None,
            remote: None,
            local: None,
            head: None,
            received: Vec::new(),
            body_len: 0,
            header_len: 0,
            heads: Vec::new(),
            expected: None,
            redirections: 0,
            connections: 0,
            shows_data: false,
        })
    }

    pub(super) fn method(&self) -> &str {
        match &self.options.method {
            Some(method) => method,
            None if self.options.head => "HEAD",
            None if self.options.body().is_some() => "POST",
            None => "GET",
        }
    }

    /// The URL of the last request; as typed where nothing was added.
    pub(super) fn effective(&self) -> String {
        self.url.whole()
    }

    pub(super) fn run(&mut self, cx: &mut Cx<'_>) -> Result<(), Failed> {
        let mut open: Option<(Stream, String)> = None;
        loop {
            let reused = open.take().filter(|(_, authority)| *authority == self.url.authority());
            let stream = match reused {
                Some((stream, _)) => stream,
                None => self.open(cx)?,
            };
            let outcome = self.exchange(cx, stream);
            if self.shows_data {
                cx.out.write(&std::mem::take(&mut self.received));
            }
            let number = self.connections - 1;
            let kept = outcome.is_ok() && self.head.as_ref().is_some_and(Head::keeps_open);
            if kept {
                self.say(cx, &format!("* Connection #{number} to host {} left intact", self.url.host));
            } else {
                self.say(cx, &self.release.closing(number));
            }
            let Some(location) = outcome.as_ref().ok().cloned().flatten().filter(|_| kept) else {
                stream.close(cx);
                let Some(location) = outcome? else { return Ok(()) };
                self.follow(cx, &location)?;
                continue;
            };
            open = Some((stream, self.url.authority()));
            self.follow(cx, &location)?;
        }
    }

    /// Turns to the place that a response named.
    fn follow(&mut self, cx: &mut Cx<'_>, location: &str) -> Result<(), Failed> {
        {
            if self.options.most_redirections.is_some_and(|most| self.redirections >= most) {
                let message = format!("Maximum ({}) redirects followed", self.redirections);
                return Err(Failed::new(47, message));
            }
            let next = self.url.join(location);
            self.url = next.ok_or_else(|| Failed::new(3, "URL using bad/illegal format or missing URL"))?;
            self.redirections += 1;
            self.say(cx, &format!("* Issue another request to this URL: '{}'", self.url.whole()));
            Ok(())
        }
    }

    fn say(&self, cx: &mut Cx<'_>, line: &str) {
        if self.options.verbose {
            cx.out.err(line);
        }
    }

    fn until(&self) -> Option<SimTime> {
        self.options.max_time.map(|d| self.started + d)
    }

    /// Resolves and connects, one address after the other.
    fn open(&mut self, cx: &mut Cx<'_>) -> Result<Stream, Failed> {
        if self.url.scheme == "https" {
            cx.not_modelled("curl: https");
            return Err(Failed::new(super::super::NOT_MODELLED, "not modelled: https"));
        }
        let own = cx.now() + self.options.connect_timeout;
        let until = self.until().map_or(own, |m| m.min(own));
        let addresses = self.addresses(cx, until)?;
        self.resolved = Some(cx.now());
        let source = self.source(cx)?;
        let lines = self.release.resolved(&self.url.host, self.url.port(), &addresses);
        self.say_all(cx, lines);
        self.connections += 1;
        let (host, port) = (self.url.host.clone(), self.url.port());
        let mut last = Failed::new(7, "Couldn't connect to server");
        let addresses = addresses.into_iter().filter(|ip| source.is_none_or(|s| s.is_ipv4() == ip.is_ipv4()));
        for ip in addresses {
            let to = SocketAddr::new(ip, port);
            self.say_all(cx, self.release.trying(to));
            match connect_from(cx, source, to, Some(until)) {
                Ok(stream) => {
                    self.connected = Some(cx.now());
                    self.remote = Some(to);
                    self.local = stream.local_addr(cx);
                    let lines = self.release.connected(&host, to, self.local, self.connections - 1);
                    self.say_all(cx, lines);
                    return Ok(stream);
                }
                Err(failure) => last = self.no_connection(cx, to, failure),
            }
        }
        Err(last)
    }

    fn no_connection(&self, cx: &mut Cx<'_>, to: SocketAddr, failure: Failure) -> Failed {
        let millis = cx.now().since(self.started).as_millis();
        let place = format!("Failed to connect to {} port {}", self.url.host, to.port());
        let failed = match failure {
            Failure::Errno(errno) => {
                let why = strerror(cx, errno);
                self.say(cx, &format!("* connect to {} port {} failed: {why}", to.ip(), to.port()));
                let code = if errno == sim_core::linux::Errno::ETIMEDOUT { 28 } else { 7 };
                Failed::new(code, place + &self.release.refusal(millis, why))
            }
            Failure::TimedOut
                if self.until().is_some_and(|u| cx.now() >= u) || !self.release.names_host_at_timeout() =>
            {
                Failed::new(28, format!("Connection timed out after {millis} milliseconds"))
            }
            Failure::TimedOut => Failed::new(28, format!("{place} after {millis} ms: Timeout was reached")),
            Failure::Interrupted => return Failed::new(SIGINT_STATUS, ""),
        };
        self.say(cx, &format!("* {}", failed.message));
        self.say(cx, &self.release.closing(self.connections - 1));
        failed
    }

    fn say_all(&self, cx: &mut Cx<'_>, lines: Vec<String>) {
        lines.iter().for_each(|line| self.say(cx, line));
    }

    /// The address to connect from: that of `--interface`, which may name an interface.
    fn source(&self, cx: &mut Cx<'_>) -> Result<Option<IpAddr>, Failed> {
        let Some(given) = &self.options.interface else { return Ok(None) };
        let given = given.trim_start_matches("host!").trim_start_matches("if!");
        if let Ok(ip) = given.parse() {
            return Ok(Some(ip));
        }
        let ns = super::super::net::netns(cx).ok();
        let own = ns.and_then(|ns| {
            let iface = cx.cluster.world.ns(ns).by_name(given).ok()?;
            iface.addrs.iter().map(|a| a.addr()).find(IpAddr::is_ipv4)
        });
        let failed = || Failed::new(45, format!("Couldn't bind to '{given}'"));
        own.map(Some).ok_or_else(failed)
    }

    fn addresses(&self, cx: &mut Cx<'_>, until: SimTime) -> Result<Vec<IpAddr>, Failed> {
        let (host, port) = (&self.url.host, self.url.port());
        let given = self.options.resolve.iter().find(|(h, p, _)| h.eq_ignore_ascii_case(host) && *p == port);
        if let Some((_, _, addresses)) = given {
            return Ok(addresses.clone());
        }
        lookup_until(cx, host, self.options.family, Some(until)).map(|found| found.addresses).map_err(|_| {
            let failed = if cx.now() >= until {
                let millis = cx.now().since(self.started).as_millis();
                Failed::new(28, format!("Resolving timed out after {millis} milliseconds"))
            } else {
                Failed::new(6, format!("Could not resolve host: {host}"))
            };
            self.say(cx, &format!("* {}", failed.message));
            self.say(cx, &self.release.closing(self.connections));
            failed
        })
    }

    /// Sends the request and takes the response in; the location to go on to, if there is one and it is wanted.
    fn exchange(&mut self, cx: &mut Cx<'_>, stream: Stream) -> Result<Option<String>, Failed> {
        let request = self.request();
        self.tell_user(cx);
        let headers = request.split("\r\n\r\n").next().unwrap_or_default().to_owned();
        headers.split("\r\n").for_each(|line| self.say(cx, &format!("> {line}")));
        self.say(cx, "> ");
        stream.send(cx, request.as_bytes()).map_err(|f| self.broken(cx, f))?;
        let lines = self.release.sent(self.options.body().map_or(0, str::len));
        self.say_all(cx, lines);
        let mut reader = Reader::new(stream, self.until());
        let head = reader.head(cx).map_err(|error| match error {
            HeadError::Empty => {
                self.say(cx, "* Empty reply from server");
                Failed::new(52, "Empty reply from server")
            }
            HeadError::Malformed => Failed::new(1, "Received HTTP/0.9 when not allowed"),
            HeadError::Failed(failure) => self.broken(cx, failure),
        })?;
        self.answered = Some(cx.now());
        self.header_len += head.raw.len();
        self.heads.extend_from_slice(&head.raw);
        if head.line.starts_with("HTTP/1.1") {
            self.say_all(cx, self.release.before_response().map(str::to_owned).into_iter().collect());
        }
        let shown = String::from_utf8_lossy(&head.raw).into_owned();
        shown.trim_end_matches("\r\n").split("\r\n").for_each(|line| self.say(cx, &format!("< {line}")));
        self.say(cx, "< ");
        if self.options.include || self.options.head {
            // The terminal does not show the carriage returns.
            self.received.extend(head.raw.iter().filter(|b| **b != b'\r'));
        }
        let location =
            head.header("location").filter(|_| (300..400).contains(&head.status)).map(str::to_owned);
        let location = location.filter(|_| self.options.follow);
        self.expected = head.length();
        self.head = Some(head.clone());
        if self.options.fail && head.status >= 400 && !self.options.fail_with_body {
            let message = format!("The requested URL returned error: {}", head.status);
            self.say(cx, &format!("* {message}"));
            return Err(Failed::new(22, message));
        }
        let (body, end) = reader.body(cx, &head, self.method() == "HEAD");
        if location.is_none() {
            self.body_len = body.len() as u64;
            self.received.extend_from_slice(&body);
            if !body.is_empty() && !self.shows_data {
                self.say(cx, &format!("{{ [{} bytes data]", body.len()));
            }
        }
        match end {
            End::Complete if self.options.fail_with_body && head.status >= 400 => {
                Err(Failed::new(22, format!("The requested URL returned error: {}", head.status)))
            }
            End::Complete => Ok(location),
            End::Short(missing) => {
                let message = format!("transfer closed with {missing} bytes remaining to read");
                self.say(cx, &format!("* {message}"));
                Err(Failed::new(18, message))
            }
            End::Failed(failure) => Err(self.broken(cx, failure)),
        }
    }

    fn broken(&self, cx: &mut Cx<'_>, failure: Failure) -> Failed {
        let failed = match failure {
            Failure::Errno(errno) => Failed::new(56, format!("Recv failure: {errno}")),
            Failure::TimedOut => {
                let millis = cx.now().since(self.started).as_millis();
                let bytes = self.body_len;
                let message =
                    format!("Operation timed out after {millis} milliseconds with {bytes} bytes received");
                Failed::new(28, message)
            }
            Failure::Interrupted => return Failed::new(SIGINT_STATUS, ""),
        };
        self.say(cx, &format!("* {}", failed.message));
        failed
    }

    fn request(&self) -> String {
        let options = self.options;
        let version = if options.http10 { "1.0" } else { "1.1" };
        let path = match options.query() {
            Some(query) if self.redirections == 0 => {
                format!("{}{}{query}", self.url.path, if self.url.path.contains('?') { '&' } else { '?' })
            }
            _ => self.url.path.clone(),
        };
        let mut text = format!("{} {path} HTTP/{version}\r\n", self.method());
        let mut defaults = vec![
            ("Host", self.url.authority()),
            ("Authorization", options.authorization()),
            ("User-Agent", options.agent.clone().unwrap_or_else(|| format!("curl/{}", self.release.text()))),
            ("Accept", "*/*".to_owned()),
            ("Accept-Encoding", if options.compressed { "deflate, gzip".to_owned() } else { String::new() }),
            ("Referer", options.referer.clone().unwrap_or_default()),
            ("Cookie", options.cookie.clone().unwrap_or_default()),
        ];
        if !self.release.at_least(7, 37) {
            // Old releases told who they are before whom they want.
            defaults.swap(0, 2);
        }
        // A header of the user replaces the own one, or removes it if it has no value.
        let own = |h: &String| h.split([':', ';']).next().unwrap_or_default().trim().to_ascii_lowercase();
        for (name, value) in &defaults {
            let given = options.headers.iter().find(|h| own(h) == name.to_ascii_lowercase());
            match given.filter(|_| *name == "Host").and_then(|h| h.split_once(':')) {
                Some((_, value)) if !value.trim().is_empty() => {
                    text += &format!("Host: {}\r\n", value.trim())
                }
                _ if given.is_none() && !value.is_empty() => text += &format!("{name}: {value}\r\n"),
                _ => {}
            }
        }
        for header in options.headers.iter().filter(|h| own(h) != "host") {
            match header.split_once(':') {
                Some((_, value)) if value.trim().is_empty() => {}
                Some((name, value)) => text += &format!("{name}: {}\r\n", value.trim()),
                None => {
                    text += &header.strip_suffix(';').map_or(String::new(), |name| format!("{name}:\r\n"))
                }
            }
        }
        let Some(data) = options.body() else { return text + "\r\n" };
        text += &format!("Content-Length: {}\r\n", data.len());
        if !options.headers.iter().any(|h| own(h) == "content-type") {
            text += "Content-Type: application/x-www-form-urlencoded\r\n";
        }
        text + "\r\n" + data
    }

    /// Who logs in.
    fn tell_user(&self, cx: &mut Cx<'_>) {
        if let Some(user) = self.options.user.as_ref().filter(|_| self.redirections == 0) {
            let name = user.split(':').next().unwrap_or_default();
            self.say(cx, &format!("* Server auth using Basic with user '{name}'"));
        }
    }
}

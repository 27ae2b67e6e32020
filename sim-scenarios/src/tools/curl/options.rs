//! Words of `curl`.

use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::resolver::Family;

use super::super::Cx;

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) urls: Vec<String>,
    pub(super) outputs: Vec<Output>,
    pub(super) silent: bool,
    pub(super) show_error: bool,
    pub(super) fail: bool,
    pub(super) head: bool,
    pub(super) include: bool,
    pub(super) verbose: bool,
    pub(super) follow: bool,
    pub(super) most_redirections: Option<usize>,
    pub(super) http10: bool,
    pub(super) method: Option<String>,
    pub(super) headers: Vec<String>,
    data: Option<String>,
    /// `-G`: the data go into the URL.
    get: bool,
    /// None: its own.
    pub(super) agent: Option<String>,
    /// `-u`: user and password.
    pub(super) user: Option<String>,
    pub(super) referer: Option<String>,
    pub(super) cookie: Option<String>,
    pub(super) compressed: bool,
    pub(super) interface: Option<String>,
    pub(super) retry: Retry,
    /// `-D`: where headers go as well.
    pub(super) dump_header: Option<String>,
    pub(super) fail_with_body: bool,
    pub(super) max_time: Option<Duration>,
    pub(super) connect_timeout: Duration,
    pub(super) family: Family,
    /// `--resolve`: host, port, addresses.
    pub(super) resolve: Vec<(String, u16, Vec<IpAddr>)>,
    pub(super) write_out: Option<String>,
}

/// `--retry` and its like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Retry {
    /// How often.
    pub(super) times: u32,
    /// Time between two tries; doubling from a second if not given.
    pub(super) delay: Option<Duration>,
    /// Also after a refused connection.
    pub(super) refused: bool,
    /// After whatever failed.
    pub(super) all: bool,
}

/// Where a body goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Output {
    #[default]
    Stdout,
    File(String),
    RemoteName,
}

/// Letter (or none), long name, whether it takes a value.
const KNOWN: [(Option<char>, &str, bool); 54] = [
    (Some('s'), "silent", false),
    (Some('S'), "show-error", false),
    (Some('f'), "fail", false),
    (Some('o'), "output", true),
    (Some('O'), "remote-name", false),
    (Some('w'), "write-out", true),
    (Some('I'), "head", false),
    (Some('i'), "include", false),
    (Some('v'), "verbose", false),
    (Some('L'), "location", false),
    (Some('X'), "request", true),
    (Some('H'), "header", true),
    (Some('d'), "data", true),
    (None, "data-raw", true),
    (None, "data-ascii", true),
    (Some('A'), "user-agent", true),
    (Some('m'), "max-time", true),
    (None, "connect-timeout", true),
    (None, "max-redirs", true),
    (Some('0'), "http1.0", false),
    (None, "http1.1", false),
    (Some('4'), "ipv4", false),
    (Some('6'), "ipv6", false),
    (None, "resolve", true),
    (None, "url", true),
    (Some('k'), "insecure", false),
    (Some('N'), "no-buffer", false),
    (Some('g'), "globoff", false),
    (Some('q'), "disable", false),
    (None, "no-keepalive", false),
    (None, "no-progress-meter", false),
    (None, "noproxy", true),
    (None, "data-binary", true),
    (None, "data-urlencode", true),
    (None, "json", true),
    (Some('G'), "get", false),
    (Some('u'), "user", true),
    (Some('e'), "referer", true),
    (Some('b'), "cookie", true),
    (None, "compressed", false),
    (None, "interface", true),
    (None, "retry", true),
    (None, "retry-delay", true),
    (None, "retry-max-time", true),
    (None, "retry-connrefused", false),
    (None, "retry-all-errors", false),
    (Some('D'), "dump-header", true),
    (None, "fail-with-body", false),
    (None, "basic", false),
    (None, "path-as-is", false),
    (None, "tcp-nodelay", false),
    (None, "keepalive-time", true),
    (Some('V'), "version", false),
    (Some('h'), "help", false),
];

/// The default of `--connect-timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(300);
const TRY: &str = "curl: try 'curl --help' or 'curl --manual' for more information";

impl Options {
    /// Reads the words; the status to end with if they make no command.
    pub(super) fn parse(cx: &mut Cx<'_>) -> Result<Self, i32> {
        let mut options = Self {
            urls: Vec::new(),
            outputs: Vec::new(),
            silent: false,
            show_error: false,
            fail: false,
            head: false,
            include: false,
            verbose: false,
            follow: false,
            most_redirections: Some(50),
            http10: false,
            method: None,
            headers: Vec::new(),
            data: None,
            get: false,
            agent: None,
            user: None,
            referer: None,
            cookie: None,
            compressed: false,
            interface: None,
            retry: Retry::default(),
            dump_header: None,
            fail_with_body: false,
            max_time: None,
            connect_timeout: CONNECT_TIMEOUT,
            family: Family::Any,
            resolve: Vec::new(),
            write_out: None,
        };
        let words = cx.operands().to_vec();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--").filter(|l| !l.is_empty()) {
                let Some((_, name, takes)) = KNOWN.iter().find(|(_, n, _)| *n == long) else {
                    return Err(cx.not_modelled(format!("curl: option --{long}")));
                };
                let value = if *takes { options.value(cx, word, words.next())? } else { "" };
                options.set(cx, name, value)?;
            } else if word.len() > 1 && word.starts_with('-') && word != "--" {
                options.letters(cx, &word[1..], &mut words)?;
            } else if word != "--" {
                options.urls.push(word.to_owned());
            }
        }
        if options.urls.is_empty() {
            cx.out.err(TRY);
            return Err(2);
        }
        Ok(options)
    }

    fn letters<'w>(
        &mut self,
        cx: &mut Cx<'_>,
        letters: &str,
        words: &mut impl Iterator<Item = &'w str>,
    ) -> Result<(), i32> {
        for (i, letter) in letters.char_indices() {
            let Some((_, name, takes)) = KNOWN.iter().find(|(l, ..)| *l == Some(letter)) else {
                return Err(cx.not_modelled(format!("curl: option -{letter}")));
            };
            if !takes {
                self.set(cx, name, "")?;
                continue;
            }
            let rest = &letters[i + letter.len_utf8()..];
            let given = if rest.is_empty() { words.next() } else { Some(rest) };
            let value = self.value(cx, &format!("-{letter}"), given)?;
            return self.set(cx, name, value);
        }
        Ok(())
    }

    fn value<'w>(&self, cx: &mut Cx<'_>, option: &str, value: Option<&'w str>) -> Result<&'w str, i32> {
        value.ok_or_else(|| {
            cx.out.err(format!("curl: option {option}: requires parameter"));
            cx.out.err(TRY);
            2
        })
    }

    fn set(&mut self, cx: &mut Cx<'_>, name: &str, value: &str) -> Result<(), i32> {
        match name {
            "silent" => self.silent = true,
            "show-error" => self.show_error = true,
            "fail" => self.fail = true,
            "output" => self.outputs.push(Output::File(value.to_owned())),
            "remote-name" => self.outputs.push(Output::RemoteName),
            "write-out" => self.write_out = Some(value.to_owned()),
            "head" => self.head = true,
            "include" => self.include = true,
            "verbose" => self.verbose = true,
            "location" => self.follow = true,
            "request" => self.method = Some(value.to_owned()),
            "header" => self.headers.push(value.to_owned()),
            "data" | "data-raw" | "data-ascii" | "data-binary" => self.add_data(cx, name, value)?,
            "data-urlencode" => self.add_encoded(cx, value)?,
            "json" => self.add_json(cx, value)?,
            "get" => self.get = true,
            "user" => self.user = Some(value.to_owned()),
            "referer" => self.referer = Some(value.to_owned()),
            "cookie" if !value.contains('=') => return Err(cx.not_modelled("curl: option -b with a file")),
            "cookie" => self.cookie = Some(value.to_owned()),
            "compressed" => self.compressed = true,
            "interface" => self.interface = Some(value.to_owned()),
            "retry" => self.retry.times = number(cx, "--retry", value)?,
            "retry-delay" => self.retry.delay = Some(seconds(cx, "--retry-delay", value)?),
            "retry-max-time" => return Err(cx.not_modelled("curl: option --retry-max-time")),
            "retry-connrefused" => self.retry.refused = true,
            "retry-all-errors" => self.retry.all = true,
            "dump-header" => self.dump_header = Some(value.to_owned()),
            "fail-with-body" => (self.fail, self.fail_with_body) = (true, true),
            "user-agent" => self.agent = Some(value.to_owned()),
            "max-time" => self.max_time = Some(seconds(cx, "-m", value)?).filter(|d| !d.is_zero()),
            "connect-timeout" => self.connect_timeout = seconds(cx, "--connect-timeout", value)?,
            "max-redirs" => self.most_redirections = value.parse().ok(),
            "http1.0" => self.http10 = true,
            "ipv4" => self.family = Family::V4,
            "ipv6" => self.family = Family::V6,
            "resolve" => self.add_resolve(cx, value)?,
            "url" => self.urls.push(value.to_owned()),
            "no-progress-meter" => (self.silent, self.show_error) = (true, true),
            "version" => return Err(super::print_version(cx)),
            "help" => return Err(cx.not_modelled("curl: option --help")),
            // No certificate is checked, no proxy is there, and nothing is buffered.
            _ => {}
        }
        Ok(())
    }

    fn add_data(&mut self, cx: &mut Cx<'_>, name: &str, value: &str) -> Result<(), i32> {
        let value = match value.strip_prefix('@').filter(|_| name != "data-raw") {
            Some(file) => {
                let text = read_file(cx, file)?;
                if name == "data-binary" { text } else { text.replace(['\r', '\n'], "") }
            }
            None => value.to_owned(),
        };
        self.append(value);
        Ok(())
    }

    fn append(&mut self, value: String) {
        self.data = Some(match self.data.take() {
            Some(data) => format!("{data}&{value}"),
            None => value,
        });
    }

    /// `--data-urlencode`: `text`, `=text`, `name=text`; files by `@`.
    fn add_encoded(&mut self, cx: &mut Cx<'_>, value: &str) -> Result<(), i32> {
        let encoded = match value.split_once('=') {
            Some((name, text)) if !name.contains('@') => {
                if name.is_empty() {
                    url_encoded(text)
                } else {
                    format!("{name}={}", url_encoded(text))
                }
            }
            _ => match value.split_once('@') {
                Some((name, file)) => {
                    let text = url_encoded(&read_file(cx, file)?);
                    if name.is_empty() { text } else { format!("{name}={text}") }
                }
                None => url_encoded(value),
            },
        };
        self.append(encoded);
        Ok(())
    }

    /// `--json`: data with the headers that go with them.
    fn add_json(&mut self, cx: &mut Cx<'_>, value: &str) -> Result<(), i32> {
        let text = match value.strip_prefix('@') {
            Some(file) => read_file(cx, file)?,
            None => value.to_owned(),
        };
        self.data = Some(self.data.take().unwrap_or_default() + &text);
        for header in ["Content-Type: application/json", "Accept: application/json"] {
            self.headers.push(header.to_owned());
        }
        Ok(())
    }

    /// The body of the request.
    pub(super) fn body(&self) -> Option<&str> {
        self.data.as_deref().filter(|_| !self.get)
    }

    /// What `-G` puts into the URL.
    pub(super) fn query(&self) -> Option<&str> {
        self.data.as_deref().filter(|_| self.get)
    }

    /// The value of the header `Authorization`, empty if nobody logs in.
    pub(super) fn authorization(&self) -> String {
        let Some(user) = &self.user else { return String::new() };
        let pair = if user.contains(':') { user.clone() } else { format!("{user}:") };
        format!("Basic {}", base64(pair.as_bytes()))
    }

    fn add_resolve(&mut self, cx: &mut Cx<'_>, value: &str) -> Result<(), i32> {
        let mut parts = value.splitn(3, ':');
        let entry = (|| {
            let host = parts.next()?.to_owned();
            let port = parts.next()?.parse().ok()?;
            let addresses = parts.next()?.split(',').map(|a| a.trim_matches(['[', ']']).parse().ok());
            Some((host, port, addresses.collect::<Option<Vec<IpAddr>>>()?))
        })();
        let Some(entry) = entry else {
            cx.out.err(format!("curl: (49) Couldn't parse CURLOPT_RESOLVE entry '{value}'"));
            return Err(49);
        };
        self.resolve.push(entry);
        Ok(())
    }
}

fn read_file(cx: &mut Cx<'_>, name: &str) -> Result<String, i32> {
    if name == "-" {
        return Ok(String::from_utf8_lossy(cx.stdin).into_owned());
    }
    let bytes = cx.files().read(name);
    bytes.map(|b| String::from_utf8_lossy(&b).into_owned()).map_err(|_| {
        cx.out.err(format!("curl: option -d: error encountered when reading a file\n{TRY}"));
        26
    })
}

fn number(cx: &mut Cx<'_>, option: &str, value: &str) -> Result<u32, i32> {
    value.parse().map_err(|_| {
        cx.out.err(format!("curl: option {option}: expected a proper numerical parameter"));
        cx.out.err(TRY);
        2
    })
}

/// Everything but letters, digits and `-._~` as `%XX`.
fn url_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Base 64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = (word >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= chunk.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    out
}

fn seconds(cx: &mut Cx<'_>, option: &str, value: &str) -> Result<Duration, i32> {
    let seconds = value.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.ok_or_else(|| {
        cx.out.err(format!("curl: option {option}: expected a proper numerical parameter"));
        cx.out.err(TRY);
        2
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_encoded() {
        assert_eq!(base64(b"wampp:xampp"), "d2FtcHA6eGFtcHA=");
        assert_eq!((base64(b""), base64(b"a"), base64(b"ab")), (String::new(), "YQ==".into(), "YWI=".into()));
        assert_eq!(url_encoded("a b&\u{fc}"), "a%20b%26%C3%BC");
    }
}

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
    pub(super) data: Option<String>,
    pub(super) agent: String,
    pub(super) max_time: Option<Duration>,
    pub(super) connect_timeout: Duration,
    pub(super) family: Family,
    /// `--resolve`: host, port, addresses.
    pub(super) resolve: Vec<(String, u16, Vec<IpAddr>)>,
    pub(super) write_out: Option<String>,
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
const KNOWN: [(Option<char>, &str, bool); 34] = [
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
            agent: format!("curl/{}", super::VERSION),
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
            "data" | "data-raw" | "data-ascii" => self.add_data(cx, name, value)?,
            "user-agent" => self.agent = value.to_owned(),
            "max-time" => self.max_time = Some(seconds(cx, "-m", value)?).filter(|d| !d.is_zero()),
            "connect-timeout" => self.connect_timeout = seconds(cx, "--connect-timeout", value)?,
            "max-redirs" => self.most_redirections = value.parse().ok(),
            "http1.0" => self.http10 = true,
            "ipv4" => self.family = Family::V4,
            "ipv6" => self.family = Family::V6,
            "resolve" => self.add_resolve(cx, value)?,
            "url" => self.urls.push(value.to_owned()),
            "no-progress-meter" => (self.silent, self.show_error) = (true, true),
            "version" | "help" => return Err(cx.not_modelled(format!("curl: option --{name}"))),
            // No certificate is checked, no proxy is there, and nothing is buffered.
            _ => {}
        }
        Ok(())
    }

    fn add_data(&mut self, cx: &mut Cx<'_>, name: &str, value: &str) -> Result<(), i32> {
        if name != "data-raw" && value.starts_with('@') {
            return Err(cx.not_modelled("curl: option -d with a file"));
        }
        self.data = Some(match self.data.take() {
            Some(data) => format!("{data}&{value}"),
            None => value.to_owned(),
        });
        Ok(())
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

fn seconds(cx: &mut Cx<'_>, option: &str, value: &str) -> Result<Duration, i32> {
    let seconds = value.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.ok_or_else(|| {
        cx.out.err(format!("curl: option {option}: expected a proper numerical parameter"));
        cx.out.err(TRY);
        2
    })
}

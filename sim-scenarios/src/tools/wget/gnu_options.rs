//! Words of GNU `wget`.

use std::time::Duration;

use super::super::Cx;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) quiet: bool,
    /// `-nv`: one line per download.
    pub(super) terse: bool,
    pub(super) show_response: bool,
    pub(super) spider: bool,
    pub(super) output: Option<String>,
    pub(super) folder: Option<String>,
    pub(super) agent: String,
    pub(super) timeout: Duration,
    pub(super) tries: u32,
    pub(super) most_redirections: usize,
    pub(super) headers: Vec<String>,
    pub(super) post: Option<String>,
    pub(super) urls: Vec<String>,
}

/// Letter (or none), long name, whether it takes a value.
const KNOWN: [(Option<char>, &str, bool); 17] = [
    (Some('q'), "quiet", false),
    (None, "no-verbose", false),
    (Some('v'), "verbose", false),
    (Some('S'), "server-response", false),
    (None, "spider", false),
    (Some('O'), "output-document", true),
    (Some('P'), "directory-prefix", true),
    (Some('U'), "user-agent", true),
    (Some('T'), "timeout", true),
    (Some('t'), "tries", true),
    (None, "max-redirect", true),
    (None, "header", true),
    (None, "post-data", true),
    (None, "no-check-certificate", false),
    (None, "no-proxy", false),
    (None, "no-cache", false),
    (Some('4'), "inet4-only", false),
];

/// Time without a byte after which it gives a try up.
const TIMEOUT: Duration = Duration::from_secs(900);

impl Options {
    /// Reads the words; the status to end with if they make no command.
    pub(super) fn parse(cx: &mut Cx<'_>) -> Result<Self, i32> {
        let mut options = Self {
            quiet: false,
            terse: false,
            show_response: false,
            spider: false,
            output: None,
            folder: None,
            agent: "Wget/1.21.3".to_owned(),
            timeout: TIMEOUT,
            tries: 20,
            most_redirections: 20,
            headers: Vec::new(),
            post: None,
            urls: Vec::new(),
        };
        let words = cx.operands().to_vec();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if word == "--" {
                options.urls.extend(words.by_ref().map(str::to_owned));
            } else if word == "-nv" {
                options.terse = true;
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
                let Some((_, name, takes)) = KNOWN.iter().find(|(_, n, _)| *n == name) else {
                    return Err(cx.not_modelled(format!("wget: option --{name}")));
                };
                let value = if *takes { value.or_else(|| words.next()) } else { Some("") };
                let Some(value) = value else {
                    return Err(usage(cx, &format!("wget: option '--{name}' requires an argument"), 2));
                };
                options.set(cx, name, value)?;
            } else if word.len() > 1 && word.starts_with('-') {
                options.letters(cx, &word[1..], &mut words)?;
            } else {
                options.urls.push(word.to_owned());
            }
        }
        if options.urls.is_empty() { Err(usage(cx, "wget: missing URL", 1)) } else { Ok(options) }
    }

    fn letters<'w>(
        &mut self,
        cx: &mut Cx<'_>,
        letters: &str,
        words: &mut impl Iterator<Item = &'w str>,
    ) -> Result<(), i32> {
        for (i, letter) in letters.char_indices() {
            let Some((_, name, takes)) = KNOWN.iter().find(|(l, ..)| *l == Some(letter)) else {
                return Err(cx.not_modelled(format!("wget: option -{letter}")));
            };
            if !takes {
                self.set(cx, name, "")?;
                continue;
            }
            let rest = &letters[i + letter.len_utf8()..];
            let value = if rest.is_empty() { words.next() } else { Some(rest) };
            let Some(value) = value else {
                return Err(usage(cx, &format!("wget: option requires an argument -- '{letter}'"), 2));
            };
            return self.set(cx, name, value);
        }
        Ok(())
    }

    fn set(&mut self, cx: &mut Cx<'_>, name: &str, value: &str) -> Result<(), i32> {
        match name {
            "quiet" => self.quiet = true,
            "no-verbose" => self.terse = true,
            "server-response" => self.show_response = true,
            "spider" => self.spider = true,
            "output-document" => self.output = Some(value.to_owned()),
            "directory-prefix" => self.folder = Some(value.to_owned()),
            "user-agent" => self.agent = value.to_owned(),
            "header" => self.headers.push(value.to_owned()),
            "post-data" => self.post = Some(value.to_owned()),
            "timeout" => {
                let seconds = value.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
                let Some(timeout) = seconds else {
                    cx.out.err(format!("wget: -T: Invalid time period '{value}'"));
                    return Err(2);
                };
                self.timeout = timeout;
            }
            "tries" | "max-redirect" => match value.parse::<u32>() {
                // No number of tries means to go on for ever.
                Ok(n) if name == "tries" => self.tries = if n == 0 { u32::MAX } else { n },
                Ok(n) => self.most_redirections = n as usize,
                Err(_) => {
                    cx.out.err(format!("wget: --{name}: Invalid number '{value}'."));
                    return Err(2);
                }
            },
            _ => {}
        }
        Ok(())
    }
}

fn usage(cx: &mut Cx<'_>, complaint: &str, status: i32) -> i32 {
    cx.out.err(complaint);
    cx.out.err("Usage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.");
    status
}

//! Words of busybox' `wget`.

use std::time::Duration;

use super::super::{Cx, busybox};

const USAGE: &str = "wget [-cqS] [--spider] [-O FILE] [-o LOGFILE] [--header STR]
\t[--post-data STR | --post-file FILE] [-Y on/off]
\t[--no-check-certificate] [-P DIR] [-U AGENT] [-T SEC] URL...

Retrieve files via HTTP or FTP

\t--spider\tOnly check URL existence: $? is 0 if exists
\t--header STR\tAdd STR (of form 'header: value') to headers
\t--post-data STR\tSend STR using POST method
\t--post-file FILE\tSend FILE using POST method
\t--no-check-certificate\tDon't validate the server's certificate
\t-c\t\tContinue retrieval of aborted transfer
\t-q\t\tQuiet
\t-P DIR\t\tSave to DIR (default .)
\t-S    \t\tShow server response
\t-T SEC\t\tNetwork read timeout is SEC seconds
\t-O FILE\t\tSave to FILE ('-' for stdout)
\t-o LOGFILE\tLog messages to FILE
\t-U STR\t\tUse STR for User-Agent header
\t-Y on/off\tUse proxy";

/// Time without a byte after which busybox gives up.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(900);

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) quiet: bool,
    pub(super) show_response: bool,
    pub(super) spider: bool,
    pub(super) resume: bool,
    pub(super) output: Option<String>,
    pub(super) folder: Option<String>,
    pub(super) agent: String,
    pub(super) timeout: Duration,
    pub(super) headers: Vec<String>,
    pub(super) post: Option<String>,
    pub(super) urls: Vec<String>,
}

/// Long options and the letters they stand for; capital letters outside ASCII's options are our own.
const LONG: [(&str, char); 15] = [
    ("continue", 'c'),
    ("quiet", 'q'),
    ("server-response", 'S'),
    ("output-document", 'O'),
    ("output-file", 'o'),
    ("directory-prefix", 'P'),
    ("proxy", 'Y'),
    ("user-agent", 'U'),
    ("timeout", 'T'),
    ("tries", 't'),
    ("header", 'H'),
    ("post-data", 'D'),
    ("post-file", 'F'),
    ("spider", 's'),
    ("no-check-certificate", 'n'),
];

impl Options {
    /// Reads the words; the status to end with if they make no command.
    pub(super) fn parse(cx: &mut Cx<'_>) -> Result<Self, i32> {
        let mut options = Self {
            quiet: false,
            show_response: false,
            spider: false,
            resume: false,
            output: None,
            folder: None,
            agent: "Wget".to_owned(),
            timeout: DEFAULT_TIMEOUT,
            headers: Vec::new(),
            post: None,
            urls: Vec::new(),
        };
        let words = cx.operands().to_vec();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if word == "--" {
                options.urls.extend(words.by_ref().map(str::to_owned));
            } else if let Some(long) = word.strip_prefix("--") {
                options.long(cx, long, &mut words)?;
            } else if word.len() > 1 && word.starts_with('-') {
                options.cluster(cx, &word[1..], &mut words)?;
            } else {
                options.urls.push(word.to_owned());
            }
        }
        if options.urls.is_empty() { Err(busybox::usage(cx, USAGE)) } else { Ok(options) }
    }

    fn long<'w>(
        &mut self,
        cx: &mut Cx<'_>,
        word: &str,
        words: &mut impl Iterator<Item = &'w str>,
    ) -> Result<(), i32> {
        let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        let exact = LONG.iter().find(|(l, _)| *l == name);
        let mut starting = LONG.iter().filter(|(l, _)| l.starts_with(name));
        let found = exact.or_else(|| starting.next().filter(|_| starting.next().is_none()));
        let Some((full, letter)) = found else {
            cx.out.err(format!("wget: unrecognized option '--{name}'"));
            return Err(busybox::usage(cx, USAGE));
        };
        let value = if takes_value(*letter) { value.or_else(|| words.next()) } else { Some("") };
        let Some(value) = value else {
            cx.out.err(format!("wget: option '--{full}' requires an argument"));
            return Err(busybox::usage(cx, USAGE));
        };
        self.set(cx, *letter, value)
    }

    /// Letters behind one dash; what follows a letter that takes a value is its value.
    fn cluster<'w>(
        &mut self,
        cx: &mut Cx<'_>,
        letters: &str,
        words: &mut impl Iterator<Item = &'w str>,
    ) -> Result<(), i32> {
        for (i, letter) in letters.char_indices() {
            if !"cqSOoPYUTt".contains(letter) {
                cx.out.err(format!("wget: invalid option -- '{letter}'"));
                return Err(busybox::usage(cx, USAGE));
            }
            if !takes_value(letter) {
                self.set(cx, letter, "")?;
                continue;
            }
            let rest = &letters[i + letter.len_utf8()..];
            let value = if rest.is_empty() { words.next() } else { Some(rest) };
            let Some(value) = value else {
                cx.out.err(format!("wget: option requires an argument -- '{letter}'"));
                return Err(busybox::usage(cx, USAGE));
            };
            return self.set(cx, letter, value);
        }
        Ok(())
    }

    fn set(&mut self, cx: &mut Cx<'_>, letter: char, value: &str) -> Result<(), i32> {
        match letter {
            'c' => self.resume = true,
            'q' => self.quiet = true,
            'S' => self.show_response = true,
            's' => self.spider = true,
            'O' => self.output = Some(value.to_owned()),
            'P' => self.folder = Some(value.to_owned()),
            'U' => self.agent = value.to_owned(),
            'H' => self.headers.push(value.to_owned()),
            'D' => self.post = Some(value.to_owned()),
            'T' => match value.parse() {
                Ok(seconds) => self.timeout = Duration::from_secs(seconds),
                Err(_) => {
                    cx.out.err(format!("wget: invalid number '{value}'"));
                    return Err(1);
                }
            },
            // Taken for GNU's sake, and without effect: there is no proxy, no certificate, and one try.
            'Y' | 't' | 'n' => {}
            'o' => return Err(cx.not_modelled("wget: option -o")),
            _ => return Err(cx.not_modelled("wget: option --post-file")),
        }
        Ok(())
    }
}

const fn takes_value(letter: char) -> bool {
    matches!(letter, 'O' | 'o' | 'P' | 'Y' | 'U' | 'T' | 't' | 'H' | 'D' | 'F')
}

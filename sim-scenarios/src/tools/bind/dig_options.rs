//! Words of `dig`.

use std::net::IpAddr;
use std::time::Duration;

use sim_core::kube::dns::name;
use sim_core::kube::dns::resolver::bind::Patience;
use sim_core::kube::dns::wire::RecordType;

use super::super::Cx;
use super::release::Release;

/// All that one command asks.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) questions: Vec<Options>,
}

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) name: String,
    pub(super) rtype: RecordType,
    pub(super) server: Option<String>,
    pub(super) port: u16,
    pub(super) show: Show,
    pub(super) search: bool,
    pub(super) domain: Option<String>,
    pub(super) ndots: Option<usize>,
    pub(super) recurse: bool,
    pub(super) ad: bool,
    pub(super) cd: bool,
    pub(super) aa: bool,
    /// UDP size in an OPT record.
    pub(super) edns: Option<u16>,
    pub(super) dnssec: bool,
    pub(super) cookie: bool,
    /// Servers of one family only.
    pub(super) v6: Option<bool>,
    pub(super) patience: Patience,
}

/// Which parts are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    pub(super) short: bool,
    pub(super) cmd: bool,
    pub(super) comments: bool,
    pub(super) question: bool,
    pub(super) answer: bool,
    pub(super) authority: bool,
    pub(super) additional: bool,
    pub(super) stats: bool,
    pub(super) ttl: bool,
    pub(super) class: bool,
    /// With `+short`: who answered.
    pub(super) identify: bool,
    pub(super) multiline: bool,
    /// The answers on the way through the search list.
    pub(super) search: bool,
}

impl Show {
    fn everything(&mut self, on: bool) {
        *self = Self {
            cmd: on,
            comments: on,
            question: on,
            answer: on,
            authority: on,
            additional: on,
            stats: on,
            ..*self
        };
    }
}

/// Flags that may be abbreviated as long as no other begins so.
const FLAGS: [&str; 40] = [
    "aaflag",
    "aaonly",
    "additional",
    "adflag",
    "all",
    "answer",
    "authority",
    "besteffort",
    "bufsize",
    "cdflag",
    "class",
    "cmd",
    "comments",
    "cookie",
    "defname",
    "dnssec",
    "domain",
    "edns",
    "fail",
    "identify",
    "ignore",
    "keepopen",
    "mapped",
    "multiline",
    "ndots",
    "question",
    "recurse",
    "retry",
    "search",
    "short",
    "showsearch",
    "stats",
    "tcp",
    "time",
    "timeout",
    "tries",
    "trace",
    "ttlid",
    "vc",
    "qr",
];

impl Line {
    /// Reads the words; the status to end with if they make no command.
    pub(super) fn parse(cx: &mut Cx<'_>) -> Result<Self, i32> {
        // What stands before the first name holds for all questions.
        let mut defaults = Options::new(Release::of(cx));
        let mut questions: Vec<Options> = Vec::new();
        let words = cx.operands().to_vec();
        let mut words = words.iter().map(String::as_str).peekable();
        let mut typed = false;
        while let Some(word) = words.next() {
            let current = questions.last_mut().unwrap_or(&mut defaults);
            if let Some(server) = word.strip_prefix('@') {
                current.server = Some(server.to_owned());
                // A server holds for the questions before it too, and for those to come.
                questions.iter_mut().for_each(|q| q.server = Some(server.to_owned()));
                defaults.server = Some(server.to_owned());
            } else if let Some(flag) = word.strip_prefix('+') {
                current.flag(cx, flag)?;
            } else if word.len() > 1 && word.starts_with('-') {
                match defaults.option(cx, word, &mut words)? {
                    Means::Setting => {
                        if let Some(question) = questions.last_mut() {
                            question.port = defaults.port;
                        }
                    }
                    Means::Type(rtype) => {
                        questions.last_mut().unwrap_or(&mut defaults).rtype = rtype;
                        typed = true;
                    }
                    Means::Question(name, rtype) => {
                        let rtype = rtype.unwrap_or(defaults.rtype);
                        questions.push(Options { name, rtype, ..defaults.clone() });
                    }
                }
            } else if let Some(rtype) = RecordType::from_mnemonic(word) {
                (current.rtype, typed) = (rtype, true);
            } else if !word.eq_ignore_ascii_case("in") {
                questions.push(Options { name: word.to_owned(), ..defaults.clone() });
            }
        }
        if questions.is_empty() {
            let rtype = if typed { defaults.rtype } else { RecordType::NS };
            questions.push(Options { name: ".".to_owned(), rtype, ..defaults });
        }
        Ok(Self { questions })
    }
}

/// What an option with a dash means.
enum Means {
    Setting,
    Type(RecordType),
    Question(String, Option<RecordType>),
}

impl Options {
    fn new(release: Release) -> Self {
        let on = true;
        Self {
            name: String::new(),
            rtype: RecordType::A,
            server: None,
            port: 53,
            show: Show {
                short: false,
                cmd: on,
                comments: on,
                question: on,
                answer: on,
                authority: on,
                additional: on,
                stats: on,
                ttl: on,
                class: on,
                identify: false,
                multiline: false,
                search: false,
            },
            search: false,
            domain: None,
            ndots: None,
            recurse: true,
            ad: true,
            cd: false,
            aa: false,
            edns: Some(release.edns_size()),
            dnssec: false,
            cookie: release.sends_cookies(),
            v6: None,
            patience: Patience { tries: 3, ..Patience::default() },
        }
    }

    /// An option with a dash.
    fn option<'w>(
        &mut self,
        cx: &mut Cx<'_>,
        word: &str,
        words: &mut impl Iterator<Item = &'w str>,
    ) -> Result<Means, i32> {
        let (letter, rest) = word[1..].split_at(1);
        match (letter, rest) {
            ("4" | "6", "") => {
                self.v6 = Some(letter == "6");
                return Ok(Means::Setting);
            }
            ("v", "") => {
                let version = Release::of(cx).0;
                cx.out.err(format!("DiG {version}"));
                return Err(0);
            }
            _ => {}
        }
        if !matches!(letter, "x" | "t" | "p" | "q" | "c") {
            return Err(cx.not_modelled(format!("dig: option {word}")));
        }
        let value = if rest.is_empty() { words.next().unwrap_or_default() } else { rest };
        let means = match letter {
            "x" => value
                .parse::<IpAddr>()
                .ok()
                .map(|addr| Means::Question(name::reverse(addr), Some(RecordType::PTR))),
            "t" => RecordType::from_mnemonic(value).map(Means::Type),
            "p" => value.parse().ok().map(|port| {
                self.port = port;
                Means::Setting
            }),
            "c" => value.eq_ignore_ascii_case("in").then_some(Means::Setting),
            _ => Some(Means::Question(value.to_owned(), None)),
        };
        means.ok_or_else(|| cx.not_modelled(format!("dig: {word} {value}")))
    }

    fn flag(&mut self, cx: &mut Cx<'_>, flag: &str) -> Result<(), i32> {
        let (on, given) = match flag.strip_prefix("no") {
            Some(rest) => (false, rest),
            None => (true, flag),
        };
        let (given, value) = given.split_once('=').map_or((given, None), |(n, v)| (n, Some(v)));
        let number = value.and_then(|v| v.parse::<u32>().ok());
        let exact = FLAGS.iter().find(|f| **f == given);
        let mut starting = FLAGS.iter().filter(|f| given.len() > 1 && f.starts_with(given));
        let first = starting.next();
        let name = exact.or_else(|| first.filter(|_| starting.next().is_none())).copied().unwrap_or(given);
        let seconds = |n: u32| Duration::from_secs(u64::from(n.max(1)));
        match (name, number) {
            ("short", _) => self.show.short = on,
            ("cmd", _) => self.show.cmd = on,
            ("all", _) => self.show.everything(on),
            ("comments", _) => self.show.comments = on,
            ("question", _) => self.show.question = on,
            ("answer", _) => self.show.answer = on,
            ("authority", _) => self.show.authority = on,
            ("additional", _) => self.show.additional = on,
            ("stats", _) => self.show.stats = on,
            ("ttlid" | "ttl", _) => self.show.ttl = on,
            ("class" | "cl", _) => self.show.class = on,
            ("identify", _) => self.show.identify = on,
            ("multiline", _) => self.show.multiline = on,
            ("search" | "defname", _) => self.search = on,
            ("showsearch", _) => (self.search, self.show.search) = (on, on),
            ("domain", _) if value.is_some() => self.domain = value.map(str::to_owned),
            ("ndots", Some(n)) => (self.search, self.ndots) = (true, Some(n as usize)),
            ("rec" | "recurse", _) => self.recurse = on,
            ("adflag" | "ad", _) => self.ad = on,
            ("cdflag" | "cd", _) => self.cd = on,
            ("aaflag" | "aaonly" | "aa", _) => self.aa = on,
            ("edns", None | Some(0)) => self.edns = on.then(|| Release::of(cx).edns_size()),
            ("bufsize", Some(n)) => self.edns = Some(n.clamp(0, 65_535) as u16),
            ("dnssec" | "do", _) => {
                self.dnssec = on;
                self.edns = self.edns.or_else(|| on.then(|| Release::of(cx).edns_size()));
            }
            ("cookie", None) => self.cookie = on,
            ("tcp" | "vc", _) => self.patience.tcp = on,
            ("ignore", _) => self.patience.ignore_truncation = on,
            ("fail", _) => self.patience.servfail_stops = on,
            ("time" | "timeout", Some(n)) => self.patience.timeout = seconds(n),
            ("tries", Some(n)) => self.patience.tries = n.max(1),
            ("retry", Some(n)) => self.patience.tries = n.saturating_add(1),
            ("besteffort" | "keepopen" | "mapped", _) => {}
            _ => return Err(cx.not_modelled(format!("dig: +{flag}"))),
        }
        Ok(())
    }
}

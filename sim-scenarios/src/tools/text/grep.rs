//! `grep`, `egrep`, `fgrep`

use regex::Regex;

use super::Source;
use super::options::Options;
use super::regex::{Grammar, compile};
use crate::tools::Cx;

const LONG: &[(&str, char)] = &[
    ("invert-match", 'v'),
    ("ignore-case", 'i'),
    ("line-number", 'n'),
    ("count", 'c'),
    ("extended-regexp", 'E'),
    ("fixed-strings", 'F'),
    ("only-matching", 'o'),
    ("quiet", 'q'),
    ("silent", 'q'),
    ("word-regexp", 'w'),
    ("line-regexp", 'x'),
    ("after-context", 'A'),
    ("before-context", 'B'),
    ("context", 'C'),
    ("regexp", 'e'),
    ("max-count", 'm'),
    ("files-with-matches", 'l'),
    ("no-filename", 'h'),
    ("with-filename", 'H'),
    ("no-messages", 's'),
];

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let mut options = match Options::read(cx, "vincEFGoqwxslhHA:B:C:e:m:", LONG) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut patterns: Vec<String> = options.values('e').map(str::to_owned).collect();
    if patterns.is_empty() {
        if options.operands.is_empty() {
            cx.out.err("Usage: grep [OPTION]... PATTERNS [FILE]...");
            return 2;
        }
        patterns.push(options.operands.remove(0));
    }
    let search = match Search::new(cx, &options, &patterns) {
        Ok(search) => search,
        Err(what) => return cx.not_modelled(format!("grep: {what}")),
    };
    let (sources, all) = super::sources(cx, "grep", &options.operands);
    let named = (sources.len() > 1 || options.has('H')) && !options.has('h');
    let mut any = false;
    for source in &sources {
        let label = if named { Some(source.name.as_deref().unwrap_or("(standard input)")) } else { None };
        any |= search.source(cx, source, label, &options);
        if any && options.has('q') {
            return 0;
        }
    }
    match (any, all) {
        (_, false) => 2,
        (found, true) => i32::from(!found),
    }
}

struct Search {
    patterns: Vec<Regex>,
    invert: bool,
    before: usize,
    after: usize,
    most: usize,
}

impl Search {
    fn new(cx: &Cx<'_>, options: &Options, patterns: &[String]) -> Result<Self, String> {
        let name = cx.args.first().map_or("", String::as_str);
        let grammar = if options.has('F') || name == "fgrep" {
            Grammar::Fixed
        } else if options.has('E') || name == "egrep" {
            Grammar::Extended
        } else {
            Grammar::Basic
        };
        let number = |letter: char| {
            options.value(letter).map(|n| n.parse::<usize>().map_err(|_| format!("option -{letter} {n}")))
        };
        let around = number('C').transpose()?.unwrap_or(0);
        let mut compiled = Vec::new();
        // Several lines are several patterns.
        for pattern in patterns.iter().flat_map(|p| if p.is_empty() { vec![""] } else { p.lines().collect() })
        {
            let regex = compile(pattern, grammar, options.has('i'))?;
            let whole = match (options.has('x'), options.has('w')) {
                (true, _) => format!("^(?:{regex})$"),
                (_, true) => format!(r"\b{{start-half}}(?:{regex})\b{{end-half}}"),
                _ => regex.to_string(),
            };
            let flags = if options.has('i') { "(?i)" } else { "" };
            compiled.push(
                Regex::new(&format!("{flags}{whole}")).map_err(|_| format!("the pattern '{pattern}'"))?,
            );
        }
        Ok(Self {
            patterns: compiled,
            invert: options.has('v'),
            before: number('B').transpose()?.unwrap_or(around),
            after: number('A').transpose()?.unwrap_or(around),
            most: number('m').transpose()?.unwrap_or(usize::MAX),
        })
    }

    fn matches(&self, line: &str) -> bool {
        self.patterns.iter().any(|p| p.is_match(line)) != self.invert
    }

    /// Searches one input and prints what it finds. Whether anything was found.
    fn source(&self, cx: &mut Cx<'_>, source: &Source, label: Option<&str>, options: &Options) -> bool {
        let lines: Vec<&str> = source.text.lines().collect();
        let hits: Vec<usize> = (0..lines.len()).filter(|i| self.matches(lines[*i])).take(self.most).collect();
        if options.has('q') {
            return !hits.is_empty();
        }
        if options.has('l') {
            if !hits.is_empty() {
                cx.out.line(source.name.as_deref().unwrap_or("(standard input)"));
            }
        } else if options.has('c') {
            cx.out.line(format!("{}{}", label.map_or(String::new(), |l| format!("{l}:")), hits.len()));
        } else {
            self.print(cx, &lines, &hits, label, options);
        }
        !hits.is_empty()
    }

    fn print(&self, cx: &mut Cx<'_>, lines: &[&str], hits: &[usize], label: Option<&str>, options: &Options) {
        let numbered = options.has('n');
        let head = |i: usize, sign: char| {
            let name = label.map_or(String::new(), |l| format!("{l}{sign}"));
            if numbered { format!("{name}{}{sign}", i + 1) } else { name }
        };
        if options.has('o') {
            for &i in hits.iter().filter(|_| !self.invert) {
                for piece in self.pieces(lines[i]) {
                    cx.out.line(format!("{}{piece}", head(i, ':')));
                }
            }
            return;
        }
        let mut next = 0;
        for &hit in hits {
            let start = hit.saturating_sub(self.before).max(next);
            if start > next && next > 0 && (self.before > 0 || self.after > 0) {
                cx.out.line("--");
            }
            for (i, line) in lines.iter().enumerate().take(hit).skip(start) {
                cx.out.line(format!("{}{line}", head(i, '-')));
            }
            if hit >= next {
                cx.out.line(format!("{}{}", head(hit, ':'), lines[hit]));
            }
            next = next.max(hit + 1);
            while next < lines.len() && next <= hit + self.after && hits.binary_search(&next).is_err() {
                cx.out.line(format!("{}{}", head(next, '-'), lines[next]));
                next += 1;
            }
        }
    }

    /// The parts of a line that match, leftmost first.
    fn pieces<'t>(&self, line: &'t str) -> Vec<&'t str> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(m) = self
            .patterns
            .iter()
            .filter_map(|p| p.find_at(line, at))
            .min_by_key(|m| (m.start(), std::cmp::Reverse(m.end())))
        {
            if !m.is_empty() {
                pieces.push(m.as_str());
            }
            at = if m.is_empty() {
                m.end() + line[m.end()..].chars().next().map_or(1, char::len_utf8)
            } else {
                m.end()
            };
            if at > line.len() {
                break;
            }
        }
        pieces
    }
}

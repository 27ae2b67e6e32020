//! `sed [-n] [-E] [-i] [-e] SCRIPT [FILE…]`: the commands `s`, `p`, `d`, `q`, `=` with addresses.

use regex::Regex;

use super::options::Options;
use super::regex::{Grammar, compile};
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let long = [("quiet", 'n'), ("regexp-extended", 'E'), ("expression", 'e'), ("in-place", 'i')];
    let mut options = match Options::read(cx, "nErie:", &long) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut scripts: Vec<String> = options.values('e').map(str::to_owned).collect();
    if scripts.is_empty() {
        if options.operands.is_empty() {
            cx.out.err("Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...");
            return 1;
        }
        scripts.push(options.operands.remove(0));
    }
    let grammar = if options.has('E') || options.has('r') { Grammar::Extended } else { Grammar::Basic };
    let script = match parse(&scripts.join("\n"), grammar) {
        Ok(script) => script,
        Err(what) => return cx.not_modelled(format!("sed: {what}")),
    };
    if options.has('i') {
        return in_place(cx, &options, &script);
    }
    let (sources, all) = super::sources(cx, "sed", &options.operands);
    let lines: Vec<&str> = super::lines(&sources).collect();
    let text = edit(&script, &lines, options.has('n'));
    cx.out.print(text);
    i32::from(!all) * 2
}

fn in_place(cx: &mut Cx<'_>, options: &Options, script: &[Command]) -> i32 {
    let mut status = 0;
    for name in &options.operands {
        let edited = cx.read_input(name).and_then(|bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let new = edit(script, &lines, options.has('n'));
            cx.files().write(name, new.as_bytes())
        });
        if let Err(why) = edited {
            let message = super::unreadable(cx, "sed", name, why);
            cx.out.err(message);
            status = 2;
        }
    }
    status
}

struct Command {
    from: Option<Address>,
    to: Option<Address>,
    negated: bool,
    action: Action,
}

enum Address {
    Line(usize),
    Last,
    Match(Regex),
}

enum Action {
    Substitute { pattern: Regex, replacement: Vec<Part>, nth: usize, all: bool, print: bool },
    Print,
    Delete,
    Quit,
    Number,
}

/// A piece of a replacement.
enum Part {
    Text(String),
    Group(usize),
}

/// Characters of a script, with what is left to read.
struct Reader {
    chars: Vec<char>,
    at: usize,
    grammar: Grammar,
}

fn parse(script: &str, grammar: Grammar) -> Result<Vec<Command>, String> {
    let mut reader = Reader { chars: script.chars().collect(), at: 0, grammar };
    let mut commands = Vec::new();
    loop {
        reader.skip(|c| c.is_whitespace() || c == ';');
        if reader.peek().is_none() {
            return Ok(commands);
        }
        commands.push(reader.command()?);
    }
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&what) {
            self.at += 1;
        }
    }

    fn command(&mut self) -> Result<Command, String> {
        let from = self.address()?;
        let mut to = None;
        if from.is_some() && self.peek() == Some(',') {
            self.at += 1;
            to = Some(self.address()?.ok_or("this address")?);
        }
        self.skip(|c| c == ' ');
        let negated = self.peek() == Some('!');
        self.at += usize::from(negated);
        self.skip(|c| c == ' ');
        let action = match self.next() {
            Some('s') => self.substitute()?,
            Some('p') => Action::Print,
            Some('d') => Action::Delete,
            Some('q') => Action::Quit,
            Some('=') => Action::Number,
            Some(other) => return Err(format!("the command '{other}'")),
            None => return Err("a script without a command".to_owned()),
        };
        self.skip(|c| c == ' ');
        match self.peek() {
            None | Some(';' | '\n' | '#') => {}
            Some(other) => return Err(format!("'{other}' after a command")),
        }
        Ok(Command { from, to, negated, action })
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        Ok(match self.peek() {
            Some('$') => {
                self.at += 1;
                Some(Address::Last)
            }
            Some('/') => {
                self.at += 1;
                let pattern = self.until('/')?;
                Some(Address::Match(compile(&pattern, self.grammar, false)?))
            }
            Some(c) if c.is_ascii_digit() => {
                let start = self.at;
                self.skip(|c| c.is_ascii_digit());
                let digits: String = self.chars[start..self.at].iter().collect();
                Some(Address::Line(digits.parse().map_err(|_| "this address")?))
            }
            _ => None,
        })
    }

    /// Text up to an unescaped `end`, which is taken too.
    fn until(&mut self, end: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(format!("a script without its closing '{end}'")),
                Some(c) if c == end => return Ok(text),
                Some('\\') => match self.next() {
                    Some(c) if c == end => text.push(c),
                    Some(c) => text.extend(['\\', c]),
                    None => return Err("a backslash at the end".to_owned()),
                },
                Some(c) => text.push(c),
            }
        }
    }

    fn substitute(&mut self) -> Result<Action, String> {
        let Some(end) = self.next() else { return Err("s without a pattern".to_owned()) };
        let pattern = self.until(end)?;
        let replacement = parts(&self.until(end)?);
        let (mut all, mut print, mut ignore_case, mut nth) = (false, false, false, 1);
        while let Some(flag) = self.peek() {
            match flag {
                'g' => all = true,
                'p' => print = true,
                'i' | 'I' => ignore_case = true,
                '1'..='9' => nth = flag as usize - '0' as usize,
                _ => break,
            }
            self.at += 1;
        }
        let pattern = compile(&pattern, self.grammar, ignore_case)?;
        Ok(Action::Substitute { pattern, replacement, nth, all, print })
    }
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let group = match c {
            '&' => Some(0),
            '\\' => match chars.next() {
                Some(d @ '0'..='9') => Some(d as usize - '0' as usize),
                Some('n') => {
                    literal.push('\n');
                    None
                }
                Some('t') => {
                    literal.push('\t');
                    None
                }
                other => {
                    literal.extend(other);
                    None
                }
            },
            c => {
                literal.push(c);
                None
            }
        };
        if let Some(group) = group {
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Group(group));
        }
    }
    parts.push(Part::Text(literal));
    parts
}

fn edit(script: &[Command], lines: &[&str], quiet: bool) -> String {
    let mut out = String::new();
    // For each command with two addresses: whether its range is open, and the line on which a number closes it.
    let mut open = vec![false; script.len()];
    'lines: for (i, line) in lines.iter().enumerate() {
        let place = Place { number: i + 1, last: i + 1 == lines.len() };
        let mut line = (*line).to_owned();
        let mut quit = false;
        for (command, open) in script.iter().zip(&mut open) {
            if command.applies(place, &line, open) == command.negated {
                continue;
            }
            match &command.action {
                Action::Print => out.push_str(&format!("{line}\n")),
                Action::Number => out.push_str(&format!("{}\n", place.number)),
                Action::Delete => continue 'lines,
                Action::Quit => {
                    quit = true;
                    break;
                }
                Action::Substitute { pattern, replacement, nth, all, print } => {
                    let (new, changed) = substituted(&line, pattern, replacement, *nth, *all);
                    line = new;
                    if changed && *print {
                        out.push_str(&format!("{line}\n"));
                    }
                }
            }
        }
        if !quiet {
            out.push_str(&line);
            out.push('\n');
        }
        if quit {
            break;
        }
    }
    out
}

#[derive(Clone, Copy)]
struct Place {
    number: usize,
    last: bool,
}

impl Address {
    fn fits(&self, place: Place, line: &str) -> bool {
        match self {
            Self::Line(n) => *n == place.number,
            Self::Last => place.last,
            Self::Match(pattern) => pattern.is_match(line),
        }
    }
}

impl Command {
    fn applies(&self, place: Place, line: &str, open: &mut bool) -> bool {
        let Some(from) = &self.from else { return true };
        let Some(to) = &self.to else { return from.fits(place, line) };
        if *open {
            *open = !to.fits(place, line) && !matches!(to, Address::Line(n) if *n < place.number);
            // A number that was passed already ends the range before this line.
            return !matches!(to, Address::Line(n) if *n < place.number);
        }
        let starts = from.fits(place, line);
        *open = starts && !matches!(to, Address::Line(n) if *n <= place.number) && !place.last;
        starts
    }
}

fn substituted(line: &str, pattern: &Regex, replacement: &[Part], nth: usize, all: bool) -> (String, bool) {
    let mut out = String::new();
    let mut end = 0;
    let mut changed = false;
    for (k, found) in pattern.captures_iter(line).enumerate() {
        let Some(whole) = found.get(0) else { continue };
        if k + 1 < nth || (k + 1 > nth && !all) {
            continue;
        }
        out.push_str(&line[end..whole.start()]);
        for part in replacement {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(n) => out.push_str(found.get(*n).map_or("", |g| g.as_str())),
            }
        }
        end = whole.end();
        changed = true;
    }
    out.push_str(&line[end..]);
    (out, changed)
}

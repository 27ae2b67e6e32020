//! `nft`: nftables 1.0.6. The rule set itself speaks its language; here is the program around it.

use sim_core::linux::nftables::{Input, Style};

use super::privileges::NOT_PERMITTED;
use super::{Cx, NOT_MODELLED};

const VERSION: &str = "nftables v1.0.6 (Lester Gooch #5)";

/// What the options ask for.
#[derive(Default)]
struct Options {
    style: Style,
    check: bool,
    file: Option<String>,
    version: bool,
}

/// A command line that is wrong, or asks for what is not modelled.
enum Refusal {
    Text(String),
    NotModelled(String),
}

/// Options without a value: letter, name.
const FLAGS: [(char, &str); 14] = [
    ('a', "handle"),
    ('s', "stateless"),
    ('t', "terse"),
    ('n', "numeric"),
    ('y', "numeric-priority"),
    ('p', "numeric-protocol"),
    ('c', "check"),
    ('v', "version"),
    ('N', "reversedns"),
    ('S', "service"),
    ('u', "guid"),
    ('T', "numeric-time"),
    ('o', "optimize"),
    ('e', "echo"),
];
/// Options that are not modelled: letter, name.
const ELSE: [(char, &str); 6] = [
    ('j', "json"),
    ('i', "interactive"),
    ('D', "define"),
    ('I', "includepath"),
    ('d', "debug"),
    ('h', "help"),
];

impl Options {
    fn flag(&mut self, letter: char) -> Result<(), Refusal> {
        match letter {
            'a' => self.style.handles = true,
            's' => self.style.stateless = true,
            't' => self.style.terse = true,
            'n' => {
                self.style.numeric_priority = true;
                self.style.numeric_protocol = true;
            }
            'y' => self.style.numeric_priority = true,
            'p' => self.style.numeric_protocol = true,
            'c' => self.check = true,
            'v' => self.version = true,
            // Names of ports and the time are numbers here anyway; an optimised rule set is not looked for.
            'u' | 'T' => {}
            other => return Err(Refusal::NotModelled(format!("nft: option -{other}"))),
        }
        Ok(())
    }
}

/// Takes the options off the words of a command line.
fn options(args: &[String]) -> Result<(Options, Vec<String>), Refusal> {
    let mut options = Options::default();
    let mut rest = args.iter();
    let mut words = Vec::new();
    while let Some(word) = rest.next() {
        if !words.is_empty() || !word.starts_with('-') || word == "-" {
            words.push(word.clone());
            continue;
        }
        if let Some(name) = word.strip_prefix("--") {
            let (name, value) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v.to_owned())));
            if name == "file" {
                let value = value.or_else(|| rest.next().cloned());
                options.file =
                    Some(value.ok_or_else(|| {
                        Refusal::Text("nft: option '--file' requires an argument".to_owned())
                    })?);
            } else if let Some((letter, _)) = FLAGS.iter().find(|(_, n)| *n == name) {
                options.flag(*letter)?;
            } else if ELSE.iter().any(|(_, n)| *n == name) {
                return Err(Refusal::NotModelled(format!("nft: option --{name}")));
            } else {
                return Err(Refusal::Text(format!("nft: unrecognized option '{word}'")));
            }
            continue;
        }
        short(&mut options, &word[1..], &mut rest)?;
    }
    Ok((options, words))
}

/// `-an`, `-f FILE`, `-fFILE`.
fn short<'a>(
    options: &mut Options,
    letters: &str,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Result<(), Refusal> {
    for (at, letter) in letters.char_indices() {
        if letter == 'f' {
            let attached = &letters[at + 1..];
            let value = if attached.is_empty() { rest.next().cloned() } else { Some(attached.to_owned()) };
            let missing = || Refusal::Text("nft: option requires an argument -- 'f'".to_owned());
            options.file = Some(value.ok_or_else(missing)?);
            return Ok(());
        }
        if FLAGS.iter().any(|(l, _)| *l == letter) {
            options.flag(letter)?;
        } else if ELSE.iter().any(|(l, _)| *l == letter) {
            return Err(Refusal::NotModelled(format!("nft: option -{letter}")));
        } else {
            return Err(Refusal::Text(format!("nft: invalid option -- '{letter}'")));
        }
    }
    Ok(())
}

pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let (options, words) = match options(cx.operands()) {
        Ok(found) => found,
        Err(Refusal::Text(text)) => {
            cx.out.err(text);
            return 1;
        }
        Err(Refusal::NotModelled(what)) => return cx.not_modelled(what),
    };
    if options.version {
        cx.out.line(VERSION);
        return 0;
    }
    let (file, text) = match (&options.file, words.is_empty()) {
        (Some(path), _) if path == "-" => {
            (Some("/dev/stdin".to_owned()), String::from_utf8_lossy(cx.stdin).into_owned())
        }
        (Some(path), _) => match cx.files().read(path) {
            Ok(bytes) => (Some(path.clone()), String::from_utf8_lossy(&bytes).into_owned()),
            Err(errno) => {
                cx.out.err(format!("internal:0:0-0: Error: Could not open file \"{path}\": {errno}"));
                return 1;
            }
        },
        (None, true) => {
            cx.out.err("nft: no command specified");
            return 1;
        }
        (None, false) => (None, words.join(" ")),
    };
    execute(cx, &options, file.as_deref(), &text)
}

/// A command of who may not even look. What is listed has to be fetched first; what is changed is refused as it is sent.
fn refused(cx: &mut Cx<'_>, text: &str) -> i32 {
    let commands = text.split(['\n', ';']).map(str::trim);
    let Some(first) = commands.into_iter().find(|line| !line.is_empty() && !line.starts_with('#')) else {
        return 0;
    };
    let looks = ["list", "monitor", "export", "describe"].iter().any(|verb| first.starts_with(verb));
    let words = if looks {
        format!(
            "{NOT_PERMITTED} (you must be root)\nnetlink: Error: cache initialization failed: {NOT_PERMITTED}"
        )
    } else {
        format!("Error: Could not process rule: {NOT_PERMITTED}\n{first}\n{}", "^".repeat(first.len() + 1))
    };
    cx.not_permitted(words, 1)
}

fn execute(cx: &mut Cx<'_>, options: &Options, file: Option<&str>, text: &str) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else { return cx.not_modelled("nft without a network") };
    let style = Style { now: cx.now(), ..options.style };
    if !cx.is_net_admin() {
        return refused(cx, text);
    }
    let ns = cx.cluster.world.ns_mut(ns);
    let interfaces = ns.interface_names();
    let answer = ns.nftables(|rules| rules.run(Input { file, text }, style, options.check, &interfaces));
    cx.out.print(answer.out);
    cx.out.eprint(answer.err);
    for what in &answer.not_modelled {
        cx.session.note_not_modelled(what);
    }
    if answer.not_modelled.is_empty() { answer.status } else { NOT_MODELLED }
}

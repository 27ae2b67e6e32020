//! `iptables`, `iptables-save`, `iptables-restore` and their IPv6 twins: 1.8.9 (nf_tables). The rule set itself speaks their
//! language; here are the programs around it.

use sim_core::linux::netfilter::RestoreOptions;
use sim_core::trace::{Family, TableId};

use super::Cx;
use super::text::date;

const VERSION: &str = "v1.8.9 (nf_tables)";

pub(crate) fn run_v4(cx: &mut Cx<'_>) -> i32 {
    command(cx, Family::V4)
}

pub(crate) fn run_v6(cx: &mut Cx<'_>) -> i32 {
    command(cx, Family::V6)
}

pub(crate) fn save_v4(cx: &mut Cx<'_>) -> i32 {
    save(cx, Family::V4)
}

pub(crate) fn save_v6(cx: &mut Cx<'_>) -> i32 {
    save(cx, Family::V6)
}

pub(crate) fn restore_v4(cx: &mut Cx<'_>) -> i32 {
    restore(cx, Family::V4)
}

pub(crate) fn restore_v6(cx: &mut Cx<'_>) -> i32 {
    restore(cx, Family::V6)
}

const fn program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

fn command(cx: &mut Cx<'_>, family: Family) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else { return cx.not_modelled("iptables without a network") };
    let args = cx.args.get(1..).unwrap_or_default();
    match cx.cluster.world.ns_mut(ns).netfilter(family, |rules| rules.command(args)) {
        Ok(text) => {
            cx.out.print(text);
            0
        }
        Err(error) => {
            cx.out.eprint(error.message);
            error.status
        }
    }
}

/// A command line that is wrong or asks for what is not modelled.
enum Refusal {
    Text(String),
    NotModelled(String),
}

impl Refusal {
    fn report(self, cx: &mut Cx<'_>) -> i32 {
        match self {
            Self::Text(text) => {
                cx.out.err(text);
                1
            }
            Self::NotModelled(what) => cx.not_modelled(what),
        }
    }
}

#[derive(Default)]
struct SaveOptions {
    table: Option<TableId>,
    counters: bool,
    version: bool,
}

fn save_options(args: &[String], name: &str) -> Result<SaveOptions, Refusal> {
    let mut options = SaveOptions::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let (option, attached) = split(word);
        match option {
            "-c" | "--counters" => options.counters = true,
            "-V" | "--version" => options.version = true,
            "-t" | "--table" => {
                let table = attached.or_else(|| words.next().map(String::as_str));
                let table = table
                    .ok_or_else(|| Refusal::Text(format!("{name}: option requires an argument -- 't'")))?;
                let id =
                    table.parse().map_err(|()| Refusal::Text(format!("Table `{table}' does not exist")))?;
                options.table = Some(id);
            }
            "-M" | "--modprobe" => drop(attached.or_else(|| words.next().map(String::as_str))),
            "-f" | "--file" | "-h" | "--help" | "-d" | "--dump" => {
                return Err(Refusal::NotModelled(format!("{name} {option}")));
            }
            _ if option.starts_with("--") => {
                let hint = format!("Look at manual page `{name}.8' for more information.");
                return Err(Refusal::Text(format!("{name}: unrecognized option '{word}'\n{hint}")));
            }
            _ if option.starts_with('-') && option.len() > 1 => {
                let hint = format!("Look at manual page `{name}.8' for more information.");
                let letter = &option[1..];
                return Err(Refusal::Text(format!("{name}: invalid option -- '{letter}'\n{hint}")));
            }
            _ => return Err(Refusal::Text("Unknown arguments found on commandline".to_owned())),
        }
    }
    Ok(options)
}

/// `--table=nat` and `-tnat` in two.
fn split(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => (option, Some(value)),
        _ if word.starts_with('-')
            && !word.starts_with("--")
            && word.len() > 2
            && word.is_char_boundary(2) =>
        {
            (&word[..2], Some(&word[2..]))
        }
        _ => (word, None),
    }
}

fn save(cx: &mut Cx<'_>, family: Family) -> i32 {
    let name = format!("{}-save", program(family));
    let options = match save_options(cx.args.get(1..).unwrap_or_default(), &name) {
        Ok(options) => options,
        Err(refusal) => return refusal.report(cx),
    };
    if options.version {
        cx.out.line(format!("{name} {VERSION}"));
        return 0;
    }
    let Some(ns) = cx.cluster.netns(cx.place) else { return cx.not_modelled("iptables without a network") };
    let ns = cx.cluster.world.ns(ns);
    let rules = match family {
        Family::V4 => ns.nf4(),
        Family::V6 => ns.nf6(),
    };
    let body = rules.save(options.table, options.counters);
    let stamp = date::ctime(cx.now());
    for table in body.split_inclusive("COMMIT\n") {
        cx.out.print(format!("# Generated by {name} {VERSION} on {stamp}\n{table}# Completed on {stamp}\n"));
    }
    0
}

fn restore_options(args: &[String], name: &str) -> Result<(RestoreOptions, Option<String>), Refusal> {
    let mut options = RestoreOptions::default();
    let mut file = None;
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-n" | "--noflush" => options.noflush = true,
            "-c" | "--counters" => options.counters = true,
            "-t" | "--test" => options.test = true,
            // The lock is always free here.
            "-w" | "--wait" | "-v" | "--verbose" => {}
            "-W" | "--wait-interval" | "-M" | "--modprobe" => drop(words.next()),
            "-T" | "--table" | "-h" | "--help" | "-V" | "--version" => {
                return Err(Refusal::NotModelled(format!("{name} {word}")));
            }
            _ if word.starts_with("--wait") || word.starts_with("--modprobe=") => {}
            _ if word.starts_with("-w") && word[2..].parse::<u32>().is_ok() => {}
            _ if word.starts_with("--") => {
                let hint = format!("Try `{name} -h' for more information.");
                return Err(Refusal::Text(format!("{name}: unrecognized option '{word}'\n{hint}")));
            }
            _ if word.starts_with('-') && word.len() > 1 => {
                let hint = format!("Try `{name} -h' for more information.");
                return Err(Refusal::Text(format!("{name}: invalid option -- '{}'\n{hint}", &word[1..])));
            }
            _ if file.is_none() => file = Some(word.clone()),
            _ => return Err(Refusal::Text("Unknown arguments found on commandline".to_owned())),
        }
    }
    Ok((options, file))
}

fn restore(cx: &mut Cx<'_>, family: Family) -> i32 {
    let name = format!("{}-restore", program(family));
    let (options, file) = match restore_options(cx.args.get(1..).unwrap_or_default(), &name) {
        Ok(found) => found,
        Err(refusal) => return refusal.report(cx),
    };
    let text = match file {
        None => String::from_utf8_lossy(cx.stdin).into_owned(),
        Some(path) => match cx.files().read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(errno) => return Refusal::Text(format!("Can't open {path}: {errno}")).report(cx),
        },
    };
    let Some(ns) = cx.cluster.netns(cx.place) else { return cx.not_modelled("iptables without a network") };
    match cx.cluster.world.ns_mut(ns).netfilter(family, |rules| rules.restore(&text, options)) {
        Ok(()) => 0,
        Err(error) => {
            cx.out.eprint(error.message);
            error.status
        }
    }
}

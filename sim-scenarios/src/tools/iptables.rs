//! `iptables`, `iptables-save`, `iptables-restore` and their IPv6 twins: 1.8.9 (nf_tables). The rule set itself speaks their
//! language; here are the programs around it.

use sim_core::linux::netfilter::RestoreOptions;
use sim_core::trace::{Family, NsId, TableId};

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
    if !cx.is_net_admin() {
        return refused(cx, family, ns);
    }
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

/// A command of who may not even look: the command line is read before the kernel is asked.
fn refused(cx: &mut Cx<'_>, family: Family, ns: NsId) -> i32 {
    const BAD_USAGE: i32 = 2;
    let args = cx.args.get(1..).unwrap_or_default();
    let asks_nothing = args.iter().any(|a| ["-h", "--help", "-V", "--version"].contains(&a.as_str()));
    match cx.cluster.world.ns(ns).clone().netfilter(family, |rules| rules.command(args)) {
        Ok(text) if asks_nothing => {
            cx.out.print(text);
            0
        }
        Err(error) if error.status == BAD_USAGE => {
            cx.out.eprint(error.message);
            error.status
        }
        _ => not_root(cx, program(family)),
    }
}

fn not_root(cx: &mut Cx<'_>, program: &str) -> i32 {
    let why = "Could not fetch rule set generation id: Permission denied (you must be root)";
    cx.not_permitted(format!("{program} {VERSION}: {why}"), 4)
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
    if !cx.is_net_admin() {
        return not_root(cx, &name);
    }
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

/// What `iptables-restore` is asked to do.
#[derive(Default)]
struct RestoreRequest {
    options: RestoreOptions,
    /// `-T`: only this table.
    table: Option<String>,
    file: Option<String>,
    version: bool,
    help: bool,
}

fn restore_request(args: &[String], name: &str) -> Result<RestoreRequest, Refusal> {
    let mut request = RestoreRequest::default();
    let mut verbose = false;
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let (option, attached) = split(word);
        let mut value = || attached.map(str::to_owned).or_else(|| words.next().cloned());
        match option {
            "-n" | "--noflush" => request.options.noflush = true,
            "-c" | "--counters" => request.options.counters = true,
            "-t" | "--test" => request.options.test = true,
            "-v" | "--verbose" => verbose = true,
            "-V" | "--version" => request.version = true,
            "-h" | "--help" => request.help = true,
            "-T" | "--table" => request.table = value(),
            // The lock is always free here, and nothing is a module.
            "-w" if attached.is_none() => {
                let mut ahead = words.clone();
                if ahead.next().is_some_and(|n| n.parse::<u32>().is_ok()) {
                    words = ahead;
                }
            }
            "-w" | "--wait" | "-4" | "--ipv4" | "-6" | "--ipv6" => {}
            "-W" | "--wait-interval" | "-M" | "--modprobe" => drop(value()),
            _ if option.starts_with("--") => {
                let hint = format!("Try `{name} -h' for more information.");
                return Err(Refusal::Text(format!("{name}: unrecognized option '{word}'\n{hint}")));
            }
            _ if option.starts_with('-') && option.len() > 1 => {
                let hint = format!("Try `{name} -h' for more information.");
                return Err(Refusal::Text(format!("{name}: invalid option -- '{}'\n{hint}", &option[1..])));
            }
            _ if request.file.is_none() => request.file = Some(word.clone()),
            _ => return Err(Refusal::Text("Unknown arguments found on commandline".to_owned())),
        }
        // Letters that stand together, as in -nc.
        if let Some(rest) = attached.filter(|_| matches!(option, "-n" | "-c" | "-t" | "-v")) {
            let more = restore_request(&[format!("-{rest}")], name)?;
            request.options.noflush |= more.options.noflush;
            request.options.counters |= more.options.counters;
            request.options.test |= more.options.test;
        }
    }
    if verbose && !request.options.test {
        return Err(Refusal::NotModelled(format!("{name} -v")));
    }
    Ok(request)
}

/// The text without the blocks of all tables but one; their lines stay, empty, so that the others keep their numbers.
fn only_table(text: &str, table: &str) -> String {
    let mut skipping = false;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix('*') {
            skipping = name.trim_end() != table;
        }
        out.push_str(if skipping { "\n" } else { line });
        skipping &= line.trim_end() != "COMMIT";
    }
    out
}

const RESTORE_USAGE: &str = " [-c] [-v] [-V] [-t] [-h] [-n] [-T table] [-M command] [-4] [-6] [file]
\t   [ --counters ]
\t   [ --verbose ]
\t   [ --version]
\t   [ --test ]
\t   [ --help ]
\t   [ --noflush ]
\t   [ --table=<TABLE> ]
\t   [ --modprobe=<command> ]
\t   [ --ipv4 ]
\t   [ --ipv6 ]
";

fn restore(cx: &mut Cx<'_>, family: Family) -> i32 {
    let name = format!("{}-restore", program(family));
    let request = match restore_request(cx.args.get(1..).unwrap_or_default(), &name) {
        Ok(request) => request,
        Err(refusal) => return refusal.report(cx),
    };
    if request.version {
        cx.out.line(format!("{name} {VERSION}"));
        return 0;
    }
    if request.help {
        cx.out.print(format!("Usage: {name}{RESTORE_USAGE}"));
        return 0;
    }
    let text = match request.file {
        None => String::from_utf8_lossy(cx.stdin).into_owned(),
        Some(path) => match cx.files().read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(errno) => return Refusal::Text(format!("Can't open {path}: {errno}")).report(cx),
        },
    };
    let text = match request.table {
        Some(table) => only_table(&text, &table),
        None => text,
    };
    let Some(ns) = cx.cluster.netns(cx.place) else { return cx.not_modelled("iptables without a network") };
    let asks = text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if asks && !cx.is_net_admin() {
        return not_root(cx, &name);
    }
    match cx.cluster.world.ns_mut(ns).netfilter(family, |rules| rules.restore(&text, request.options)) {
        Ok(()) => 0,
        Err(error) => {
            cx.out.eprint(error.message);
            error.status
        }
    }
}

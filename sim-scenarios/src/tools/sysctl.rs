//! `sysctl` of procps 4.0.2, and the busybox applet.
//!
//! Only `net.` and `kernel.hostname` are there; other switches of a machine are not modelled.

use sim_core::linux::sysctl::SysctlError;
use sim_core::trace::NsId;

use super::Cx;

/// `sysctl --help`.
const USAGE: &str = include_str!("sysctl_usage.txt");
const HINT: &str = "Try `sysctl --help' for more information.";
/// The file that `-p` reads without a name.
const CONF: &str = "/etc/sysctl.conf";

/// What the options say.
#[derive(Clone, Debug, Default)]
struct Options {
    busybox: bool,
    values: bool,
    names: bool,
    ignore: bool,
    quiet: bool,
    write: bool,
    all: bool,
    dry: bool,
    pattern: Option<regex::Regex>,
    load: Option<Vec<String>>,
    words: Vec<String>,
}

pub(super) fn run_procps(cx: &mut Cx<'_>) -> i32 {
    run(cx, false)
}

pub(super) fn run_busybox(cx: &mut Cx<'_>) -> i32 {
    run(cx, true)
}

fn run(cx: &mut Cx<'_>, busybox: bool) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else {
        return cx.not_modelled("sysctl on a machine without a network");
    };
    let options = match options(cx, busybox) {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.all {
        return show_all(cx, ns, &options);
    }
    if let Some(files) = &options.load {
        let files = files.clone();
        return files.iter().fold(0, |status, file| status | load(cx, ns, &options, file));
    }
    if options.words.is_empty() {
        if options.write || busybox {
            cx.out.err(format!("sysctl: no variables specified\n{HINT}"));
        } else {
            cx.out.print(USAGE);
        }
        return 1;
    }
    let mut status = 0;
    for word in &options.words {
        let done = match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => set(cx, ns, &options, name.trim(), value.trim()),
            None if !options.write || busybox => show(cx, ns, &options, word),
            _ => {
                cx.out.err("sysctl: command line(0): invalid syntax, continuing...");
                return 1;
            }
        };
        status |= done;
    }
    status
}

fn options(cx: &mut Cx<'_>, busybox: bool) -> Result<Options, i32> {
    let mut o = Options { busybox, ..Options::default() };
    let mut words = cx.args.get(1..).unwrap_or_default().to_vec().into_iter();
    let mut file_next = false;
    while let Some(word) = words.next() {
        let letters = match word.as_str() {
            "--all" => "a".to_owned(),
            "--ignore" => "e".to_owned(),
            "--names" => "N".to_owned(),
            "--values" => "n".to_owned(),
            "--quiet" => "q".to_owned(),
            "--write" => "w".to_owned(),
            "--dry-run" => "D".to_owned(),
            "--deprecated" => continue,
            "--help" => "h".to_owned(),
            "--version" => "V".to_owned(),
            "--load" => "p".to_owned(),
            "--pattern" => "r".to_owned(),
            "--system" => return Err(cx.not_modelled("sysctl --system")),
            long if long.starts_with("--load=") => {
                o.load.get_or_insert_default().push(long["--load=".len()..].to_owned());
                continue;
            }
            long if long.starts_with("--pattern=") => {
                o.pattern = Some(pattern(cx, &long["--pattern=".len()..])?);
                continue;
            }
            short if short.starts_with('-') && short.len() > 1 && !short.starts_with("--") => {
                short[1..].to_owned()
            }
            _ => {
                match &mut o.load {
                    Some(files) if file_next || !files.is_empty() || o.words.is_empty() => files.push(word),
                    _ => o.words.push(word),
                }
                file_next = false;
                continue;
            }
        };
        for letter in letters.chars() {
            match letter {
                'a' | 'A' | 'X' => o.all = true,
                'e' => o.ignore = true,
                'N' => o.names = true,
                'n' => o.values = true,
                'q' => o.quiet = true,
                'w' => o.write = true,
                'D' => o.dry = true,
                'o' | 'x' => {}
                'p' | 'f' => {
                    o.load.get_or_insert_default();
                    file_next = true;
                }
                'r' => {
                    let text = words.next().unwrap_or_default();
                    o.pattern = Some(pattern(cx, &text)?);
                }
                'h' | 'd' => {
                    cx.out.print(USAGE);
                    return Err(0);
                }
                'V' => {
                    cx.out.line("sysctl from procps-ng 4.0.2");
                    return Err(0);
                }
                'b' => return Err(cx.not_modelled("sysctl -b")),
                other => {
                    cx.out.err(format!("sysctl: invalid option -- '{other}'"));
                    cx.out.eprint(USAGE);
                    return Err(1);
                }
            }
        }
    }
    if let Some(files) = o.load.as_mut().filter(|f| f.is_empty()) {
        files.push(CONF.to_owned());
    }
    Ok(o)
}

fn pattern(cx: &mut Cx<'_>, text: &str) -> Result<regex::Regex, i32> {
    regex::Regex::new(text).map_err(|_| cx.not_modelled(format!("sysctl: the pattern {text}")))
}

/// Names may be written with slashes; then a dot is part of a device's name.
fn dotted(name: &str) -> String {
    let first = name.find(['.', '/']).and_then(|at| name[at..].chars().next());
    if first == Some('/') {
        name.chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                c => c,
            })
            .collect()
    } else {
        name.to_owned()
    }
}

fn slashed(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '/' => '.',
            '.' => '/',
            c => c,
        })
        .collect()
}

fn get(cx: &Cx<'_>, ns: NsId, name: &str) -> Option<String> {
    if name == "kernel.hostname" {
        return cx.cluster.machine(cx.place).map(|m| m.hostname.clone());
    }
    cx.cluster.world.ns(ns).sysctl_get(name).ok()
}

fn print(cx: &mut Cx<'_>, o: &Options, name: &str, value: &str) {
    if o.names {
        cx.out.line(name);
    } else if o.values {
        cx.out.line(value);
    } else {
        cx.out.line(format!("{name} = {value}"));
    }
}

fn show_all(cx: &mut Cx<'_>, ns: NsId, o: &Options) -> i32 {
    for name in cx.cluster.world.ns(ns).sysctl_names() {
        if o.pattern.as_ref().is_none_or(|p| p.is_match(&name))
            && let Some(value) = get(cx, ns, &name)
        {
            print(cx, o, &name, &value);
        }
    }
    0
}

/// One switch, or all below a name.
fn show(cx: &mut Cx<'_>, ns: NsId, o: &Options, word: &str) -> i32 {
    let name = dotted(word);
    if let Some(value) = get(cx, ns, &name) {
        print(cx, o, &name, &value);
        return 0;
    }
    let start = format!("{name}.");
    let names: Vec<String> =
        cx.cluster.world.ns(ns).sysctl_names().into_iter().filter(|n| n.starts_with(&start)).collect();
    if names.is_empty() {
        return unknown(cx, o, &name);
    }
    for name in names {
        if let Some(value) = get(cx, ns, &name) {
            print(cx, o, &name, &value);
        }
    }
    0
}

fn unknown(cx: &mut Cx<'_>, o: &Options, name: &str) -> i32 {
    if !name.starts_with("net.") && OTHER.iter().any(|dir| name.starts_with(dir)) {
        return cx.not_modelled(format!("sysctl {name}"));
    }
    if o.ignore {
        return 0;
    }
    if o.busybox {
        cx.out.err(format!("sysctl: error: '{name}' is an unknown key"));
    } else {
        cx.out.err(format!("sysctl: cannot stat /proc/sys/{}: No such file or directory", slashed(name)));
    }
    1
}

/// Folders of `/proc/sys` that have nothing to do with the network.
const OTHER: &[&str] = &["kernel.", "vm.", "fs.", "user.", "dev.", "debug.", "abi."];

fn set(cx: &mut Cx<'_>, ns: NsId, o: &Options, name: &str, value: &str) -> i32 {
    let name = dotted(name);
    if get(cx, ns, &name).is_none() {
        return unknown(cx, o, &name);
    }
    if !cx.privileges().proc_sys {
        let text = if o.busybox {
            format!("sysctl: error setting key '{name}': Read-only file system")
        } else {
            format!("sysctl: permission denied on key \"{name}\", ignoring")
        };
        cx.out.err(text);
        return 1;
    }
    if !o.dry {
        match cx.cluster.world.ns_mut(ns).sysctl_set(&name, value) {
            Ok(()) => {}
            Err(SysctlError::NotModelled(name, _)) => {
                return cx.not_modelled(format!("sysctl {name} = {value}"));
            }
            Err(error) if o.busybox => {
                debug_assert!(!matches!(error, SysctlError::Unknown(_)));
                cx.out.err(format!("sysctl: error setting key '{name}': Invalid argument"));
                return 1;
            }
            Err(error) => {
                cx.out.err(error.to_string());
                return 1;
            }
        }
    }
    if !o.quiet {
        print(cx, o, &name, value);
    }
    0
}

/// `-p FILE`.
fn load(cx: &mut Cx<'_>, ns: NsId, o: &Options, file: &str) -> i32 {
    let text = match cx.read_input(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(why) => {
            if !o.ignore {
                cx.out.err(format!("sysctl: cannot open \"{file}\": {why}"));
            }
            return 1;
        }
    };
    // The file is read to its end before anything is set.
    let mut settings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) => settings.push((name.trim().to_owned(), value.trim().to_owned())),
            None => cx.out.err(format!("sysctl: {file}({}): invalid syntax, continuing...", number + 1)),
        }
    }
    let mut status = 0;
    for (name, value) in settings {
        let (name, lenient) = match name.strip_prefix('-') {
            Some(rest) => (rest.to_owned(), true),
            None => (name, false),
        };
        let done = set(cx, ns, o, &name, &value);
        if !lenient {
            status |= done;
        }
    }
    status
}

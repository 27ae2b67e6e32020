//! The command line.

use super::print::{Dump, Style};
use crate::tools::getopt::{self, Word};

pub(super) const VERSION: &str = "tcpdump version 4.99.3
libpcap version 1.10.3 (with TPACKET_V3)
OpenSSL 3.0.15 3 Sep 2024";

pub(super) const USAGE: &str =
    "Usage: tcpdump [-AbdDefhHIJKlLnNOpqStuUvxX#] [ -B size ] [ -c count ] [--count]
		[ -C file_size ] [ -E algo:secret ] [ -F file ] [ -G seconds ]
		[ -i interface ] [ --immediate-mode ] [ -j tstamptype ]
		[ -M secret ] [ --number ] [ --print ] [ -Q in|out|inout ]
		[ -r file ] [ -s snaplen ] [ -T type ] [ --version ]
		[ -V file ] [ -w file ] [ -W filecount ] [ -y datalinktype ]
		[ --time-stamp-precision precision ] [ --micro ] [ --nano ]
		[ -z postrotate-command ] [ -Z user ] [ expression ]";

/// The longest packet that is kept, in bytes (`MAXIMUM_SNAPLEN`).
pub(super) const SNAPLEN: u32 = 262_144;

/// Which way frames go that are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
    Both,
}

pub(super) struct Request {
    pub(super) iface: Option<String>,
    pub(super) style: Style,
    pub(super) count: Option<u64>,
    pub(super) write: Option<String>,
    pub(super) read: Option<String>,
    pub(super) print_too: bool,
    pub(super) snaplen: u32,
    pub(super) way: Way,
    pub(super) list: bool,
    pub(super) filter: String,
}

pub(super) enum Refusal {
    Text(String),
    /// A complaint of `getopt`, and the usage text; or, without one, the usage text alone with status 0.
    Usage(Option<String>),
    Version,
    NotModelled(String),
}

pub(super) fn parse(args: &[String]) -> Result<Request, Refusal> {
    let mut request = Request {
        iface: None,
        style: Style::default(),
        count: None,
        write: None,
        read: None,
        print_too: false,
        snaplen: SNAPLEN,
        way: Way::Both,
        list: false,
        filter: String::new(),
    };
    let args = short(args)?;
    let mut dump = Dump { hex: false, ascii: false, link_header: false };
    let mut any_dump = false;
    let mut words: Vec<&str> = Vec::new();
    for word in
        getopt::parse(&args, "AbB:c:C:dDeE:fF:G:hHi:Ij:JKlLm:M:nNOpP:qQ:r:s:StT:uUvV:w:W:xXy:Y:z:Z:#3")
    {
        let style = &mut request.style;
        match word {
            Word::Flag('n') => style.numeric = true,
            Word::Flag('e') => style.link = true,
            Word::Flag('v') => style.verbose = style.verbose.saturating_add(1),
            Word::Flag('q') => style.quick = true,
            Word::Flag('t') => style.time += 1,
            Word::Flag('S') => style.absolute = true,
            Word::Flag('K') => style.unchecked = true,
            Word::Flag('#') => style.number = true,
            Word::Flag('3') => request.print_too = true,
            Word::Flag(c @ ('A' | 'x' | 'X')) => {
                // Given twice, it shows the link-layer header too.
                let same = match c {
                    'A' => any_dump && !dump.hex,
                    'x' => dump.hex && !dump.ascii,
                    _ => dump.hex && dump.ascii,
                };
                dump.link_header |= same;
                dump.hex |= c != 'A';
                dump.ascii |= c != 'x';
                any_dump = true;
            }
            // Buffering, promiscuity, the optimizer and name forms change nothing here.
            Word::Flag('l' | 'U' | 'p' | 'O' | 'N' | 'f') | Word::Value('B' | 'Z' | 'j', _) => {}
            Word::Flag('D') => request.list = true,
            Word::Flag('h') => return Err(Refusal::Usage(None)),
            Word::Value('i', v) => request.iface = Some(v.to_owned()),
            Word::Value('c', v) => {
                let n = v.parse().ok().filter(|n| *n > 0);
                let n = n.ok_or_else(|| Refusal::Text(format!("invalid packet count {v}")))?;
                request.count = Some(n);
            }
            Word::Value('w', v) => request.write = Some(v.to_owned()),
            Word::Value('r', v) => request.read = Some(v.to_owned()),
            Word::Value('s', v) => {
                let n = v.parse::<u32>().ok().filter(|n| *n <= SNAPLEN);
                let n = n.ok_or_else(|| {
                    Refusal::Text(format!("invalid snaplen {v} (must be >= 0 and <= {SNAPLEN})"))
                })?;
                request.snaplen = if n == 0 { SNAPLEN } else { n };
            }
            Word::Value('Q', v) => {
                request.way = match v.to_ascii_lowercase().as_str() {
                    "in" => Way::In,
                    "out" => Way::Out,
                    "inout" => Way::Both,
                    _ => return Err(Refusal::Text(format!("unknown capture direction `{v}'"))),
                }
            }
            Word::Flag(c) | Word::Value(c, _) => return Err(Refusal::NotModelled(format!("tcpdump -{c}"))),
            Word::Operand(word) => words.push(word),
            Word::Unknown(c) => return Err(Refusal::Usage(Some(format!("invalid option -- '{c}'")))),
            Word::Missing(c) => {
                return Err(Refusal::Usage(Some(format!("option requires an argument -- '{c}'"))));
            }
        }
    }
    request.style.dump = any_dump.then_some(dump);
    request.filter = words.join(" ");
    Ok(request)
}

/// Long options as short ones, as far as there are some.
fn short(args: &[String]) -> Result<Vec<String>, Refusal> {
    let mut out = Vec::new();
    for arg in args {
        let (name, value) = arg.split_once('=').map_or((arg.as_str(), None), |(n, v)| (n, Some(v)));
        let letter = match name {
            "--version" => return Err(Refusal::Version),
            "--help" => return Err(Refusal::Usage(None)),
            "--interface" => "-i",
            "--list-interfaces" => "-D",
            "--direction" => "-Q",
            "--snapshot-length" => "-s",
            "--absolute-tcp-sequence-numbers" => "-S",
            "--dont-verify-checksums" => "-K",
            "--number" => "-#",
            "--no-promiscuous-mode" => "-p",
            "--packet-buffered" => "-U",
            "--no-optimize" => "-O",
            "--print" => "-3",
            // Packets are handed over one by one anyway.
            "--immediate-mode" | "--micro" => continue,
            name if name.starts_with("--") && name.len() > 2 => {
                return Err(Refusal::NotModelled(format!("tcpdump {name}")));
            }
            _ => {
                out.push(arg.clone());
                continue;
            }
        };
        out.push(letter.to_owned());
        out.extend(value.map(str::to_owned));
    }
    Ok(out)
}

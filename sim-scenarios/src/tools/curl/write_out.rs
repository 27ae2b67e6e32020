//! `-w`: a format with variables.

use sim_core::time::SimTime;

use super::super::Cx;
use super::transfer::{Failed, Transfer};

/// Prints the format on standard output.
pub(super) fn print(cx: &mut Cx<'_>, format: &str, transfer: &Transfer<'_>, failed: Option<&Failed>) {
    let mut text = String::new();
    let mut rest = format;
    while let Some(i) = rest.find(['%', '\\']) {
        text.push_str(&rest[..i]);
        rest = &rest[i..];
        if let Some(after) = rest.strip_prefix("%%") {
            text.push('%');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix("%{").and_then(|r| r.split_once('}')) {
            match variable(name, transfer, failed, cx.now()) {
                Some(value) => text.push_str(&value),
                None => cx.out.err(format!("curl: unknown --write-out variable: '{name}'")),
            }
            rest = after;
        } else {
            let mut chars = rest.chars();
            let (first, second) = (chars.next(), chars.next());
            match (first, second) {
                (Some('\\'), Some('n')) => text.push('\n'),
                (Some('\\'), Some('r')) => text.push('\r'),
                (Some('\\'), Some('t')) => text.push('\t'),
                (first, second) => text.extend(first.into_iter().chain(second)),
            }
            rest = chars.as_str();
        }
    }
    text.push_str(rest);
    cx.out.print(text);
}

fn variable(name: &str, transfer: &Transfer<'_>, failed: Option<&Failed>, now: SimTime) -> Option<String> {
    let head = transfer.head.as_ref();
    let since = |at: Option<SimTime>| at.map_or(0.0, |t| t.since(transfer.started).as_secs_f64());
    let port = |addr: Option<std::net::SocketAddr>| addr.map_or(0, |a| a.port()).to_string();
    let ip = |addr: Option<std::net::SocketAddr>| addr.map_or(String::new(), |a| a.ip().to_string());
    Some(match name {
        "http_code" | "response_code" => format!("{:03}", head.map_or(0, |h| h.status)),
        "http_version" => {
            let version = head.map(|h| h.line.split([' ', '/']).nth(1).unwrap_or_default());
            version.unwrap_or("0").trim_end_matches(".0").to_owned()
        }
        "content_type" => head.and_then(|h| h.header("content-type")).unwrap_or_default().to_owned(),
        "redirect_url" => {
            let location = head.and_then(|h| h.header("location"));
            location.and_then(|l| transfer.url.join(l)).map_or(String::new(), |u| u.whole())
        }
        "time_namelookup" => format!("{:.6}", since(transfer.resolved)),
        "time_connect" => format!("{:.6}", since(transfer.connected)),
        "time_pretransfer" => format!("{:.6}", since(transfer.connected)),
        "time_starttransfer" => format!("{:.6}", since(transfer.answered)),
        "time_appconnect" | "time_redirect" => "0.000000".to_owned(),
        "time_total" => format!("{:.6}", since(Some(now))),
        "remote_ip" => ip(transfer.remote),
        "remote_port" => port(transfer.remote),
        "local_ip" => ip(transfer.local),
        "local_port" => port(transfer.local),
        "size_download" => transfer.body_len.to_string(),
        "size_header" => transfer.header_len.to_string(),
        "num_redirects" => transfer.redirections.to_string(),
        "num_connects" => transfer.connections.to_string(),
        "url_effective" => transfer.effective(),
        "url" => transfer.text.to_owned(),
        "method" => transfer.method().to_owned(),
        "scheme" => transfer.url.scheme.to_ascii_uppercase(),
        "exitcode" => failed.map_or(0, |f| f.code).to_string(),
        "errormsg" => failed.map_or(String::new(), |f| f.message.clone()),
        _ => return None,
    })
}

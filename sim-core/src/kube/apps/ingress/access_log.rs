//! Lines of the access log in the format `upstreaminfo` of ingress-nginx
//! (<https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/>).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::kube::apps::http::{self, Request};
use crate::kube::objects::Timestamp;
use crate::time::SimTime;

/// An endpoint that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) endpoint: SocketAddr,
    /// Bytes of the body that it sent, and how long that took, and its status; none if it did not answer.
    pub(super) answer: Option<(usize, String)>,
    pub(super) took: Duration,
    /// What nginx takes the endpoint's status to be if it did not answer.
    pub(super) failure: u16,
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) client: IpAddr,
    pub(super) began: SimTime,
    /// Bytes of the request, head and body.
    pub(super) length: usize,
    /// `default-web-80`; empty if no Service was meant.
    pub(super) upstream: String,
    pub(super) asked: Vec<Asked>,
    pub(super) id: String,
}

/// Milliseconds as nginx writes times.
fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

impl Entry {
    /// The line about a request that was answered with these bytes.
    pub(super) fn line(&self, request: &Request, answer: &[u8], now: SimTime) -> String {
        let date = http::date(Timestamp::at(now));
        let parts: Vec<&str> = date.split([' ', ',']).filter(|p| !p.is_empty()).collect();
        let stamp = match parts.as_slice() {
            [_, day, month, year, time, _] => format!("{day}/{month}/{year}:{time} +0000"),
            _ => date.clone(),
        };
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let status = String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned();
        let header = |name: &str| request.header(name).unwrap_or("-").to_owned();
        let version = if request.http11 { "1.1" } else { "1.0" };
        let each = |one: &dyn Fn(&Asked) -> String| {
            let all: Vec<String> = self.asked.iter().map(one).collect();
            if all.is_empty() { "-".to_owned() } else { all.join(", ") }
        };
        format!(
            "{} - - [{stamp}] \"{} {} HTTP/{version}\" {status} {} \"{}\" \"{}\" {} {} [{}] [] {} {} {} {} {}",
            self.client.to_canonical(),
            request.method,
            request.target,
            answer.len() - head,
            header("Referer"),
            header("User-Agent"),
            self.length,
            seconds(now.since(self.began)),
            self.upstream,
            each(&|a| a.endpoint.to_string()),
            each(&|a| a.answer.as_ref().map_or(0, |(bytes, _)| *bytes).to_string()),
            each(&|a| seconds(a.took)),
            each(&|a| a.answer.as_ref().map_or(a.failure.to_string(), |(_, status)| status.clone())),
            self.id,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_endpoints() {
        let request = http::head(b"GET /a HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\n\r\n").unwrap();
        let endpoint = SocketAddr::from(([10, 244, 1, 2], 80));
        let asked = |answer, failure| Asked { endpoint, answer, took: Duration::from_millis(1), failure };
        let entry = Entry {
            client: IpAddr::from([192, 168, 100, 10]),
            began: SimTime::from_secs(1),
            length: 72,
            upstream: "default-web-80".to_owned(),
            asked: vec![asked(None, 502), asked(Some((5, "200".to_owned())), 0)],
            id: "0123".to_owned(),
        };
        let line = entry.line(&request, b"HTTP/1.1 200 OK\r\n\r\nhello", SimTime(1_002_000_000));
        assert_eq!(
            line,
            "192.168.100.10 - - [01/Jan/2026:00:00:01 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"curl/8\" 72 0.002 [default-web-80] [] \
             10.244.1.2:80, 10.244.1.2:80 0, 5 0.001, 0.001 502, 200 0123"
        );
    }
}

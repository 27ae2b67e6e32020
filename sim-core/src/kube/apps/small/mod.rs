//! Small servers that manifests use to see that something answers: whoami, echo servers, agnhost, httpbin.
//!
//! Each answers as its own program does. A path that needs more than an answer (agnhost's `/dial`, httpbin's `/delay`) says that it is
//! not modelled, with status 501.

mod agnhost;
mod echoserver;
mod go;
mod httpbin;
mod pages;
mod talk;
mod tomcat;
mod whoami;

use super::http::{Response, date};
use super::site::Visit;
use crate::kube::version::Version;

pub use talk::Talk;

/// Which small server, with what its command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Small {
    /// `traefik/whoami`, with `--name`.
    Whoami {
        /// The name it gives.
        name: String,
    },
    /// `hashicorp/http-echo` and its `-text`.
    HttpEcho {
        /// The text.
        text: String,
        /// Its version, which it tells in a header.
        version: &'static str,
    },
    /// Google's `hello-app`.
    HelloApp {
        /// `1.0.0`.
        version: &'static str,
    },
    /// `agnhost netexec`.
    Netexec,
    /// `agnhost serve-hostname` and its ancestor `serve_hostname`.
    ServeHostname {
        /// Ends the connection after each answer (`--close`).
        close: bool,
    },
    /// `echoserver` up to 1.4.
    OldEchoServer,
    /// `echoserver` since 1.5.
    EchoServer {
        /// nginx and its Lua module: `nginx: 1.13.3 - lua: 10008`.
        version: &'static str,
    },
    /// `nginxdemos/hello:plain-text`.
    NginxHello {
        /// Version of nginx.
        version: &'static str,
        /// Where it listens.
        port: u16,
    },
    /// `kennethreitz/httpbin`.
    Httpbin,
    /// A server for Node.js with one page, sent in pieces; `{hostname}` is filled in.
    Node {
        /// The page.
        page: String,
        /// Its type, if the server names one.
        kind: Option<&'static str>,
    },
    /// The page of `simple-test-http`.
    Hello,
    /// The page of `network-multitool`.
    Multitool {
        /// Version of nginx.
        version: &'static str,
    },
    /// Tomcat as its image comes.
    Tomcat {
        /// `10.1.34`.
        version: Version,
    },
}

impl Small {
    /// What it writes when it starts, if that is known; a time stands for `\u{1}`.
    #[must_use]
    pub fn greeting(&self) -> Option<Vec<String>> {
        self.greeting_on(0)
    }

    /// The same of one whose port its command line says.
    #[must_use]
    pub fn greeting_on(&self, port: u16) -> Option<Vec<String>> {
        match self {
            Self::Whoami { .. } => Some(vec![format!("\u{1} Starting up on port {port}")]),
            Self::HelloApp { .. } => Some(vec![format!("\u{1} Server listening on port {port}")]),
            Self::HttpEcho { version: "1.0.0", .. } => {
                Some(vec![format!("\u{1} [INFO] server is listening on :{port}")])
            }
            Self::HttpEcho { .. } => Some(vec![format!("\u{1} Server is listening on :{port}")]),
            _ => None,
        }
    }

    /// Answers a request.
    #[must_use]
    pub fn answer(&self, visit: Visit<'_>) -> Response {
        match self {
            Self::Whoami { name } => whoami::answer(name, visit),
            Self::HttpEcho { text, version } => go::http_echo(text, version, visit),
            Self::HelloApp { version } => {
                let body = format!("Hello, world!\nVersion: {version}\nHostname: {}\n", visit.hostname);
                go::text(body, visit)
            }
            Self::Netexec => agnhost::answer(visit),
            Self::ServeHostname { close } => {
                let answer = go::text(visit.hostname.to_owned(), visit);
                if *close { go::closing(answer) } else { answer }
            }
            Self::OldEchoServer => echoserver::old(visit),
            Self::EchoServer { version } => echoserver::new(version, visit),
            Self::NginxHello { version, port } => echoserver::hello(version, *port, visit),
            Self::Httpbin => httpbin::answer(visit),
            Self::Node { page, kind } => pages::node(page, *kind, visit),
            Self::Hello => pages::hello(visit),
            Self::Multitool { version } => pages::multitool(version, visit),
            Self::Tomcat { version } => tomcat::answer(*version, visit),
        }
    }
}

/// What is known and not modelled: an answer that names it.
fn not_modelled(what: &str, visit: Visit<'_>) -> Response {
    let body = format!("ksim: not modelled: {what}\n");
    Response {
        status: "501 Not Implemented",
        headers: vec![
            ("Date", date(visit.now)),
            ("Content-Length", body.len().to_string()),
            ("Content-Type", "text/plain".to_owned()),
            ("Connection", "close".to_owned()),
        ],
        body: body.into_bytes(),
        close: true,
    }
}

#[cfg(test)]
mod tests;

//! `telnet`: busybox', and that of GNU inetutils. Negotiation of options is not modelled: servers here ask for none.

use std::net::{IpAddr, SocketAddr};

use super::getopt::{self, Word};
use super::{Cx, busybox, net};

const USAGE: &str = "telnet [-a] [-l USER] HOST [PORT]

Connect to telnet server

\t-a\tAutomatic login with $USER variable
\t-l USER\tAutomatic login as USER";

/// The port of the service `telnet`.
const PORT: u16 = 23;

/// How a connection ended.
enum End {
    /// The peer closed it, or the connection failed.
    Closed,
    /// Nothing more to send.
    InputOver,
    Interrupted,
}

/// busybox' applet.
pub(crate) fn run_busybox(cx: &mut Cx<'_>) -> i32 {
    let words = cx.operands().to_vec();
    let mut operands = Vec::new();
    for word in getopt::parse(&words, "al:") {
        match word {
            Word::Operand(operand) => operands.push(operand),
            Word::Flag(_) | Word::Value(..) => {}
            Word::Unknown(c) => {
                cx.out.err(format!("telnet: invalid option -- '{c}'"));
                return busybox::usage(cx, USAGE);
            }
            Word::Missing(c) => {
                cx.out.err(format!("telnet: option requires an argument -- '{c}'"));
                return busybox::usage(cx, USAGE);
            }
        }
    }
    let (host, port) = match operands[..] {
        [host] => (host.to_owned(), PORT),
        [host, port] => match number(port) {
            Some(port) => (host.to_owned(), port),
            None => {
                cx.out.err(format!("telnet: bad port '{port}'"));
                return 1;
            }
        },
        _ => return busybox::usage(cx, USAGE),
    };
    let Some(ip) = net::resolve(cx, &host).ok().and_then(|a| a.first().copied()) else {
        cx.out.err(format!("telnet: bad address '{host}'"));
        return 1;
    };
    match net::connect(cx, SocketAddr::new(ip, port), None) {
        Ok(stream) => {
            if busybox::version(cx).minor >= 28 {
                cx.out.line(format!("Connected to {host}"));
            }
            match talk(cx, stream) {
                End::Closed => {
                    cx.out.line("Connection closed by foreign host");
                    1
                }
                End::InputOver => 0,
                End::Interrupted => super::SIGINT_STATUS,
            }
        }
        Err(net::Failure::Errno(errno)) => {
            let why = net::strerror(cx, errno);
            cx.out.err(format!("telnet: can't connect to remote host ({ip}): {why}"));
            1
        }
        Err(_) => super::SIGINT_STATUS,
    }
}

/// The client of inetutils, which Debian calls `telnet`.
pub(crate) fn run_inetutils(cx: &mut Cx<'_>) -> i32 {
    let (host, port) = match cx.operands() {
        [host] if !host.starts_with('-') => (host.clone(), PORT),
        [host, port] if !host.starts_with('-') => match number(port) {
            Some(number) => (host.clone(), number),
            None => {
                let text = format!(
                    "telnet: could not resolve {host}/{port}: Servname not supported for ai_socktype"
                );
                cx.out.err(text);
                return 1;
            }
        },
        [] => return cx.not_modelled("telnet at its own prompt"),
        words => {
            let line = words.join(" ");
            return cx.not_modelled(format!("telnet {line}"));
        }
    };
    let found = match net::lookup(cx, &host, sim_core::kube::dns::resolver::Family::Any) {
        Ok(found) => found,
        Err(error) => {
            let why = error.message(net::rules(cx));
            cx.out.err(format!("telnet: could not resolve {host}/{port}: {why}"));
            return 1;
        }
    };
    let name = sim_core::kube::dns::name::relative(&found.canonical).to_owned();
    for (i, ip) in found.addresses.iter().enumerate() {
        cx.out.line(format!("Trying {ip}..."));
        match net::connect(cx, SocketAddr::new(*ip, port), None) {
            Ok(stream) => {
                cx.out.line(format!("Connected to {name}.\nEscape character is '^]'."));
                return match talk(cx, stream) {
                    End::Closed | End::InputOver => {
                        cx.out.line("Connection closed by foreign host.");
                        1
                    }
                    End::Interrupted => super::SIGINT_STATUS,
                };
            }
            Err(net::Failure::Errno(errno)) => refused(cx, *ip, errno, i + 1 < found.addresses.len()),
            Err(_) => return super::SIGINT_STATUS,
        }
    }
    1
}

/// Says that an address does not answer; as long as there is another, in the words of `perror`.
fn refused(cx: &mut Cx<'_>, ip: IpAddr, errno: sim_core::linux::Errno, another: bool) {
    let why = net::strerror(cx, errno);
    if another {
        cx.out.err(format!("telnet: connect to address {ip}: {why}"));
    } else {
        cx.out.err(format!("telnet: Unable to connect to remote host: {why}"));
    }
}

fn number(port: &str) -> Option<u16> {
    port.parse().ok().or_else(|| super::nc::port_of(port))
}

/// Sends what stood on standard input, and prints what comes. Nobody types at a terminal: then it is the peer, or ^C, that ends it.
fn talk(cx: &mut Cx<'_>, stream: net::Stream) -> End {
    let input: Vec<u8> = cx.stdin.to_vec();
    let mut end = match stream.send(cx, &input) {
        Ok(()) => None,
        Err(_) => Some(End::Closed),
    };
    while end.is_none() {
        // The answer to what was piped in is waited for as long as it takes to come.
        let until = (!input.is_empty()).then(|| cx.now() + std::time::Duration::from_secs(1));
        end = match stream.recv(cx, until) {
            Ok(bytes) if bytes.is_empty() => Some(End::Closed),
            Ok(bytes) => {
                cx.out.write(&bytes);
                cx.out.interrupted().then_some(End::Interrupted)
            }
            Err(net::Failure::TimedOut) => Some(End::InputOver),
            Err(net::Failure::Interrupted) => Some(End::Interrupted),
            Err(net::Failure::Errno(_)) => Some(End::Closed),
        };
    }
    stream.close(cx);
    end.unwrap_or(End::Closed)
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::super::net::testbed::{cluster, transcript};
    use super::*;

    #[test]
    fn telnet_connects_and_fails() {
        let mut cluster = cluster();
        let lines = ["telnet svc-a 80", "telnet nosuch", "telnet web foo", "telnet"];
        let pod = transcript(&mut cluster, &Place::pod("default", "pod-b"), run_busybox, &lines);
        let lines = ["telnet 10.96.123.4 80", "telnet nosuch 80", "telnet"];
        let node = transcript(&mut cluster, &Place::Node("node1".to_owned()), run_inetutils, &lines);
        insta::assert_snapshot!(format!("{pod}---\n{node}"));
    }
}

//! Servers that do not speak HTTP: what they say first, and to the simplest requests.

use std::net::SocketAddr;

use super::super::conversation::{Conversation, Reply};

/// Which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Talk {
    /// Redis: `PING`, `ECHO`, `QUIT`; other commands are named as not modelled.
    Redis,
    /// A `MySQL` or `MariaDB` server of this version: it greets.
    Mysql {
        /// `8.4.7`, `5.5.5-10.11.6-MariaDB-…`.
        version: String,
        /// The default way to log in.
        plugin: &'static str,
    },
    /// `PostgreSQL`: no TLS, and the end for whoever says something else.
    Postgres,
    /// Memcached: `version`, `quit`.
    Memcached {
        /// Its version.
        version: &'static str,
    },
    /// The UDP side of `agnhost netexec`.
    NetexecUdp {
        /// The pod's host name.
        hostname: String,
    },
    /// The host's name to whoever comes (`agnhost serve-hostname --tcp --udp`).
    Hostname {
        /// The pod's host name.
        hostname: String,
    },
}

impl Talk {
    /// The same on a host of this name.
    #[must_use]
    pub fn at(&self, host: &str) -> Self {
        match self {
            Self::NetexecUdp { .. } => Self::NetexecUdp { hostname: host.to_owned() },
            Self::Hostname { .. } => Self::Hostname { hostname: host.to_owned() },
            other => other.clone(),
        }
    }
}

impl Conversation for Talk {
    fn greeting(&self) -> Reply {
        match self {
            Self::Mysql { version, plugin } => Reply::say(mysql_greeting(version, plugin)),
            Self::Hostname { hostname } => Reply::farewell(hostname.as_bytes()),
            _ => Reply::default(),
        }
    }

    fn on_stream(&self, received: &mut Vec<u8>, _peer: SocketAddr) -> Reply {
        match self {
            Self::Redis => redis(received),
            Self::Memcached { version } => {
                line(received).map_or_else(Reply::default, |l| match l.trim_end() {
                    "version" => Reply::say(format!("VERSION {version}\r\n")),
                    "quit" => Reply::farewell(""),
                    _ => Reply::say("ERROR\r\n"),
                })
            }
            Self::Postgres => postgres(received),
            Self::Mysql { .. } | Self::NetexecUdp { .. } | Self::Hostname { .. } => {
                received.clear();
                Reply::farewell("")
            }
        }
    }

    fn on_datagram(&self, bytes: &[u8], peer: SocketAddr) -> Option<Vec<u8>> {
        match self {
            Self::NetexecUdp { hostname } => {
                let text = String::from_utf8_lossy(bytes).trim().to_ascii_lowercase();
                match text.as_str() {
                    "hostname" => Some(hostname.clone().into_bytes()),
                    "clientip" => Some(peer.to_string().into_bytes()),
                    other => other.strip_prefix("echo ").map(|rest| rest.as_bytes().to_vec()),
                }
            }
            Self::Hostname { hostname } => Some(hostname.clone().into_bytes()),
            _ => None,
        }
    }
}

/// Takes a whole line.
fn line(received: &mut Vec<u8>) -> Option<String> {
    let end = received.iter().position(|b| *b == b'\n')?;
    Some(String::from_utf8_lossy(&received.drain(..=end).collect::<Vec<u8>>()).into_owned())
}

/// One command, inline or as an array of strings (RESP).
fn redis(received: &mut Vec<u8>) -> Reply {
    let Some((words, length)) = redis_command(received) else { return Reply::default() };
    received.drain(..length);
    let Some((name, args)) = words.split_first() else { return Reply::default() };
    match (name.to_ascii_lowercase().as_str(), args) {
        ("ping", []) => Reply::say("+PONG\r\n"),
        ("ping" | "echo", [text]) => Reply::say(format!("${}\r\n{text}\r\n", text.len())),
        ("quit", _) => Reply::farewell("+OK\r\n"),
        (known @ ("ping" | "echo"), _) => {
            Reply::say(format!("-ERR wrong number of arguments for '{known}' command\r\n"))
        }
        _ => Reply::say(format!("-ERR ksim: not modelled: redis command '{name}'\r\n")),
    }
}

/// The words of the command at the front, and how many bytes it takes.
fn redis_command(received: &[u8]) -> Option<(Vec<String>, usize)> {
    let text_line = |from: usize| {
        let end = received.get(from..)?.iter().position(|b| *b == b'\n')? + from;
        let text = String::from_utf8_lossy(&received[from..end]).trim_end().to_owned();
        Some((text, end + 1))
    };
    let (first, mut at) = text_line(0)?;
    let Some(count) = first.strip_prefix('*') else {
        return Some((first.split_whitespace().map(str::to_owned).collect(), at));
    };
    let mut words = Vec::new();
    for _ in 0..count.parse::<usize>().unwrap_or(0).min(1024) {
        let (size, start) = text_line(at)?;
        let size: usize = size.strip_prefix('$').and_then(|s| s.parse().ok()).unwrap_or(0);
        let end = start.checked_add(size)?;
        words.push(String::from_utf8_lossy(received.get(start..end)?).into_owned());
        at = end + 2;
    }
    (received.len() >= at).then_some((words, at))
}

/// An SSLRequest or GSSENCRequest is declined; what else begins a session needs more than this server has.
fn postgres(received: &mut Vec<u8>) -> Reply {
    const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
    if received.len() < 8 {
        return Reply::default();
    }
    if received.starts_with(&SSL) || received.starts_with(&GSS) {
        received.drain(..8);
        return Reply::say("N");
    }
    received.clear();
    Reply::farewell("")
}

/// The first packet of the protocol (version 10), with a salt that is always the same.
fn mysql_greeting(version: &str, plugin: &str) -> Vec<u8> {
    const SALT: &[u8; 20] = b"k5im-salt-for-nobody";
    let mut body = vec![10];
    body.extend(version.as_bytes());
    body.push(0);
    body.extend(8_u32.to_le_bytes());
    body.extend(&SALT[..8]);
    body.push(0);
    // Capabilities, utf8mb4, autocommit.
    body.extend([0xff, 0xff, 0xff, 0x02, 0x00, 0xff, 0xdf, 21]);
    body.extend([0; 10]);
    body.extend(&SALT[8..]);
    body.push(0);
    body.extend(plugin.as_bytes());
    body.push(0);
    let mut packet = (body.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(0);
    packet.extend(body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(talk: &Talk, text: &[u8]) -> Reply {
        talk.on_stream(&mut text.to_vec(), "10.0.0.1:1".parse().unwrap())
    }

    #[test]
    fn redis_answers_a_ping() {
        assert_eq!(say(&Talk::Redis, b"PING\r\n").bytes, b"+PONG\r\n");
        assert_eq!(say(&Talk::Redis, b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n").bytes, b"$2\r\nhi\r\n");
        assert_eq!(say(&Talk::Redis, b"*2\r\n$4\r\nECHO\r\n$2\r\nh").bytes, b"");
        assert!(say(&Talk::Redis, b"SET a b\r\n").bytes.starts_with(b"-ERR ksim: not modelled"));
    }

    #[test]
    fn mysql_greets_with_its_version() {
        let talk = Talk::Mysql { version: "8.4.7".to_owned(), plugin: "caching_sha2_password" };
        let bytes = talk.greeting().bytes;
        assert_eq!(usize::from(bytes[0]), bytes.len() - 4);
        assert_eq!(&bytes[4..10], b"\n8.4.7");
    }
}

//! What servers write when their port is taken: each program has its own words.

use super::image::Speaks;
use super::site::Site;
use super::small::{Small, Talk};
use crate::kube::config::Listen;
use crate::kube::objects::{Protocol, Timestamp};

/// The lines of a server that cannot have a port.
#[must_use]
pub fn lines(speaks: &Speaks, at: Listen, now: Timestamp) -> Vec<String> {
    let port = at.port;
    match speaks {
        Speaks::Http(
            Site::Nginx { .. } | Site::Small(Small::NginxHello { .. } | Small::Multitool { .. }),
        ) => nginx(port, now),
        Speaks::Http(Site::Apache { .. }) => vec![
            format!("(98)Address already in use: AH00072: make_sock: could not bind to address [::]:{port}"),
            format!(
                "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:{port}"
            ),
            "no listening sockets available, shutting down".to_owned(),
            "AH00015: Unable to open logs".to_owned(),
        ],
        Speaks::Http(Site::Busybox { .. } | Site::Small(Small::Hello)) => {
            vec!["httpd: bind: Address already in use".to_owned()]
        }
        // `cmd/nginx/main.go` of ingress-nginx.
        Speaks::Ingress => vec![format!("port {port} is already in use. Please check the flag --http-port")],
        Speaks::Talk(Talk::Redis) => {
            let stamp = |level: char, text: &str| format!("1:M {} {level} {text}", redis_time(now));
            vec![
                stamp(
                    '#',
                    &format!(
                        "Warning: Could not create server TCP listening socket *:{port}: bind: Address already in use"
                    ),
                ),
                stamp('#', &format!("Failed listening on port {port} (tcp), aborting.")),
            ]
        }
        Speaks::Http(Site::Small(_)) => {
            let protocol = if at.protocol == Protocol::Udp { "udp" } else { "tcp" };
            vec![format!("{} listen {protocol} :{port}: bind: address already in use", slashed(now))]
        }
        // What others write is not known.
        Speaks::Http(_) | Speaks::Talk(_) | Speaks::ClusterDns | Speaks::KubeProxy | Speaks::Other => {
            Vec::new()
        }
    }
}

/// nginx tries five times, every half second, for both families.
fn nginx(port: u16, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for half in 0..5 {
        let stamp = slashed(Timestamp::from_unix(now.unix_seconds() + half / 2));
        for host in ["0.0.0.0", "[::]"] {
            let text = format!("[emerg] 1#1: bind() to {host}:{port} failed (98: Address already in use)");
            lines.push(format!("{stamp} {text}"));
            lines.push(format!("nginx: {}", text.replace("1#1: ", "")));
        }
        lines.push(format!("{stamp} [notice] 1#1: try again to bind() after 500ms"));
    }
    let stamp = slashed(Timestamp::from_unix(now.unix_seconds() + 2));
    lines.push(format!("{stamp} [emerg] 1#1: still could not bind()"));
    lines.push("nginx: [emerg] still could not bind()".to_owned());
    lines
}

/// `2026/01/01 00:00:05`, as nginx and Go write it.
fn slashed(now: Timestamp) -> String {
    let text = now.to_string();
    format!(
        "{} {}",
        text.get(..10).unwrap_or_default().replace('-', "/"),
        text.get(11..19).unwrap_or_default()
    )
}

/// `01 Jan 2026 00:00:05.000`.
fn redis_time(now: Timestamp) -> String {
    let date = super::http::date(now);
    let day = date.get(5..16).unwrap_or_default();
    format!("{day} {}.000", date.get(17..25).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_gives_up_after_five_tries() {
        let speaks = Speaks::Http(Site::Nginx { version: "1.29.8", built: 0 });
        let at = Listen { port: 80, protocol: Protocol::Tcp };
        let lines = lines(&speaks, at, Timestamp::from_unix(1_767_225_605));
        assert_eq!(lines.len(), 27);
        assert_eq!(
            lines[0],
            "2026/01/01 00:00:05 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)"
        );
        assert_eq!(lines[1], "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)");
        assert_eq!(lines[26], "nginx: [emerg] still could not bind()");
        let redis = super::lines(&Speaks::Talk(Talk::Redis), at, Timestamp::from_unix(1_767_225_605));
        assert!(redis[1].starts_with("1:M 01 Jan 2026 00:00:05.000 # Failed listening"), "{redis:?}");
    }
}

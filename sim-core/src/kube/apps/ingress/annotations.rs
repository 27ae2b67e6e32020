//! What annotations of an Ingress say to ingress-nginx, as far as they decide where a request goes and how it is answered.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::kube::objects::Ingress;

const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// Annotations without any effect on what a client sees here: sizes of buffers, time-outs of idle connections, logs.
const WITHOUT_EFFECT: &[&str] = &[
    "client-body-buffer-size",
    "enable-access-log",
    "enable-rewrite-log",
    "proxy-buffer-size",
    "proxy-buffering",
    "proxy-buffers-number",
    "proxy-max-temp-file-size",
    "proxy-request-buffering",
    "proxy-send-timeout",
    "service-upstream",
    "proxy-http-version",
    "load-balance",
];

/// The settings of one Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `rewrite-target`: what the path becomes.
    pub rewrite: String,
    /// `use-regex`.
    pub regex: bool,
    /// `ssl-redirect`: hosts with a certificate are redirected to HTTPS.
    pub ssl_redirect: bool,
    /// `force-ssl-redirect`: and hosts without one.
    pub force_ssl_redirect: bool,
    /// `app-root`: where `/` leads.
    pub app_root: Option<String>,
    /// `permanent-redirect`, `temporal-redirect`: URL and status code.
    pub redirect: Option<(String, u16)>,
    /// `upstream-vhost`: the `Host` that endpoints see.
    pub host: Option<String>,
    /// `proxy-body-size` in bytes; 0 for no limit.
    pub body_limit: u64,
    /// `proxy-connect-timeout`.
    pub connect_timeout: Duration,
    /// `proxy-read-timeout`.
    pub read_timeout: Duration,
    /// `proxy-next-upstream-tries`; 0 for no limit.
    pub tries: u32,
    /// `whitelist-source-range`, `allowlist-source-range`; empty: everybody.
    pub allowed: Vec<IpNet>,
    /// `server-alias`: more hosts.
    pub aliases: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rewrite: String::new(),
            regex: false,
            ssl_redirect: true,
            force_ssl_redirect: false,
            app_root: None,
            redirect: None,
            host: None,
            body_limit: 1 << 20,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            tries: 3,
            allowed: Vec::new(),
            aliases: Vec::new(),
        }
    }
}

impl Settings {
    /// The settings of an Ingress, and the names of annotations that the real controller knows and this one does not.
    #[must_use]
    pub fn of(ingress: &Ingress) -> (Self, Vec<String>) {
        let mut settings = Self::default();
        let mut unknown = Vec::new();
        let mut code = None;
        for (key, value) in &ingress.metadata.annotations {
            let Some(name) = key.strip_prefix(PREFIX) else { continue };
            match name {
                "permanent-redirect-code" => code = value.parse().ok(),
                // Only HTTP is spoken, which is the default.
                "backend-protocol" if value.eq_ignore_ascii_case("HTTP") => {}
                _ if settings.take(name, value) || WITHOUT_EFFECT.contains(&name) => {}
                _ => unknown.push(key.clone()),
            }
        }
        if let (Some((_, status)), Some(code)) = (&mut settings.redirect, code)
            && *status == 301
            && (300..=308).contains(&code)
        {
            *status = code;
        }
        (settings, unknown)
    }

    /// Takes one annotation; whether it is known. A value that cannot be read is as if it were not there.
    fn take(&mut self, name: &str, value: &str) -> bool {
        let flag = |default: bool| match value {
            "true" | "1" | "t" | "T" | "TRUE" | "True" => true,
            "false" | "0" | "f" | "F" | "FALSE" | "False" => false,
            _ => default,
        };
        let seconds = |default: Duration| value.parse().map_or(default, Duration::from_secs);
        match name {
            "rewrite-target" => value.clone_into(&mut self.rewrite),
            "use-regex" => self.regex = flag(false),
            "ssl-redirect" => self.ssl_redirect = flag(true),
            "force-ssl-redirect" => self.force_ssl_redirect = flag(false),
            "app-root" => self.app_root = Some(value.to_owned()).filter(|v| v.starts_with('/')),
            "permanent-redirect" => self.redirect = Some((value.to_owned(), 301)),
            "temporal-redirect" => self.redirect = Some((value.to_owned(), 302)),
            "upstream-vhost" => self.host = Some(value.to_owned()),
            "proxy-body-size" => self.body_limit = size(value).unwrap_or(self.body_limit),
            "proxy-connect-timeout" => self.connect_timeout = seconds(self.connect_timeout),
            "proxy-read-timeout" => self.read_timeout = seconds(self.read_timeout),
            "proxy-next-upstream-tries" => self.tries = value.parse().unwrap_or(self.tries),
            "whitelist-source-range" | "allowlist-source-range" => {
                let net = |text: &str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
                self.allowed = value.split(',').filter_map(|text| net(text.trim()).ok()).collect();
            }
            "server-alias" => self.aliases = value.split(',').map(|a| a.trim().to_lowercase()).collect(),
            _ => return false,
        }
        true
    }

    /// Whether the path is changed on the way (`needsRewrite`).
    #[must_use]
    pub fn rewrites(&self, path: &str) -> bool {
        !self.rewrite.is_empty() && self.rewrite != path
    }

    /// Whether a client may come in.
    #[must_use]
    pub fn allows(&self, client: IpAddr) -> bool {
        self.allowed.is_empty() || self.allowed.iter().any(|net| net.contains(&client.to_canonical()))
    }
}

/// A size as nginx writes it: `8m`, `1024k`, `1g`, bytes.
fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 1 << 10),
        b'm' => (&text[..text.len() - 1], 1 << 20),
        b'g' => (&text[..text.len() - 1], 1 << 30),
        _ => (text.as_str(), 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_named() {
        let mut ingress = Ingress::default();
        for (key, value) in [
            ("nginx.ingress.kubernetes.io/rewrite-target", "/$2"),
            ("nginx.ingress.kubernetes.io/canary", "true"),
            ("nginx.ingress.kubernetes.io/proxy-body-size", "8m"),
            ("nginx.ingress.kubernetes.io/proxy-buffering", "on"),
            ("kubernetes.io/ingress.class", "nginx"),
        ] {
            ingress.metadata.annotations.insert(key.into(), value.into());
        }
        let (settings, unknown) = Settings::of(&ingress);
        assert_eq!((settings.rewrite.as_str(), settings.body_limit), ("/$2", 8 << 20));
        assert_eq!(unknown, ["nginx.ingress.kubernetes.io/canary"]);
    }
}

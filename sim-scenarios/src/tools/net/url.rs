//! URLs as command-line clients take them: the scheme may be missing.

/// A URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Lower case; `http` if it was left out.
    pub(crate) scheme: String,
    /// Name or address, without brackets.
    pub(crate) host: String,
    /// The port, if it was given.
    pub(crate) port: Option<u16>,
    /// What stands between host and fragment, starting with `/`.
    pub(crate) path: String,
}

impl Url {
    /// Takes a text apart. None: the port is no number from 0 to 65535, or a bracket is missing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => ("http".to_owned(), text),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']')?,
            None => authority.split_at(authority.rfind(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            None | Some("") => None,
            Some(number) => Some(number.parse().ok()?),
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { scheme, host: host.to_owned(), port, path })
    }

    /// The port to connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme.as_str() {
            "https" => 443,
            "ftp" => 21,
            _ => 80,
        })
    }

    /// Host and port as the URL has them: `web`, `web:8080`, `[::1]:80`.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }

    /// The whole URL, as GNU wget and curl show it.
    pub(crate) fn whole(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority(), self.path)
    }

    /// Where a `Location` header leads from here.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        if location.contains("://") {
            return Self::parse(location);
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let path = self.path.split('?').next().unwrap_or_default();
            format!("{}/{location}", path.rsplit_once('/').map_or("", |(dir, _)| dir))
        };
        Some(Self { path, ..self.clone() })
    }

    /// Last part of the path, as clients name files after it.
    pub(crate) fn file_name(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("svc-a").unwrap();
        assert_eq!(
            (url.scheme.as_str(), url.host.as_str(), url.port(), url.path.as_str()),
            ("http", "svc-a", 80, "/")
        );
        let url = Url::parse("HTTP://u:p@web:8080/a/b.html?x=1#y").unwrap();
        assert_eq!((url.authority().as_str(), url.path.as_str()), ("web:8080", "/a/b.html?x=1"));
        assert_eq!(url.file_name(), "b.html");
        assert_eq!(Url::parse("http://[::1]:80/").unwrap().authority(), "[::1]:80");
        assert_eq!(Url::parse("web?x").unwrap().path, "/?x");
        assert_eq!(Url::parse("http://web:99999/"), None);
        assert_eq!(Url::parse("http://[::1/"), None);
    }

    #[test]
    fn a_location_leads_on() {
        let url = Url::parse("http://web:81/a/b").unwrap();
        assert_eq!(url.join("/x").unwrap().whole(), "http://web:81/x");
        assert_eq!(url.join("y").unwrap().whole(), "http://web:81/a/y");
        assert_eq!(url.join("http://other/").unwrap().whole(), "http://other/");
    }
}

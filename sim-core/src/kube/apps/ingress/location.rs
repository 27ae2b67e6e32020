//! Which of a server's locations a request's path falls into, and what becomes of the path there.
//!
//! nginx looks for an exact location, then for the longest prefix; if any Ingress of a host rewrites or uses regular expressions, all
//! paths of the host but exact ones are regular expressions that ignore case, tried from the longest to the shortest
//! (`template.go`, `buildLocation`).

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::annotations::Settings;
use crate::kube::apps::http::percent_decode;
use crate::kube::objects::ingress::ServiceBackendPort;

/// Where requests of a location go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To nobody: 404.
    Nobody,
    /// To a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: ServiceBackendPort,
    },
}

/// How a path is compared.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// `location = PATH`.
    Exact(String),
    /// `location PATH`: the text begins so.
    Text(String),
    /// An element of the path ends where this ends.
    Elements(String),
    /// `location ~* "^PATH"`.
    Regex(Regex),
}

impl Matcher {
    /// Whether a normalised path fits.
    fn fits(&self, path: &str) -> bool {
        match self {
            Self::Exact(own) => own == path,
            Self::Text(own) => path.starts_with(own.as_str()),
            Self::Elements(own) => {
                path.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// One location.
#[derive(Clone, Debug)]
pub struct Location {
    /// The path as the Ingress has it; `/` for what no path takes.
    pub path: String,
    /// How it is compared.
    pub matcher: Matcher,
    /// Where its requests go.
    pub target: Target,
    /// Nobody has asked for it: it is there because every server has a root.
    pub is_default: bool,
    /// The Ingress' settings.
    pub settings: Arc<Settings>,
}

/// The location for a normalised path.
#[must_use]
pub fn find<'a>(locations: &'a [Location], path: &str) -> Option<&'a Location> {
    let fitting = || locations.iter().filter(|l| l.matcher.fits(path));
    if let Some(exact) = fitting().find(|l| matches!(l.matcher, Matcher::Exact(_))) {
        return Some(exact);
    }
    // Among regular expressions the first, which is the longest, counts.
    if let Some(regex) = fitting().find(|l| matches!(l.matcher, Matcher::Regex(_))) {
        return Some(regex);
    }
    let length = |l: &&Location| match &l.matcher {
        Matcher::Text(path) | Matcher::Elements(path) => path.len(),
        Matcher::Exact(_) | Matcher::Regex(_) => 0,
    };
    // Of equally long ones the first that was configured.
    fitting().rev().max_by_key(length)
}

/// A path as a regular expression of nginx; none if this engine does not take it (it has no look-around and no back references).
#[must_use]
pub fn pattern(path: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("^{path}")).case_insensitive(true).build().ok()
}

/// The target that an endpoint sees: nginx' `rewrite "(?i)PATH" TARGET break`, with the query that the client sent.
#[must_use]
pub fn rewritten(location: &Location, path: &str, query: Option<&str>) -> Option<String> {
    if !location.settings.rewrites(&location.path) {
        return None;
    }
    let regex = RegexBuilder::new(&location.path).case_insensitive(true).build().ok()?;
    let found = regex.captures(path)?;
    let mut out = String::new();
    let mut chars = location.settings.rewrite.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek().and_then(|d| d.to_digit(10)) {
            Some(digit) if c == '$' => {
                chars.next();
                out.push_str(found.get(digit as usize).map_or("", |m| m.as_str()));
            }
            _ => out.push(c),
        }
    }
    if !out.starts_with('/') {
        out.insert(0, '/');
    }
    Some(match query {
        Some(query) if out.contains('?') => format!("{out}&{query}"),
        Some(query) => format!("{out}?{query}"),
        None => out,
    })
}

/// The path as nginx compares it: escapes resolved, slashes merged, dot segments taken out; none if it leads out of the root.
#[must_use]
pub fn normalised(path: &str) -> Option<String> {
    let decoded = percent_decode(path);
    let mut parts: Vec<&str> = Vec::new();
    for part in decoded.split('/').skip(1) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let folder = decoded.ends_with('/') || decoded.ends_with("/.") || decoded.ends_with("/..");
    let end = if folder && !parts.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_escapes_and_double_slashes() {
        for (path, wanted) in [
            ("/", "/"),
            ("/a//b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/../b", "/b"),
            ("/%61", "/a"),
            ("/a/..", "/"),
        ] {
            assert_eq!(normalised(path).as_deref(), Some(wanted), "{path}");
        }
        assert_eq!(normalised("/../x"), None);
    }

    #[test]
    fn a_rewrite_takes_groups_of_the_path() {
        let of = |path: &str, target: &str| Location {
            path: path.to_owned(),
            matcher: Matcher::Text(path.to_owned()),
            target: Target::Nobody,
            is_default: false,
            settings: Arc::new(Settings { rewrite: target.to_owned(), ..Settings::default() }),
        };
        let location = of("/something(/|$)(.*)", "/$2");
        assert_eq!(rewritten(&location, "/something/new", Some("a=1")).as_deref(), Some("/new?a=1"));
        assert_eq!(rewritten(&location, "/Something", None).as_deref(), Some("/"));
        assert_eq!(rewritten(&of("/foo", "/"), "/foo/bar", None).as_deref(), Some("/"));
        assert_eq!(rewritten(&of("/foo", "/foo"), "/foo/bar", None), None);
    }
}

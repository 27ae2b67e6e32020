//! Container images: which programs and files are in them, and what they start.
//!
//! `servers` are images that listen, `clients` those that people run tools in.

mod clients;
mod servers;

use std::sync::LazyLock;

use regex::Regex;

use crate::kube::config::{ClusterConfig, Listen};
use crate::kube::node::files::Files;
use crate::kube::node::machine::ToolSet;
use crate::kube::objects::Protocol;
use crate::kube::objects::container::EnvVar;
use crate::kube::version::Version;

use super::site::Site;
use super::small::Talk;

/// What there is to know of an image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its programs.
    pub tools: ToolSet,
    /// Its files.
    pub files: Files,
    /// Its ENTRYPOINT.
    pub entrypoint: Vec<String>,
    /// Its CMD.
    pub cmd: Vec<String>,
    /// What its own program does on the network, if it is a server.
    pub server: Option<Server>,
    /// How its own program reads its command line, if more than ports and pages follow from it.
    pub main: Option<Main>,
    /// Its size in bytes, for the event `Pulled`.
    pub size: u64,
    /// Whether the simulator knows it; what an unknown image does is a guess.
    pub known: bool,
}

/// A program that reads its command line.
#[derive(Clone, Copy, Debug)]
pub struct Main {
    /// What it is called.
    pub name: &'static str,
    /// What follows from its arguments and environment.
    pub read: fn(&Start<'_>) -> Started,
}

/// With what a program is started.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The words after its name.
    pub args: &'a [String],
    /// The variables that the container sets; what comes from elsewhere has an empty value.
    pub env: &'a [EnvVar],
    /// The image's tag.
    pub tag: &'a str,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// It serves.
    Serves(Vec<Server>),
    /// It runs and does nothing on the network.
    Waits,
    /// It ends at once with a status, and prints these lines.
    Ends(i32, Vec<String>),
    /// It cannot be told what it does with these words: this one is not known.
    Unknown(String),
}

impl Start<'_> {
    /// The value of an option: `-name=value`, `--name=value`, or in the next word.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        let at = self.args.iter().position(|word| {
            let word = word.trim_start_matches('-');
            word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
        })?;
        match self.args[at].split_once('=') {
            Some((_, value)) => Some(value),
            None => self.args.get(at + 1).map(String::as_str),
        }
    }

    /// Whether a switch is there: `--close`, `--close=true`.
    #[must_use]
    pub fn switch(&self, name: &str) -> bool {
        let dashed = |word: &&String| word.starts_with('-');
        self.args
            .iter()
            .filter(dashed)
            .map(|w| w.trim_start_matches('-'))
            .any(|w| w == name || w == format!("{name}=true"))
    }

    /// The value of a variable.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|v| v.name == name).map(|v| v.value.as_str())
    }

    /// A port out of `8080` or `:8080` or `0.0.0.0:8080`, by option, else by variable, else the default.
    fn port(&self, option: &str, variable: &str, default: u16) -> u16 {
        let given = self.option(option).or_else(|| self.var(variable));
        given.and_then(|p| p.rsplit(':').next()?.parse().ok()).unwrap_or(default)
    }
}

/// What a server program does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// How it answers.
    pub speaks: Speaks,
}

/// How a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP.
    Http(Site),
    /// DNS, as `CoreDNS`.
    ClusterDns,
    /// HTTP on ports of its node, as kube-proxy, which programs the node.
    KubeProxy,
    /// HTTP, as ingress-nginx; where it listens is for its arguments to say.
    Ingress,
    /// A protocol of its own.
    Talk(Talk),
    /// Something that the simulator does not know: connections are accepted.
    Other,
}

/// An image's name without registry defaults, and its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `nginx`, `registry.k8s.io/pause`.
    pub name: String,
    /// `1.27`; `latest` if none is given; empty with a digest only.
    pub tag: String,
}

impl Reference {
    /// Reads `[docker.io/][library/]name[:tag][@digest]`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (text, digest) = text.split_once('@').map_or((text, false), |(name, _)| (name, true));
        let name_start = text.rfind('/').map_or(0, |i| i + 1);
        let (name, tag) = match text[name_start..].split_once(':') {
            Some((short, tag)) => (&text[..name_start + short.len()], tag),
            None => (text, if digest { "" } else { "latest" }),
        };
        let name =
            ["docker.io/", "index.docker.io/"].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        Self { name: name.to_owned(), tag: tag.to_owned() }
    }

    /// The name as containerd writes it: `docker.io/library/nginx:latest`.
    #[must_use]
    pub fn full(&self) -> String {
        let first = self.name.split('/').next().unwrap_or_default();
        let registry = first.contains(['.', ':']) || first == "localhost";
        let prefix = match (registry, self.name.contains('/')) {
            (true, _) => "",
            (false, true) => "docker.io/",
            (false, false) => "docker.io/library/",
        };
        format!("{prefix}{}:{}", self.name, if self.tag.is_empty() { "latest" } else { &self.tag })
    }
}

/// What `name[:tag][@digest]` must look like, the registry before it.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    const HOST: &str = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    const PART: &str = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    let registry = format!(r"(?:(?:{HOST}(?:\.{HOST})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?");
    let tag = r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?";
    let digest = r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?";
    Regex::new(&format!("^{registry}{PART}(?:/{PART})*{tag}{digest}$")).expect("a pattern")
});

/// What is wrong with an image's name, in the kubelet's words.
#[must_use]
pub fn fault(text: &str) -> Option<String> {
    let is_registry = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.chars().any(char::is_uppercase)
    };
    let rest = text.split_once('/').filter(|(first, _)| is_registry(first)).map_or(text, |(_, rest)| rest);
    let name = rest.split([':', '@']).next().unwrap_or_default();
    let why = if name.chars().any(char::is_uppercase) {
        let folder = if rest == text && !rest.contains('/') { "library/" } else { "" };
        format!("invalid reference format: repository name ({folder}{name}) must be lowercase")
    } else if REFERENCE.is_match(text) {
        return None;
    } else {
        "invalid reference format".to_owned()
    };
    Some(format!("couldn't parse image name {text:?}: {why}"))
}

/// Looks an image up: in the cluster block first, then among those that are built in. An unknown image is a slim Debian whose program
/// is not known.
#[must_use]
pub fn find(config: &ClusterConfig, text: &str) -> Image {
    let reference = Reference::parse(text);
    let mut image = built_in(&reference);
    let entry = config.images.iter().find(|(name, _)| **name == text || Reference::parse(name) == reference);
    if let Some((_, entry)) = entry {
        let body = entry.respond.clone().unwrap_or_else(|| "{hostname}\n".to_owned());
        let speaks = if entry.respond.is_none() && image.known {
            image
                .server
                .as_ref()
                .map_or(Speaks::Http(Site::Text { body: body.clone() }), |s| s.speaks.clone())
        } else {
            Speaks::Http(Site::Text { body })
        };
        let listen = match (&entry.listen[..], &image.server) {
            ([], Some(server)) => server.listen.clone(),
            (listen, _) => listen.to_vec(),
        };
        image.server = Some(Server { listen, speaks });
        image.known = true;
    }
    image
}

/// Whether a registry has the image. Of the images that are built in, the tags are known well enough to tell a slip; any other image
/// is there.
#[must_use]
pub fn can_be_pulled(config: &ClusterConfig, text: &str) -> bool {
    let reference = Reference::parse(text);
    let bootcamp = reference.name.ends_with("google-samples/kubernetes-bootcamp")
        || reference.name == "jocatalin/kubernetes-bootcamp";
    if config.images.keys().any(|name| name == text || Reference::parse(name) == reference) {
        return true;
    }
    if bootcamp {
        return matches!(reference.tag.as_str(), "v1" | "v2" | "latest" | "");
    }
    // The last minor version of each major one.
    let releases: &[(u16, u16)] = match reference.name.as_str() {
        "nginx" => &[(1, 31)],
        "busybox" => &[(1, 38)],
        "alpine" => &[(2, 7), (3, 24)],
        "httpd" => &[(2, 4)],
        _ => return true,
    };
    let first = reference.tag.split('-').next().unwrap_or_default();
    match Version::parse(first) {
        Some(v) => releases.iter().any(|(major, last)| v.major == *major && v.minor <= *last),
        None => reference.tag.is_empty() || KNOWN_TAGS.contains(&first),
    }
}

/// Words with which tags of the built-in images begin.
const KNOWN_TAGS: [&str; 16] = [
    "latest",
    "stable",
    "mainline",
    "alpine",
    "perl",
    "bookworm",
    "bullseye",
    "trixie",
    "slim",
    "otel",
    "glibc",
    "musl",
    "uclibc",
    "unstable",
    "edge",
    "alpine3.22",
];

fn tcp(ports: &[u16]) -> Vec<Listen> {
    ports.iter().map(|&port| Listen { port, protocol: Protocol::Tcp }).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// Words that only name where an image is kept: another registry's copy of the official images.
fn official(name: &str) -> &str {
    name.split_once("/library/").map_or(name, |(_, official)| official)
}

fn built_in(reference: &Reference) -> Image {
    let (name, tag) = (official(&reference.name), reference.tag.as_str());
    servers::find(name, tag).or_else(|| clients::find(name, tag)).unwrap_or_else(|| Image {
        cmd: Vec::new(),
        size: 20_000_000 + u64::from(crate::kube::node::cni::mac_of(&reference.name).0[5]) * 131_072,
        known: false,
        ..shell(ToolSet::debian(&[]), 0)
    })
}

/// An image that opens a shell.
fn shell(tools: ToolSet, size: u64) -> Image {
    Image {
        tools,
        files: base_files(),
        entrypoint: Vec::new(),
        cmd: words(&["sh"]),
        server: None,
        main: None,
        size,
        known: true,
    }
}

/// What every image has.
fn base_files() -> Files {
    ["/bin", "/dev", "/etc", "/home", "/proc", "/root", "/sys", "/tmp", "/usr", "/var"]
        .into_iter()
        .fold(Files::new(), Files::with_dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::config::ImageConfig;

    #[test]
    fn what_is_no_reference_has_a_fault() {
        let sha = format!("nginx@sha256:{}", "0a".repeat(32));
        for good in [
            "nginx",
            "a/b__c:V1.0",
            "localhost:5000/a-b",
            "Registry.Example.com:80/a/b:1",
            "[::1]:5000/a",
            &sha,
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        let why = |text| fault(text).unwrap_or_default();
        assert_eq!(
            why("Nginx:1"),
            "couldn't parse image name \"Nginx:1\": invalid reference format: repository name (library/Nginx) must be lowercase"
        );
        assert!(why("docker.io/a/B").ends_with("repository name (a/B) must be lowercase"));
        for bad in ["<todo>", ":1", "nginx:", "a b", "a//b", "nginx:1:2", "-a", "é"] {
            assert!(why(bad).ends_with("invalid reference format"), "{bad}");
        }
    }

    #[test]
    fn references_lose_their_defaults() {
        let parse = |text| {
            let r = Reference::parse(text);
            (r.name, r.tag)
        };
        let own = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());
        assert_eq!(parse("docker.io/library/nginx"), own("nginx", "latest"));
        assert_eq!(parse("registry.k8s.io/pause:3.10"), own("registry.k8s.io/pause", "3.10"));
        assert_eq!(parse("localhost:5000/a/b"), own("localhost:5000/a/b", "latest"));
        assert_eq!(parse("nginx:1.27@sha256:abc"), own("nginx", "1.27"));
        assert_eq!(Reference::parse("nginx").full(), "docker.io/library/nginx:latest");
        assert_eq!(Reference::parse("a/b:1").full(), "docker.io/a/b:1");
        assert_eq!(Reference::parse("registry.k8s.io/pause:3.10").full(), "registry.k8s.io/pause:3.10");
    }

    #[test]
    fn a_slip_in_a_tag_is_told() {
        let can = |text| can_be_pulled(&ClusterConfig::default(), text);
        assert!(can("nginx") && can("nginx:1.14.2") && can("nginx:1.25-alpine") && can("busybox:1.28"));
        assert!(can("example.com/shop:nope") && can("nginx@sha256:00") && can("alpine:3"));
        assert!(can("gcr.io/google-samples/kubernetes-bootcamp:v1"));
        assert!(!can("gcr.io/google-samples/kubernetes-bootcamp:v10"));
        assert!(!can("nginx:1.161") && !can("nginx:nope") && !can("busybox:2.0"));
    }

    #[test]
    fn nginx_has_the_page_of_its_version() {
        let page = |tag| servers::nginx(tag).files.read("/usr/share/nginx/html/index.html").unwrap().len();
        assert_eq!((page("1.14.2"), page("1.25-alpine"), page("latest")), (612, 615, 896));
    }

    #[test]
    fn the_cluster_block_comes_first() {
        let mut config = ClusterConfig::default();
        let shop = ImageConfig { listen: tcp(&[8080]), respond: Some("shop v1\n".into()) };
        config.images.insert("example.com/shop:1".into(), shop);
        let image = find(&config, "example.com/shop:1");
        assert!(image.known);
        assert_eq!(image.server.unwrap().speaks, Speaks::Http(Site::Text { body: "shop v1\n".into() }));
        assert!(!find(&config, "example.com/shop:2").known);
    }
}

//! Container images: which programs and files are in them, and what they start.

use crate::kube::config::{ClusterConfig, Listen};
use crate::kube::node::files::Files;
use crate::kube::node::machine::ToolSet;
use crate::kube::objects::Protocol;
use crate::kube::version::Version;

use super::site::{
    APACHE_INDEX, APACHE_ROOT, NGINX_50X, NGINX_INDEX, NGINX_INDEX_TO_1_20, NGINX_INDEX_TO_1_29_3,
    NGINX_ROOT, Site,
};

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
    /// Its size in bytes, for the event `Pulled`.
    pub size: u64,
    /// Whether the simulator knows it; what an unknown image does is a guess.
    pub known: bool,
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

fn tcp(ports: &[u16]) -> Vec<Listen> {
    ports.iter().map(|&port| Listen { port, protocol: Protocol::Tcp }).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn built_in(reference: &Reference) -> Image {
    let tag = reference.tag.as_str();
    let shell = |tools, size| Image {
        tools,
        files: base_files(),
        entrypoint: Vec::new(),
        cmd: words(&["sh"]),
        server: None,
        size,
        known: true,
    };
    match reference.name.as_str() {
        "busybox" => shell(ToolSet::busybox(tag), 2_224_358),
        "alpine" => shell(ToolSet::alpine(tag, &[]), 3_862_111),
        "debian" | "ubuntu" => Image { cmd: words(&["bash"]), ..shell(ToolSet::debian(&[]), 49_285_130) },
        "nginx" => nginx(tag),
        "httpd" => httpd(tag),
        "coredns" | "coredns/coredns" | "registry.k8s.io/coredns/coredns" => Image {
            entrypoint: words(&["/coredns"]),
            cmd: Vec::new(),
            server: Some(Server {
                listen: vec![
                    Listen { port: 53, protocol: Protocol::Udp },
                    Listen { port: 53, protocol: Protocol::Tcp },
                ],
                speaks: Speaks::ClusterDns,
            }),
            ..shell(ToolSet::BARE, 22_384_805)
        },
        "pause" | "registry.k8s.io/pause" | "k8s.gcr.io/pause" => {
            Image { entrypoint: words(&["/pause"]), cmd: Vec::new(), ..shell(ToolSet::BARE, 320_448) }
        }
        _ => Image {
            cmd: Vec::new(),
            size: 20_000_000 + u64::from(crate::kube::node::cni::mac_of(&reference.name).0[5]) * 131_072,
            known: false,
            ..shell(ToolSet::debian(&[]), 0)
        },
    }
}

/// What every image has.
fn base_files() -> Files {
    ["/bin", "/dev", "/etc", "/home", "/proc", "/root", "/sys", "/tmp", "/usr", "/var"]
        .into_iter()
        .fold(Files::new(), Files::with_dir)
}

fn nginx(tag: &str) -> Image {
    // Release, its last patch level, and when the files of its package were made.
    const RELEASES: [(u16, &str, i64); 17] = [
        (14, "1.14.2", 0x5c06_92e1),
        (15, "1.15.12", 0x5cb5_d3c3),
        (16, "1.16.1", 0x5d52_8b4c),
        (17, "1.17.10", 0x5e95_c66e),
        (18, "1.18.0", 0x5e9e_ea60),
        (19, "1.19.10", 0x6075_b537),
        (20, "1.20.2", 0x6193_c3b2),
        (21, "1.21.6", 0x61f0_1158),
        (22, "1.22.1", 0x634f_ada5),
        (23, "1.23.4", 0x6423_0162),
        (24, "1.24.0", 0x6436_b4f2),
        (25, "1.25.5", 0x661e_8b67),
        (26, "1.26.3", 0x67a3_4638),
        (27, "1.27.5", 0x67ff_9c07),
        (28, "1.28.0", 0x6809_0f1c),
        (29, "1.29.8", 0x69d4_ec68),
        (u16::MAX, "1.29.8", 0x69d4_ec68),
    ];
    let asked = Version::parse(tag).filter(|v| v.minor > 0);
    let stable = tag.starts_with("stable");
    let minor = asked.map_or(if stable { 28 } else { u16::MAX }, |v| v.minor);
    let release = RELEASES.iter().find(|(m, ..)| *m == minor).or(RELEASES.last());
    let (version, built) = release.map_or(("1.29.8", 0x69d4_ec68), |(_, version, built)| (*version, *built));
    let index = match minor {
        ..=20 => NGINX_INDEX_TO_1_20,
        21..=28 => NGINX_INDEX_TO_1_29_3,
        _ => NGINX_INDEX,
    };
    let alpine = tag.contains("alpine");
    let tools = if alpine {
        ToolSet::alpine("latest", &["curl", "nginx"])
    } else {
        ToolSet::debian(&["curl", "nginx"])
    };
    Image {
        tools,
        files: base_files()
            .with(&format!("{NGINX_ROOT}/index.html"), index.as_bytes())
            .with(&format!("{NGINX_ROOT}/50x.html"), NGINX_50X.as_bytes())
            .with_dir("/etc/nginx/conf.d"),
        entrypoint: words(&["/docker-entrypoint.sh"]),
        cmd: words(&["nginx", "-g", "daemon off;"]),
        server: Some(Server { listen: tcp(&[80]), speaks: Speaks::Http(Site::Nginx { version, built }) }),
        size: if alpine { 21_720_934 } else { 62_944_106 },
        known: true,
    }
}

fn httpd(tag: &str) -> Image {
    let programs = &["httpd", "httpd-foreground", "apachectl"];
    let tools =
        if tag.contains("alpine") { ToolSet::alpine("latest", programs) } else { ToolSet::debian(programs) };
    Image {
        tools,
        files: base_files().with(&format!("{APACHE_ROOT}/index.html"), APACHE_INDEX.as_bytes()),
        entrypoint: Vec::new(),
        cmd: words(&["httpd-foreground"]),
        server: Some(Server { listen: tcp(&[80]), speaks: Speaks::Http(Site::Apache { version: "2.4.66" }) }),
        size: 45_183_229,
        known: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::config::ImageConfig;

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
    fn nginx_has_the_page_of_its_version() {
        let page = |tag| nginx(tag).files.read("/usr/share/nginx/html/index.html").unwrap().len();
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

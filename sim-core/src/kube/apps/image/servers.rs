//! Images that listen.

use crate::kube::config::Listen;
use crate::kube::node::machine::ToolSet;
use crate::kube::objects::Protocol;
use crate::kube::version::Version;

use super::super::ingress::options;
use super::super::site::{
    APACHE_INDEX, APACHE_ROOT, NGINX_50X, NGINX_INDEX, NGINX_INDEX_TO_1_20, NGINX_INDEX_TO_1_29_3,
    NGINX_ROOT, Site,
};
use super::super::small::{Small, Talk};
use super::super::{kube_proxy, node_cache};
use super::{Image, Main, Server, Speaks, Start, Started, base_files, shell, tcp, words};

/// An image by its name without registry defaults, and its tag.
pub(super) fn find(name: &str, tag: &str) -> Option<Image> {
    let last = name.rsplit('/').next().unwrap_or(name);
    Some(match name {
        "nginx" => nginx(tag),
        "httpd" => httpd(tag),
        "coredns" | "coredns/coredns" | "registry.k8s.io/coredns/coredns" => coredns(),
        node_cache::IMAGE => Image { entrypoint: words(&["/node-cache"]), ..coredns() },
        kube_proxy::IMAGE => proxy(),
        "pause" => bare(&["/pause"], None, 320_448),
        "redis" | "registry.k8s.io/redis" | "k8s.gcr.io/redis" => {
            official(tag, ("redis-server", redis), 45_000_000)
        }
        "mysql" => official(tag, ("mysqld", mysql), 178_000_000),
        "mariadb" => official(tag, ("mariadbd", mariadb), 122_000_000),
        "postgres" => official(tag, ("postgres", postgres), 158_000_000),
        "memcached" => official(tag, ("memcached", memcached), 32_000_000),
        "mongo" => official(tag, ("mongod", mongo), 245_000_000),
        "tomcat" => tomcat(tag),
        "traefik/whoami" | "containous/whoami" => bare(&["/whoami"], Some(("whoami", whoami)), 2_800_000),
        "hashicorp/http-echo" => bare(&["/http-echo"], Some(("http-echo", http_echo)), 2_100_000),
        "nginxdemos/hello" if tag.starts_with("plain-text") => hello(80),
        "nginxdemos/nginx-hello" if tag.starts_with("plain-text") => hello(8080),
        "kennethreitz/httpbin" => site(
            &["gunicorn", "-b", "0.0.0.0:80", "httpbin:app", "-k", "gevent"],
            80,
            Site::Small(Small::Httpbin),
        ),
        "jocatalin/kubernetes-bootcamp" => bootcamp(tag),
        "luksa/kubia" => node("You've hit {hostname}\n", None),
        "j796160836/simple-test-http" => simple_test_http(),
        "wbitt/network-multitool" | "praqma/network-multitool" => multitool(),
        // These are kept in many places.
        _ if last == "pause" => bare(&["/pause"], None, 320_448),
        _ if options::is_controller(name) => ingress_nginx(),
        _ if matches!(last, "defaultbackend" | "defaultbackend-amd64") => {
            site(&["/server"], 8080, Site::DefaultBackend)
        }
        _ if last == "agnhost" => agnhost(),
        _ if last == "serve_hostname" => {
            bare(&["/serve_hostname"], Some(("serve_hostname", serve_hostname)), 2_300_000)
        }
        // Built of the nginx of its day; 0.21 and later are 1.21.
        _ if last == "nginx-slim" => nginx(if tag.starts_with("0.2") { "1.21" } else { "1.14" }),
        _ if last == "echoserver" => echoserver(tag),
        _ if last == "hello-app" => bare(&["./hello-app"], Some(("hello-app", hello_app)), 11_000_000),
        _ if last == "kubernetes-bootcamp" => bootcamp(tag),
        _ if last == "node-hello" => node("Hello Kubernetes!", None),
        _ => return None,
    })
}

/// The controller of ingress-nginx.
fn ingress_nginx() -> Image {
    Image {
        entrypoint: words(&["/usr/bin/dumb-init", "--"]),
        cmd: words(&["/nginx-ingress-controller"]),
        server: Some(Server { listen: Vec::new(), speaks: Speaks::Ingress }),
        ..shell(ToolSet::alpine("latest", &["curl", "nginx"]), 103_943_216)
    }
}

/// A program's name, and how it reads its command line.
type Named = (&'static str, fn(&Start<'_>) -> Started);

/// An image without a shell.
fn bare(entrypoint: &[&str], main: Option<Named>, size: u64) -> Image {
    Image {
        entrypoint: words(entrypoint),
        cmd: Vec::new(),
        main: main.map(|(name, read)| Main { name, read }),
        ..shell(ToolSet::BARE, size)
    }
}

/// An official image: a script prepares the ground for a server.
fn official(tag: &str, (name, read): Named, size: u64) -> Image {
    let tools = if tag.contains("alpine") { ToolSet::alpine("latest", &[]) } else { ToolSet::debian(&[]) };
    Image {
        entrypoint: words(&["docker-entrypoint.sh"]),
        cmd: words(&[name]),
        main: Some(Main { name, read }),
        ..shell(tools, size)
    }
}

/// An image of a Debian whose program serves one site.
fn site(cmd: &[&str], port: u16, site: Site) -> Image {
    let server = Server { listen: tcp(&[port]), speaks: Speaks::Http(site) };
    Image { cmd: words(cmd), server: Some(server), ..shell(ToolSet::debian(&[]), 60_000_000) }
}

/// A server written for Node.js, which sends its page in pieces.
fn node(page: &str, kind: Option<&'static str>) -> Image {
    let small = Small::Node { page: page.to_owned(), kind };
    Image {
        cmd: Vec::new(),
        entrypoint: words(&["node", "server.js"]),
        tools: ToolSet::debian(&["curl", "node"]),
        ..site(&[], 8080, Site::Small(small))
    }
}

fn bootcamp(tag: &str) -> Image {
    let version = if tag == "v2" { "2" } else { "1" };
    node(
        &format!("Hello Kubernetes bootcamp! | Running on: {{hostname}} | v={version}\n"),
        Some("text/plain"),
    )
}

fn serves(listen: Vec<Listen>, speaks: Speaks) -> Started {
    Started::Serves(vec![Server { listen, speaks }])
}

fn small(port: u16, small: Small) -> Started {
    serves(tcp(&[port]), Speaks::Http(Site::Small(small)))
}

fn udp(port: u16) -> Vec<Listen> {
    vec![Listen { port, protocol: Protocol::Udp }]
}

fn whoami(start: &Start<'_>) -> Started {
    let name = start.option("name").or_else(|| start.var("WHOAMI_NAME")).unwrap_or_default().to_owned();
    small(start.port("port", "WHOAMI_PORT_NUMBER", 80), Small::Whoami { name })
}

fn http_echo(start: &Start<'_>) -> Started {
    let text = start.option("text").or_else(|| start.var("ECHO_TEXT")).filter(|t| !t.is_empty());
    let Some(text) = text else {
        return Started::Ends(127, vec!["Missing -text option OR ENV var TEXT is empty!".to_owned()]);
    };
    let version = if start.tag.starts_with("0.2") { "0.2.3" } else { "1.0.0" };
    small(start.port("listen", "", 5678), Small::HttpEcho { text: text.to_owned(), version })
}

fn hello_app(start: &Start<'_>) -> Started {
    let version = if start.tag.starts_with('2') { "2.0.0" } else { "1.0.0" };
    small(start.port("", "PORT", 8080), Small::HelloApp { version })
}

fn agnhost() -> Image {
    let tools = ToolSet {
        versions: &[("bind", "9.16.44"), ("curl", "8.5.0")],
        ..ToolSet::alpine(
            "3.12",
            &["agnhost", "bash", "curl", "dig", "host", "nslookup", "iperf", "netcat", "tcpdump"],
        )
    };
    Image {
        entrypoint: words(&["/agnhost"]),
        cmd: words(&["pause"]),
        main: Some(Main { name: "agnhost", read: agnhost_main }),
        ..shell(tools, 52_800_000)
    }
}

fn agnhost_main(start: &Start<'_>) -> Started {
    let http = |port, small| Server { listen: tcp(&[port]), speaks: Speaks::Http(Site::Small(small)) };
    let talk = |listen, talk| Server { listen, speaks: Speaks::Talk(talk) };
    let hostname = String::new();
    match start.args.first().map(String::as_str) {
        Some("netexec") => {
            if let Some(option) = ["tls-cert-file", "http-override", "udp-listen-addresses"]
                .iter()
                .find(|o| start.option(o).is_some())
            {
                return Started::Unknown(format!("agnhost netexec --{option}"));
            }
            let mut servers = vec![http(start.port("http-port", "", 8080), Small::Netexec)];
            match start.option("udp-port") {
                Some("-1") => {}
                _ => servers.push(talk(udp(start.port("udp-port", "", 8081)), Talk::NetexecUdp { hostname })),
            }
            Started::Serves(servers)
        }
        Some("serve-hostname") => {
            let port = start.port("port", "", 9376);
            let raw = Talk::Hostname { hostname };
            let mut servers = Vec::new();
            if start.switch("tcp") {
                servers.push(talk(tcp(&[port]), raw.clone()));
            }
            if start.switch("udp") {
                servers.push(talk(udp(port), raw));
            }
            if servers.is_empty() {
                servers.push(http(port, Small::ServeHostname { close: start.switch("close") }));
            }
            Started::Serves(servers)
        }
        Some("porter") => {
            let pages = start.env.iter().filter_map(|v| {
                let port: u16 = v.name.strip_prefix("SERVE_PORT_")?.parse().ok()?;
                let site = Site::Text { body: v.value.clone() };
                Some(Server { listen: tcp(&[port]), speaks: Speaks::Http(site) })
            });
            Started::Serves(pages.collect())
        }
        Some("pause") | None => Started::Waits,
        Some(other) => Started::Unknown(format!("agnhost {other}")),
    }
}

/// The ancestor of `agnhost serve-hostname`: HTTP unless it is told otherwise.
fn serve_hostname(start: &Start<'_>) -> Started {
    small(start.port("port", "", 9376), Small::ServeHostname { close: start.switch("close") })
}

fn echoserver(tag: &str) -> Image {
    let version = Version::parse(tag).map_or(10, |v| v.minor);
    let small = match version {
        ..=4 => Small::OldEchoServer,
        5..=7 => Small::EchoServer { version: "nginx: 1.12.2 - lua: 10010" },
        _ => Small::EchoServer { version: "nginx: 1.13.3 - lua: 10008" },
    };
    site(&["nginx", "-g", "daemon off;"], 8080, Site::Small(small))
}

fn hello(port: u16) -> Image {
    let small = Small::NginxHello { version: "1.27.4", port };
    Image {
        entrypoint: words(&["/docker-entrypoint.sh"]),
        ..site(&["nginx", "-g", "daemon off;"], port, Site::Small(small))
    }
}

/// A page of busybox' httpd that is written with the host's name when the container starts.
fn simple_test_http() -> Image {
    let page = Site::Small(Small::Hello);
    let server = Server { listen: tcp(&[80]), speaks: Speaks::Http(page) };
    let cmd = words(&["/bin/sh", "-c", "httpd -p 80 -h /www -f & wait"]);
    Image {
        entrypoint: cmd,
        cmd: Vec::new(),
        server: Some(server),
        ..shell(ToolSet { extra: &["curl"], ..ToolSet::busybox("latest") }, 1_130_000)
    }
}

fn multitool() -> Image {
    let programs = &[
        "bash",
        "curl",
        "dig",
        "host",
        "ip",
        "jq",
        "nginx",
        "nslookup",
        "ping",
        "ss",
        "tcpdump",
        "tracepath",
    ];
    let small = Small::Multitool { version: "1.24.0" };
    let server = Server { listen: tcp(&[80, 443]), speaks: Speaks::Http(Site::Small(small)) };
    Image {
        entrypoint: words(&["/bin/sh", "/docker/entrypoint.sh"]),
        cmd: words(&["/usr/sbin/nginx", "-g", "daemon off;"]),
        server: Some(server),
        ..shell(ToolSet::alpine("3.18", programs), 20_000_000)
    }
}

fn tomcat(tag: &str) -> Image {
    // A tag with all three numbers names one release, a shorter one its line's latest.
    let whole = tag.split('-').next().is_some_and(|number| number.split('.').count() == 3);
    let version = match Version::parse(tag) {
        Some(version) if whole => version,
        Some(Version { major: 7, .. }) => Version::new(7, 0, 109),
        Some(Version { major: 8, minor: 0, .. }) if tag.starts_with("8.0") => Version::new(8, 0, 53),
        Some(Version { major: 8, .. }) => Version::new(8, 5, 100),
        Some(Version { major: 9, .. }) => Version::new(9, 0, 98),
        Some(Version { major: 10, .. }) => Version::new(10, 1, 34),
        _ => Version::new(11, 0, 2),
    };
    let programs = &["catalina.sh", "curl", "java"];
    let server =
        Server { listen: tcp(&[8080]), speaks: Speaks::Http(Site::Small(Small::Tomcat { version })) };
    Image {
        cmd: words(&["catalina.sh", "run"]),
        server: Some(server),
        ..shell(ToolSet::debian(programs), 180_000_000)
    }
}

fn redis(start: &Start<'_>) -> Started {
    serves(tcp(&[start.port("port", "", 6379)]), Speaks::Talk(Talk::Redis))
}

fn memcached(start: &Start<'_>) -> Started {
    serves(tcp(&[start.port("p", "", 11211)]), Speaks::Talk(Talk::Memcached { version: "1.6.34" }))
}

fn mongo(start: &Start<'_>) -> Started {
    serves(tcp(&[start.port("port", "", 27017)]), Speaks::Other)
}

/// Whether one of these variables is set, from wherever its value comes.
fn has_one(start: &Start<'_>, names: &[&str]) -> bool {
    start
        .env
        .iter()
        .any(|v| names.contains(&v.name.as_str()) && (!v.value.is_empty() || v.value_from.is_some()))
}

fn mysql(start: &Start<'_>) -> Started {
    let passwords = [
        "MYSQL_ROOT_PASSWORD",
        "MYSQL_ALLOW_EMPTY_PASSWORD",
        "MYSQL_RANDOM_ROOT_PASSWORD",
        "MYSQL_ROOT_PASSWORD_FILE",
    ];
    if !has_one(start, &passwords) {
        let said = "[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified";
        return Started::Ends(
            1,
            vec![format!(
                "{said}\n    You need to specify one of the following as an environment variable:\n    - MYSQL_ROOT_PASSWORD\n    - MYSQL_ALLOW_EMPTY_PASSWORD\n    - MYSQL_RANDOM_ROOT_PASSWORD"
            )],
        );
    }
    let number = start.tag.split('-').next().unwrap_or_default();
    let (version, plugin) = match number {
        "5.6" => ("5.6.51", "mysql_native_password"),
        "5" | "5.7" => ("5.7.44", "mysql_native_password"),
        "8.0" => ("8.0.43", "caching_sha2_password"),
        "8" | "8.4" | "lts" => ("8.4.7", "caching_sha2_password"),
        "" | "latest" | "9" => ("9.5.0", "caching_sha2_password"),
        exact if exact.starts_with('5') => (exact, "mysql_native_password"),
        exact => (exact, "caching_sha2_password"),
    };
    serves(
        tcp(&[start.port("port", "", 3306)]),
        Speaks::Talk(Talk::Mysql { version: version.to_owned(), plugin }),
    )
}

fn mariadb(start: &Start<'_>) -> Started {
    let kinds = [
        "ROOT_PASSWORD",
        "ALLOW_EMPTY_ROOT_PASSWORD",
        "RANDOM_ROOT_PASSWORD",
        "ROOT_PASSWORD_HASH",
        "ALLOW_EMPTY_PASSWORD",
    ];
    let names: Vec<String> =
        ["MARIADB", "MYSQL"].iter().flat_map(|p| kinds.iter().map(move |k| format!("{p}_{k}"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if !has_one(start, &names) {
        return Started::Ends(1, vec!["[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified\n\tYou need to specify one of MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_HASH, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD and MARIADB_RANDOM_ROOT_PASSWORD".to_owned()]);
    }
    let version = match start.tag.split('-').next().unwrap_or_default() {
        "10" | "10.11" => "10.11.15",
        "" | "latest" | "12" => "12.1.2",
        "11" | "11.8" | "lts" => "11.8.5",
        exact => exact,
    };
    // Before 11.0.1 a prefix kept old replicas from taking 10 for 1.
    let prefix = if version.starts_with("10.") { "5.5.5-" } else { "" };
    let version = format!("{prefix}{version}-MariaDB-ubu2404");
    serves(
        tcp(&[start.port("port", "", 3306)]),
        Speaks::Talk(Talk::Mysql { version, plugin: "mysql_native_password" }),
    )
}

fn postgres(start: &Start<'_>) -> Started {
    let trusts = start.var("POSTGRES_HOST_AUTH_METHOD") == Some("trust");
    if !trusts && !has_one(start, &["POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"]) {
        return Started::Ends(1, vec!["Error: Database is uninitialized and superuser password is not specified.\n       You must specify POSTGRES_PASSWORD to a non-empty value for the\n       superuser. For example, \"-e POSTGRES_PASSWORD=password\" on \"docker run\".\n\n       You may also use \"POSTGRES_HOST_AUTH_METHOD=trust\" to allow all\n       connections without a password. This is *not* recommended.\n\n       See PostgreSQL documentation about \"trust\":\n       https://www.postgresql.org/docs/current/auth-trust.html".to_owned()]);
    }
    serves(tcp(&[start.port("p", "PGPORT", 5432)]), Speaks::Talk(Talk::Postgres))
}

fn coredns() -> Image {
    Image {
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
    }
}

/// kube-proxy, with the programs that it runs and no shell.
fn proxy() -> Image {
    const PROGRAMS: &[&str] = &[
        "iptables",
        "iptables-save",
        "iptables-restore",
        "ip6tables",
        "ip6tables-save",
        "ip6tables-restore",
        "ipset",
        "conntrack",
        "nft",
    ];
    Image {
        entrypoint: words(&["/usr/local/bin/kube-proxy"]),
        cmd: Vec::new(),
        server: Some(Server { listen: Vec::new(), speaks: Speaks::KubeProxy }),
        ..shell(ToolSet { extra: PROGRAMS, ..ToolSet::BARE }, 25_963_718)
    }
}

pub(super) fn nginx(tag: &str) -> Image {
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
        ToolSet { versions: curl_of(minor), ..ToolSet::debian(&["curl", "nginx"]) }
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
        main: None,
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
        main: None,
        size: 45_183_229,
        known: true,
    }
}

/// The curl of the Debian that an nginx release came on: 10, 11, 12, 13.
const fn curl_of(minor: u16) -> &'static [(&'static str, &'static str)] {
    match minor {
        ..=20 => &[("curl", "7.64.0")],
        21..=24 => &[("curl", "7.74.0")],
        25..=28 => &[("curl", "7.88.1")],
        _ => &[("curl", "8.14.1")],
    }
}

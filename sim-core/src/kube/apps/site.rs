//! What web servers answer: nginx, Apache httpd, busybox httpd, and a plain text.

use std::net::{IpAddr, SocketAddr};

use indexmap::IndexMap;

use super::http::{Request, Response, date, percent_decode};
use super::small::Small;
use super::{health, nginx};
use crate::kube::config::ProxyMode;
use crate::kube::dns::server::Extra;
use crate::kube::node::files::{FileKind, Files};
use crate::kube::objects::Timestamp;

/// A web server, and how it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// nginx over a folder.
    Nginx {
        /// Version in the `Server` header: `1.29.8`.
        version: &'static str,
        /// When the files of its image were made, in seconds since 1970.
        built: i64,
    },
    /// Apache httpd over a folder.
    Apache {
        /// Version in the `Server` header.
        version: &'static str,
    },
    /// busybox httpd over a folder.
    Busybox {
        /// The folder (`-h`).
        root: String,
    },
    /// What kube-proxy says of itself (`/healthz`, `/livez`).
    ProxyHealth {
        /// Whether its node takes traffic from load balancers.
        eligible: bool,
    },
    /// What kube-proxy says on the port of its metrics (`/proxyMode`, `/healthz`).
    ProxyMode {
        /// Its mode.
        mode: ProxyMode,
    },
    /// What kube-proxy says of a Service on its health check node port.
    ServiceHealth {
        /// The Service's namespace.
        namespace: String,
        /// The Service's name.
        name: String,
        /// Ready endpoints on the node.
        local: usize,
    },
    /// A small server that tells of itself or of the request.
    Small(Small),
    /// One of the small servers of `CoreDNS`.
    CoreDns(Extra),
    /// The image `defaultbackend` of old: 404 for everything but its own health.
    DefaultBackend,
    /// One text for every path, with `{hostname}`, `{client}` and `{path}` filled in.
    Text {
        /// The text.
        body: String,
    },
}

/// What a site knows when it answers.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The request.
    pub request: &'a Request,
    /// Who asks, as the connection's other end shows.
    pub client: IpAddr,
    /// The same with its port.
    pub peer: SocketAddr,
    /// The container's host name.
    pub hostname: &'a str,
    /// The container's addresses.
    pub addresses: &'a [IpAddr],
    /// The container's environment.
    pub env: &'a IndexMap<String, String>,
    /// The container's files.
    pub files: &'a Files,
    /// The time of day.
    pub now: Timestamp,
    /// When the container started: the age of files that are not the image's own.
    pub started: Timestamp,
}

/// Where nginx' image has its files.
pub const NGINX_ROOT: &str = "/usr/share/nginx/html";
/// Where Apache's image has its files.
pub const APACHE_ROOT: &str = "/usr/local/apache2/htdocs";

impl Site {
    /// Answers a request.
    #[must_use]
    pub fn answer(&self, visit: Visit<'_>) -> Response {
        match self {
            Self::Nginx { version, built } => nginx::answer(version, *built, visit),
            Self::Apache { version } => apache(version, visit),
            Self::Busybox { root } => busybox(root, visit),
            Self::ProxyHealth { eligible } => health::of_proxy(*eligible, visit),
            Self::ProxyMode { mode } => health::of_proxy_mode(*mode, visit),
            Self::ServiceHealth { namespace, name, local } => {
                health::of_service(namespace, name, *local, visit)
            }
            Self::Small(small) => small.answer(visit),
            Self::CoreDns(what) => health::of_coredns(*what, visit),
            Self::DefaultBackend => health::of_default_backend(visit),
            Self::Text { body } => text(body, visit),
        }
    }
}

impl Site {
    /// What it says to bytes that are no request, if it says anything before it ends the connection.
    #[must_use]
    pub fn bad_request(&self, now: Timestamp) -> Option<Response> {
        match self {
            Self::Nginx { version, .. } => Some(nginx::bad_request(version, now)),
            _ => None,
        }
    }
}

/// What a path means below a folder.
pub(super) enum Found {
    File {
        bytes: std::sync::Arc<[u8]>,
        name: String,
    },
    /// A folder that was asked for without its final slash.
    Folder,
    /// A folder without an index.
    NoIndex,
    Nothing,
}

pub(super) fn find(files: &Files, root: &str, path: &str) -> Found {
    let full = Files::resolve("/", &format!("{root}{}", percent_decode(path)));
    if full != root && !full.starts_with(&format!("{}/", root.trim_end_matches('/'))) {
        return Found::Nothing;
    }
    let file = |name: String| match files.read(&name) {
        Ok(bytes) => Found::File { bytes, name },
        Err(_) => Found::Nothing,
    };
    match files.kind(&full) {
        Some(FileKind::File) if path.ends_with('/') => Found::Nothing,
        Some(FileKind::File) => file(full),
        Some(FileKind::Dir) if !path.ends_with('/') => Found::Folder,
        Some(FileKind::Dir) => match file(format!("{}/index.html", full.trim_end_matches('/'))) {
            Found::Nothing => Found::NoIndex,
            found => found,
        },
        None => Found::Nothing,
    }
}

/// Content type by the end of a file's name, as in nginx' `mime.types`.
pub(super) fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" | "htm" => Some("text/html"),
        "css" => Some("text/css"),
        "xml" => Some("text/xml"),
        "txt" => Some("text/plain"),
        "js" => Some("application/javascript"),
        "json" => Some("application/json"),
        "png" => Some("image/png"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

/// Whether a file is one of those that came with an nginx image.
pub(super) fn image_page(bytes: &[u8]) -> bool {
    [NGINX_INDEX, NGINX_INDEX_TO_1_29_3, NGINX_INDEX_TO_1_20, NGINX_50X]
        .iter()
        .any(|page| page.as_bytes() == bytes)
}

fn apache(version: &'static str, visit: Visit<'_>) -> Response {
    let request = visit.request;
    let close = !request.keep_alive();
    let mut headers = vec![("Date", date(visit.now)), ("Server", format!("Apache/{version} (Unix)"))];
    let connection = |headers: &mut Vec<(&'static str, String)>| {
        if close {
            headers.push(("Connection", "close".to_owned()));
        } else if !request.http11 {
            headers.push(("Keep-Alive", "timeout=5, max=100".to_owned()));
            headers.push(("Connection", "Keep-Alive".to_owned()));
        }
    };
    let found = find(visit.files, APACHE_ROOT, request.path());
    let (status, heading, sentence) = match found {
        Found::File { bytes, name } => {
            let of_image = *bytes == *APACHE_INDEX.as_bytes();
            let modified = if of_image { APACHE_BUILT } else { visit.started.unix_seconds() };
            headers.push(("Last-Modified", date(Timestamp::from_unix(modified))));
            // Apache's entity tag: length and microseconds in hexadecimal.
            headers.push(("ETag", format!("\"{:x}-{:x}\"", bytes.len(), modified * 1_000_000)));
            headers.push(("Accept-Ranges", "bytes".to_owned()));
            headers.push(("Content-Length", bytes.len().to_string()));
            connection(&mut headers);
            headers.extend(content_type(&name).map(|t| ("Content-Type", t.to_owned())));
            return Response { status: "200 OK", headers, body: bytes.to_vec(), close };
        }
        Found::Folder => ("301 Moved Permanently", "Moved Permanently", String::new()),
        Found::Nothing => {
            ("404 Not Found", "Not Found", "The requested URL was not found on this server.".to_owned())
        }
        Found::NoIndex => {
            ("403 Forbidden", "Forbidden", "You don't have permission to access this resource.".to_owned())
        }
    };
    let sentence = if status.starts_with("301") {
        let location = format!("http://{}{}/", request.header("Host").unwrap_or_default(), request.path());
        headers.push(("Location", location.clone()));
        format!("The document has moved <a href=\"{location}\">here</a>.")
    } else {
        sentence
    };
    let body = format!(
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>{status}</title>\n</head><body>\n\
         <h1>{heading}</h1>\n<p>{sentence}</p>\n</body></html>\n"
    );
    headers.push(("Content-Length", body.len().to_string()));
    connection(&mut headers);
    headers.push(("Content-Type", "text/html; charset=iso-8859-1".to_owned()));
    Response { status, headers, body: body.into_bytes(), close }
}

fn busybox(root: &str, visit: Visit<'_>) -> Response {
    let mut headers = vec![("Date", date(visit.now)), ("Connection", "close".to_owned())];
    match find(visit.files, root, visit.request.path()) {
        Found::File { bytes, name } => {
            headers
                .push(("Content-type", content_type(&name).unwrap_or("application/octet-stream").to_owned()));
            headers.push(("Accept-Ranges", "bytes".to_owned()));
            headers.push(("Last-Modified", date(visit.started)));
            headers.push(("Content-Length", bytes.len().to_string()));
            Response { status: "200 OK", headers, body: bytes.to_vec(), close: true }
        }
        Found::Folder => {
            headers.push(("Location", format!("{}/", visit.request.path())));
            Response { status: "302 Found", headers, body: Vec::new(), close: true }
        }
        Found::NoIndex | Found::Nothing => busybox_not_found(visit),
    }
}

/// busybox' answer for a path that it does not have.
pub(super) fn busybox_not_found(visit: Visit<'_>) -> Response {
    let body = "<HTML><HEAD><TITLE>404 Not Found</TITLE></HEAD>\n<BODY><H1>404 Not Found</H1>\n\
                The requested URL was not found\n</BODY></HTML>\n";
    let headers = vec![
        ("Date", date(visit.now)),
        ("Connection", "close".to_owned()),
        ("Content-type", "text/html".to_owned()),
    ];
    Response { status: "404 Not Found", headers, body: body.into(), close: true }
}

/// As a small Go server answers.
fn text(template: &str, visit: Visit<'_>) -> Response {
    let body = template
        .replace("{hostname}", visit.hostname)
        .replace("{client}", &visit.client.to_string())
        .replace("{path}", visit.request.path());
    let close = !visit.request.keep_alive();
    let mut headers = vec![
        ("Date", date(visit.now)),
        ("Content-Length", body.len().to_string()),
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
    ];
    if close {
        headers.push(("Connection", "close".to_owned()));
    }
    Response { status: "200 OK", headers, body: body.into_bytes(), close }
}

/// nginx' page for a new installation.
pub const NGINX_INDEX: &str = include_str!("pages/nginx.html");
/// The same in the releases up to 1.29.3.
pub const NGINX_INDEX_TO_1_29_3: &str = include_str!("pages/nginx-1.29.3.html");
/// The same in the releases up to 1.20.
pub const NGINX_INDEX_TO_1_20: &str = include_str!("pages/nginx-1.20.html");
/// nginx' page for a broken server behind it.
pub const NGINX_50X: &str = include_str!("pages/nginx-50x.html");
/// Apache's page for a new installation.
pub const APACHE_INDEX: &str = "<html><body><h1>It works!</h1></body></html>\n";
/// Apache's page has had this date since it was written.
const APACHE_BUILT: i64 = 1_181_587_994;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::apps::http::{Parsed, parse};

    fn ask(site: &Site, files: &Files, request: &str) -> String {
        let Parsed::Request(request, _) = parse(request.as_bytes()) else { panic!("not a request") };
        let now = Timestamp::from_unix(1_767_225_700);
        let visit = Visit {
            request: &request,
            client: "10.244.2.9".parse().unwrap(),
            peer: "10.244.2.9:40000".parse().unwrap(),
            hostname: "web",
            addresses: &[],
            env: &IndexMap::new(),
            files,
            now,
            started: Timestamp::from_unix(1_767_225_600),
        };
        String::from_utf8(site.answer(visit).to_bytes(&request)).unwrap().replace('\r', "")
    }

    const NGINX: Site = Site::Nginx { version: "1.29.8", built: 0x69d4_ec68 };

    fn nginx_files() -> Files {
        Files::new()
            .with("/usr/share/nginx/html/index.html", NGINX_INDEX.as_bytes())
            .with_dir("/usr/share/nginx/html/sub")
    }

    #[test]
    fn pages_have_their_real_lengths() {
        let lengths =
            [NGINX_INDEX, NGINX_INDEX_TO_1_29_3, NGINX_INDEX_TO_1_20, NGINX_50X, APACHE_INDEX].map(str::len);
        assert_eq!(lengths, [896, 615, 612, 497, 45]);
    }

    #[test]
    fn nginx_serves_its_folder() {
        insta::assert_snapshot!(ask(&NGINX, &nginx_files(), "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), @r#"
        HTTP/1.1 200 OK
        Server: nginx/1.29.8
        Date: Thu, 01 Jan 2026 00:01:40 GMT
        Content-Type: text/html
        Content-Length: 896
        Last-Modified: Tue, 07 Apr 2026 11:37:12 GMT
        Connection: keep-alive
        ETag: "69d4ec68-380"
        Accept-Ranges: bytes
        "#);
    }

    #[test]
    fn nginx_has_its_own_error_pages() {
        let files = nginx_files();
        insta::assert_snapshot!(ask(&NGINX, &files, "GET /x HTTP/1.0\r\n\r\n"), @r"
        HTTP/1.1 404 Not Found
        Server: nginx/1.29.8
        Date: Thu, 01 Jan 2026 00:01:40 GMT
        Content-Type: text/html
        Content-Length: 153
        Connection: close

        <html>
        <head><title>404 Not Found</title></head>
        <body>
        <center><h1>404 Not Found</h1></center>
        <hr><center>nginx/1.29.8</center>
        </body>
        </html>
        ");
        let status = |request| ask(&NGINX, &files, request).lines().next().unwrap().to_owned();
        assert_eq!(status("GET /sub/ HTTP/1.1\r\n\r\n"), "HTTP/1.1 403 Forbidden");
        assert_eq!(status("GET /sub HTTP/1.1\r\n\r\n"), "HTTP/1.1 301 Moved Permanently");
        assert_eq!(status("POST / HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Not Allowed");
        assert_eq!(status("BREW / HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Not Allowed");
        assert_eq!(status("GET /../../../etc/passwd HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
    }

    #[test]
    fn nginx_answers_conditions_and_ranges() {
        let files = nginx_files();
        let ask = |more: &str| ask(&NGINX, &files, &format!("GET / HTTP/1.1\r\n{more}\r\n\r\n"));
        insta::assert_snapshot!(ask("If-None-Match: \"69d4ec68-380\""), @r#"
        HTTP/1.1 304 Not Modified
        Server: nginx/1.29.8
        Date: Thu, 01 Jan 2026 00:01:40 GMT
        Last-Modified: Tue, 07 Apr 2026 11:37:12 GMT
        Connection: keep-alive
        ETag: "69d4ec68-380"
        "#);
        insta::assert_snapshot!(ask("Range: bytes=0-14"), @r#"
        HTTP/1.1 206 Partial Content
        Server: nginx/1.29.8
        Date: Thu, 01 Jan 2026 00:01:40 GMT
        Content-Type: text/html
        Content-Length: 15
        Last-Modified: Tue, 07 Apr 2026 11:37:12 GMT
        Connection: keep-alive
        ETag: "69d4ec68-380"
        Content-Range: bytes 0-14/896

        <!DOCTYPE html>
        "#);
        let first = |text: String| text.lines().next().unwrap().to_owned();
        assert_eq!(
            first(ask("If-Modified-Since: Tue, 07 Apr 2026 11:37:12 GMT")),
            "HTTP/1.1 304 Not Modified"
        );
        assert_eq!(first(ask("If-None-Match: \"x\"")), "HTTP/1.1 200 OK");
        assert_eq!(first(ask("Range: bytes=900-")), "HTTP/1.1 416 Requested Range Not Satisfiable");
        assert!(ask("Range: bytes=-8").ends_with("\n\n</html>\n"));
    }

    #[test]
    fn apache_says_that_it_works() {
        let files = Files::new().with("/usr/local/apache2/htdocs/index.html", APACHE_INDEX.as_bytes());
        insta::assert_snapshot!(ask(&Site::Apache { version: "2.4.66" }, &files, "GET / HTTP/1.1\r\n\r\n"), @r#"
        HTTP/1.1 200 OK
        Date: Thu, 01 Jan 2026 00:01:40 GMT
        Server: Apache/2.4.66 (Unix)
        Last-Modified: Mon, 11 Jun 2007 18:53:14 GMT
        ETag: "2d-432a5e4a73a80"
        Accept-Ranges: bytes
        Content-Length: 45
        Content-Type: text/html

        <html><body><h1>It works!</h1></body></html>
        "#);
    }

    #[test]
    fn a_text_is_filled_in() {
        let site = Site::Text { body: "{hostname} {client} {path}\n".into() };
        assert!(ask(&site, &Files::new(), "GET /a?b HTTP/1.1\r\n\r\n").ends_with("\n\nweb 10.244.2.9 /a\n"));
    }
}

//! What nginx answers by itself.

use crate::kube::apps::http::{Request, Response, date};
use crate::kube::objects::Timestamp;

/// The reason phrases of nginx' pages.
fn phrase(status: u16) -> &'static str {
    match status {
        301 => "301 Moved Permanently",
        302 => "302 Found",
        303 => "303 See Other",
        307 => "307 Temporary Redirect",
        308 => "308 Permanent Redirect",
        400 => "400 Bad Request",
        403 => "403 Forbidden",
        404 => "404 Not Found",
        413 => "413 Request Entity Too Large",
        502 => "502 Bad Gateway",
        503 => "503 Service Temporarily Unavailable",
        504 => "504 Gateway Time-out",
        _ => "500 Internal Server Error",
    }
}

/// One of nginx' pages, without a version (`server_tokens off`) and without a `Server` header, which ingress-nginx clears.
pub(super) fn page(status: u16, request: &Request, now: Timestamp) -> Response {
    answer(phrase(status), phrase(status), None, request, now)
}

/// A redirect.
pub(super) fn redirect(status: u16, location: String, request: &Request, now: Timestamp) -> Response {
    answer(phrase(status), phrase(status), Some(location), request, now)
}

/// HTTP on the port of HTTPS.
pub(super) fn plain_on_https(request: &Request, now: Timestamp) -> Response {
    let title = "400 The plain HTTP request was sent to HTTPS port";
    let mut response = answer("400 Bad Request", title, None, request, now);
    let page = String::from_utf8_lossy(&response.body).replace(
        &format!("<center><h1>{title}</h1></center>\r\n"),
        "<center><h1>400 Bad Request</h1></center>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n",
    );
    response.body = page.into_bytes();
    let length = response.body.len().to_string();
    for (name, value) in &mut response.headers {
        match *name {
            "Content-Length" => value.clone_from(&length),
            "Connection" => "close".clone_into(value),
            _ => {}
        }
    }
    response.close = true;
    response
}

fn answer(
    status: &'static str,
    title: &str,
    location: Option<String>,
    request: &Request,
    now: Timestamp,
) -> Response {
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    let close = !request.keep_alive() || status.starts_with("413");
    let mut headers = vec![
        ("Date", date(now)),
        ("Content-Type", "text/html".to_owned()),
        ("Content-Length", body.len().to_string()),
        ("Connection", if close { "close" } else { "keep-alive" }.to_owned()),
    ];
    headers.extend(location.map(|location| ("Location", location)));
    Response { status, headers, body: body.into_bytes(), close }
}

/// The controller's own health, as Go's `net/http` says it.
pub(super) fn health(request: &Request, now: Timestamp) -> Response {
    let (status, body) = match request.path() {
        "/healthz" => ("200 OK", "ok"),
        _ => ("404 Not Found", "404 page not found\n"),
    };
    let close = !request.keep_alive();
    let mut headers = vec![
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("Date", date(now)),
        ("Content-Length", body.len().to_string()),
    ];
    headers.extend(close.then(|| ("Connection", "close".to_owned())));
    Response { status, headers, body: body.into(), close }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::apps::http::{Parsed, parse};

    #[test]
    fn pages_have_their_real_lengths() {
        let Parsed::Request(request, _) = parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") else { panic!() };
        let length = |status| page(status, &request, Timestamp::from_unix(0)).body.len();
        assert_eq!([404, 503, 502, 504, 308].map(length), [146, 190, 150, 160, 164]);
    }
}

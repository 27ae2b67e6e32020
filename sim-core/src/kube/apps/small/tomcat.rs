//! Tomcat as its image comes: without any application, so that every path is unknown.

use super::super::http::{Response, date};
use super::super::site::Visit;

const STYLE: &str = "body {font-family:Tahoma,Arial,sans-serif;} h1, h2, h3, b {color:white;background-color:#525D76;} h1 {font-size:22px;} h2 {font-size:16px;} h3 {font-size:14px;} p {font-size:12px;} a {color:black;} .line {height:1px;background-color:#525D76;border:none;}";

pub(super) fn answer(version: &str, visit: Visit<'_>) -> Response {
    let close = !visit.request.keep_alive();
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><title>HTTP Status 404 \u{2013} Not Found</title><style type=\"text/css\">{STYLE}</style></head>\
         <body><h1>HTTP Status 404 \u{2013} Not Found</h1><hr class=\"line\" /><p><b>Type</b> Status Report</p><p><b>Description</b> \
         The origin server did not find a current representation for the target resource or is not willing to disclose that one exists.</p>\
         <hr class=\"line\" /><h3>Apache Tomcat/{version}</h3></body></html>"
    );
    let mut headers = vec![
        ("Content-Type", "text/html;charset=utf-8".to_owned()),
        ("Content-Language", "en".to_owned()),
        ("Content-Length", body.len().to_string()),
        ("Date", date(visit.now)),
    ];
    if close {
        headers.push(("Connection", "close".to_owned()));
    } else if !visit.request.http11 {
        headers.push(("Keep-Alive", "timeout=20".to_owned()));
        headers.push(("Connection", "keep-alive".to_owned()));
    }
    // Tomcat sends no reason.
    Response { status: "404 ", headers, body: body.into_bytes(), close }
}

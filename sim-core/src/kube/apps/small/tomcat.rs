//! Tomcat as its image comes: without any application, so that every path is unknown. Before January 2020 the image had Tomcat's own
//! applications (docker-library/tomcat#181), of which the welcome page is here, shortened to its head line.

use super::super::http::{Response, date};
use super::super::site::Visit;
use crate::kube::version::Version;

const STYLE: &str = "body {font-family:Tahoma,Arial,sans-serif;} h1, h2, h3, b {color:white;background-color:#525D76;} h1 {font-size:22px;} h2 {font-size:16px;} h3 {font-size:14px;} p {font-size:12px;} a {color:black;} .line {height:1px;background-color:#525D76;border:none;}";

pub(super) fn answer(version: Version, visit: Visit<'_>) -> Response {
    if has_applications(version) && matches!(visit.request.path(), "/" | "/index.jsp") {
        let body = format!(
            "\n\n\n<!DOCTYPE html>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"UTF-8\" />\n        <title>Apache Tomcat/{version}</title>\n    \
             </head>\n\n    <body>\n        <h1>Apache Tomcat/{version}</h1>\n    </body>\n\n</html>\n"
        );
        return response("200 ", "text/html;charset=UTF-8", &[], body, visit);
    }
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><title>HTTP Status 404 \u{2013} Not Found</title><style type=\"text/css\">{STYLE}</style></head>\
         <body><h1>HTTP Status 404 \u{2013} Not Found</h1><hr class=\"line\" /><p><b>Type</b> Status Report</p><p><b>Description</b> \
         The origin server did not find a current representation for the target resource or is not willing to disclose that one exists.</p>\
         <hr class=\"line\" /><h3>Apache Tomcat/{version}</h3></body></html>"
    );
    response("404 ", "text/html;charset=utf-8", &[("Content-Language", "en")], body, visit)
}

/// Whether the image of this version serves Tomcat's own applications.
fn has_applications(version: Version) -> bool {
    let first_without = match (version.major, version.minor) {
        (7, _) => 100,
        (8, 5) => 50,
        (9, 0) => 30,
        (major, _) => return major < 9,
    };
    version.patch < first_without
}

fn response(
    status: &'static str,
    kind: &str,
    more: &[(&'static str, &str)],
    body: String,
    visit: Visit<'_>,
) -> Response {
    let close = !visit.request.keep_alive();
    let mut headers = vec![("Content-Type", kind.to_owned())];
    headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    headers.extend([("Content-Length", body.len().to_string()), ("Date", date(visit.now))]);
    if close {
        headers.push(("Connection", "close".to_owned()));
    } else if !visit.request.http11 {
        headers.push(("Keep-Alive", "timeout=20".to_owned()));
        headers.push(("Connection", "keep-alive".to_owned()));
    }
    // Tomcat sends no reason.
    Response { status, headers, body: body.into_bytes(), close }
}

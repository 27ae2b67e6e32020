//! What small servers answer, as a client reads it.

use indexmap::IndexMap;

use super::super::http::{Parsed, parse};
use super::*;
use crate::kube::node::files::Files;
use crate::kube::objects::Timestamp;

fn ask(small: &Small, target: &str) -> String {
    let text =
        format!("GET {target} HTTP/1.1\r\nHost: web:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n");
    let Parsed::Request(request, _) = parse(text.as_bytes()) else { panic!("not a request") };
    let env = IndexMap::from([("POD_NAME".to_owned(), "echo-1".to_owned())]);
    let addresses = ["127.0.0.1", "10.244.1.7"].map(|a| a.parse().unwrap());
    let peer: std::net::SocketAddr = "10.244.2.9:40000".parse().unwrap();
    let answer = small.answer(Visit {
        request: &request,
        client: peer.ip(),
        peer,
        hostname: "echo-1",
        addresses: &addresses,
        env: &env,
        files: &Files::new(),
        now: Timestamp::from_unix(1_767_225_700),
        started: Timestamp::from_unix(1_767_225_600),
    });
    String::from_utf8(answer.to_bytes(&request)).unwrap().replace('\r', "")
}

#[test]
fn servers_of_go() {
    let whoami = Small::Whoami { name: String::new() };
    let echo = Small::HttpEcho { text: "hi".to_owned(), version: "1.0.0" };
    let hello = Small::HelloApp { version: "2.0.0" };
    let answers = [ask(&whoami, "/x?y=1"), ask(&whoami, "/api"), ask(&echo, "/"), ask(&hello, "/")];
    insta::assert_snapshot!(answers.join("\n----\n"));
}

#[test]
fn agnhost_answers_on_its_paths() {
    let paths =
        ["/hostname", "/clientip", "/echo?msg=a+b&code=404", "/redirect?location=/echo", "/", "/dial?host=a"];
    insta::assert_snapshot!(paths.map(|p| ask(&Small::Netexec, p)).join("\n----\n"));
}

#[test]
fn servers_that_tell_of_the_request() {
    let all = [
        Small::OldEchoServer,
        Small::EchoServer { version: "nginx: 1.13.3 - lua: 10008" },
        Small::NginxHello { version: "1.27.4", port: 80 },
        Small::Httpbin,
    ];
    insta::assert_snapshot!(all.map(|s| ask(&s, "/get?a=b")).join("\n----\n"));
}

#[test]
fn tomcat_without_an_application_knows_no_path() {
    let answer = ask(&Small::Tomcat { version: Version::new(10, 1, 34) }, "/");
    assert!(answer.starts_with("HTTP/1.1 404 \nContent-Type: text/html;charset=utf-8\n"), "{answer}");
}

#[test]
fn the_image_of_earlier_tomcats_has_a_welcome_page() {
    let answer = |version| ask(&Small::Tomcat { version }, "/");
    assert!(answer(Version::new(8, 5, 34)).contains("<title>Apache Tomcat/8.5.34</title>"));
    assert!(answer(Version::new(8, 5, 50)).starts_with("HTTP/1.1 404"));
    assert!(answer(Version::new(9, 0, 29)).starts_with("HTTP/1.1 200 \n"));
    assert!(answer(Version::new(10, 0, 0)).starts_with("HTTP/1.1 404"));
}

//! Corefiles and what CoreDNS says of them.

use std::collections::BTreeMap;

use super::*;

struct Files(BTreeMap<&'static str, &'static str>);

impl Surroundings for Files {
    fn env(&self, name: &str) -> Option<String> {
        (name == "ZONE").then(|| "example.org".to_owned())
    }

    fn read(&self, path: &str) -> Option<String> {
        self.0.get(path).map(|t| (*t).to_owned())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = self.0.keys().filter_map(|p| p.strip_prefix(folder)?.strip_prefix('/'));
        inside.map(str::to_owned).collect()
    }
}

fn read(text: &str) -> Result<Vec<ServerBlock>, String> {
    parse("/etc/coredns/Corefile", text, &Nowhere, false)
}

fn words_of(block: &ServerBlock, directive: &str) -> Vec<String> {
    block.tokens[directive].iter().map(|t| t.text.clone()).collect()
}

#[test]
fn blocks_have_keys_and_directives() {
    let text = "a.example, b.example:1053 { # two\n  log\n  forward . 1.2.3.4 {\n    force_tcp\n  }\n}\nc.example {\n log \"x \\\" y\"\n}\n";
    let blocks = read(text).unwrap();
    assert_eq!(blocks[0].keys, ["a.example", "b.example:1053"]);
    assert_eq!(words_of(&blocks[0], "forward"), ["forward", ".", "1.2.3.4", "{", "force_tcp", "}"]);
    assert_eq!(words_of(&blocks[1], "log"), ["log", "x \" y"]);
}

#[test]
fn one_server_needs_no_braces() {
    let blocks = read(".:53\nlog\nerrors").unwrap();
    assert_eq!(blocks[0].tokens.keys().collect::<Vec<_>>(), ["errors", "log"]);
}

#[test]
fn snippets_files_and_variables_are_put_in() {
    let files = Files(BTreeMap::from([
        ("/etc/coredns/custom/a.override", "cache 5"),
        ("/etc/coredns/custom/b.server", "b.example {\n whoami\n}"),
    ]));
    let text = "(both) {\n  errors\n  log\n}\n{$ZONE} {\n  import both\n  import custom/*.override\n}\nimport custom/*.server\n";
    let blocks = parse("/etc/coredns/Corefile", text, &files, false).unwrap();
    assert_eq!(blocks[0].keys, ["example.org"]);
    assert_eq!(blocks[0].tokens.keys().collect::<Vec<_>>(), ["cache", "errors", "log"]);
    assert_eq!(blocks[1].keys, ["b.example"]);
    assert_eq!(blocks[1].tokens["whoami"][0].file, "/etc/coredns/custom/b.server");
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let of = |text: &str| read(text).unwrap_err();
    let at =
        |line: u32, message: &str| format!("/etc/coredns/Corefile:{line} - Error during parsing: {message}");
    assert_eq!(
        of(".:53 {\n  errors\n  kubernets cluster.local\n}\n"),
        at(3, "Unknown directive 'kubernets'")
    );
    assert_eq!(of(".:53 {\n  errors\n  cache {\n"), at(3, "Unexpected EOF"));
    assert_eq!(
        of(".:53 {\n  errors\n  log\n"),
        "/etc/coredns/Corefile:3 - Syntax error: Unexpected token 'log', expecting '}'"
    );
    assert_eq!(of(".:53 {\n  log }\n}\n"), at(2, "Unexpected '}' because no matching opening brace"));
    assert_eq!(of("a, {\n}\n"), at(1, "Expected another address but had '{' - check for extra comma"));
    assert_eq!(of(". {\n import nothing\n}\n"), at(2, "File to import not found: nothing"));
    assert_eq!(of("(a) {\n log\n}\n(a) {\n}\n"), at(4, "redeclaration of previously declared snippet a"));
    assert_eq!(of("(a) {\n import a\n}\n"), at(3, "maximum snippet import depth (1000) exceeded"));
}

#[test]
fn keys_become_zones_and_ports() {
    let keys = |text: &str| server_keys(&read(&format!("{text} {{\n}}\n")).unwrap());
    let zones = |text: &str| {
        let all = keys(text).unwrap().remove(0);
        all.into_iter().map(|k| format!("{}:{}", k.zone, k.port)).collect::<Vec<_>>()
    };
    assert_eq!(zones(".:53"), [".:53"]);
    assert_eq!(zones("Example.ORG dns://b.example:1053"), ["example.org.:53", "b.example.:1053"]);
    assert_eq!(zones("10.0.0.0/23"), ["0.0.10.in-addr.arpa.:53", "1.0.10.in-addr.arpa.:53"]);
    assert_eq!(zones("fd00:10::/32"), ["0.1.0.0.0.0.d.f.ip6.arpa.:53"]);
    assert_eq!(keys("a:").unwrap_err(), "expecting data after last colon: \"a:\"");
    assert_eq!(keys("a..b").unwrap_err(), "zone is not a valid domain name: a..b");
    assert_eq!(keys("tls://a").unwrap_err(), "server block \"tls://a\": tls:// is not modelled");
}

/// What real clusters print for kubeadm's Corefile, without (until 1.32) and with its exception from caching.
#[test]
fn the_digest_is_the_one_that_coredns_prints() {
    let kubeadm = |cache: &str| {
        format!(
            ".:53 {{\n    errors\n    health {{\n       lameduck 5s\n    }}\n    ready\n    kubernetes cluster.local in-addr.arpa ip6.arpa {{\n       pods insecure\n       fallthrough in-addr.arpa ip6.arpa\n       ttl 30\n    }}\n    prometheus :9153\n    forward . /etc/resolv.conf {{\n       max_concurrent 1000\n    }}\n    {cache}\n    loop\n    reload\n    loadbalance\n}}\n"
        )
    };
    let of = |cache: &str| digest(&parse("/etc/coredns/Corefile", &kubeadm(cache), &Nowhere, true).unwrap());
    assert_eq!(
        of("cache 30"),
        "591cf328cccc12bc490481273e738df59329c62c0b729d94e8b61db9961c2fa5f046dd37f1cf888b953814040d180f52594972691cd6ff41be96639138a43908"
    );
    assert_eq!(
        of("cache 30 {\n       disable success cluster.local\n       disable denial cluster.local\n    }"),
        "1b226df79860026c6a52e67daa10d7f0d57ec5b023288ec00c5e05f93523c894564e15b91770d3a07ae1cfbe861d15b37d4a0027e69c546ab112970993a3b03b"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics_the_parser(text in "[a-z{}()\\n\" #,$%*/.:\\\\]{0,80}") {
        if let Ok(blocks) = read(&text) {
            let _ = server_keys(&blocks);
            let _ = digest(&blocks);
        }
    }
}

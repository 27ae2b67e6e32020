//! Images that people run tools in.

use crate::kube::node::machine::{Libc, ToolSet};
use crate::kube::version::Version;

use super::{Image, shell, words};

/// Programs of bind-tools and dnsutils.
const BIND: [&str; 3] = ["dig", "host", "nslookup"];

/// An image by its name without registry defaults, and its tag.
pub(super) fn find(name: &str, tag: &str) -> Option<Image> {
    let last = name.rsplit('/').next().unwrap_or(name);
    Some(match name {
        "busybox" => shell(ToolSet::busybox(tag), 2_224_358),
        "alpine" => shell(ToolSet::alpine(tag, &[]), 3_862_111),
        "debian" | "ubuntu" => Image { cmd: words(&["bash"]), ..shell(ToolSet::debian(&[]), 49_285_130) },
        "centos" | "rockylinux" | "almalinux" | "fedora" => {
            let tools = ToolSet { versions: &[("curl", "7.76.1")], ..ToolSet::debian(&["curl", "ping"]) };
            Image { cmd: words(&["/bin/bash"]), ..shell(tools, 76_000_000) }
        }
        "curlimages/curl" => curl(tag),
        "byrnedo/alpine-curl" | "appropriate/curl" => Image {
            entrypoint: words(&["curl"]),
            cmd: Vec::new(),
            ..shell(alpine("3.18", &["curl"], &[("curl", "8.5.0")]), 6_000_000)
        },
        "radial/busyboxplus" => busyboxplus(tag),
        "nicolaka/netshoot" => netshoot(),
        "xianchao/dig" => dnsutils(&[("bind", "9.11.4-P2-RedHat-9.11.4-26.P2.el7")]),
        "tutum/dnsutils" => dnsutils(&[("bind", "9.9.5-3ubuntu0.2-Ubuntu")]),
        "infoblox/dnstools" => shell(
            alpine("3.11", &["bash", "curl", "dig", "host", "nslookup"], &[("bind", "9.14.12")]),
            6_000_000,
        ),
        _ if last == "jessie-dnsutils" || last == "dnsutils" => {
            dnsutils(&[("bind", "9.9.5-9+deb8u19-Debian")])
        }
        _ => return None,
    })
}

fn alpine(
    tag: &str,
    extra: &'static [&'static str],
    versions: &'static [(&'static str, &'static str)],
) -> ToolSet {
    ToolSet { versions, ..ToolSet::alpine(tag, extra) }
}

/// Its tags are versions of curl.
fn curl(tag: &str) -> Image {
    // The version must outlive the image: those that people use are listed.
    const KNOWN: [(&str, &[(&str, &str)]); 16] = [
        ("7.72.0", &[("curl", "7.72.0")]),
        ("7.78.0", &[("curl", "7.78.0")]),
        ("7.80.0", &[("curl", "7.80.0")]),
        ("7.82.0", &[("curl", "7.82.0")]),
        ("7.83.1", &[("curl", "7.83.1")]),
        ("7.85.0", &[("curl", "7.85.0")]),
        ("7.87.0", &[("curl", "7.87.0")]),
        ("7.88.1", &[("curl", "7.88.1")]),
        ("8.1.2", &[("curl", "8.1.2")]),
        ("8.4.0", &[("curl", "8.4.0")]),
        ("8.5.0", &[("curl", "8.5.0")]),
        ("8.6.0", &[("curl", "8.6.0")]),
        ("8.7.1", &[("curl", "8.7.1")]),
        ("8.10.1", &[("curl", "8.10.1")]),
        ("8.11.1", &[("curl", "8.11.1")]),
        ("8.14.1", &[("curl", "8.14.1")]),
    ];
    const LATEST: &[(&str, &str)] = &[("curl", "8.16.0")];
    let asked = Version::parse(tag);
    // Another version counts as the nearest older one.
    let known =
        KNOWN.iter().rev().find(|(v, _)| Version::parse(v).is_some_and(|v| asked.is_some_and(|a| v <= a)));
    let versions = match asked {
        Some(_) => known.map_or(KNOWN[0].1, |(_, versions)| versions),
        None => LATEST,
    };
    Image {
        entrypoint: words(&["/entrypoint.sh"]),
        cmd: words(&["curl"]),
        ..shell(alpine("latest", &["curl"], versions), 9_500_000)
    }
}

/// busybox 1.22 with curl in the tag `curl`, built with uClibc.
fn busyboxplus(tag: &str) -> Image {
    let extra: &[&str] = if matches!(tag, "curl" | "git") { &["curl"] } else { &[] };
    let tools = ToolSet {
        libc: Libc::Uclibc,
        busybox: Some(Version::new(1, 22, 1)),
        extra,
        versions: &[("curl", "7.30.0")],
        ..ToolSet::busybox("1.28")
    };
    Image { cmd: words(&["/bin/sh"]), ..shell(tools, 4_200_000) }
}

fn netshoot() -> Image {
    const PROGRAMS: [&str; 32] = [
        "arping",
        "bash",
        "brctl",
        "bridge",
        "conntrack",
        "curl",
        "dig",
        "drill",
        "ethtool",
        "file",
        "host",
        "ip",
        "ip6tables",
        "ip6tables-save",
        "iperf3",
        "ipset",
        "iptables",
        "iptables-save",
        "ipvsadm",
        "jq",
        "mtr",
        "nc",
        "nft",
        "nmap",
        "nslookup",
        "ping",
        "socat",
        "ss",
        "ssh",
        "tcpdump",
        "tracepath",
        "zsh",
    ];
    Image {
        cmd: words(&["zsh"]),
        ..shell(alpine("3.21", &PROGRAMS, &[("bind", "9.18.37"), ("curl", "8.14.1")]), 200_000_000)
    }
}

/// A Debian for questions about names.
fn dnsutils(versions: &'static [(&'static str, &'static str)]) -> Image {
    Image {
        cmd: words(&["sleep", "3600"]),
        ..shell(ToolSet { versions, ..ToolSet::debian(&BIND) }, 51_000_000)
    }
}

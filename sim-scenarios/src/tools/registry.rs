//! Which tool is called what, and which machines have it.

use super::Tool;
use super::text::{
    awk, cat, cut, date, echo, env, grep, head, hostname, ls, mkdir, printf, pwd, rm, sed, seq, sleep, sort,
    tail, tee, test, timeout, touch, tr, uniq, wc, which, xargs, yes,
};
use super::{
    arping, bind, brctl, bridge, busybox, conntrack, containers, curl, dmesg, getent, ip, ipset, iptables,
    ipvsadm, kubectl, nc, nettools, nft, nsenter, nslookup, ping, sh, ss, ssh, sysctl, systemctl, tcpdump,
    telnet, traceroute, wget,
};

/// Kinds of machines, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct On(u16);

impl On {
    /// The workstation, where kubectl is.
    pub const WORKSTATION: Self = Self(1);
    /// Nodes of the cluster.
    pub const NODE: Self = Self(1 << 1);
    /// Machines outside the cluster.
    pub const HOST: Self = Self(1 << 2);
    /// Containers of a busybox or alpine image.
    pub const BUSYBOX: Self = Self(1 << 3);
    /// Containers of a Debian image (nginx, httpd, …): coreutils, no network tools.
    pub const DEBIAN: Self = Self(1 << 4);
    /// Containers of an alpine image alone.
    pub const ALPINE: Self = Self(1 << 5);
    /// No machine.
    pub const NONE: Self = Self(0);
    /// Machines that are whole systems.
    pub const MACHINES: Self = Self(1 | 1 << 1 | 1 << 2);
    /// Everything with a shell.
    pub const ALL: Self = Self(0x1f);

    /// Either of the two.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two share a kind.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The command's name.
    pub name: &'static str,
    /// The machines that have it.
    pub on: On,
    /// The tool.
    pub tool: Tool,
}

const fn row(name: &'static str, on: On, tool: Tool) -> Entry {
    Entry { name, on, tool }
}

/// Every tool, by name. The first row that fits name and machine is the one. A program that only some images of a base have
/// needs no machine here: the image's own list (`ToolSet::extra`) names it.
#[rustfmt::skip]
static TABLE: &[Entry] = &[
    row("[",        On::ALL, test::bracket),
    row("arp",      On::MACHINES, nettools::arp),
    row("arp",      On::BUSYBOX, nettools::arp_busybox),
    row("arping",   On::MACHINES, arping::run_machine),
    row("arping",   On::BUSYBOX, arping::run_busybox),
    row("ash",      On::BUSYBOX, sh::run),
    row("awk",      On::ALL, awk::run),
    row("bash",     On::MACHINES.or(On::DEBIAN), sh::run),
    row("brctl",    On::MACHINES, brctl::run),
    row("bridge",   On::MACHINES, bridge::run),
    row("busybox",  On::BUSYBOX, busybox::run),
    row("cat",      On::ALL, cat::run),
    row("conntrack", On::NODE.or(On::HOST), conntrack::run),
    row("crictl",   On::NODE, containers::crictl),
    row("curl",     On::MACHINES, curl::run),
    row("cut",      On::ALL, cut::run),
    row("date",     On::ALL, date::run),
    row("dig",      On::MACHINES, bind::dig),
    row("dmesg",    On::MACHINES, dmesg::run),
    row("docker",   On::NODE, containers::docker),
    row("echo",     On::ALL, echo::run),
    row("egrep",    On::ALL, grep::run),
    row("env",      On::ALL, env::run),
    row("false",    On::ALL, |_| 1),
    row("fgrep",    On::ALL, grep::run),
    row("getent",   On::MACHINES.or(On::DEBIAN), getent::run),
    row("grep",     On::ALL, grep::run),
    row("head",     On::ALL, head::run),
    row("host",     On::MACHINES, bind::host),
    row("hostname", On::ALL, hostname::run),
    row("ip",       On::MACHINES, ip::run_iproute2),
    row("ip",       On::BUSYBOX, ip::run_busybox),
    row("ip6tables",         On::MACHINES, iptables::run_v6),
    row("ip6tables-nft",         On::MACHINES, iptables::run_v6),
    row("ip6tables-nft-restore", On::MACHINES, iptables::restore_v6),
    row("ip6tables-nft-save",    On::MACHINES, iptables::save_v6),
    row("ip6tables-restore", On::MACHINES, iptables::restore_v6),
    row("ip6tables-save",    On::MACHINES, iptables::save_v6),
    row("ipset",    On::MACHINES, ipset::run),
    row("iptables",          On::MACHINES, iptables::run_v4),
    row("iptables-nft",         On::MACHINES, iptables::run_v4),
    row("iptables-nft-restore", On::MACHINES, iptables::restore_v4),
    row("iptables-nft-save",    On::MACHINES, iptables::save_v4),
    row("iptables-restore",  On::MACHINES, iptables::restore_v4),
    row("iptables-save",     On::MACHINES, iptables::save_v4),
    row("ipvsadm",  On::MACHINES, ipvsadm::run),
    row("kubectl",  On::WORKSTATION.or(On::NODE), kubectl::run),
    row("ls",       On::ALL, ls::run),
    row("mkdir",    On::ALL, mkdir::run),
    row("nc",       On::MACHINES, nc::run_openbsd),
    row("nc",       On::BUSYBOX, nc::run_busybox),
    row("netstat",  On::MACHINES, nettools::netstat),
    row("netstat",  On::BUSYBOX, nettools::netstat_busybox),
    row("nft",      On::NODE.or(On::HOST), nft::run),
    row("nsenter",  On::NODE, nsenter::run),
    row("nslookup", On::BUSYBOX, nslookup::run_busybox),
    row("nslookup", On::MACHINES, bind::nslookup),
    row("ping",     On::MACHINES, ping::run_iputils),
    row("ping",     On::BUSYBOX, ping::run_busybox),
    row("ping6",    On::MACHINES, ping::run_iputils),
    row("ping6",    On::BUSYBOX, ping::run_busybox),
    row("printenv", On::ALL, env::printenv),
    row("printf",   On::ALL, printf::run),
    row("pwd",      On::ALL, pwd::run),
    row("rm",       On::ALL, rm::run),
    row("route",    On::MACHINES, nettools::route),
    row("route",    On::BUSYBOX, nettools::route_busybox),
    row("sed",      On::ALL, sed::run),
    row("seq",      On::ALL, seq::run),
    row("sh",       On::ALL, sh::run),
    row("sleep",    On::ALL, sleep::run),
    row("sort",     On::ALL, sort::run),
    row("ss",       On::MACHINES, ss::run),
    row("ssh",      On::MACHINES, ssh::run),
    row("sysctl",   On::MACHINES, sysctl::run_procps),
    row("sysctl",   On::BUSYBOX, sysctl::run_busybox),
    row("systemctl", On::NODE, systemctl::run),
    row("tail",     On::ALL, tail::run),
    row("tcpdump",  On::MACHINES, tcpdump::run),
    row("tee",      On::ALL, tee::run),
    row("telnet",   On::MACHINES, telnet::run_inetutils),
    row("telnet",   On::BUSYBOX, telnet::run_busybox),
    row("test",     On::ALL, test::run),
    row("timeout",  On::ALL, timeout::run),
    row("touch",    On::ALL, touch::run),
    row("tr",       On::ALL, tr::run),
    row("tracepath",  On::MACHINES, traceroute::run_tracepath),
    row("traceroute", On::MACHINES, traceroute::run_debian),
    row("traceroute", On::BUSYBOX, traceroute::run_busybox),
    row("true",     On::ALL, |_| 0),
    row("uniq",     On::ALL, uniq::run),
    row("wc",       On::ALL, wc::run),
    row("wget",     On::BUSYBOX, wget::run_busybox),
    row("wget",     On::MACHINES, wget::run_gnu),
    row("which",    On::ALL, which::run),
    row("xargs",    On::ALL, xargs::run),
    row("yes",      On::ALL, yes::run),
];

/// Programs that real machines have and that are not modelled, so that they are not called missing.
#[rustfmt::skip]
static KNOWN: &[(On, &[&str])] = &[
    (On::ALL, &["base64", "basename", "cksum", "comm", "expr", "expand", "fold", "install", "nl", "nohup", "od", "paste",
        "readlink", "realpath", "sha1sum", "shred", "shuf", "split", "stty", "sync", "tac", "truncate", "tsort", "unexpand", "chmod", "chown", "cp", "dd", "df", "diff", "dirname", "du", "find", "id", "ln", "md5sum",
        "mktemp", "more", "mv", "nproc", "rmdir", "sha256sum", "stat", "tty", "uname", "uptime", "whoami"]),
    (On::MACHINES.or(On::BUSYBOX), &["free", "kill", "less", "ps", "route", "ifconfig", "arp", "arping", "netstat", "telnet",
        "top", "vi", "watch", "traceroute", "nslookup", "ping", "wget", "nc", "ip", "brctl", "sysctl"]),
    (On::ALPINE, &["apk", "getconf", "getent", "iconv", "ldd"]),
    (On::DEBIAN, &["apt", "apt-get", "apt-cache", "apt-mark", "dpkg", "perl"]),
    (On::MACHINES, &["apt", "apt-get", "bridge", "containerd", "crictl", "ctr", "curl", "dig", "docker", "ethtool", "getent", "git",
        "helm", "host", "ipset", "iptables", "iptables-apply", "iptables-legacy", "iptables-legacy-restore", "iptables-legacy-save",
        "iptables-translate", "iptables-restore-translate", "ip6tables-legacy", "ip6tables-legacy-restore", "ip6tables-legacy-save",
        "ip6tables-translate", "nfacct", "xtables-monitor", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-save", "jq",
        "journalctl", "kubeadm", "kubelet", "conntrack", "lsmod", "make", "modprobe", "mount", "mtr", "nano", "nft",
        "nsenter", "openssl", "pgrep", "pkill", "python", "python3", "scp",  "su", "sudo", "systemctl", "tar",
        "vim", "yum"]),
];

/// Whether a machine of kind `kind` really has a program, modelled or not.
#[must_use]
pub fn is_known(name: &str, kind: On) -> bool {
    KNOWN.iter().any(|(on, names)| on.meets(kind) && names.contains(&name))
}

/// The tool that `name` is on a machine of kind `kind`.
#[must_use]
pub fn find(name: &str, kind: On) -> Option<Tool> {
    TABLE.iter().find(|e| e.name == name && e.on.meets(kind)).map(|e| e.tool)
}

/// Names of all tools that a machine of kind `kind` has.
pub fn names(kind: On) -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(move |e| e.on.meets(kind)).map(|e| e.name)
}

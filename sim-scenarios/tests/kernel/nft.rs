//! Random rule sets of nftables, policy routing, and IP sets.

use crate::case::Ground;
use crate::draw::Draw;

/// Chain types with their hooks, and names of priorities that they may have.
const BASES: [(&str, &str, &[&str]); 14] = [
    ("filter", "prerouting", &["raw", "mangle", "filter", "dstnat + 1"]),
    ("filter", "input", &["filter - 5", "filter + 5", "mangle", "security"]),
    ("filter", "forward", &["filter - 5", "filter", "mangle", "security + 10"]),
    ("filter", "forward", &["filter - 1", "filter + 1"]),
    ("filter", "output", &["raw", "filter - 5", "mangle", "filter + 5"]),
    ("filter", "postrouting", &["mangle", "srcnat - 1", "srcnat + 1"]),
    ("route", "output", &["mangle", "filter", "mangle - 10"]),
    ("nat", "prerouting", &["dstnat", "dstnat - 10", "dstnat + 10"]),
    ("nat", "prerouting", &["dstnat", "dstnat - 5"]),
    ("nat", "input", &["srcnat", "srcnat + 5"]),
    ("nat", "output", &["dstnat", "-105", "-95"]),
    ("nat", "output", &["dstnat", "-101"]),
    ("nat", "postrouting", &["srcnat", "srcnat - 5"]),
    ("nat", "postrouting", &["srcnat", "srcnat + 5"]),
];

/// Commands that make a table with sets, chains and rules.
pub(crate) fn table(g: &Ground, d: &mut Draw) -> Vec<String> {
    let name = format!("t{}", d.below(1000));
    let family =
        if g.v6() { d.weighted(&[(2, "ip6"), (3, "inet")]) } else { d.weighted(&[(3, "ip"), (3, "inet")]) };
    let table = Table {
        name: &format!("{family} {name}"),
        ip: if g.v6() { "ip6" } else { "ip" },
        inet: family == "inet",
    };
    let mut commands = vec![format!("nft 'add table {}'", table.name)];
    let say = |out: &mut Vec<String>, what: &str, text: String| {
        out.push(format!("nft 'add {what} {} {text}'", table.name));
    };
    sets(&mut commands, &table, g, d, say);
    say(&mut commands, "chain", "side".to_owned());
    for i in 0..d.between(1, 3) {
        let (kind, hook, priorities) = *d.of(&BASES);
        let priority = d.of(priorities);
        let policy = if kind == "filter" && d.percent(8) { "drop" } else { "accept" };
        say(
            &mut commands,
            "chain",
            format!("c{i} {{ type {kind} hook {hook} priority {priority}; policy {policy}; }}"),
        );
        for _ in 0..d.between(1, 4) {
            say(&mut commands, "rule", format!("c{i} {}", rule(&table, kind, hook, g, d)));
        }
    }
    for _ in 0..d.between(1, 2) {
        let place = say_place(&table, "filter", "side", g, d);
        say(&mut commands, "rule", format!("side {place}"));
    }
    commands
}

struct Table<'a> {
    name: &'a str,
    ip: &'static str,
    inet: bool,
}

fn say_place(table: &Table<'_>, kind: &str, hook: &str, g: &Ground, d: &mut Draw) -> String {
    let end = if d.percent(30) { "return".to_owned() } else { verdict(table, kind, hook, "", g, d) };
    format!("{} {end}", questions(table, hook, g, d).1)
}

fn sets(
    commands: &mut Vec<String>,
    table: &Table<'_>,
    g: &Ground,
    d: &mut Draw,
    say: impl Fn(&mut Vec<String>, &str, String),
) {
    let ty = if g.v6() { "ipv6_addr" } else { "ipv4_addr" };
    let pods: Vec<&str> = g.pods.iter().map(|p| p.ip.as_str()).collect();
    let one = |d: &mut Draw| g.own(d.word(&pods));
    let net = |d: &mut Draw| g.own(d.word(&["10.244.0.0/24", "10.244.1.0/24", "192.168.100.0/24"]));
    let (a, b, n) = (one(d), g.own("10.96.0.50"), net(d));
    say(commands, "set", format!("plain {{ type {ty}; elements = {{ {a}, {b} }}; }}"));
    say(commands, "set", format!("nets {{ type {ty}; flags interval; elements = {{ {n} }}; }}"));
    say(
        commands,
        "set",
        format!("pairs {{ type {ty} . inet_service; elements = {{ {a} . 8080, {b} . 80, {b} . 5353 }}; }}"),
    );
    say(commands, "set", format!("seen {{ type {ty}; flags dynamic,timeout; timeout 1m; }}"));
    say(
        commands,
        "map",
        "marks { type inet_service : mark; elements = { 8080 : 0x1, 5353 : 0x7, 80 : 0x4000 }; }".to_owned(),
    );
    let to = one(d);
    say(
        commands,
        "map",
        format!(
            "backends {{ type inet_service : {ty} . inet_service; elements = {{ 80 : {to} . 8080, 81 : {to} . 5353, 7071 : {a} . 5353 }}; }}"
        ),
    );
    let _ = table;
}

fn rule(table: &Table<'_>, kind: &str, hook: &str, g: &Ground, d: &mut Draw) -> String {
    let (protocol, mut text) = questions(table, hook, g, d);
    if d.percent(15) {
        text += " counter";
    }
    if d.percent(8) {
        text += &format!(" {} @seen {{ {} saddr }}", d.of(&["add", "update"]), table.ip);
    }
    format!("{text} {}", verdict(table, kind, hook, protocol, g, d))
}

fn questions(table: &Table<'_>, hook: &str, g: &Ground, d: &mut Draw) -> (&'static str, String) {
    let protocol = d.weighted(&[(3, ""), (3, "tcp"), (3, "udp"), (1, "icmp")]);
    let mut words: Vec<String> = Vec::new();
    if !protocol.is_empty() {
        let name = if protocol == "icmp" && g.v6() { "ipv6-icmp" } else { protocol };
        words.push(format!("meta l4proto {name}"));
    }
    for side in ["saddr", "daddr"] {
        if d.percent(40) {
            let not = if d.percent(15) { "!= " } else { "" };
            let what = match d.below(7) {
                0 => "@plain".to_owned(),
                1 => "@nets".to_owned(),
                2 => "@seen".to_owned(),
                3 => g.own(&d.of(&g.nodes).ip()),
                4 => g.own("10.244.0.0/16"),
                _ => g.own(&d.of(&g.pods).ip),
            };
            words.push(format!("{} {side} {not}{what}", table.ip));
        }
    }
    for _ in 0..d.weighted(&[(4, 0), (4, 1), (1, 2)]) {
        words.push(question(table, protocol, hook, g, d));
    }
    (protocol, words.join(" "))
}

fn question(table: &Table<'_>, protocol: &str, hook: &str, g: &Ground, d: &mut Draw) -> String {
    let ported = matches!(protocol, "tcp" | "udp");
    let ip = table.ip;
    match d.below(13) {
        0 if ported => {
            format!("{protocol} dport {}", d.of(&["8080", "{ 80, 81, 5353 }", "!= 7070-7071", "30000-32767"]))
        }
        1 if ported => format!("{ip} daddr . {protocol} dport @pairs"),
        2 if protocol == "tcp" => {
            (*d.of(&["tcp flags & (syn | ack) == syn", "tcp flags syn", "tcp flags rst"])).to_owned()
        }
        3 if protocol == "icmp" && !g.v6() => {
            format!("icmp type {}", d.of(&["echo-request", "{ echo-reply, destination-unreachable }"]))
        }
        4 => format!(
            "ct state {}",
            d.of(&["new", "established,related", "invalid", "untracked", "{ new, established }", "!= new"])
        ),
        5 => format!("ct status {}", d.of(&["dnat", "snat", "assured", "confirmed"])),
        6 => format!("meta mark {}", d.of(&["0x1", "!= 0x0", "& 0x4000 == 0x4000"])),
        7 => format!("fib daddr type {}", d.of(&["local", "unicast", "!= local"])),
        8 if matches!(hook, "prerouting" | "input" | "forward") => {
            format!("iifname {}", d.of(&["cni0", "eth0", "\"veth*\"", "!= cni0", "{ cni0, lo }"]))
        }
        9 if matches!(hook, "postrouting" | "output" | "forward") => {
            format!("oifname {}", d.of(&["cni0", "eth0", "lo", "!= eth0"]))
        }
        10 => format!("meta length {}", d.of(&["< 100", "1000-1500", "44"])),
        11 => format!("ct direction {}", d.of(&["original", "reply"])),
        12 => format!("meta pkttype {}", d.of(&["host", "broadcast", "!= host"])),
        _ if table.inet => format!("meta nfproto {}", if g.v6() { "ipv6" } else { "ipv4" }),
        _ => format!("{ip} {} > 5", if g.v6() { "hoplimit" } else { "ttl" }),
    }
}

fn verdict(table: &Table<'_>, kind: &str, hook: &str, protocol: &str, g: &Ground, d: &mut Draw) -> String {
    let ported = matches!(protocol, "tcp" | "udp");
    let to = if table.inet { format!(" {}", table.ip) } else { String::new() };
    let pod = g.own(&d.of(&g.pods).ip);
    let bracket = |a: &str| if g.v6() { format!("[{a}]") } else { a.to_owned() };
    match (kind, hook) {
        ("nat", "prerouting" | "output") => match d.below(7) {
            0 | 1 if ported => format!("dnat{to} to {}:{}", bracket(&pod), d.of(&["8080", "5353", "9999"])),
            2 if ported => format!("redirect to :{}", d.of(&["7070", "7071", "9999"])),
            3 if ported => format!("dnat{to} to {protocol} dport map @backends"),
            4 => "accept".to_owned(),
            5 => format!("meta mark set {}", d.of(&["0x4000", "0x1"])),
            _ => format!("dnat{to} to {pod}"),
        },
        ("nat", "postrouting") => match d.below(5) {
            0 | 1 => "masquerade".to_owned(),
            2 if ported => "masquerade to :40000-40010".to_owned(),
            3 => format!("snat{to} to {}", g.own(&d.of(&g.nodes).ip())),
            _ => "accept".to_owned(),
        },
        ("nat", _) => format!("snat{to} to {}", g.own(d.word(&["10.9.9.9", "192.168.100.1"]))),
        _ => match d.below(14) {
            0..3 => "drop".to_owned(),
            3 | 4 if hook != "postrouting" => reject(table, protocol, g, d),
            5 => "accept".to_owned(),
            6 if hook != "side" => "jump side".to_owned(),
            7 if hook != "side" => "goto side".to_owned(),
            8 if ported => format!("meta mark set {protocol} dport map @marks"),
            9 if ported => format!(
                "{protocol} dport vmap {{ 8080 : {}, 5353 : {}, 7070-7072 : accept }}",
                d.of(&["accept", "drop"]),
                d.of(&["return", "drop"])
            ),
            10 => format!("{} saddr vmap {{ {pod} : {} }}", table.ip, d.of(&["accept", "drop", "return"])),
            11 => format!("meta mark set {}", d.of(&["0x1", "0x7", "meta mark or 0x4000"])),
            12 => format!("ct mark set {}", d.of(&["0x1", "meta mark"])),
            13 if kind == "filter" && hook == "prerouting" => "notrack".to_owned(),
            _ => "counter".to_owned(),
        },
    }
}

fn reject(table: &Table<'_>, protocol: &str, g: &Ground, d: &mut Draw) -> String {
    let with = match d.below(5) {
        0 if protocol == "tcp" => "tcp reset",
        1 if table.inet => {
            *d.of(&["icmpx host-unreachable", "icmpx admin-prohibited", "icmpx port-unreachable"])
        }
        2 if !g.v6() => *d.of(&["icmp net-unreachable", "icmp host-prohibited", "icmp prot-unreachable"]),
        2 => *d.of(&["icmpv6 no-route", "icmpv6 admin-prohibited", "icmpv6 addr-unreachable"]),
        _ => return "reject".to_owned(),
    };
    format!("reject with {with}")
}

/// Commands that make a routing table and lead packets to it; or a rule that refuses.
pub(crate) fn policy(g: &Ground, d: &mut Draw) -> Vec<String> {
    let ip = if g.v6() { "ip -6" } else { "ip" };
    let selector = match d.below(6) {
        0 => format!("from {}", g.own(&d.of(&g.pods).ip)),
        1 => format!("to {}", g.own(&d.of(&g.pods).ip)),
        2 => format!("from {}", g.own("10.244.0.0/16")),
        3 => format!("fwmark {}", d.of(&["0x7", "0x1/0x1", "0x4000/0x4000"])),
        4 => format!("iif {}", d.of(&["cni0", "lo", "eth0"])),
        _ => format!("to {}", g.own(d.word(&["10.32.1.0/24", "10.96.0.0/16", "192.168.100.0/24"]))),
    };
    let preference = d.of(&["100", "32000", "32800"]);
    if d.percent(25) {
        return vec![format!(
            "{ip} rule add {selector} {} pref {preference}",
            d.of(&["prohibit", "unreachable", "blackhole"])
        )];
    }
    let net = match d.below(4) {
        0 => "default".to_owned(),
        1 => g.own("10.244.0.0/16"),
        2 => g.own(&d.of(&g.pods).ip),
        _ => g.own("10.32.1.0/24"),
    };
    let route = match d.below(5) {
        0 => format!("{} {net}", d.of(&["blackhole", "unreachable", "prohibit", "throw"])),
        1 => format!("{net} via {}", g.own("192.168.100.1")),
        2 => format!("{net} dev cni0"),
        _ => format!("{net} via {}", g.own(&d.of(&g.nodes).ip())),
    };
    vec![
        format!("{ip} route add {route} table 100"),
        format!("{ip} rule add {selector} lookup 100 pref {preference}"),
    ]
}

/// Commands that make an IP set and a rule that asks it.
pub(crate) fn ipset(g: &Ground, d: &mut Draw) -> Vec<String> {
    let name = format!("s{}", d.below(1000));
    let family = if g.v6() { " family inet6" } else { "" };
    let iptables = if g.v6() { "ip6tables" } else { "iptables" };
    let pod = g.own(&d.of(&g.pods).ip);
    let (ty, elements, flags): (&str, Vec<String>, &[&str]) = match d.below(4) {
        0 => ("hash:ip", vec![pod, g.own("10.96.0.50")], &["src", "dst"]),
        1 => ("hash:net", vec![g.own("10.244.0.0/24"), g.own("192.168.100.0/24")], &["src", "dst"]),
        2 => (
            "hash:ip,port",
            vec![format!("{pod},tcp:8080"), format!("{pod},udp:5353")],
            &["dst,dst", "src,src"],
        ),
        _ => ("hash:net,port", vec![format!("{},8080", g.own("10.244.0.0/16"))], &["dst,dst"]),
    };
    let mut commands = vec![format!("ipset create {name} {ty}{family}")];
    commands.extend(elements.iter().map(|e| format!("ipset add {name} {e}")));
    let not = if d.percent(20) { "! " } else { "" };
    let flag = d.of(flags);
    let (place, target) = *d.of(&[
        ("-I FORWARD", "DROP"),
        ("-I INPUT", "REJECT"),
        ("-I FORWARD", "REJECT"),
        ("-I OUTPUT", "DROP"),
        ("-t nat -I POSTROUTING", "MASQUERADE"),
        ("-t nat -I PREROUTING", "ACCEPT"),
        ("-t raw -I PREROUTING", "DROP"),
    ]);
    commands.push(format!("{iptables} {place} -m set {not}--match-set {name} {flag} -j {target}"));
    commands
}

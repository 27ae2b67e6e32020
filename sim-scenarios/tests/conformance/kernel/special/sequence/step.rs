//! What a step says: `web-2 stopped listening; flow F1`.

/// One thing that a step tells to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// These are the endpoints from now on.
    Endpoints(Vec<String>),
    AddEndpoint(String),
    RemoveEndpoint(String),
    NoEndpoints,
    DeleteService,
    CreateService,
    /// A pod's servers close their sockets.
    StopListening(String),
    Listen(String),
    /// A pod's interface goes down or up.
    Link(String, bool),
    /// `conntrack …` on a node, or on all.
    Conntrack(Vec<String>, Option<String>),
    /// Any other command on a node.
    Command(String, String),
    /// Time passes, in seconds.
    Wait(f64),
    /// A datagram of a flow that has a name, or of a new one.
    Send(Option<String>),
    /// A TCP client connects.
    Connect,
    ClientSends,
    ServerSends,
    ClientCloses,
    ServerCloses,
}

/// What a step may name.
pub(super) struct Names<'a> {
    pub(super) pods: &'a [String],
    pub(super) nodes: &'a [String],
    pub(super) services: &'a [String],
}

/// Words that say nothing that would have to be done.
const FILLERS: &[&str] = &[
    "flow",
    "same",
    "again",
    "to",
    "with",
    "of",
    "on",
    "the",
    "is",
    "and",
    "now",
    "after",
    "deletion",
    "a",
    "an",
    "from",
    "for",
    "in",
    "at",
    "while",
    "still",
    "once",
    "more",
    "that",
    "its",
    "this",
    "then",
    "has",
    "have",
    "was",
    "udp",
    "tcp",
    "port",
    "as",
    "by",
    "only",
    "pod",
    "datagram",
    "packet",
    "established",
    "existing",
    "->",
    "gets",
    "first",
    "second",
    "third",
    "last",
    "just",
    "next",
    "it",
    "becomes",
    "get",
    "times",
    "sends",
    "sent",
    "via",
    "through",
    "using",
    "real",
    "old",
    "was",
    "were",
    "are",
];

/// Reads a step. What happens around the flows comes first, whatever the order of the words.
///
/// # Errors
/// It says something that is not understood.
pub(super) fn parse(text: &str, names: &Names<'_>) -> Result<Vec<Act>, String> {
    let mut acts = Vec::new();
    for clause in text.split(';').flat_map(|c| c.split(", then ")).map(str::trim).filter(|c| !c.is_empty()) {
        match command(clause, names) {
            Some(act) => acts.push(act),
            None => acts.extend(
                words(clause, names)
                    .map_err(|word| format!("step not understood: \"{text}\" (at \"{word}\")"))?,
            ),
        }
    }
    Ok(acts)
}

/// `conntrack -D … on node1`, `node1: ip route …`, `iptables … on node2`.
fn command(clause: &str, names: &Names<'_>) -> Option<Act> {
    let clause = clause.strip_prefix("after ").unwrap_or(clause);
    let (at, text) = match clause.split_once(": ") {
        Some((at, text)) if !at.contains(' ') => (Some(at.to_owned()), text.to_owned()),
        _ => {
            let words: Vec<&str> = clause.split_whitespace().collect();
            match words[..] {
                [ref what @ .., "on", host] if names.nodes.iter().chain(names.pods).any(|n| n == host) => {
                    (Some(host.to_owned()), what.join(" "))
                }
                [ref what @ .., "on", "all", "nodes"] | [ref what @ .., "on", "every", "node"] => {
                    (None, what.join(" "))
                }
                _ => (None, clause.to_owned()),
            }
        }
    };
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    match (words.first()?.as_str(), words.get(1)?.as_str()) {
        ("conntrack", option) if option.starts_with('-') => Some(Act::Conntrack(words, at)),
        ("ip" | "bridge" | "sysctl" | "iptables", _) => Some(Act::Command(at?, text)),
        _ => None,
    }
}

fn words(clause: &str, names: &Names<'_>) -> Result<Vec<Act>, String> {
    let plain = |w: &str| w.trim_matches([',', '.', '(', ')', '"', ':']).to_lowercase();
    let owned: Vec<String> = clause.split_whitespace().map(plain).filter(|w| !w.is_empty()).collect();
    let list: Vec<&str> = owned.iter().map(String::as_str).collect();
    let mut acts = Vec::new();
    let mut rest = &list[..];
    while !rest.is_empty() {
        let (act, used) = phrase(rest, names).ok_or_else(|| rest[0].to_owned())?;
        acts.extend(act);
        rest = &rest[used..];
    }
    Ok(acts)
}

type Phrase = (Option<Act>, usize);

/// The phrase at the beginning of the words, and how many of them it is.
fn phrase(words: &[&str], names: &Names<'_>) -> Option<Phrase> {
    let act = |act, used| Some((Some(act), used));
    let is_pod = |w: &str| names.pods.iter().any(|p| p == w);
    match *words {
        ["all", "endpoints", gone, ..] | ["all", "endpoints", "are", gone, ..] if is_gone(gone) => {
            act(Act::NoEndpoints, words.iter().position(|w| *w == gone)? + 1)
        }
        ["endpoints", gone, ..] if is_gone(gone) => act(Act::NoEndpoints, 2),
        ["no" | "without" | "zero", "endpoint" | "endpoints", ..] => act(Act::NoEndpoints, 2),
        ["without" | "no", "any" | "ready", "endpoint" | "endpoints", ..] => act(Act::NoEndpoints, 3),
        ["endpoint" | "endpoints", ..] => endpoints(words, names),
        ["before" | "no" | "without", "the", "service", ..] => {
            act(Act::DeleteService, 3 + exists(&words[3..]))
        }
        ["before" | "no" | "without", "service", ..] => act(Act::DeleteService, 2 + exists(&words[2..])),
        ["service", "does", "not", "exist", ..] => act(Act::DeleteService, 4 + yet(&words[4..])),
        ["service", gone, ..] if is_gone(gone) => act(Act::DeleteService, 2),
        ["service", ..] => service(words),
        ["conntrack", ..] | ["entry" | "entries", ..] => conntrack(words, names),
        ["client", "connects", ..] => act(Act::Connect, 2),
        ["connect" | "connected" | "connection" | "connects", ..] => act(Act::Connect, 1),
        ["client", "sends" | "writes", ..] => act(Act::ClientSends, 2),
        ["server" | "backend", "sends" | "writes" | "answers", ..] => act(Act::ServerSends, 2),
        ["client", "closes", ..] => act(Act::ClientCloses, 2),
        ["server" | "backend", "closes", ..] => act(Act::ServerCloses, 2),
        ["new" | "another" | "second" | "third" | "fresh" | "other", "flow" | "socket" | "client", ..] => {
            act(Act::Send(None), 2)
        }
        [name, gone, ..] if names.services.iter().any(|s| s == name) && is_gone(gone) => {
            act(Act::DeleteService, 2)
        }
        [name, "created" | "exists" | "added" | "back", ..] if names.services.iter().any(|s| s == name) => {
            act(Act::CreateService, 2)
        }
        [owner, "pod", "is", gone, ..] if is_gone(gone) && is_pod(owner.trim_end_matches("'s")) => {
            act(Act::Link(owner.trim_end_matches("'s").to_owned(), false), 4)
        }
        [pod, gone, "from", "endpoints" | "endpoint" | "service" | "endpointslice", ..]
        | [pod, gone, "as", "endpoint", ..]
            if is_pod(pod) && is_gone(gone) =>
        {
            act(Act::RemoveEndpoint(pod.to_owned()), 4)
        }
        ["replaced" | "changed", "by" | "with" | "to", pod, ..] if is_pod(pod) => {
            act(Act::Endpoints(vec![pod.to_owned()]), 3)
        }
        [pod, "added", ..] if is_pod(pod) => act(Act::AddEndpoint(pod.to_owned()), 2),
        [pod, "listens" | "listening", ..] if is_pod(pod) => act(Act::Listen(pod.to_owned()), 2),
        [pod, "started", "listening", ..] if is_pod(pod) => act(Act::Listen(pod.to_owned()), 3),
        [pod, "stopped" | "stops", "listening", ..] if is_pod(pod) => {
            act(Act::StopListening(pod.to_owned()), 3)
        }
        [pod, "is", gone, ..] | [pod, gone, ..] if is_pod(pod) && is_gone(gone) => {
            act(Act::Link(pod.to_owned(), false), words.iter().position(|w| *w == gone)? + 1)
        }
        [owner, "interface" | "link" | "eth0", ..] => link(owner, words, names),
        [number, unit, ..] if number.parse::<f64>().is_ok() && is_seconds(unit) => {
            act(Act::Wait(number.parse().ok()?), 2 + later(&words[2..]))
        }
        ["wait" | "waited", ..] => Some((None, 1)),
        [time, ..] if time.strip_suffix('s').is_some_and(|n| n.parse::<f64>().is_ok()) => {
            act(Act::Wait(time.strip_suffix('s')?.parse().ok()?), 1 + later(&words[1..]))
        }
        [flow, ..] if is_flow(flow) => act(Act::Send(Some(flow.to_owned())), 1),
        [word, ..] if FILLERS.contains(&word) || names.services.iter().any(|s| s == word) => Some((None, 1)),
        _ => None,
    }
}

fn is_gone(word: &str) -> bool {
    ["removed", "deleted", "gone", "disappears", "disappear", "vanishes", "killed"].contains(&word)
}

fn is_seconds(word: &str) -> bool {
    ["s", "sec", "second", "seconds"].contains(&word)
}

fn is_flow(word: &str) -> bool {
    word.strip_prefix('f').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn later(words: &[&str]) -> usize {
    match *words {
        ["of", "silence", ..] => 2,
        ["later" | "silence" | "idle" | "passed" | "pass", ..] => 1,
        _ => 0,
    }
}

fn yet(words: &[&str]) -> usize {
    usize::from(words.first() == Some(&"yet"))
}

fn exists(words: &[&str]) -> usize {
    match *words {
        ["exists" | "existed" | "yet", ..] => 1,
        ["is" | "was", "created" | "there", ..] => 2,
        _ => 0,
    }
}

/// `endpoint changed to web-1`, `endpoints web-1 and web-2`, `endpoint web-1 added`.
fn endpoints(words: &[&str], names: &Names<'_>) -> Option<Phrase> {
    let mut used = 1;
    while let [
        "changed" | "changes" | "is" | "are" | "now" | "to" | "replaced" | "by" | "moved" | "with" | "=",
        ..,
    ] = words[used..]
    {
        used += 1;
    }
    let verb_first = match words.get(used) {
        Some(&"added") => Some(true),
        Some(&word) if is_gone(word) => Some(false),
        _ => None,
    };
    used += usize::from(verb_first.is_some());
    let mut pods = Vec::new();
    loop {
        match words[used..] {
            ["and" | "+", pod, ..] if names.pods.iter().any(|p| p == pod) => used += 1,
            [pod, ..] if names.pods.iter().any(|p| p == pod) => {
                pods.push(pod.to_owned());
                used += 1;
            }
            _ => break,
        }
    }
    let first = pods.first()?.clone();
    let act = match (verb_first, &words[used..]) {
        (Some(true), _) => Act::AddEndpoint(first),
        (Some(false), _) => Act::RemoveEndpoint(first),
        (None, ["added" | "appears" | "appeared" | "back", ..]) => {
            used += 1;
            Act::AddEndpoint(first)
        }
        (None, [gone, ..]) if is_gone(gone) => {
            used += 1;
            Act::RemoveEndpoint(first)
        }
        _ => Act::Endpoints(pods),
    };
    Some((Some(act), used))
}

/// `service created`, `service svc-u exists now`.
fn service(words: &[&str]) -> Option<Phrase> {
    match words[1..] {
        ["created" | "recreated" | "exists" | "added" | "appears" | "back" | "restored", ..] => {
            Some((Some(Act::CreateService), 2))
        }
        ["is" | "was", "created" | "there" | "back", ..] => Some((Some(Act::CreateService), 3)),
        [_, gone, ..] if is_gone(gone) => Some((Some(Act::DeleteService), 3)),
        [_, "created" | "exists" | "added", ..] => Some((Some(Act::CreateService), 3)),
        _ => Some((None, 1)),
    }
}

/// `conntrack emptied on node1`, `conntrack entry deleted`.
fn conntrack(words: &[&str], names: &Names<'_>) -> Option<Phrase> {
    let mut used = 1;
    while let ["entry" | "entries" | "table" | "is" | "of" | "for" | "are", ..] = words[used..] {
        used += 1;
    }
    let ["emptied" | "flushed" | "deleted" | "cleared" | "removed" | "empty" | "expired", ..] = words[used..]
    else {
        return None;
    };
    used += 1;
    let mut node = None;
    if let ["on" | "of", host, ..] = words[used..]
        && names.nodes.iter().any(|n| n == host)
    {
        node = Some(host.to_owned());
        used += 2;
    } else if let ["on", "all" | "every", "nodes" | "node", ..] = words[used..] {
        used += 3;
    }
    Some((Some(Act::Conntrack(vec!["conntrack".to_owned(), "-F".to_owned()], node)), used))
}

fn link(owner: &str, words: &[&str], names: &Names<'_>) -> Option<Phrase> {
    let pod = owner.trim_end_matches("'s");
    if !names.pods.iter().chain(names.nodes).any(|p| p == pod) {
        return None;
    }
    let used = if words.get(2) == Some(&"is") || words.get(2) == Some(&"goes") { 3 } else { 2 };
    let up = match *words.get(used)? {
        "down" => false,
        "up" => true,
        _ => return None,
    };
    Some((Some(Act::Link(pod.to_owned(), up)), used + 1))
}

/// The reader of steps itself, on the recordings' words and others.
pub(super) fn self_test() -> Result<(), String> {
    let own = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let (pods, nodes, services) = (own(&["web-1", "web-2"]), own(&["node1"]), own(&["svc-u"]));
    let names = Names { pods: &pods, nodes: &nodes, services: &services };
    let f1 = || Act::Send(Some("f1".to_owned()));
    let web = |n: u8| format!("web-{n}");
    let cases = [
        ("flow F1 to svc-u, endpoint web-2", vec![f1(), Act::Endpoints(vec![web(2)])]),
        ("endpoints web-1, web-2; new flow", vec![Act::Endpoints(vec![web(1), web(2)]), Act::Send(None)]),
        ("endpoint web-1 added; F1 again", vec![Act::AddEndpoint(web(1)), f1()]),
        ("web-2's interface is down; flow F1", vec![Act::Link(web(2), false), f1()]),
        ("F1 before the Service exists", vec![f1(), Act::DeleteService]),
        (
            "endpoint web-2 replaced by web-1; F1",
            vec![Act::Endpoints(vec![web(2)]), Act::Endpoints(vec![web(1)]), f1()],
        ),
        (
            "svc-u created with endpoint web-2; F1",
            vec![Act::CreateService, Act::Endpoints(vec![web(2)]), f1()],
        ),
        ("web-2 removed from endpoints; new flow", vec![Act::RemoveEndpoint(web(2)), Act::Send(None)]),
        ("35 s later; F1", vec![Act::Wait(35.0), f1()]),
        (
            "conntrack emptied on node1; F1",
            vec![Act::Conntrack(own(&["conntrack", "-F"]), Some("node1".to_owned())), f1()],
        ),
    ];
    for (text, want) in cases {
        let got = parse(text, &names)?;
        if got != want {
            return Err(format!("\"{text}\" reads {got:?}"));
        }
    }
    match parse("web-2 sings; F1", &names) {
        Err(_) => Ok(()),
        Ok(acts) => Err(format!("nonsense reads {acts:?}")),
    }
}

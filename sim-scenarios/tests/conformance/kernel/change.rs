//! The changes that a case makes after the start, in the words of the recordings.
//!
//! `where: what`; what is a command as a person types it, or a phrase. A remark in parentheses at the end is commentary.

mod command;
mod phrase;

use ipnet::IpNet;
use serde_json::Value;

use super::topology::{Lab, addr, net};

/// Applies the changes of a case. "same …" stands for what the case before it in the file had changed.
pub(crate) fn all(lab: &mut Lab, file: &Value, case: &Value) -> Result<(), String> {
    for change in changes(case) {
        if change.starts_with("same ") {
            all(lab, file, before(file, case).ok_or_else(|| not_understood(change))?)?;
        } else {
            apply(lab, change)?;
        }
    }
    Ok(())
}

fn changes(case: &Value) -> impl Iterator<Item = &str> {
    case["changes_after_start"].as_array().into_iter().flatten().map(|c| c.as_str().unwrap_or_default())
}

/// The nearest case before this one that changed something on a cluster of the same kind.
fn before<'a>(file: &'a Value, case: &Value) -> Option<&'a Value> {
    let list = file["experiments"].as_array()?;
    let here = list.iter().position(|c| c["id"] == case["id"])?;
    let alike = |c: &&Value| c["topology"] == case["topology"] && changes(c).next().is_some();
    list[..here].iter().rev().find(alike)
}

/// Applies one change.
pub(crate) fn apply(lab: &mut Lab, text: &str) -> Result<(), String> {
    let (place, what) = text.split_once(": ").ok_or_else(|| not_understood(text))?;
    // Rules in words have remarks inside.
    if what.contains(" -> REJECT") {
        return phrase::rejects(lab, place, what).map_err(|e| format!("{text}: {e}"));
    }
    let what = what.split(" (").next().unwrap_or(what).trim();
    let mut before: Vec<&str> = Vec::new();
    for part in what.split("; ").flat_map(|p| p.split(", then ")) {
        let words = filled_in(part.split_whitespace().collect(), &before);
        before.clone_from(&words);
        one(lab, place, &words).map_err(|e| format!("{text}: {e}"))?;
    }
    Ok(())
}

/// Later parts leave out what they share with the part before: "ip route add A via B; C via D", "ip link set X down, then up".
fn filled_in<'a>(words: Vec<&'a str>, before: &[&'a str]) -> Vec<&'a str> {
    match (&words[..], before) {
        ([_, "via", ..], _) => [&["ip", "route", "add"], &words[..]].concat(),
        (["up" | "down"], ["ip", "link", "set", dev, ..]) => vec!["ip", "link", "set", dev, words[0]],
        _ => words,
    }
}

fn not_understood(text: &str) -> String {
    format!("change not understood: {text}")
}

fn one(lab: &mut Lab, place: &str, words: &[&str]) -> Result<(), String> {
    match words {
        ["ip", rest @ ..] => command::ip(lab, place, rest),
        ["bridge", rest @ ..] => command::bridge(lab, place, rest),
        ["sysctl", rest @ ..] => command::sysctl(lab, place, rest),
        ["iptables", rest @ ..] => command::iptables(lab, place, rest),
        _ => phrase::one(lab, place, words),
    }
}

fn prefix(text: &str) -> Result<IpNet, String> {
    match text {
        "default" => net("0.0.0.0/0"),
        t if t.contains('/') => net(t),
        t => addr(t).map(IpNet::from),
    }
}

//! What containers have written: what `kubectl logs` shows.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::http::{self, Request, Response};
use super::output::Output;
use super::site::Site;
use super::small::Small;
use crate::kube::node::machine::Place;
use crate::kube::objects::Timestamp;
use crate::time::SimTime;

/// Lines of access logs that are kept for each container; a real kubelet keeps 10 MiB.
const KEPT: usize = 10_000;

/// The line with which a web server notes that it has answered, if it keeps such a log.
pub(crate) fn access_line(
    site: &Site,
    request: &Request,
    response: &Response,
    peer: SocketAddr,
    now: SimTime,
) -> Option<String> {
    let client = peer.ip();
    let date = http::date(Timestamp::at(now));
    let parts: Vec<&str> = date.split([' ', ',']).filter(|p| !p.is_empty()).collect();
    let [_, day, month, year, time, _] = parts.as_slice() else { return None };
    let stamp = format!("{day}/{month}/{year}:{time} +0000");
    let version = if request.http11 { "1.1" } else { "1.0" };
    let line = format!("{} {} HTTP/{version}", request.method, request.target);
    let status = response.status.split(' ').next().unwrap_or("");
    let bytes = if request.method == "HEAD" { 0 } else { response.body.len() };
    let header = |name: &str| request.header(name).unwrap_or("-").to_owned();
    match site {
        // nginx' format "main".
        Site::Nginx { .. } => Some(format!(
            "{client} - - [{stamp}] \"{line}\" {status} {bytes} \"{}\" \"{}\" \"{}\"",
            header("Referer"),
            header("User-Agent"),
            header("X-Forwarded-For")
        )),
        // Apache's "common".
        Site::Apache { .. } => {
            let bytes = if bytes == 0 { "-".to_owned() } else { bytes.to_string() };
            Some(format!("{client} - - [{stamp}] \"{line}\" {status} {bytes}"))
        }
        // Go's `log` package.
        Site::Small(Small::HelloApp { .. }) => {
            let now = Timestamp::at(now).to_string().replace('-', "/").replace('T', " ").replace('Z', "");
            Some(format!("{now} Serving request: {}", request.path()))
        }
        // The last word is the time that the answer took, which is none here.
        Site::Small(Small::HttpEcho { .. }) => {
            let now = Timestamp::at(now).to_string().replace('-', "/").replace('T', " ").replace('Z', "");
            let (method, path, agent) =
                (&request.method, request.path(), request.header("User-Agent").unwrap_or(""));
            Some(format!(
                "{now} {} {peer} \"{method} {path} HTTP/{version}\" {status} {bytes} \"{agent}\" 0s",
                header("Host")
            ))
        }
        _ => None,
    }
}

/// One run of a container.
#[derive(Clone, Debug)]
pub struct Run {
    started: SimTime,
    ended: Option<SimTime>,
    own: Output,
    /// What was written because somebody asked something.
    asked: VecDeque<(SimTime, String)>,
}

impl Run {
    /// The lines until `now`, with their times.
    #[must_use]
    pub fn lines(&self, now: SimTime) -> Vec<(SimTime, String)> {
        let until = self.ended.map_or(now, |end| end.min(now));
        let mut all = self.own.lines(self.started, until);
        all.extend(self.asked.iter().cloned());
        all.sort_by_key(|(at, _)| *at);
        all
    }

    /// The program of which it is not known what it writes.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        self.own.unknown()
    }

    /// What it writes besides, which is not modelled.
    #[must_use]
    pub const fn left_out(&self) -> Option<&'static str> {
        self.own.left_out()
    }

    /// When the program writes by itself again.
    #[must_use]
    pub fn next(&self, now: SimTime) -> Option<SimTime> {
        if self.ended.is_some() { None } else { self.own.next(self.started, now) }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended.is_some()
    }
}

/// The logs of all containers, by namespace, pod and container.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    pods: BTreeMap<(String, String), BTreeMap<String, Vec<Run>>>,
}

impl Logs {
    /// A container starts. Of earlier runs the last one is kept.
    pub(crate) fn start(&mut self, pod: &(String, String), container: &str, own: Output, now: SimTime) {
        let runs = self.pods.entry(pod.clone()).or_default().entry(container.to_owned()).or_default();
        if runs.len() > 1 {
            runs.remove(0);
        }
        if let Some(last) = runs.last_mut() {
            last.ended.get_or_insert(now);
        }
        runs.push(Run { started: now, ended: None, own, asked: VecDeque::new() });
    }

    /// A container has ended.
    pub(crate) fn end(&mut self, pod: &(String, String), container: &str, now: SimTime) {
        let run = self.pods.get_mut(pod).and_then(|p| p.get_mut(container)).and_then(|runs| runs.last_mut());
        if let Some(run) = run {
            run.ended.get_or_insert(now);
        }
    }

    /// A pod is gone, and what it has written with it.
    pub(crate) fn forget(&mut self, pod: &(String, String)) {
        self.pods.remove(pod);
    }

    /// A container writes a line.
    pub(crate) fn write(&mut self, namespace: &str, pod: &str, container: &str, line: String, now: SimTime) {
        let key = (namespace.to_owned(), pod.to_owned());
        let run = self.pods.get_mut(&key).and_then(|p| p.get_mut(container)).and_then(|runs| runs.last_mut());
        if let Some(run) = run {
            if run.asked.len() == KEPT {
                run.asked.pop_front();
            }
            run.asked.push_back((now, line));
        }
    }

    /// A process writes lines, if it runs in a container.
    pub(crate) fn print(&mut self, place: &Place, lines: impl IntoIterator<Item = String>, now: SimTime) {
        if let Place::Container { namespace, pod, container: Some(container) } = place {
            lines.into_iter().for_each(|line| self.write(namespace, pod, container, line, now));
        }
    }

    /// A container's run: the last one, or the one before it.
    #[must_use]
    pub fn run(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<&Run> {
        let runs = self.pods.get(&(namespace.to_owned(), pod.to_owned()))?.get(container)?;
        if previous { runs.len().checked_sub(2).and_then(|i| runs.get(i)) } else { runs.last() }
    }
}

//! `kubectl logs`.

use std::time::Duration;

use serde_json::Value;
use sim_core::kube::apps::logs::Run;
use sim_core::kube::objects::Kind;
use sim_core::kube::store::ApiError;
use sim_core::kube::version::Version;
use sim_core::time::SimTime;

use super::args::{Flag, Kind as F, flag, short};
use super::clock;
use super::ctl::Ctl;
use super::exec;
use super::failure::Failure;
use super::pods;
use super::resource::Resource;
use super::target::{Scope, Wanted};
use super::value::{list, name, namespace, text};
use crate::tools::SIGINT_STATUS;

pub(crate) static FLAGS: &[Flag] = &[
    short("container", 'c', F::Text),
    short("follow", 'f', F::Bool),
    short("previous", 'p', F::Bool),
    short("selector", 'l', F::Text),
    flag("all-containers", F::Bool),
    flag("all-pods", F::Bool),
    flag("ignore-errors", F::Bool),
    flag("insecure-skip-tls-verify-backend", F::Bool),
    flag("limit-bytes", F::Int),
    flag("max-log-requests", F::Int),
    flag("pod-running-timeout", F::Duration),
    flag("prefix", F::Bool),
    flag("quiet", F::Bool),
    flag("since", F::Duration),
    flag("since-time", F::Text),
    flag("tail", F::Int),
    flag("timestamps", F::Bool),
];

const USAGE: &str = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command";

/// A container whose log is shown.
struct Source {
    namespace: String,
    pod: String,
    container: String,
}

/// How it is shown.
struct Style {
    timestamps: bool,
    prefix: bool,
    /// The last so many lines; none: all.
    tail: Option<usize>,
    since: SimTime,
    limit: Option<usize>,
}

/// Runs the verb.
///
/// # Errors
/// No such pod or container, or it has written nothing that is known.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["since-time"])?;
    let pods = pods(ctl)?;
    let previous = ctl.args.bool("previous", false);
    let follow = ctl.args.bool("follow", false);
    if previous && follow {
        return Err(Failure::plain("only one of follow (-f) or previous (-p) is allowed"));
    }
    let mut sources = Vec::new();
    for pod in &pods {
        for container in containers(ctl, pod)? {
            let (space, own) = (namespace(pod).to_owned(), name(pod).to_owned());
            sources.push(Source { namespace: space, pod: own, container });
        }
    }
    let most = ctl.args.int("max-log-requests").unwrap_or(5);
    if follow && sources.len() as i64 > most {
        let n = sources.len();
        return Err(Failure::plain(format!(
            "you are attempting to follow {n} log streams, but maximum allowed concurrency is {most}, use --max-log-requests to increase \
             the limit"
        )));
    }
    let style = style(ctl)?;
    let mut shown = Vec::new();
    for source in &sources {
        let pod = ctl.store().get(Kind::Pod, &source.namespace, &source.pod)?.to_value();
        shown.push(print(ctl, source, &pod, previous, &style)?);
    }
    if follow { Ok(follow_all(ctl, &sources, &style, shown)) } else { Ok(0) }
}

/// Shows what a container writes from now on, until ^C (`kubectl attach`).
///
/// # Errors
/// What it writes is not known.
pub(super) fn from_now(ctl: &mut Ctl<'_, '_>, pod: &Value, container: &str) -> Result<i32, Failure> {
    let source = Source {
        namespace: namespace(pod).to_owned(),
        pod: name(pod).to_owned(),
        container: container.to_owned(),
    };
    let style = Style { timestamps: false, prefix: false, tail: Some(0), since: SimTime::ZERO, limit: None };
    let seen = print(ctl, &source, pod, false, &style)?;
    Ok(follow_all(ctl, &[source], &style, vec![seen]))
}

fn style(ctl: &Ctl<'_, '_>) -> Result<Style, Failure> {
    let tail = match ctl.args.int("tail") {
        Some(n) if n < -1 => {
            return Err(Failure::plain("--tail must be greater than or equal to -1"));
        }
        Some(-1) => None,
        Some(n) => usize::try_from(n).ok(),
        // With a selector a little of each is enough.
        None => ctl.args.given("selector").then_some(10),
    };
    let since = match ctl.args.duration("since") {
        Some(back) => SimTime(ctl.now().0.saturating_sub(u64::try_from(back.as_nanos()).unwrap_or(u64::MAX))),
        None => SimTime::ZERO,
    };
    Ok(Style {
        timestamps: ctl.args.bool("timestamps", false),
        prefix: ctl.args.bool("prefix", ctl.args.bool("all-pods", false)),
        tail,
        since,
        limit: ctl.args.int("limit-bytes").and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0),
    })
}

/// The pods that are meant.
fn pods(ctl: &mut Ctl<'_, '_>) -> Result<Vec<Value>, Failure> {
    let space = ctl.namespace();
    if let Some(selector) = ctl.args.text("selector").map(str::to_owned) {
        if !ctl.args.words.is_empty() {
            return Err(Failure::usage(&ctl.path, "only a selector (-l) or a POD name is allowed"));
        }
        let scope = Scope { namespace: Some(&space), labels: Some(&selector), fields: None };
        let (found, failures) = Wanted::All(vec![Resource::Kind(Kind::Pod)]).find(ctl.store(), &scope);
        Failure::from_many(failures)?;
        if found.is_empty() {
            ctl.err(format!("No resources found in {space} namespace."));
        }
        return Ok(found.into_iter().map(|f| f.value).collect());
    }
    let target = match ctl.args.words.as_slice() {
        [] => return Err(Failure::usage(&ctl.path, USAGE)),
        [pod] => pod.clone(),
        [pod, container] if !ctl.args.given("container") => {
            return Err(Failure::usage(
                &ctl.path,
                format!(
                    "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]': unexpected {pod} {container}"
                ),
            ));
        }
        _ => return Err(Failure::usage(&ctl.path, USAGE)),
    };
    let newer = ctl.version() >= Version::new(1, 30, 0);
    let (resource, object) = pods::named(ctl.store(), &target, &space).map_err(|failure| {
        if newer && failure.is_not_found() {
            let why = failure.message();
            return Failure::plain(format!("error from server (NotFound): {why} in namespace {space:?}"));
        }
        failure
    })?;
    let mut all = pods::of(ctl.store(), resource, &object)?;
    if resource == Resource::Kind(Kind::Pod) {
        return Ok(all);
    }
    all.sort_by(pods::by_logging);
    if ctl.args.bool("all-pods", false) {
        return Ok(all);
    }
    let Some(first) = all.first().cloned() else {
        return Err(Failure::plain("timed out waiting for the condition"));
    };
    if all.len() > 1 {
        ctl.err(format!("Found {} pods, using pod/{}", all.len(), name(&first)));
    }
    Ok(vec![first])
}

fn containers(ctl: &mut Ctl<'_, '_>, pod: &Value) -> Result<Vec<String>, Failure> {
    if ctl.args.bool("all-containers", false) || ctl.args.bool("all-pods", false) {
        let all = list(pod, "/spec/initContainers").iter().chain(list(pod, "/spec/containers"));
        return Ok(all.map(|c| text(c, "/name").to_owned()).collect());
    }
    exec::container(ctl, pod)
        .map(|c| vec![c])
        .map_err(|f| if matches!(f, Failure::Api(..)) { Failure::plain(f.message()) } else { f })
}

/// Prints what there is; the time up to which it is shown.
fn print(
    ctl: &mut Ctl<'_, '_>,
    source: &Source,
    pod: &Value,
    previous: bool,
    style: &Style,
) -> Result<SimTime, Failure> {
    let now = ctl.now();
    let Source { namespace, pod: own, container } = source;
    let run = ctl.cx.cluster.logs().run(namespace, own, container, previous);
    let Some(run) = run else {
        return Err(if previous {
            let why = format!("previous terminated container {container:?} in pod {own:?} not found");
            ApiError::bad_request(why).into()
        } else {
            waiting(pod, container)
        });
    };
    if let Some(program) = run.unknown() {
        return Err(Failure::not_modelled(format!("what {program} in container {container:?} writes")));
    }
    let lines = selected(run, now, style);
    if let Some(what) = run.left_out() {
        ctl.cx.remark(format!("log of {namespace}/{own}: {what}"));
    }
    emit(ctl, source, &lines, style);
    Ok(now)
}

fn selected(run: &Run, now: SimTime, style: &Style) -> Vec<(SimTime, String)> {
    let mut lines = run.lines(now);
    lines.retain(|(at, _)| *at >= style.since);
    let skip = style.tail.map_or(0, |n| lines.len().saturating_sub(n));
    lines.split_off(skip)
}

fn emit(ctl: &mut Ctl<'_, '_>, source: &Source, lines: &[(SimTime, String)], style: &Style) {
    let mut out = String::new();
    for (at, line) in lines {
        if style.prefix {
            out += &format!("[pod/{}/{}] ", source.pod, source.container);
        }
        if style.timestamps {
            out += &format!("{} ", clock::rfc3339_nanos(*at));
        }
        out += line;
        out.push('\n');
    }
    if let Some(limit) = style.limit {
        let end = (0..=limit.min(out.len())).rev().find(|i| out.is_char_boundary(*i)).unwrap_or(0);
        out.truncate(end);
    }
    ctl.print(out);
}

/// A container that has not started: the kubelet's words.
fn waiting(pod: &Value, container: &str) -> Failure {
    let statuses =
        list(pod, "/status/containerStatuses").iter().chain(list(pod, "/status/initContainerStatuses"));
    let reason = statuses
        .filter(|s| text(s, "/name") == container)
        .map(|s| text(s, "/state/waiting/reason"))
        .next()
        .unwrap_or("");
    let own = name(pod);
    if text(pod, "/spec/nodeName").is_empty() {
        return ApiError::bad_request(format!("pod {own} does not have a host assigned")).into();
    }
    let why = match reason {
        "ErrImagePull" => "trying and failing to pull image".to_owned(),
        "ImagePullBackOff" => "trying and failing to pull image".to_owned(),
        "" => "ContainerCreating".to_owned(),
        other => other.to_owned(),
    };
    let message = format!("container {container:?} in pod {own:?} is waiting to start: {why}");
    ApiError::bad_request(message).into()
}

/// `-f`: what comes, until ^C or until all containers have ended.
fn follow_all(ctl: &mut Ctl<'_, '_>, sources: &[Source], style: &Style, mut shown: Vec<SimTime>) -> i32 {
    /// How long is waited at most before the logs are looked at again: servers write when they are asked.
    const LOOK: Duration = Duration::from_millis(100);
    let plain = Style { tail: None, since: SimTime::ZERO, limit: None, ..*style };
    while !ctl.cx.interrupted() {
        let mut alive = false;
        for (source, seen) in sources.iter().zip(&mut shown) {
            let now = ctl.now();
            let run = ctl.cx.cluster.logs().run(&source.namespace, &source.pod, &source.container, false);
            let Some(run) = run else { continue };
            alive |= !run.has_ended();
            let lines: Vec<(SimTime, String)> =
                run.lines(now).into_iter().filter(|(at, _)| at > seen).collect();
            *seen = now;
            emit(ctl, source, &lines, &plain);
        }
        if !alive {
            return 0;
        }
        if ctl.cx.out.interrupted() {
            break;
        }
        ctl.cx.pause(LOOK);
    }
    SIGINT_STATUS
}

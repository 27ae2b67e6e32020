//! `kubectl run`.

use serde_json::{Map, Value, json};
use sim_core::kube::apps::image;
use sim_core::kube::objects::Kind;

use super::args::{Flag, Kind as F, flag, short, why_no_number};
use super::create;
use super::ctl::{Ctl, DryRun};
use super::failure::Failure;

pub(crate) mod attach;

pub(crate) static FLAGS: &[Flag] = &[
    short("output", 'o', F::Text),
    short("labels", 'l', F::Text),
    flag("template", F::Text),
    flag("allow-missing-template-keys", F::Bool),
    flag("show-managed-fields", F::Bool),
    flag("image", F::Text),
    flag("image-pull-policy", F::Text),
    flag("port", F::Text),
    flag("env", F::Texts),
    flag("restart", F::Text),
    flag("command", F::Bool),
    flag("rm", F::Bool),
    flag("attach", F::Bool),
    flag("leave-stdin-open", F::Bool),
    flag("expose", F::Bool),
    flag("annotations", F::Texts),
    flag("overrides", F::Text),
    flag("override-type", F::Text),
    flag("privileged", F::Bool),
    flag("dry-run", F::Optional("unchanged")),
    flag("save-config", F::Bool),
    flag("field-manager", F::Text),
    flag("force", F::Bool),
    flag("grace-period", F::Int),
    flag("timeout", F::Duration),
    flag("wait", F::Bool),
    flag("pod-running-timeout", F::Duration),
];

/// Runs the verb.
///
/// # Errors
/// What kubectl reports at the end.
pub(crate) fn run(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["leave-stdin-open"])?;
    let attach = ctl.args.bool("attach", ctl.args.bool("stdin", false));
    if ctl.args.bool("tty", false) && !attach {
        return Err(Failure::plain("-i/--stdin is required for containers with -t/--tty=true"));
    }
    if ctl.args.bool("rm", false) && !attach {
        return Err(Failure::plain("--rm should only be used for attached containers"));
    }
    let Some((name, rest)) = ctl.args.words.split_first() else {
        return Err(Failure::usage(&ctl.path, "NAME is required for run"));
    };
    let Some(image) = ctl.args.text("image").filter(|i| !i.is_empty()) else {
        return Err(Failure::plain("required flag(s) \"image\" not set"));
    };
    if image::fault(image).is_some() {
        return Err(Failure::plain(format!("Invalid image name {image:?}: invalid reference format")));
    }
    let mut body = pod(ctl, name, image, rest)?;
    if let Some(text) = ctl.args.text("overrides") {
        create::override_with(&mut body, text, ctl.args.text("override-type"))?;
    }
    let namespace = ctl.namespace();
    let (name, port) = (name.clone(), ctl.args.text("port").map(str::to_owned));
    let words = rest.to_vec();
    if attach && ctl.dry_run()? == DryRun::None {
        let (store, now) = ctl.store_mut();
        store.create_value(Kind::Pod, &namespace, &body, now)?;
        return attach::run(ctl, &name, &words);
    }
    let exposed = ctl.args.bool("expose", false);
    if exposed && port.is_none() {
        return Err(Failure::plain("--port must be set when exposing a service"));
    }
    let made = create::make(ctl, Kind::Pod, &namespace, &body)??;
    if let Some(port) = port.filter(|_| exposed) {
        let service = super::expose::service(create::metadata(ctl, &name), &body, &port, None, "ClusterIP")?;
        // kubectl tells of the Service first, although the pod was created before it.
        create::send(ctl, Kind::Service, &namespace, &service, "created", Failure::from)?;
    }
    create::tell(ctl, Kind::Pod, &made, "created")?;
    Ok(0)
}

fn pod(ctl: &Ctl<'_, '_>, name: &str, image: &str, words: &[String]) -> Result<Value, Failure> {
    let mut container = json!({"name": name, "image": image, "resources": {}});
    if !words.is_empty() {
        container[if ctl.args.bool("command", false) { "command" } else { "args" }] = json!(words);
    }
    if let Some(port) = ctl.args.text("port") {
        let number = port.parse::<i32>().map_err(|_| {
            Failure::plain(format!("strconv.ParseInt: parsing {port:?}: {}", why_no_number(port)))
        })?;
        container["ports"] = json!([{"containerPort": number}]);
    }
    let env: Result<Vec<Value>, Failure> = ctl.args.texts("env").iter().map(|e| variable(e)).collect();
    let env = env?;
    if !env.is_empty() {
        container["env"] = Value::Array(env);
    }
    if ctl.args.bool("stdin", false) {
        container["stdin"] = json!(true);
        container["stdinOnce"] = json!(true);
        if ctl.args.bool("tty", false) {
            container["tty"] = json!(true);
        }
    }
    if ctl.args.bool("privileged", false) {
        container["securityContext"] = json!({"privileged": true});
    }
    if let Some(policy) = ctl.args.text("image-pull-policy") {
        container["imagePullPolicy"] = json!(policy);
    }
    let restart = ctl.args.text("restart").unwrap_or("Always");
    if !matches!(restart, "Always" | "OnFailure" | "Never") {
        return Err(Failure::plain(format!("invalid restart policy: {restart}")));
    }
    let mut metadata = create::metadata(ctl, name);
    metadata["labels"] = Value::Object(labels(ctl, name)?);
    let annotations = ctl.args.texts("annotations");
    if !annotations.is_empty() {
        metadata["annotations"] = annotations.iter().map(|a| a.split_once('=').unwrap_or((a, ""))).collect();
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart},
        "status": {},
    }))
}

fn labels(ctl: &Ctl<'_, '_>, name: &str) -> Result<Map<String, Value>, Failure> {
    let Some(given) = ctl.args.text("labels").filter(|l| !l.is_empty()) else {
        return Ok(Map::from_iter([("run".to_owned(), json!(name))]));
    };
    let label = |part: &str| {
        let (key, value) =
            part.split_once('=').ok_or_else(|| Failure::plain(format!("unexpected label spec: {part}")))?;
        Ok((key.to_owned(), json!(value)))
    };
    given.split(',').map(label).collect()
}

fn variable(text: &str) -> Result<Value, Failure> {
    match text.split_once('=').filter(|(name, _)| !name.is_empty()) {
        Some((name, value)) => Ok(json!({"name": name, "value": value})),
        None => Err(Failure::plain(format!("invalid env: {text}"))),
    }
}

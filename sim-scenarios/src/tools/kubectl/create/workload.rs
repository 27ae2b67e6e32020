//! `kubectl create deployment`, `job`, `cronjob`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::super::args::{Flag, Kind as F, flag, short};
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::resource::Resource;
use super::super::target;
use super::New;

pub(super) static DEPLOYMENT_FLAGS: &[Flag] =
    &[flag("image", F::List), flag("port", F::Int), short("replicas", 'r', F::Int)];
pub(super) static JOB_FLAGS: &[Flag] = &[flag("image", F::Text), flag("from", F::Text)];
pub(super) static CRON_JOB_FLAGS: &[Flag] =
    &[flag("image", F::Text), flag("schedule", F::Text), flag("restart", F::Text)];

/// A kind that this server may not have.
fn kind(api_version: &str, kind: &str) -> Result<Kind, Failure> {
    Kind::from_manifest(api_version, kind)
        .ok_or_else(|| Failure::not_modelled(format!("\"kubectl create {}\"", kind.to_lowercase())))
}

/// The name and what stands behind `--`.
fn name_and_command(ctl: &Ctl<'_, '_>) -> Result<(String, Vec<String>), Failure> {
    let before = ctl.args.dash.unwrap_or(ctl.args.words.len());
    let (names, command) = ctl.args.words.split_at(before);
    match names {
        [name] => Ok((name.clone(), command.to_vec())),
        all => Err(Failure::usage(&ctl.path, format!("exactly one NAME is required, got {}", all.len()))),
    }
}

fn required(ctl: &Ctl<'_, '_>, flags: &[&str]) -> Result<(), Failure> {
    let missing: Vec<String> =
        flags.iter().filter(|f| !ctl.args.given(f)).map(|f| format!("{f:?}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::plain(format!("required flag(s) {} not set", missing.join(", "))))
}

pub(super) fn deployment(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    required(ctl, &["image"])?;
    let kind = kind("apps/v1", "Deployment")?;
    let (name, command) = name_and_command(ctl)?;
    let images = ctl.args.texts("image");
    if images.len() > 1 && !command.is_empty() {
        return Err(Failure::plain("cannot specify multiple --image options and command"));
    }
    let replicas = ctl.args.int("replicas").unwrap_or(1);
    if replicas < 0 {
        return Err(Failure::plain(format!("invalid replicas {replicas}")));
    }
    let container = |image: &String| {
        let mut container = json!({"name": container_name(image), "image": image, "resources": {}});
        if let Some(port) = ctl.args.int("port").filter(|p| *p > 0) {
            container["ports"] = json!([{"containerPort": port}]);
        }
        if !command.is_empty() {
            container["command"] = json!(command);
        }
        container
    };
    let containers: Vec<Value> = images.iter().map(container).collect();
    let labels = json!({"app": name});
    let mut metadata = super::metadata(ctl, &name);
    metadata["labels"] = labels.clone();
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels}, "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {},
    });
    Ok(New { kind, body, what: Some("deployment".to_owned()) })
}

/// The last part of an image's name, without tag and digest, made a name for a container.
fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let bare = last.split([':', '@']).next().unwrap_or(last);
    bare.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

pub(super) fn job(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let kind = kind("batch/v1", "Job")?;
    let (name, command) = name_and_command(ctl)?;
    let spec = match (ctl.args.text("image"), ctl.args.text("from")) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(Failure::plain("either --image or --from must be specified"));
        }
        (None, Some(_)) if !command.is_empty() => {
            return Err(Failure::plain("cannot specify --from and command"));
        }
        (None, Some(from)) => return job_from(ctl, kind, &name, from),
        (Some(image), None) => {
            json!({"template": {"metadata": {}, "spec": pod(&name, image, &command, "Never")}})
        }
    };
    let body = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": super::metadata(ctl, &name), "spec": spec, "status": {},
    });
    Ok(New { kind, body, what: Some("job".to_owned()) })
}

fn pod(name: &str, image: &str, command: &[String], restart: &str) -> Value {
    let mut container = json!({"name": name, "image": image, "resources": {}});
    if !command.is_empty() {
        container["command"] = json!(command);
    }
    json!({"containers": [container], "restartPolicy": restart})
}

/// `--from=cronjob/NAME`: what the CronJob would run now.
fn job_from(ctl: &Ctl<'_, '_>, kind: Kind, name: &str, from: &str) -> Result<New, Failure> {
    let Some((of, named)) = from.split_once('/') else {
        return Err(Failure::plain(format!("from must be an existing cronjob: {from}")));
    };
    let resource = Resource::parse(of)?;
    let cron = target::get(ctl.store(), resource, &ctl.namespace(), named)?;
    if resource.kind_name() != "CronJob" {
        return Err(Failure::plain(format!("unknown object type {:?}", cron["kind"].as_str().unwrap_or(""))));
    }
    let template = &cron["spec"]["jobTemplate"];
    let mut annotations = template["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.insert("cronjob.kubernetes.io/instantiate".to_owned(), json!("manual"));
    let owner = json!([{
        "apiVersion": cron["apiVersion"], "kind": "CronJob", "name": cron["metadata"]["name"],
        "uid": cron["metadata"]["uid"], "controller": true,
    }]);
    let mut metadata = super::metadata(ctl, name);
    metadata["annotations"] = json!(annotations);
    metadata["ownerReferences"] = owner;
    if template["metadata"]["labels"].is_object() {
        metadata["labels"] = template["metadata"]["labels"].clone();
    }
    let body = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"], "status": {},
    });
    Ok(New { kind, body, what: Some("job".to_owned()) })
}

pub(super) fn cron_job(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    required(ctl, &["image", "schedule"])?;
    let kind = kind("batch/v1", "CronJob")?;
    let (name, command) = name_and_command(ctl)?;
    let restart = ctl.args.text("restart").filter(|r| !r.is_empty()).unwrap_or("OnFailure");
    let pod = pod(&name, ctl.args.text("image").unwrap_or(""), &command, restart);
    let body = json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": super::metadata(ctl, &name),
        "spec": {
            "schedule": ctl.args.text("schedule"),
            "jobTemplate": {"metadata": {"name": name}, "spec": {"template": {"metadata": {}, "spec": pod}}},
        },
        "status": {},
    });
    Ok(New { kind, body, what: Some("cronjob".to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::container_name;

    #[test]
    fn a_container_is_called_as_its_image() {
        let all =
            ["nginx", "nginx:1.25", "registry.k8s.io/e2e-test-images/agnhost:2.39", "a/My_App@sha256:1"];
        assert_eq!(all.map(container_name), ["nginx", "nginx", "agnhost", "myapp"]);
    }
}

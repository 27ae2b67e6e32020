//! `kubectl create secret generic|tls|docker-registry NAME`.

use serde_json::{Map, Value, json};
use sim_core::kube::objects::Kind;

use super::super::args::{Flag, Kind as F, flag};
use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::files;
use super::{New, data};

pub(super) static TLS_FLAGS: &[Flag] =
    &[flag("cert", F::Text), flag("key", F::Text), flag("append-hash", F::Bool)];

pub(super) static REGISTRY_FLAGS: &[Flag] = &[
    flag("docker-username", F::Text),
    flag("docker-password", F::Text),
    flag("docker-email", F::Text),
    flag("docker-server", F::Text),
    flag("from-file", F::List),
    flag("append-hash", F::Bool),
];

pub(super) fn generic(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    ctl.refuse(&["append-hash"])?;
    let name = super::one_name(ctl)?;
    let data = data::read(ctl, "Secret", &name)?;
    let kind = ctl.args.text("type").unwrap_or("").to_owned();
    Ok(secret(ctl, &name, &kind, data))
}

pub(super) fn tls(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    ctl.refuse(&["append-hash"])?;
    let name = super::one_name(ctl)?;
    let path = |flag: &str| ctl.args.text(flag).unwrap_or("").to_owned();
    let (cert, key) = (path("cert"), path("key"));
    if cert.is_empty() || key.is_empty() {
        return Err(Failure::plain("key and cert must be specified"));
    }
    let (cert, key) = (files::read_text(ctl, &cert)?, files::read_text(ctl, &key)?);
    // Whether the two belong together is not looked at: there is no TLS here.
    for (text, kind) in [(&cert, "certificate"), (&key, "key")] {
        if !text.contains("-----BEGIN ") {
            return Err(Failure::plain(format!("tls: failed to find any PEM data in {kind} input")));
        }
    }
    let data = [("tls.crt".to_owned(), cert), ("tls.key".to_owned(), key)];
    Ok(secret(ctl, &name, "kubernetes.io/tls", data))
}

pub(super) fn docker_registry(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    ctl.refuse(&["append-hash"])?;
    let name = super::one_name(ctl)?;
    const CONFIG: &str = ".dockerconfigjson";
    let given = |flag: &str| ctl.args.text(flag).unwrap_or("");
    let json = if ctl.args.texts("from-file").is_empty() {
        let (user, password) = (given("docker-username"), given("docker-password"));
        let server = ctl.args.text("docker-server").unwrap_or("https://index.docker.io/v1/");
        if user.is_empty() || password.is_empty() || server.is_empty() {
            return Err(Failure::plain(
                "either --from-file or the combination of --docker-username, --docker-password and --docker-server is required",
            ));
        }
        let auth = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
        let mut entry = Map::from_iter([
            ("username".to_owned(), json!(user)),
            ("password".to_owned(), json!(password)),
            ("auth".to_owned(), json!(auth)),
        ]);
        if !given("docker-email").is_empty() {
            entry.insert("email".to_owned(), json!(given("docker-email")));
        }
        json!({"auths": {server: entry}}).to_string()
    } else {
        let data = data::read(ctl, "Secret", &name)?;
        data.into_values().next().unwrap_or_default()
    };
    Ok(secret(ctl, &name, "kubernetes.io/dockerconfigjson", [(CONFIG.to_owned(), json)]))
}

fn secret(
    ctl: &Ctl<'_, '_>,
    name: &str,
    kind: &str,
    data: impl IntoIterator<Item = (String, String)>,
) -> New {
    let mut body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": super::metadata(ctl, name)});
    let encoded = |(key, text): (String, String)| (key, json!(data_encoding::BASE64.encode(text.as_bytes())));
    let data: Map<String, Value> = data.into_iter().map(encoded).collect();
    if !data.is_empty() {
        body["data"] = Value::Object(data);
    }
    if !kind.is_empty() {
        body["type"] = json!(kind);
    }
    New { kind: Kind::Secret, body, what: Some("secret".to_owned()) }
}

//! `kubectl create configmap NAME --from-literal=… --from-file=…`.

use serde_json::{Map, Value, json};
use sim_core::kube::objects::Kind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::files;
use super::New;

pub(super) fn make(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    ctl.refuse(&["from-env-file", "append-hash"])?;
    let name = super::one_name(ctl)?;
    let mut data = Map::new();
    for literal in ctl.args.texts("from-literal") {
        let (key, value) = literal
            .split_once('=')
            .filter(|(k, _)| !k.is_empty())
            .ok_or_else(|| Failure::plain(format!("invalid literal source {literal}, expected key=value")))?;
        insert(&mut data, &name, key, value.to_owned())?;
    }
    for file in ctl.args.texts("from-file") {
        let (key, path) = match file.split_once('=') {
            Some((key, path)) => (key.to_owned(), path),
            None => (file.rsplit('/').next().unwrap_or(file).to_owned(), file.as_str()),
        };
        let text = files::read_text(ctl, path)?;
        insert(&mut data, &name, &key, text)?;
    }
    let mut body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ctl.namespace()}});
    if !data.is_empty() {
        body["data"] = Value::Object(data);
    }
    Ok(New { kind: Kind::ConfigMap, body, what: Some("configmap".to_owned()) })
}

fn insert(data: &mut Map<String, Value>, name: &str, key: &str, value: String) -> Result<(), Failure> {
    if data.insert(key.to_owned(), Value::String(value)).is_some() {
        return Err(Failure::plain(format!(
            "cannot add key {key:?}, another key by that name already exists in Data for ConfigMap {name:?}"
        )));
    }
    Ok(())
}

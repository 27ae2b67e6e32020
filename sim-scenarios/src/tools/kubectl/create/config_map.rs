//! `kubectl create configmap NAME --from-literal=… --from-file=…`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::{New, data};

pub(super) fn make(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    ctl.refuse(&["append-hash"])?;
    let name = super::one_name(ctl)?;
    let data = data::read(ctl, "ConfigMap", &name)?;
    let mut body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": super::metadata(ctl, &name)});
    if !data.is_empty() {
        body["data"] = data.into_iter().map(|(k, v)| (k, Value::String(v))).collect();
    }
    Ok(New { kind: Kind::ConfigMap, body, what: Some("configmap".to_owned()) })
}

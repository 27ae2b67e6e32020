//! `kubectl create namespace NAME`.

use serde_json::json;
use sim_core::kube::objects::Kind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::New;

pub(super) fn make(ctl: &mut Ctl<'_, '_>) -> Result<New, Failure> {
    let name = super::one_name(ctl)?;
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}, "status": {},
    });
    Ok(New { kind: Kind::Namespace, body, what: None })
}

//! `kubectl create namespace NAME`.

use serde_json::{Value, json};
use sim_core::kube::objects::Kind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;

pub(super) fn make(ctl: &mut Ctl<'_, '_>) -> Result<(Kind, Value), Failure> {
    let name = super::one_name(ctl)?;
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}, "status": {},
    });
    Ok((Kind::Namespace, body))
}

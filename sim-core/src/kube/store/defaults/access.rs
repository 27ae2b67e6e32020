//! Secret and the bindings of role-based access control.

use crate::kube::objects::Secret;
use crate::kube::objects::rbac::{GROUP, RoleRef, Subject};

/// `stringData` is moved to `data`, over what is there.
pub(super) fn fill_secret(secret: &mut Secret) {
    for (key, text) in std::mem::take(&mut secret.string_data) {
        secret.data.insert(key, data_encoding::BASE64.encode(text.as_bytes()));
    }
    if secret.kind.is_empty() {
        "Opaque".clone_into(&mut secret.kind);
    }
}

/// Groups that go without saying.
pub(super) fn fill_binding(role: &mut RoleRef, subjects: &mut [Subject]) {
    if role.api_group.is_empty() {
        GROUP.clone_into(&mut role.api_group);
    }
    for subject in subjects.iter_mut().filter(|s| s.api_group.is_empty()) {
        if matches!(subject.kind.as_str(), "User" | "Group") {
            GROUP.clone_into(&mut subject.api_group);
        }
    }
}

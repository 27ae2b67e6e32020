//! What the API server answers when it refuses: `metav1.Status` as a value, and how kubectl words it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::kube::objects::Kind;

/// Machine-readable reason of a refusal, as in `metav1.Status.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Reason {
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 409 on creation.
    AlreadyExists,
    /// 409 on update.
    Conflict,
    /// 422.
    Invalid,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 500, of a fault that the server has no word for; kubectl then names no reason.
    Unknown,
}

impl Reason {
    /// HTTP status code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError | Self::Unknown => 500,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One fault of one field, as `field.Error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Path: `spec.ports[0].port`.
    pub field: String,
    /// What is wrong: `Invalid value: 0: must be between 1 and 65535, inclusive`.
    pub message: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// A refusal of the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Reason.
    pub reason: Reason,
    /// The server's sentence.
    pub message: String,
    /// Kind of the object, for [`Reason::Invalid`].
    pub kind: String,
    /// Name of the object, for [`Reason::Invalid`].
    pub name: String,
    /// Single faults, for [`Reason::Invalid`].
    pub causes: Vec<Cause>,
    /// The patch that was refused, for `apply`.
    pub patch: Option<Box<Value>>,
}

impl ApiError {
    fn plain(reason: Reason, message: String) -> Self {
        Self { reason, message, kind: String::new(), name: String::new(), causes: Vec::new(), patch: None }
    }

    /// A patch that cannot be applied.
    pub(super) fn of_patch(reason: Reason, message: String) -> Self {
        Self::plain(reason, message)
    }

    /// HTTP status code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.reason.code()
    }

    /// `pods "x" not found`.
    #[must_use]
    pub fn not_found(kind: Kind, name: &str) -> Self {
        Self::plain(Reason::NotFound, format!("{} {name:?} not found", kind.qualified_resource()))
    }

    /// A path that the server does not serve: a subresource that a kind does not have.
    #[must_use]
    pub fn no_such_resource() -> Self {
        Self::plain(Reason::NotFound, "the server could not find the requested resource".to_owned())
    }

    /// `pods "x" already exists`.
    #[must_use]
    pub fn already_exists(kind: Kind, name: &str) -> Self {
        Self::plain(Reason::AlreadyExists, format!("{} {name:?} already exists", kind.qualified_resource()))
    }

    /// Somebody else changed the object in between.
    #[must_use]
    pub fn conflict(kind: Kind, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        let resource = kind.qualified_resource();
        Self::plain(Reason::Conflict, format!("Operation cannot be fulfilled on {resource} {name:?}: {why}"))
    }

    /// The object is not in the state that the request needs.
    #[must_use]
    pub(super) fn conflict_because(kind: Kind, name: &str, why: &str) -> Self {
        let resource = kind.qualified_resource();
        Self::plain(Reason::Conflict, format!("Operation cannot be fulfilled on {resource} {name:?}: {why}"))
    }

    /// `pods "x" is forbidden: …`.
    #[must_use]
    pub fn forbidden(kind: Kind, name: &str, why: &str) -> Self {
        let resource = kind.qualified_resource();
        Self::plain(Reason::Forbidden, format!("{resource} {name:?} is forbidden: {why}"))
    }

    /// A body that cannot be read, or a request that contradicts itself.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::plain(Reason::BadRequest, message.into())
    }

    /// Not now; the same request may be answered later.
    #[must_use]
    pub(super) fn too_many_requests(message: &str) -> Self {
        Self::plain(Reason::TooManyRequests, message.to_owned())
    }

    /// A fault of the server itself.
    #[must_use]
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::plain(Reason::InternalError, format!("Internal error occurred: {message}"))
    }

    /// A fault that the server passes on as it is.
    #[must_use]
    pub(super) fn unknown(message: String) -> Self {
        Self::plain(Reason::Unknown, message)
    }

    /// An object whose fields do not hold together. Equal causes are told once, as the server's aggregate does.
    #[must_use]
    pub fn invalid(kind: Kind, name: &str, causes: Vec<Cause>) -> Self {
        let mut distinct: Vec<String> = Vec::new();
        for cause in &causes {
            let text = cause.to_string();
            if !distinct.contains(&text) {
                distinct.push(text);
            }
        }
        let list = if distinct.len() == 1 { distinct.concat() } else { format!("[{}]", distinct.join(", ")) };
        let mut qualified = kind.name().to_owned();
        if !kind.group().is_empty() {
            qualified = format!("{qualified}.{}", kind.group());
        }
        Self {
            reason: Reason::Invalid,
            message: format!("{qualified} {name:?} is invalid: {list}"),
            kind: kind.name().to_owned(),
            name: name.to_owned(),
            causes,
            patch: None,
        }
    }

    /// What kubectl prints on standard error (without a final newline). `doing` is the verb and file that `-f` commands
    /// put in front: `("creating", "pod.yaml")`.
    #[must_use]
    pub fn kubectl_text(&self, doing: Option<(&str, &str)>) -> String {
        if self.reason == Reason::Invalid && !self.causes.is_empty() {
            return self.kubectl_invalid();
        }
        let source = doing.map(|(verb, file)| format!("error when {verb} {file:?}: ")).unwrap_or_default();
        let reason = match self.reason {
            Reason::Unknown => String::new(),
            reason => format!(" ({reason})"),
        };
        format!("Error from server{reason}: {source}{}", self.message)
    }

    /// The list form of kubectl: one cause behind the colon, several below it.
    fn kubectl_invalid(&self) -> String {
        let head = if self.kind.is_empty() && self.name.is_empty() {
            "The request is invalid: ".to_owned()
        } else {
            format!("The {} {:?} is invalid: ", self.kind, self.name)
        };
        let mut lines: Vec<String> = Vec::new();
        for cause in &self.causes {
            let text = cause.to_string();
            if !lines.contains(&text) {
                lines.push(text);
            }
        }
        match lines.as_slice() {
            [only] => format!("{head}{only}"),
            many => format!("{head}\n* {}", many.join("\n* ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_lists_several_causes_below_each_other() {
        let cause = |field: &str| Cause { field: field.to_owned(), message: "Required value".to_owned() };
        let one = ApiError::invalid(Kind::Pod, "x", vec![cause("spec.containers[0].name")]);
        assert_eq!(
            one.kubectl_text(Some(("creating", "x.yaml"))),
            r#"The Pod "x" is invalid: spec.containers[0].name: Required value"#
        );
        let two = ApiError::invalid(Kind::Pod, "x", vec![cause("a"), cause("b")]);
        assert_eq!(
            two.kubectl_text(None),
            "The Pod \"x\" is invalid: \n* a: Required value\n* b: Required value"
        );
        assert_eq!(two.message, r#"Pod "x" is invalid: [a: Required value, b: Required value]"#);
    }

    #[test]
    fn kubectl_names_the_file_and_the_reason() {
        let e = ApiError::not_found(Kind::Namespace, "shop");
        assert_eq!(
            e.kubectl_text(Some(("creating", "pod.yaml"))),
            r#"Error from server (NotFound): error when creating "pod.yaml": namespaces "shop" not found"#
        );
        assert_eq!(e.kubectl_text(None), r#"Error from server (NotFound): namespaces "shop" not found"#);
    }
}

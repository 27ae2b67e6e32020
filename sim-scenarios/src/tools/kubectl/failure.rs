//! Why kubectl failed, in its words.

use std::fmt;

/// A failure that kubectl reports on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// `error: …`
    Plain(String),
    /// The API server refused.
    Api(ApiFailure),
    /// Several, one per object.
    Many(Vec<Self>),
    /// A message as it is, with its exit status.
    Status(String, i32),
    /// What is wrong was said already.
    Said,
}

/// A refusal of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiFailure {
    /// `NotFound`, `AlreadyExists`, `Invalid`, …; empty if the server gave none.
    pub(crate) reason: String,
    /// The server's message.
    pub(crate) message: String,
    /// For `Invalid`: the kind and name of the object, and what is wrong with which field.
    pub(crate) invalid: Option<Invalid>,
}

/// An object that the API server did not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// The object's kind.
    pub(crate) kind: String,
    /// The object's name.
    pub(crate) name: String,
    /// `field: message`, one per mistake.
    pub(crate) causes: Vec<String>,
}

impl Failure {
    /// `error: MESSAGE`.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self::Plain(message.into())
    }

    /// A wrong use of a command: the message and where its help is.
    pub(crate) fn usage(path: &str, message: impl fmt::Display) -> Self {
        Self::Plain(format!("{message}\nSee '{path} -h' for help and examples"))
    }

    /// A kind or option that kubectl has and this model does not.
    pub(crate) fn not_modelled(what: impl fmt::Display) -> Self {
        Self::Plain(format!("{what} is not modelled by this simulator"))
    }

    /// One failure or several; none of them is success.
    pub(crate) fn from_many(mut all: Vec<Self>) -> Result<(), Self> {
        match all.len() {
            0 => Ok(()),
            1 => Err(all.remove(0)),
            _ => Err(Self::Many(all)),
        }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> i32 {
        if let Self::Status(_, status) = self { *status } else { 1 }
    }

    /// Whether the server has no such object.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(api) if api.reason == "NotFound")
    }

    /// Adds the file that the object came from: `error when creating "x.yaml": …`.
    pub(crate) fn when(self, doing: &str, source: &str) -> Self {
        match self {
            Self::Api(api) => Self::Api(ApiFailure {
                message: format!("error when {doing} {source:?}: {}", api.message),
                ..api
            }),
            Self::Plain(message) => Self::Plain(format!("error when {doing} {source:?}: {message}")),
            other => other,
        }
    }

    /// The message of one failure among several, which has no `error: ` before it.
    fn brief(&self) -> String {
        match self {
            Self::Plain(message) => message.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(message) if message.starts_with("error: ") => f.write_str(message),
            Self::Plain(message) => write!(f, "error: {message}"),
            Self::Api(ApiFailure { invalid: Some(invalid), .. }) => invalid.fmt(f),
            Self::Api(api) if api.reason.is_empty() => write!(f, "Error from server: {}", api.message),
            Self::Api(api) => write!(f, "Error from server ({}): {}", api.reason, api.message),
            Self::Many(all) => {
                let lines: Vec<String> = all.iter().map(Self::brief).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Status(message, _) => f.write_str(message),
            Self::Said => Ok(()),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The {} {:?} is invalid", self.kind, self.name)?;
        match self.causes.as_slice() {
            [] => Ok(()),
            [one] => write!(f, ": {one}"),
            several => {
                f.write_str(": ")?;
                several.iter().try_for_each(|cause| write!(f, "\n* {cause}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_found(name: &str) -> Failure {
        Failure::Api(ApiFailure {
            reason: "NotFound".to_owned(),
            message: format!("pods {name:?} not found"),
            invalid: None,
        })
    }

    fn invalid(causes: &[&str]) -> Failure {
        Failure::Api(ApiFailure {
            reason: "Invalid".to_owned(),
            message: "unused".to_owned(),
            invalid: Some(Invalid {
                kind: "Service".to_owned(),
                name: "svc-a".to_owned(),
                causes: causes.iter().map(|c| (*c).to_owned()).collect(),
            }),
        })
    }

    #[test]
    fn failures_are_worded_as_kubectl_words_them() {
        let all = [
            Failure::plain("the path \"x.yaml\" does not exist"),
            not_found("x"),
            not_found("x").when("deleting", "x.yaml"),
            Failure::Many(vec![not_found("x"), Failure::plain("timed out")]),
            invalid(&["spec.ports: Required value"]),
            invalid(&["spec.ports: Required value", "spec.type: Required value"])
                .when("creating", "svc.yaml"),
            Failure::usage("kubectl exec", "pod or type/name must be specified"),
        ];
        insta::assert_snapshot!(all.map(|f| f.to_string()).join("\n"), @r#"
        error: the path "x.yaml" does not exist
        Error from server (NotFound): pods "x" not found
        Error from server (NotFound): error when deleting "x.yaml": pods "x" not found
        Error from server (NotFound): pods "x" not found
        timed out
        The Service "svc-a" is invalid: spec.ports: Required value
        The Service "svc-a" is invalid: 
        * spec.ports: Required value
        * spec.type: Required value
        error: pod or type/name must be specified
        See 'kubectl exec -h' for help and examples
        "#);
    }
}

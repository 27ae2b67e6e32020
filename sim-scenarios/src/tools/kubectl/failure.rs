//! Why kubectl failed, in its words.

use std::fmt;

use sim_core::kube::store::{ApiError, Reason};

const NOT_MODELLED: &str = " is not modelled by this simulator";

/// The end of what [`sim_core::kube::objects::manifest`] says of a kind that is real.
const KIND_NOT_MODELLED: &str = "that this simulator does not model";

/// A failure that kubectl reports on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// `error: …`
    Plain(String),
    /// A message that kubectl prints as it is.
    Bare(String),
    /// The API server refused; with a manifest, what was being done with which file.
    Api(Box<ApiError>, Option<(&'static str, String)>),
    /// Several, one per object.
    Many(Vec<Self>),
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
        Self::Plain(format!("{what}{NOT_MODELLED}"))
    }

    /// What this model does not have, if that is why.
    pub(crate) fn what_is_not_modelled(&self) -> Option<&str> {
        match self {
            Self::Plain(message) => message
                .strip_suffix(NOT_MODELLED)
                .or_else(|| message.ends_with(KIND_NOT_MODELLED).then_some(message)),
            Self::Api(..) | Self::Bare(_) => None,
            Self::Many(all) => all.iter().find_map(Self::what_is_not_modelled),
        }
    }

    /// One failure or several; none of them is success.
    pub(crate) fn from_many(mut all: Vec<Self>) -> Result<(), Self> {
        match all.len() {
            0 => Ok(()),
            1 => Err(all.remove(0)),
            _ => Err(Self::Many(all)),
        }
    }

    /// Whether the server has no such object.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(api, _) if api.reason == Reason::NotFound)
    }

    /// Adds the file that the object came from: `error when creating "x.yaml": …`.
    pub(crate) fn when(self, doing: &'static str, source: &str) -> Self {
        match self {
            Self::Api(api, _) => Self::Api(api, Some((doing, source.to_owned()))),
            Self::Plain(message) => Self::Plain(format!("error when {doing} {source:?}: {message}")),
            other => other,
        }
    }

    /// Go's `err.Error()`: the message without what kubectl puts before it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Api(api, _) => api.message.clone(),
            other => other.brief(),
        }
    }

    /// The message of one failure among several, which has no `error: ` before it.
    fn brief(&self) -> String {
        match self {
            Self::Plain(message) | Self::Bare(message) => message.clone(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(message) if message.starts_with("error: ") => f.write_str(message),
            Self::Plain(message) => write!(f, "error: {message}"),
            Self::Bare(message) => f.write_str(message),
            Self::Api(api, doing) => {
                f.write_str(&api.kubectl_text(doing.as_ref().map(|(verb, file)| (*verb, file.as_str()))))
            }
            Self::Many(all) => {
                let lines: Vec<String> = all.iter().map(Self::brief).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error), None)
    }
}

#[cfg(test)]
mod tests {
    use sim_core::kube::objects::Kind;
    use sim_core::kube::store::Cause;

    use super::*;

    fn not_found(name: &str) -> Failure {
        ApiError::not_found(Kind::Pod, name).into()
    }

    fn invalid(fields: &[&str]) -> Failure {
        let cause = |f: &&str| Cause { field: (*f).to_owned(), message: "Required value".to_owned() };
        ApiError::invalid(Kind::Service, "svc-a", fields.iter().map(cause).collect()).into()
    }

    #[test]
    fn failures_are_worded_as_kubectl_words_them() {
        let all = [
            Failure::plain("the path \"x.yaml\" does not exist"),
            not_found("x"),
            not_found("x").when("deleting", "x.yaml"),
            Failure::Many(vec![not_found("x"), Failure::plain("timed out")]),
            invalid(&["spec.ports"]),
            invalid(&["spec.ports", "spec.type"]).when("creating", "svc.yaml"),
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

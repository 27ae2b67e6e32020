//! Label and field selectors, as the API server reads them.

use serde_json::Value;

use super::value::text;

/// A label selector: every requirement must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Greater(String, i64),
    Less(String, i64),
}

impl Labels {
    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`.
    ///
    /// # Errors
    /// What the API server says is wrong with it.
    pub(crate) fn parse(selector: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: lex(selector), at: 0 };
        parser.selector().map(Self).map_err(|message| format!("unable to parse requirement: {message}"))
    }

    /// Whether an object's labels meet the selector.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label =
            |key: &str| object.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::In(key, values) => label(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Requirement::NotIn(key, values) => label(key).is_none_or(|v| values.iter().all(|w| w != v)),
            Requirement::Greater(key, n) => {
                label(key).and_then(|v| v.parse().ok()).is_some_and(|v: i64| v > *n)
            }
            Requirement::Less(key, n) => label(key).and_then(|v| v.parse().ok()).is_some_and(|v: i64| v < *n),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(&'static str),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Symbol(symbol) => symbol,
        }
    }
}

fn lex(text: &str) -> Vec<Token> {
    const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(symbol) = SYMBOLS.into_iter().find(|s| rest.starts_with(s)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "=!(),><".contains(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", Token::text)
    }

    fn take(&mut self, symbol: &'static str) -> bool {
        let here = self.tokens.get(self.at) == Some(&Token::Symbol(symbol));
        self.at += usize::from(here);
        here
    }

    fn word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        Some(word.clone())
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut all = Vec::new();
        if self.tokens.is_empty() {
            return Ok(all);
        }
        loop {
            all.push(self.requirement()?);
            if self.at == self.tokens.len() {
                return Ok(all);
            }
            if !self.take(",") {
                return Err(format!("found '{}', expected: ',' or 'end of string'", self.peek()));
            }
            if self.at == self.tokens.len() {
                return Err("found '', expected: identifier after ','".to_owned());
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.take("!");
        let Some(key) = self.word() else {
            return Err(format!("found '{}', expected: !, identifier, or 'end of string'", self.peek()));
        };
        if let Some(problem) = wrong_key(&key) {
            return Err(problem);
        }
        if absent {
            return Ok(Requirement::Absent(key));
        }
        if matches!(self.peek(), "" | ",") {
            return Ok(Requirement::Exists(key));
        }
        let operator = self.peek().to_owned();
        self.at += 1;
        match operator.as_str() {
            "in" => Ok(Requirement::In(key, self.values()?)),
            "notin" => Ok(Requirement::NotIn(key, self.values()?)),
            "=" | "==" => Ok(Requirement::In(key, vec![self.word().unwrap_or_default()])),
            "!=" => Ok(Requirement::NotIn(key, vec![self.word().unwrap_or_default()])),
            ">" | "<" => {
                let value = self.word().unwrap_or_default();
                let n = value.parse().map_err(|_| {
                    format!("values[0][{key}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer")
                })?;
                Ok(if operator == ">" { Requirement::Greater(key, n) } else { Requirement::Less(key, n) })
            }
            found => Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        if !self.take("(") {
            return Err(format!("found '{}', expected: '('", self.peek()));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.word().unwrap_or_default());
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                return Err(format!("found '{}', expected: ',', or ')'", self.peek()));
            }
        }
    }
}

fn wrong_key(key: &str) -> Option<String> {
    const RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                        character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                        '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let name = key.rsplit('/').next().unwrap_or(key);
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let fits = edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    (!fits).then(|| format!("<nil>: Invalid value: {key:?}: {RULE}"))
}

/// A field selector: `metadata.name=x,status.phase!=Running`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, bool, String)>);

impl Fields {
    /// Parses the selector for objects of `kind`.
    ///
    /// # Errors
    /// What the API server says is wrong with it.
    pub(crate) fn parse(selector: &str, kind: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for term in selector.split(',').filter(|t| !t.is_empty()) {
            let split = ["!=", "==", "="].into_iter().find_map(|op| Some((op, term.split_once(op)?)));
            let Some((operator, (field, value))) = split else {
                return Err(format!("invalid selector: '{selector}'; can't understand '{term}'"));
            };
            if !supported(kind).contains(&field) && !matches!(field, "metadata.name" | "metadata.namespace") {
                return Err(match kind {
                    "Pod" | "Node" | "Namespace" | "Event" => format!("field label not supported: {field}"),
                    _ => format!(
                        "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    ),
                });
            }
            all.push((field.to_owned(), operator != "!=", value.to_owned()));
        }
        Ok(Self(all))
    }

    /// Whether an object's fields meet the selector.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, value)| {
            let pointer = format!("/{}", field.replace('.', "/"));
            let found = match object.pointer(&pointer) {
                Some(Value::Bool(b)) => b.to_string(),
                None if matches!(field.as_str(), "spec.unschedulable" | "spec.hostNetwork") => {
                    "false".to_owned()
                }
                _ => text(object, &pointer).to_owned(),
            };
            (found == *value) == *equal
        })
    }
}

fn supported(kind: &str) -> &'static [&'static str] {
    match kind {
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "Node" => &["spec.unschedulable"],
        "Namespace" => &["status.phase"],
        "Service" => &["spec.clusterIP", "spec.type"],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "reason",
            "type",
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matching(selector: &str) -> Vec<&'static str> {
        let labels = Labels::parse(selector).unwrap();
        [("a", json!({"app": "a", "tier": "web", "n": "5"})), ("b", json!({"app": "b"})), ("c", json!({}))]
            .into_iter()
            .filter(|(_, l)| labels.matches(&json!({"metadata": {"labels": l}})))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn label_selectors_choose() {
        assert_eq!(matching("app=a"), ["a"]);
        assert_eq!(matching("app == a, tier"), ["a"]);
        assert_eq!(matching("app!=a"), ["b", "c"]);
        assert_eq!(matching("app in (a, b)"), ["a", "b"]);
        assert_eq!(matching("app notin (a)"), ["b", "c"]);
        assert_eq!(matching("!app"), ["c"]);
        assert_eq!(matching("n>4"), ["a"]);
        assert_eq!(matching("n<5"), [""; 0]);
        assert_eq!(matching(""), ["a", "b", "c"]);
    }

    #[test]
    fn wrong_label_selectors_are_named() {
        let all: Vec<String> = ["a in b", "a=b c", "a,", "=x", "a in (b", "a$=x", "a>x"]
            .into_iter()
            .map(|s| Labels::parse(s).unwrap_err())
            .collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn field_selectors_choose() {
        let pod =
            json!({"metadata": {"name": "x"}, "status": {"phase": "Running"}, "spec": {"nodeName": "node1"}});
        let fits = |s: &str| Fields::parse(s, "Pod").unwrap().matches(&pod);
        assert!(fits("status.phase=Running,spec.nodeName==node1,metadata.name!=y"));
        assert!(!fits("status.phase!=Running"));
        assert_eq!(Fields::parse("foo=bar", "Pod"), Err("field label not supported: foo".to_owned()));
    }
}

//! Label selectors: equality and set based.

use std::collections::BTreeMap;
use std::fmt;

use super::meta::{LabelSelector, LabelSelectorRequirement};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Conditions on labels that all must hold; none: everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Equals(String),
    NotEquals(String),
    /// In order, as they are printed.
    In(Vec<String>),
    /// In order, as they are printed.
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

impl Requirement {
    /// Whether the condition holds. `!=` and `notin` hold for objects without the label.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.test {
            Test::Equals(wanted) => value == Some(wanted),
            Test::NotEquals(unwanted) => value != Some(unwanted),
            Test::In(wanted) => value.is_some_and(|v| wanted.contains(v)),
            Test::NotIn(unwanted) => value.is_none_or(|v| !unwanted.contains(v)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
            Test::GreaterThan(n) => number().is_some_and(|v| v > *n),
            Test::LessThan(n) => number().is_some_and(|v| v < *n),
        }
    }
}

impl Selector {
    /// A selector that wants these labels.
    #[must_use]
    pub fn from_labels(labels: &Labels) -> Self {
        let equals = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            test: Test::Equals(value.clone()),
        };
        Self { requirements: labels.iter().map(equals).collect() }
    }

    /// The selector of a workload or policy, ordered by keys as the server's library does; none if an operator is unknown.
    #[must_use]
    pub fn from_label_selector(selector: &LabelSelector) -> Option<Self> {
        let mut all = Self::from_labels(&selector.match_labels);
        for expression in &selector.match_expressions {
            let mut values = expression.values.clone();
            values.sort_unstable();
            let test = match expression.operator.as_str() {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::DoesNotExist,
                _ => return None,
            };
            all.requirements.push(Requirement { key: expression.key.clone(), test });
        }
        all.requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Some(all)
    }

    /// The same conditions as an object's field, as kubectl makes it of `--selector`.
    ///
    /// # Errors
    /// kubectl's words: `!=`, `<` and `>` have no place there.
    pub fn to_label_selector(&self) -> Result<LabelSelector, String> {
        let mut out = LabelSelector::default();
        for Requirement { key, test } in &self.requirements {
            let (operator, values) = match test {
                Test::Equals(value) => {
                    out.match_labels.insert(key.clone(), value.clone());
                    continue;
                }
                Test::In(values) => ("In", values.clone()),
                Test::NotIn(values) => ("NotIn", values.clone()),
                Test::Exists => ("Exists", Vec::new()),
                Test::DoesNotExist => ("DoesNotExist", Vec::new()),
                Test::NotEquals(_) => return Err("\"!=\" is not a valid label selector operator".to_owned()),
                Test::GreaterThan(_) => return Err("\"gt\" isn't supported in label selectors".to_owned()),
                Test::LessThan(_) => return Err("\"lt\" isn't supported in label selectors".to_owned()),
            };
            let (key, operator) = (key.clone(), operator.to_owned());
            out.match_expressions.push(LabelSelectorRequirement { key, operator, values });
        }
        Ok(out)
    }

    /// Reads what a person writes behind `-l`: `app=web,tier!=db,env in (a, b),!legacy,beta`.
    ///
    /// # Errors
    /// kubectl's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(unparsable("found '', expected: identifier after ','"));
            }
            requirements.push(parse_requirement(part).map_err(|why| unparsable(&why))?);
        }
        Ok(Self { requirements })
    }

    /// Whether all conditions hold.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.test {
            Test::Equals(v) => write!(f, "{key}={v}"),
            Test::NotEquals(v) => write!(f, "{key}!={v}"),
            Test::In(v) => write!(f, "{key} in ({})", v.join(",")),
            Test::NotIn(v) => write!(f, "{key} notin ({})", v.join(",")),
            Test::Exists => write!(f, "{key}"),
            Test::DoesNotExist => write!(f, "!{key}"),
            Test::GreaterThan(n) => write!(f, "{key}>{n}"),
            Test::LessThan(n) => write!(f, "{key}<{n}"),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list: Vec<String> = self.requirements.iter().map(ToString::to_string).collect();
        f.write_str(&list.join(","))
    }
}

fn unparsable(why: &str) -> String {
    format!("unable to parse requirement: {why}")
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_requirement(part: &str) -> Result<Requirement, String> {
    let make = |key: &str, test| check_key(key).map(|key| Requirement { key, test });
    if let Some(key) = part.strip_prefix('!') {
        return make(key.trim(), Test::DoesNotExist);
    }
    for (operator, negative) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(operator) {
            let value = check_value(value.trim())?;
            return make(key.trim(), if negative { Test::NotEquals(value) } else { Test::Equals(value) });
        }
    }
    for (sign, greater) in [('>', true), ('<', false)] {
        if let Some((key, value)) = part.split_once(sign) {
            let number = value.trim().parse().map_err(|_| {
                format!("for 'Gt', 'Lt' operators, the value must be an integer: {:?}", value.trim())
            })?;
            return make(
                key.trim(),
                if greater { Test::GreaterThan(number) } else { Test::LessThan(number) },
            );
        }
    }
    let mut words = part.splitn(2, char::is_whitespace);
    let key = words.next().unwrap_or("");
    let Some(rest) = words.next().map(str::trim) else { return make(key, Test::Exists) };
    let (negative, list) = if let Some(list) = rest.strip_prefix("notin") {
        (true, list)
    } else if let Some(list) = rest.strip_prefix("in") {
        (false, list)
    } else {
        let word = rest.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or("");
        return Err(format!("found '{word}', expected: in, notin, =, ==, !=, gt, lt"));
    };
    let inner = list.trim().strip_prefix('(').and_then(|l| l.strip_suffix(')'));
    let Some(inner) = inner else {
        return Err(format!("found '{}' expected: '('", list.trim()));
    };
    let mut values = inner.split(',').map(|v| check_value(v.trim())).collect::<Result<Vec<_>, _>>()?;
    values.sort_unstable();
    make(key, if negative { Test::NotIn(values) } else { Test::In(values) })
}

fn check_key(key: &str) -> Result<String, String> {
    if key.is_empty() {
        return Err("found '', expected: identifier".to_owned());
    }
    let odd = key.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')));
    match odd {
        Some(c) => Err(format!("found '{c}', expected: in, notin, =, ==, !=, gt, lt")),
        None => Ok(key.to_owned()),
    }
}

fn check_value(value: &str) -> Result<String, String> {
    let odd = value.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')));
    match odd {
        Some(c) => Err(format!("found '{c}', expected: ',' or 'end of string'")),
        None => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn all_conditions_must_hold() {
        let web = labels(&[("app", "web"), ("tier", "front"), ("n", "5")]);
        for (text, holds) in [
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (api, web)", true),
            ("app notin (api,web)", false),
            ("other notin (x)", true),
            ("tier", true),
            ("!tier", false),
            ("!legacy", true),
            ("n>4,n<6", true),
            ("", true),
        ] {
            assert_eq!(Selector::parse(text).unwrap().matches(&web), holds, "{text}");
        }
    }

    #[test]
    fn a_selector_becomes_a_field_and_back() {
        let selector = Selector::parse("app=web,beta,env notin (x),!legacy,tier in (a,b)").unwrap();
        let field = selector.to_label_selector().unwrap();
        assert_eq!(Selector::from_label_selector(&field), Some(selector));
        assert!(Selector::parse("a!=b").unwrap().to_label_selector().is_err());
        assert!(Selector::parse("a>1").unwrap().to_label_selector().is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Selector::parse("app=a b").is_err());
        assert!(Selector::parse("app is web").is_err());
        assert!(Selector::parse("app=web,,x").is_err());
    }

    proptest! {
        #[test]
        fn print_then_parse_is_the_identity(text in "[a-c]{1,3}(=[a-c]{0,2}|!=[a-c]{1,2}| in \\([a-c],[a-c]\\)| notin \\([a-c]\\))?") {
            let selector = Selector::parse(&text).unwrap();
            prop_assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Selector::parse(&text);
        }
    }
}

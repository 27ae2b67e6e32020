//! Rules for names, labels and ports, in the words of the API server.
//!
//! Sources: RFC 1123 and RFC 1035 as narrowed by
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/> and
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>.

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

fn no_longer_than(text: &str, bytes: usize) -> Option<String> {
    (text.len() > bytes).then(|| format!("must be no more than {bytes} bytes"))
}

/// The server's form of "does not match", with examples.
fn mismatch(rule: &str, examples: &[&str], pattern: &str) -> String {
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!("{rule} (e.g. {}regex used for validation is '{pattern}')", examples.join(" or "))
}

fn lower_alphanumeric(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// Whether the ends satisfy `end` and all between satisfy `end` or `middle`; not empty.
fn shaped(text: &str, end: fn(u8) -> bool, middle: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => end(*first) && end(*last) && bytes.iter().all(|b| end(*b) || middle(*b)),
        _ => false,
    }
}

fn is_label(text: &str) -> bool {
    shaped(text, lower_alphanumeric, |b| b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// A DNS label of RFC 1123: namespaces, containers, hostnames.
pub(crate) fn dns1123_label(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = no_longer_than(text, 63).into_iter().collect();
    if !is_label(text) {
        faults.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            let rule = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                        start and end with an alphanumeric character";
            mismatch(rule, &["my-name", "123-abc"], LABEL)
        });
    }
    faults
}

/// A DNS subdomain of RFC 1123: most objects.
pub(crate) fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = no_longer_than(text, 253).into_iter().collect();
    if !is_subdomain(text) {
        let rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                    must start and end with an alphanumeric character";
        faults.push(mismatch(rule, &["example.com"], &format!("{LABEL}(\\.{LABEL})*")));
    }
    faults
}

/// A DNS subdomain whose first label is `*`: hosts of Ingresses.
pub(crate) fn wildcard_dns1123_subdomain(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = no_longer_than(text, 253).into_iter().collect();
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        let rule = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
                    consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
        let pattern = format!("\\*\\.{LABEL}(\\.{LABEL})*");
        faults.push(mismatch(rule, &["*.example.com"], &pattern));
    }
    faults
}

/// A name that can be one step of a URL's path.
pub(crate) fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." | ".." => vec![format!("may not be '{text}'")],
        _ => ["/", "%"]
            .iter()
            .filter(|bad| text.contains(**bad))
            .map(|bad| format!("may not contain '{bad}'"))
            .collect(),
    }
}

/// The path of a domain-prefixed path: names of controllers.
pub(crate) fn http_path(text: &str) -> Vec<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    if !text.is_empty() && text.bytes().all(allowed) {
        return Vec::new();
    }
    vec!["Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')".to_owned()]
}

/// A DNS label of RFC 1035: Services.
pub(crate) fn dns1035_label(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = no_longer_than(text, 63).into_iter().collect();
    if !is_label(text) || text.starts_with(|c: char| c.is_ascii_digit()) {
        let rule = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                    alphabetic character, and end with an alphanumeric character";
        faults.push(mismatch(rule, &["my-name", "abc-123"], "[a-z]([-a-z0-9]*[a-z0-9])?"));
    }
    faults
}

const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

fn is_qualified_part(text: &str) -> bool {
    shaped(text, |b| b.is_ascii_alphanumeric(), |b| matches!(b, b'-' | b'_' | b'.'))
}

/// Key of a label or annotation: an optional DNS prefix, a slash, a name.
pub(crate) fn qualified_name(text: &str) -> Vec<String> {
    let rule = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                character";
    let examples = ["MyName", "my.name", "123-abc"];
    let mut faults = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else {
                faults.extend(dns1123_subdomain(prefix).into_iter().map(|f| format!("prefix part {f}")));
            }
            *name
        }
        _ => {
            let form = mismatch(&format!("a qualified name {rule}"), &examples, QUALIFIED);
            let with_prefix = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("{form} {with_prefix}")];
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else {
        faults.extend(no_longer_than(name, 63).map(|f| format!("name part {f}")));
    }
    if !is_qualified_part(name) {
        faults.push(mismatch(&format!("name part {rule}"), &examples, QUALIFIED));
    }
    faults
}

/// Value of a label.
pub(crate) fn label_value(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = no_longer_than(text, 63).into_iter().collect();
    if !text.is_empty() && !is_qualified_part(text) {
        let rule = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                    must start and end with an alphanumeric character";
        faults.push(mismatch(rule, &["MyValue", "my_value", "12345"], &format!("({QUALIFIED})?")));
    }
    faults
}

/// Name of a container port (RFC 6335, lower case only).
pub(crate) fn port_name(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = no_longer_than(text, 15).into_iter().collect();
    if text.is_empty() || !text.bytes().all(|b| lower_alphanumeric(b) || b == b'-') {
        faults.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        faults.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        faults.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        faults.push("must not begin or end with a hyphen".to_owned());
    }
    faults
}

/// Key in a `ConfigMap`.
pub(crate) fn config_map_key(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = no_longer_than(text, 253).into_iter().collect();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if text.is_empty() || !text.bytes().all(allowed) {
        let rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        faults.push(mismatch(rule, &["key.name", "KEY_NAME", "key-name"], "[-._a-zA-Z0-9]+"));
    }
    match text {
        "." => faults.push("must not be '.'".to_owned()),
        ".." => faults.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => faults.push("must not start with '..'".to_owned()),
        _ => {}
    }
    faults
}

/// Name of an environment variable.
pub(crate) fn env_var_name(text: &str) -> Vec<String> {
    if text.bytes().any(|b| !(0x20..0x7f).contains(&b) || b == b'=') {
        let rule = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        return vec![rule.to_owned()];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_in_the_servers_words() {
        insta::assert_snapshot!(dns1123_subdomain("Pod_A").join("\n"), @"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
        insta::assert_snapshot!(dns1035_label("1svc").join("\n"), @"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
        insta::assert_snapshot!(label_value("a b").join("\n"), @"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(dns1123_label(&"a".repeat(64)), ["must be no more than 63 bytes"]);
    }

    #[test]
    fn good_names_pass() {
        assert!(dns1123_label("pod-a").is_empty());
        assert!(dns1035_label("svc-a").is_empty());
        assert!(qualified_name("kubernetes.io/metadata.name").is_empty());
        assert!(label_value("").is_empty());
        assert!(port_name("http-alt").is_empty());
        assert!(config_map_key("nginx.conf").is_empty());
    }

    #[test]
    fn port_names_need_a_letter() {
        assert_eq!(port_name("80"), ["must contain at least one letter (a-z)"]);
    }
}

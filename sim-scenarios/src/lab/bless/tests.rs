use super::*;
use crate::lab::run;

/// A document after blessing; it must pass then, and blessing it again must change nothing.
fn blessed(text: &str) -> String {
    let lab = Lab::parse("lab.md", text).unwrap();
    let new = bless(&lab, &run::run(&lab, None).unwrap().commands);
    let lab = Lab::parse("lab.md", &new).unwrap();
    let result = run::run(&lab, None).unwrap();
    assert!(result.passed(), "{new}\n{}", crate::lab::report::text(&[result], false));
    assert_eq!(bless(&lab, &result.commands), new);
    new
}

fn transcript(lines: &str) -> String {
    let text = blessed(&format!("Prose.\n\n```console\n{lines}```\n\nMore `prose`.\n"));
    let inside =
        text.strip_prefix("Prose.\n\n```console\n").and_then(|t| t.strip_suffix("```\n\nMore `prose`.\n"));
    inside.unwrap_or("! the prose was changed").to_owned()
}

#[test]
fn only_what_was_wrong_changes() {
    assert_eq!(transcript("$ seq 2\n1\n2\n\n$ seq 2\n"), "$ seq 2\n1\n2\n\n$ seq 2\n1\n2\n");
    assert_eq!(transcript("$ seq 3\n1\nx\n3\n\n$ true\n"), "$ seq 3\n1\n2\n3\n\n$ true\n");
}

#[test]
fn elisions_that_still_match_stay() {
    assert_eq!(transcript("$ seq 9\n1\n...\n8\nx\n"), "$ seq 9\n1\n...\n8\n9\n");
    assert_eq!(
        transcript("$ printf 'a 1\\nb 2\\n'\na [..]\nc [..]\n"),
        "$ printf 'a 1\\nb 2\\n'\na [..]\nb 2\n"
    );
}

#[test]
fn exit_statuses_come_and_go() {
    assert_eq!(transcript("$ false\n"), "$ false\n? 1\n");
    assert_eq!(transcript("$ true\n? 1\n\n$ true\n"), "$ true\n\n$ true\n");
    assert_eq!(transcript("$ (echo a; exit 3)\n? 1\n"), "$ (echo a; exit 3)\na\n? 3\n");
    assert_eq!(transcript("$ cat <<X\na\nX\nb\n\n? 1\n"), "$ cat <<X\na\nX\na\n");
}

#[test]
fn lines_that_a_document_cannot_hold_get_an_elision() {
    assert_eq!(transcript("$ echo '$ ls'\n"), "$ echo '$ ls'\n[..] ls\n");
    assert_eq!(transcript("$ echo '> x'\n"), "$ echo '> x'\n[..] x\n");
    assert_eq!(transcript("$ echo '? 1'\n"), "$ echo '? 1'\n[..] 1\n");
    assert_eq!(transcript("$ echo '```'\n"), "$ echo '```'\n[..]``\n");
    assert_eq!(transcript("$ echo ^C\n"), "$ echo ^C\n[..]C\n");
    assert_eq!(transcript("$ printf 'a\\rb\\n'\n"), "$ printf 'a\\rb\\n'\na[..]b\n");
}

#[test]
fn lists_quotations_and_line_ends_are_kept() {
    assert_eq!(
        blessed("1. step\n\n   ```console\n   $ printf 'a\\n\\n  b\\n'\n   x\n   ```\n"),
        "1. step\n\n   ```console\n   $ printf 'a\\n\\n  b\\n'\n   a\n\n     b\n   ```\n"
    );
    assert_eq!(blessed("> ```console\n> $ seq 2\n> ```\n"), "> ```console\n> $ seq 2\n> 1\n> 2\n> ```\n");
    assert_eq!(blessed("```console\r\n$ seq 1\r\n```\r\n"), "```console\r\n$ seq 1\r\n1\r\n```\r\n");
    assert_eq!(blessed("```console\n$ seq 1"), "```console\n$ seq 1\n1\n");
}

proptest::proptest! {
    // Each case runs three clusters.
    #![proptest_config(proptest::prelude::ProptestConfig { cases: proptest::prelude::ProptestConfig::default().cases / 8, ..Default::default() })]
    #[test]
    fn a_blessed_lab_passes(
        prefix in "(|> |  |- )",
        outputs in proptest::collection::vec(("[a-z$#>?`~^C1 \\[\\].\t@:/-]{0,6}(\\\\n[a-z$#>?`~^C1 \\[\\].@:/-]{0,6}){0,3}", "([a-z$>?1.]{0,4}|\\.\\.\\.|\\[\\.\\.\\]a)", 0..3_i32), 1..4),
    ) {
        let mut text = String::new();
        let continued = if prefix == "- " { "  " } else { prefix.as_str() };
        text += &format!("{prefix}```console\n");
        for (output, expected, status) in &outputs {
            text += &format!("{continued}$ printf '%b' '{output}'; (exit {status})\n");
            // What would be another command is none of this test's business.
            if !expected.starts_with(['$', '>']) {
                text += &format!("{continued}{expected}\n");
            }
        }
        text += &format!("{continued}```\n");
        blessed(&text);
    }
}

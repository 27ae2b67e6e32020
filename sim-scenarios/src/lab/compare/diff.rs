//! A readable difference, with the lines of the document.

use std::fmt::Write as _;

use super::{Aligned, align, output_lines};

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// What was expected and what came, as a unified diff. `first_line` is the document's line on which `expected` starts; each
/// hunk names the line of its first change. Empty if nothing differs.
#[must_use]
pub fn diff(source: &str, first_line: u32, expected: &[String], output: &str) -> String {
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let output = output_lines(output);
    let rows = rows(&expected, &output);
    let mut text = String::new();
    let mut shown = 0;
    while let Some(change) = (shown..rows.len()).find(|k| rows[*k].sign != ' ') {
        let start = change.saturating_sub(CONTEXT).max(shown);
        let mut end = change;
        let mut quiet = 0;
        while end < rows.len() && quiet <= 2 * CONTEXT {
            quiet = if rows[end].sign == ' ' { quiet + 1 } else { 0 };
            end += 1;
        }
        end -= quiet.saturating_sub(CONTEXT).min(end - change);
        let _ = writeln!(text, "@@ {source}:{} @@", first_line + rows[change].expected as u32);
        for row in &rows[start..end] {
            let _ = writeln!(text, "{}{}", row.sign, row.text);
        }
        shown = end;
    }
    text
}

struct Row<'a> {
    sign: char,
    text: &'a str,
    /// Index of the expected line at which it stands.
    expected: usize,
}

fn rows<'a>(expected: &[&'a str], output: &[&'a str]) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    // Lines that came are held back, so that a block that changed reads as all its old lines, then all its new ones.
    let mut held: Vec<Row<'a>> = Vec::new();
    let mut at = 0;
    for step in align(expected, output) {
        match step {
            Aligned::Both { expected: i, .. } | Aligned::Elided { expected: i, .. } => {
                rows.append(&mut held);
                rows.push(Row { sign: ' ', text: expected[i], expected: i });
                at = i + 1;
            }
            Aligned::Missing(i) => {
                rows.push(Row { sign: '-', text: expected[i], expected: i });
                at = i + 1;
            }
            Aligned::Extra(j) => held.push(Row { sign: '+', text: output[j], expected: at }),
        }
    }
    rows.append(&mut held);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(expected: &str, output: &str) -> String {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        diff("lab.md", 40, &expected, output)
    }

    #[test]
    fn a_hunk_names_the_line_of_its_first_change() {
        insta::assert_snapshot!(show("NAME\npod-a   0/1\npod-b   1/1\n", "NAME\npod-a   1/1\npod-b   1/1\n"), @r"
        @@ lab.md:41 @@
         NAME
        -pod-a   0/1
        +pod-a   1/1
         pod-b   1/1
        ");
        insta::assert_snapshot!(show("a\n...\nz", "a\nb\nc"), @r"
        @@ lab.md:42 @@
         a
         ...
        -z
        +c
        ");
        assert_eq!(show("", "came\n"), "@@ lab.md:40 @@\n+came\n");
        assert_eq!(show("a\n...", "a\nb"), "");
    }

    #[test]
    fn changes_far_apart_are_hunks_of_their_own() {
        let old: Vec<String> = (0..30).map(|i| i.to_string()).collect();
        let mut new = old.clone();
        new[2] = "x".into();
        new[25] = "y".into();
        insta::assert_snapshot!(diff("l", 1, &old, &new.join("\n")), @r"
        @@ l:3 @@
         0
         1
        -2
        +x
         3
         4
         5
        @@ l:26 @@
         22
         23
         24
        -25
        +y
         26
         27
         28
        ");
    }
}

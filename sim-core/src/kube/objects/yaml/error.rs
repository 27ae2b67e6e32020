//! Texts that are not YAML, told twice: for a person with line and column, and in kubectl's words.

use super::cursor::Mark;
use super::token::{Origin, Problem};
use super::tree::Position;

/// Why a text is not a YAML document that Kubernetes can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where.
    pub at: Position,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// kubectl's words: `yaml: line 4: mapping values are not allowed in this context`.
    pub go: String,
}

impl SyntaxError {
    /// `first_line` is the number of the text's first line.
    pub(super) fn new(problem: &Problem, text: &str, first_line: u32) -> Self {
        let (at, message, help) = for_people(problem, text);
        let last_line = text.lines().count().saturating_sub(1);
        let line = at.line.min(last_line);
        Self {
            at: Position { line: first_line + line as u32, column: at.column as u32 + 1, length: 1 },
            message: message.to_owned(),
            help: help.map(str::to_owned),
            go: go_words(problem),
        }
    }
}

/// kubectl counts lines from 0 for the parser and from 1 for the scanner; where the first line went wrong, it names none.
fn go_words(problem: &Problem) -> String {
    let words = &problem.words;
    let began = problem.began.map_or(0, |m| m.line);
    let line = match (problem.origin, problem.at.line) {
        (Origin::Whole, _) if words.starts_with("json:") || words.starts_with("unsupported") => {
            return words.clone();
        }
        (Origin::Whole, _) => 0,
        (Origin::Scanner, line) if line > 0 => line + 1,
        (Origin::Parser, line) if line > 0 => line,
        (Origin::Scanner | Origin::Parser, _) => began,
    };
    if line > 0 { format!("yaml: line {line}: {words}") } else { format!("yaml: {words}") }
}

/// Where a person should look, what is wrong, and what to do.
fn for_people<'a>(problem: &'a Problem, text: &str) -> (Mark, &'a str, Option<&'static str>) {
    let words = problem.words.as_str();
    let here = problem.at;
    let began = problem.began.unwrap_or(here);
    let line = text.lines().nth(here.line).unwrap_or("");
    let tab = line.chars().position(|c| c == '\t').filter(|_| line.trim_start().len() < line.len());
    let at_tab = |column| Mark { column, ..here };
    match words {
        "found a tab character that violates indentation"
        | "found a tab character where an indentation space is expected" => (here, TAB, Some(TAB_HELP)),
        "found character that cannot start any token" if tab == Some(here.column) => {
            (here, TAB, Some(TAB_HELP))
        }
        "mapping values are not allowed in this context" => match tab {
            Some(column) if column < here.column => (at_tab(column), TAB, Some(TAB_HELP)),
            _ => (
                here,
                "a \"name: value\" is not possible here",
                Some(
                    "the line is indented deeper than its neighbours, or a text that contains \": \" needs quotes",
                ),
            ),
        },
        "did not find expected key" => (
            here,
            "the indentation fits no line above",
            Some("start the line in the same column as the names beside it"),
        ),
        "did not find expected '-' indicator" => (
            here,
            "the indentation fits no list item above",
            Some("start the line with \"- \", or indent it as the item's other lines"),
        ),
        "could not find expected ':'" => (
            began,
            "a name without a value",
            Some("put \": \" behind the name (with the space), or join the text to the line above"),
        ),
        "found unexpected end of stream" => {
            (began, "a quoted text does not end", Some("add the closing quote"))
        }
        "did not find expected ',' or ']'" => {
            (began, "a bracket [ is not closed", Some("add a comma or the closing ]"))
        }
        "did not find expected ',' or '}'" => {
            (began, "a bracket { is not closed", Some("add a comma or the closing }"))
        }
        "found character that cannot start any token" => {
            (here, "a text may not begin with this character", Some("put the text in quotes"))
        }
        "did not find expected alphabetic or numeric character" => {
            (began, "* and & need a name behind them", Some("put a text that begins with * or & in quotes"))
        }
        _ if words.starts_with("unknown anchor") => (
            here,
            "an alias (*name) without its anchor (&name)",
            Some("put a text that begins with * in quotes"),
        ),
        _ if words.starts_with("invalid map key") || words.starts_with("unsupported map key") => {
            (here, "a name must be a text", Some("a text that begins with { or [ needs quotes"))
        }
        _ => (here, words, None),
    }
}

const TAB: &str = "a tab is used for indentation";
const TAB_HELP: &str = "YAML is indented with spaces only: put spaces in place of the tab";

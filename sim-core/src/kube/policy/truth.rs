//! Truth tables: who reaches whom, as cyclonus draws them.

use std::fmt::Write as _;

use super::{Endpoint, Engine, Question, Verdict};
use crate::kube::objects::Protocol;

/// The three tables of one probe: what destinations say, what sources say, and both.
///
/// Rows are sources, columns are destinations; `.` is allowed, `X` is not. With several ports a cell holds a mark for each, in the order of
/// the head's first cell.
#[must_use]
pub fn tables(engine: &Engine, ports: &[(Protocol, u16)]) -> String {
    let pods = &engine.snapshot().pods;
    let names: Vec<String> = pods.iter().map(|p| format!("{}/{}", p.namespace, p.name)).collect();
    let ask = |from: usize, to: usize, (protocol, port): (Protocol, u16)| {
        let (from, to) = (Endpoint::Pod(from), Endpoint::Pod(to));
        engine.ask(Question { from, to, protocol, port, by_service: false })
    };
    let verdicts: Vec<Vec<Vec<Verdict>>> = (0..pods.len())
        .map(|from| (0..pods.len()).map(|to| ports.iter().map(|p| ask(from, to, *p)).collect()).collect())
        .collect();
    let mut text = String::new();
    for title in ["Ingress", "Egress", "Combined"] {
        let allowed = |v: &Verdict| match title {
            "Ingress" => v.ingress.allowed,
            "Egress" => v.egress.allowed,
            _ => v.allowed(),
        };
        let mark = |v: &Verdict| if allowed(v) { "." } else { "X" };
        let rows = verdicts
            .iter()
            .map(|row| row.iter().map(|cell| cell.iter().map(mark).collect::<Vec<_>>().join(" ")).collect());
        let _ = writeln!(text, "{title}:\n{}", table(&names, ports, rows.collect()));
    }
    text
}

/// One table, in ASCII; the head in capitals and centred.
fn table(names: &[String], ports: &[(Protocol, u16)], rows: Vec<Vec<String>>) -> String {
    let mut corner: Vec<String> = vec!["-".to_owned()];
    if ports.len() > 1 {
        corner = ports.iter().map(|(protocol, port)| format!("{protocol}/{port}")).collect();
    }
    let marks = (2 * ports.len()).saturating_sub(1);
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let first = widest(&mut names.iter().chain(&corner).map(|n| n.chars().count()));
    let widths: Vec<usize> = names.iter().map(|n| n.chars().count().max(marks)).collect();
    let line = |cells: &[String]| {
        let all = [first].into_iter().chain(widths.iter().copied()).zip(cells);
        let cells: Vec<String> = all.map(|(width, cell)| format!(" {cell:<width$} ")).collect();
        format!("|{}|\n", cells.join("|"))
    };
    let rule = |width: usize| "-".repeat(width + 2);
    let rules: Vec<String> = [first].iter().chain(&widths).map(|w| rule(*w)).collect();
    let rule = format!("+{}+\n", rules.join("+"));
    let mut text = rule.clone();
    for (i, head) in corner.iter().enumerate() {
        let others = names
            .iter()
            .zip(&widths)
            .map(|(name, width)| if i == 0 { centred(&name.to_uppercase(), *width) } else { String::new() });
        text += &line(&[centred(head, first)].into_iter().chain(others).collect::<Vec<_>>());
    }
    text += &rule;
    for (name, cells) in names.iter().zip(rows) {
        text += &line(&[name.clone()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    text + &rule
}

fn centred(text: &str, width: usize) -> String {
    let gap = width.saturating_sub(text.chars().count());
    format!("{}{text}{}", " ".repeat(gap / 2), " ".repeat(gap - gap / 2))
}

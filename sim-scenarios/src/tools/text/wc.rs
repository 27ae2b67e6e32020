//! `wc [-l] [-w] [-c] [-m] [FILE…]`

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let long = [("lines", 'l'), ("words", 'w'), ("bytes", 'c'), ("chars", 'm')];
    let options = match Options::read(cx, "lwcm", &long) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let all_three = !"lwcm".chars().any(|c| options.has(c));
    let wanted: Vec<char> = "lwmc".chars().filter(|c| options.has(*c) || (all_three && *c != 'm')).collect();
    let (sources, all) = super::sources(cx, "wc", &options.operands);
    let mut rows: Vec<(Vec<usize>, Option<String>)> = sources
        .iter()
        .map(|s| (wanted.iter().map(|c| count(&s.text, *c)).collect(), s.name.clone()))
        .collect();
    if rows.len() > 1 {
        let totals = (0..wanted.len()).map(|i| rows.iter().map(|(counts, _)| counts[i]).sum()).collect();
        rows.push((totals, Some("total".to_owned())));
    }
    let busybox = super::is_busybox(cx);
    let width = width(&rows, busybox);
    for (counts, name) in rows {
        let columns: Vec<String> = counts.iter().map(|n| format!("{n:>width$}")).collect();
        let name = name.map_or(String::new(), |n| format!(" {n}"));
        cx.out.line(format!("{}{name}", columns.join(" ")));
    }
    i32::from(!all)
}

fn count(text: &str, what: char) -> usize {
    match what {
        'l' => text.matches('\n').count(),
        'w' => text.split_whitespace().count(),
        'm' => text.chars().count(),
        _ => text.len(),
    }
}

/// GNU sizes its columns by the largest number of all files, or takes seven for standard input; busybox takes nine; a single
/// number stands alone.
fn width(rows: &[(Vec<usize>, Option<String>)], busybox: bool) -> usize {
    let single = rows.first().is_none_or(|(counts, _)| counts.len() == 1);
    if single && (rows.len() < 2 || busybox) {
        return 0;
    }
    if busybox {
        return 9;
    }
    let stdin = rows.iter().any(|(_, name)| name.is_none());
    let digits = rows.iter().flat_map(|(counts, _)| counts).max().map_or(1, |n| n.to_string().len());
    if stdin { 7 } else { digits }
}

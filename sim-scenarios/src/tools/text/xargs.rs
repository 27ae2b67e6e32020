//! `xargs [-n N] [-I STR] [-r] [-t] [COMMAND…]`

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "+n:I:rt0L:", &[("no-run-if-empty", 'r')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.has('0') || options.has('L') {
        return cx.not_modelled("xargs: options -0 and -L");
    }
    let command =
        if options.operands.is_empty() { vec!["echo".to_owned()] } else { options.operands.clone() };
    let input = String::from_utf8_lossy(cx.stdin).into_owned();
    let mut status = 0;
    for argv in command_lines(&command, &input, &options) {
        if cx.out.interrupted() || !cx.session.spend(cx.cluster.now()) {
            return status;
        }
        if options.has('t') {
            cx.out.err(argv.join(" "));
        }
        let place = cx.place.clone();
        match cx.exec(&place, &argv, b"") {
            Ok(0) => {}
            // GNU and busybox sum all failures of the commands up as 123.
            Ok(_) => status = 123,
            Err(missing) => {
                cx.out.err(format!("xargs: {}: No such file or directory", missing.program));
                return 127;
            }
        }
    }
    status
}

fn command_lines(command: &[String], input: &str, options: &Options) -> Vec<Vec<String>> {
    if let Some(mark) = options.value('I') {
        let lines = input.lines().map(str::trim).filter(|l| !l.is_empty());
        return lines.map(|line| command.iter().map(|w| w.replace(mark, line)).collect()).collect();
    }
    let words = words(input);
    if words.is_empty() {
        return if options.has('r') { Vec::new() } else { vec![command.to_vec()] };
    }
    let size = options.value('n').and_then(|n| n.parse().ok()).unwrap_or(words.len()).max(1);
    words.chunks(size).map(|chunk| command.iter().chain(chunk).cloned().collect()).collect()
}

/// Words at white space; quotes and backslashes keep it.
fn words(input: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = input.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

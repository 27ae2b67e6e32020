//! `seq [-w] [-s SEPARATOR] [FIRST [STEP]] LAST`, whole numbers.

use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    // A negative number looks like an option: what parses as a number is an operand.
    let (mut numbers, mut separator, mut equal) = (Vec::new(), "\n".to_owned(), false);
    let mut words = cx.operands().to_vec().into_iter();
    while let Some(word) = words.next() {
        if let Ok(n) = word.parse::<i64>() {
            numbers.push((n, word));
        } else if word == "-w" {
            equal = true;
        } else if let Some(attached) = word.strip_prefix("-s") {
            separator =
                if attached.is_empty() { words.next().unwrap_or_default() } else { attached.to_owned() };
        } else if word.parse::<f64>().is_ok() {
            return cx.not_modelled("seq: fractions");
        } else if word.starts_with('-') {
            return cx.not_modelled(format!("seq: option {word}"));
        } else {
            cx.out.err(format!("seq: invalid floating point argument: '{word}'"));
            return 1;
        }
    }
    let values: Vec<i64> = numbers.iter().map(|(n, _)| *n).collect();
    let (first, step, last) = match values.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => {
            cx.out.err(if values.is_empty() { "seq: missing operand" } else { "seq: extra operand" });
            return 1;
        }
    };
    if step == 0 {
        cx.out.err("seq: invalid Zero increment value: '0'");
        return 1;
    }
    let width = if equal { first.to_string().len().max(last.to_string().len()) } else { 0 };
    let mut n = first;
    let mut begun = false;
    while (step > 0 && n <= last) || (step < 0 && n >= last) {
        if cx.out.interrupted() {
            return 0;
        }
        if begun {
            cx.out.print(&separator);
        }
        cx.out.print(format!("{n:0width$}"));
        begun = true;
        let Some(next) = n.checked_add(step) else { break };
        n = next;
    }
    if begun {
        cx.out.print("\n");
    }
    0
}

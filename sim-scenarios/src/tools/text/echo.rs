//! `echo`

use super::escapes::unescape;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let mut words = cx.operands();
    let (mut newline, mut escapes) = (true, false);
    while let Some((first, rest)) = words.split_first() {
        let flags = first.strip_prefix('-').filter(|f| !f.is_empty() && f.chars().all(|c| "neE".contains(c)));
        let Some(flags) = flags else { break };
        for flag in flags.chars() {
            match flag {
                'n' => newline = false,
                flag => escapes = flag == 'e',
            }
        }
        words = rest;
    }
    let mut text = words.join(" ");
    if escapes {
        let (unescaped, ended) = unescape(&text);
        text = unescaped;
        newline &= !ended;
    }
    if newline {
        text.push('\n');
    }
    cx.out.print(text);
    0
}

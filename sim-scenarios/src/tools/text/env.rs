//! `env [NAME=VALUE…] [COMMAND…]` and `printenv [NAME…]`

use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let mut env = cx.env.clone();
    let mut words = cx.operands().to_vec().into_iter().peekable();
    while let Some(word) = words.next_if(|w| w.starts_with('-') || w.contains('=')) {
        match (word.as_str(), word.split_once('=')) {
            ("-i" | "-", _) => env.clear(),
            ("-u", _) => {
                env.shift_remove(&words.next().unwrap_or_default());
            }
            (_, Some((name, value))) if !word.starts_with('-') => {
                env.insert(name.to_owned(), value.to_owned());
            }
            _ => return cx.not_modelled(format!("env: option {word}")),
        }
    }
    let argv: Vec<String> = words.collect();
    if argv.is_empty() {
        for (name, value) in &env {
            cx.out.line(format!("{name}={value}"));
        }
        return 0;
    }
    let place = cx.place.clone();
    let stdin = cx.stdin;
    let mut inner = Cx {
        env: &env,
        cluster: cx.cluster,
        place: cx.place,
        args: cx.args,
        stdin,
        out: cx.out,
        cwd: cx.cwd,
        session: cx.session,
    };
    inner.exec(&place, &argv, stdin).unwrap_or_else(|missing| {
        let program = missing.program;
        let quoted = if super::is_busybox(&inner) {
            format!("can't execute '{program}'")
        } else {
            format!("'{program}'")
        };
        inner.out.err(format!("env: {quoted}: No such file or directory"));
        127
    })
}

pub(in crate::tools) fn printenv(cx: &mut Cx<'_>) -> i32 {
    if cx.operands().is_empty() {
        return run(cx);
    }
    let mut status = 0;
    for name in cx.operands().to_vec() {
        match cx.env.get(&name) {
            Some(value) => cx.out.line(value),
            None => status = 1,
        }
    }
    status
}

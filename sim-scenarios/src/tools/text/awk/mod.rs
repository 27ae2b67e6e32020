//! `awk [-F SEPARATOR] [-v NAME=VALUE] PROGRAM [FILE…]`
//!
//! Modelled: BEGIN, END, patterns, ranges left out; `print`, `printf`, `next`, `exit`, `if`, assignments, fields, variables, arithmetic,
//! comparison, `~`, `?:`, `length substr index toupper tolower int sub gsub`. Not modelled, and said so: loops, arrays, functions,
//! redirection, `getline`.

mod eval;
mod lexer;
mod parse;

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let mut options = match Options::read(cx, "+F:v:f:", &[]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.has('f') {
        return cx.not_modelled("awk: option -f");
    }
    if options.operands.is_empty() {
        cx.out.err("usage: awk [-F fs][-v var=value][prog | -f progfile][file ...]");
        return 2;
    }
    let text = options.operands.remove(0);
    let program = match lexer::tokens(&text).and_then(parse::program) {
        Ok(program) => program,
        Err(what) => return cx.not_modelled(format!("awk: {what}")),
    };
    let mut awk = eval::Awk::default();
    if let Some(separator) = options.value('F') {
        awk.set("FS", &super::escapes::ansi_c(separator));
    }
    for assignment in options.values('v') {
        if let Some((name, value)) = assignment.split_once('=') {
            awk.set(name, &super::escapes::ansi_c(value));
        }
    }
    let only_begin = program.rules.iter().all(|r| r.when == parse::When::Begin);
    let (sources, all) =
        if only_begin { (Vec::new(), true) } else { super::sources(cx, "awk", &options.operands) };
    let result = awk.run(&program, super::lines(&sources));
    cx.out.print(&awk.out);
    match result {
        Ok(status) => {
            if status != 0 {
                status
            } else {
                i32::from(!all) * 2
            }
        }
        Err(what) => cx.not_modelled(format!("awk: {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awk(program: &str, input: &str) -> String {
        let program = match lexer::tokens(program).and_then(parse::program) {
            Ok(program) => program,
            Err(what) => return format!("! {what}"),
        };
        let mut awk = eval::Awk::default();
        match awk.run(&program, input.lines()) {
            Ok(0) => awk.out,
            Ok(status) => format!("{}? {status}", awk.out),
            Err(what) => format!("! {what}"),
        }
    }

    const PODS: &str = "NAME READY IP\npod-a 1/1 10.244.1.5\npod-b 0/1 10.244.2.9\n";

    #[test]
    fn fields_patterns_and_counters() {
        assert_eq!(awk("{print $1}", PODS), "NAME\npod-a\npod-b\n");
        assert_eq!(awk("NR>1 {print $1, $NF}", PODS), "pod-a 10.244.1.5\npod-b 10.244.2.9\n");
        assert_eq!(awk("/pod-b/{print $3}", PODS), "10.244.2.9\n");
        assert_eq!(awk("$2 ~ /^1/ && NR != 1", PODS), "pod-a 1/1 10.244.1.5\n");
        assert_eq!(awk("$1==\"pod-a\"{print $3;exit}", PODS), "10.244.1.5\n");
        assert_eq!(awk("END{print NR}", PODS), "3\n");
        assert_eq!(awk("{n += NF} END {print n; print n/2}", PODS), "9\n4.5\n");
        assert_eq!(awk("NR==2{print \"x\" $1 \"-\" NF+1}", PODS), "xpod-a-4\n");
        assert_eq!(awk("BEGIN{FS=\":\"} {print $2}", "a:b:c"), "b\n");
        assert_eq!(awk("{$2=\"x\"; print; print NF}", "a b c"), "a x c\n3\n");
    }

    #[test]
    fn statements_and_functions() {
        assert_eq!(awk("{ if ($1 > 2) print \"big\"; else { print \"small\" } }", "1\n3"), "small\nbig\n");
        assert_eq!(awk("BEGIN { printf \"%-5s|%03d|%.2f\\n\", \"a\", 7, 1.5 }", ""), "a    |007|1.50\n");
        assert_eq!(
            awk("{ gsub(/o/, \"0\"); print toupper($0), length($0), substr($0, 2, 3) }", "foo bar"),
            "F00 BAR 7 00 \n"
        );
        assert_eq!(awk("{ sub(\":.*\", \"\", $1); print $1 }", "10.0.0.1:80 x"), "10.0.0.1\n");
        assert_eq!(awk("NR==1{next} {print ($2 == \"1/1\") ? \"ok\" : \"no\"}", PODS), "ok\nno\n");
        assert_eq!(awk("BEGIN{exit 3}", ""), "? 3");
        assert_eq!(awk("!seen", "a"), "a\n");
    }

    #[test]
    fn what_is_not_modelled_is_named() {
        assert_eq!(awk("{for(i=0;i<3;i++) print i}", "a"), "! `for`");
        assert_eq!(awk("{a[$1]++}", "a"), "! arrays");
        assert_eq!(awk("{print > \"f\"}", "a"), "! redirection");
        assert_eq!(awk("{print $1", "a"), "! a program that ends too early");
    }

    proptest::proptest! {
        #[test]
        fn no_program_panics(program in "[]{}()$\"/a1=+*~!<>?:;,.\\\\ -]{0,24}") {
            awk(&program, "a b\n1 2");
        }
    }
}

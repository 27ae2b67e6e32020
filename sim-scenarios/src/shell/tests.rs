use crate::testing::{sh, sh_at};
use crate::tools::{Place, ShellKind};

#[test]
fn words_are_expanded_and_quoted() {
    let cases = [
        ("echo a  b 'c  d' \"e  f\" g\\ h", "a b c  d e  f g h\n"),
        ("x=5; echo $x ${x}0 \"$x\" '$x' \\$x", "5 50 5 $x $x\n"),
        ("x='a b'; printf '<%s>' $x \"$x\"; echo", "<a><b><a b>\n"),
        ("echo ${x:-none} ${x-none} ${x:+some}.", "none none .\n"),
        ("echo ${x:=set} $x; unset x; echo \"[$x]\"", "set set\n[]\n"),
        ("x=pod-a.yaml; echo ${x%.yaml} ${x##*-} ${x#pod-} ${#x}", "pod-a a.yaml a.yaml 10\n"),
        ("x=10.0.0.1; echo ${x//./-} ${x/0/x} ${x:3} ${x:0:2}", "10-0-0-1 1x.0.0.1 0.0.1 10\n"),
        ("echo $(echo inner; echo) `echo back`", "inner back\n"),
        ("echo \"$(printf 'a\\nb')\"", "a\nb\n"),
        ("echo $((1 + 2 * 3)) $((x=4, x**2)) $((7 <= 7 && !0))", "7 16 1\n"),
        ("echo {1..3} a{b,c} ~", "1 2 3 ab ac /root\n"),
        ("echo *", "*\n"),
        ("touch b.yaml a.yaml .hidden; echo *.yaml \"*\" /etc/hostn*", "a.yaml b.yaml * /etc/hostname\n"),
        ("set -- a 'b c'; printf '<%s>' \"$@\"; printf '<%s>' $#; echo $2", "<a><b c><2>b c\n"),
        ("set --; printf '<%s>' \"$@\"; echo", "<>\n"),
        ("echo $'a\\tb'", "a\tb\n"),
        ("echo 'it'\\''s'", "it's\n"),
        ("echo a # comment", "a\n"),
        ("# only a comment", ""),
        ("", ""),
    ];
    for (script, want) in cases {
        assert_eq!(sh(script), want, "{script}");
    }
}

#[test]
fn lists_and_pipelines_have_a_status() {
    let cases = [
        ("true && echo yes || echo no", "yes\n"),
        ("false && echo yes || echo no", "no\n"),
        ("false; echo $?; ! false; echo $?", "1\n0\n"),
        ("false", "? 1\n"),
        ("! true", "? 1\n"),
        ("true | false", "? 1\n"),
        ("false | true", ""),
        ("(exit 3); echo $?", "3\n"),
        ("exit 4; echo never", "? 4\n"),
        ("x=1; (x=2); echo $x; { x=3; }; echo $x", "1\n3\n"),
        ("x=$(false); echo $?", "1\n"),
        ("printf 'b\\na\\n' | sort | head -n 1", "a\n"),
        ("seq 1 100000000 | head -2", "1\n2\n"),
    ];
    for (script, want) in cases {
        assert_eq!(sh(script), want, "{script}");
    }
}

#[test]
fn redirections_move_text() {
    let cases = [
        ("echo a > f; echo b >> f; cat f; cat < f | wc -l", "a\nb\n2\n"),
        ("nosuch 2>/dev/null; echo $?", "127\n"),
        ("nosuch > f 2>&1; cat f", "bash: nosuch: command not found\n"),
        ("nosuch 2>&1 >/dev/null | tr a-z A-Z", "BASH: NOSUCH: COMMAND NOT FOUND\n"),
        ("{ echo out; echo err >&2; } > f; cat f", "err\nout\n"),
        ("{ echo out; echo err >&2; } &> f; wc -l < f", "2\n"),
        ("cat <<EOF\nx=$((1+1)) 'q'\nEOF", "x=2 'q'\n"),
        ("cat <<'EOF'\n$x\nEOF", "$x\n"),
        ("cat <<-EOF\n\tx\n\tEOF", "x\n"),
        ("cat > f.yaml <<EOF\nkind: Pod\nEOF\ncat f.yaml", "kind: Pod\n"),
        ("cat <<< word", "word\n"),
        ("cat <<EOF | grep b\na\nb\nEOF", "b\n"),
        ("> empty; test -f empty && ! test -s empty && echo made", "made\n"),
        ("for i in 1 2; do echo $i; done > f; cat f", "1\n2\n"),
        ("cat < nofile", "bash: nofile: No such file or directory\n? 1\n"),
        ("echo a > /no/dir", "bash: /no/dir: No such file or directory\n? 1\n"),
        ("echo a | tee f g; cat f g", "a\na\na\n"),
    ];
    for (script, want) in cases {
        assert_eq!(sh(script), want, "{script}");
    }
}

#[test]
fn compound_commands_choose_and_repeat() {
    let cases = [
        ("if [ -f x ]; then echo f; elif [ 1 -lt 2 ]; then echo lt; else echo no; fi", "lt\n"),
        ("for i in a b; do for j in 1 2; do [ $j = 2 ] && continue 2; echo $i$j; done; done", "a1\nb1\n"),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && break; echo $i; done", "1\n"),
        ("i=3; until [ $i -eq 0 ]; do printf $i; i=$((i-1)); done; echo", "321\n"),
        ("case pod-a in node*) echo n;; pod-[ab]|x) echo p;; esac", "p\n"),
        ("printf 'a 1\\nb 2\\n' | while read -r name n; do echo $n-$name; done", "1-a\n2-b\n"),
        ("for i in $(seq 3); do echo -n $i; done; echo", "123\n"),
        (
            "while true; do sleep 1; echo tick; done",
            "tick\ntick\ntick\ntick\ntick\ntick\ntick\ntick\ntick\ntick\n? 130\n",
        ),
    ];
    for (script, want) in cases {
        assert_eq!(sh(script), want, "{script}");
    }
}

#[test]
fn each_shell_has_its_own_words() {
    let pod = Place::pod("default", "pod-a");
    let web = Place::pod("default", "web");
    let ash = |script: &str| sh_at(&pod, ShellKind::Ash, script);
    let dash = |script: &str| sh_at(&web, ShellKind::Dash, script);
    assert_eq!(sh("foo"), "bash: foo: command not found\n? 127\n");
    assert_eq!(ash("foo"), "sh: foo: not found\n? 127\n");
    assert_eq!(dash("foo"), "sh: 1: foo: not found\n? 127\n");
    assert_eq!(sh("./x.sh"), "bash: ./x.sh: No such file or directory\n? 127\n");
    assert_eq!(ash("cat < x"), "sh: can't open x: no such file\n? 1\n");
    assert_eq!(ash("echo > /a/b"), "sh: can't create /a/b: nonexistent directory\n? 1\n");
    assert_eq!(dash("cat < x"), "sh: 1: cannot open x: No such file\n? 2\n");
    assert_eq!(sh("cd nowhere"), "bash: cd: nowhere: No such file or directory\n? 1\n");
    assert_eq!(ash("cd nowhere"), "sh: cd: can't cd to nowhere: No such file or directory\n? 1\n");
    assert_eq!(sh("echo )"), "bash: syntax error near unexpected token `)'\n? 2\n");
    assert_eq!(sh("if true"), "bash: syntax error: unexpected end of file\n? 2\n");
    assert_eq!(ash("vi x | cat; systemctl"), "ksim: not modelled: `vi`\nsh: systemctl: not found\n? 127\n");
}

#[test]
fn the_home_folder_is_shared_by_machines_and_not_by_pods() {
    assert_eq!(
        sh("echo x > f; ssh node1 cat f; ssh node1 'cat /root/f; hostname; pwd'"),
        "x\nx\nnode1\n/root\n"
    );
    assert_eq!(
        sh("ssh nohost ls"),
        "ssh: Could not resolve hostname nohost: Name or service not known\n? 255\n"
    );
    let pod = Place::pod("default", "pod-a");
    assert_eq!(
        sh_at(&pod, ShellKind::Ash, "echo x > f; ls / | grep f; cat /f; ls /root/f"),
        "f\nx\nls: /root/f: No such file or directory\n? 1\n"
    );
}

#[test]
fn variables_reach_programs_when_exported() {
    assert_eq!(sh("A=1; B=2; export B; env | grep -E '^(A|B)='"), "B=2\n");
    assert_eq!(sh("A=1 env | grep ^A=; echo [$A]"), "A=1\n[]\n");
    assert_eq!(sh("export C=x; sh -c 'echo $C $1' name arg"), "x arg\n");
    assert_eq!(sh("alias k='echo kubectl'; k get po"), "kubectl get po\n");
    assert_eq!(sh("cd /tmp; pwd; cd -; echo $PWD"), "/tmp\n/root\n/root\n");
}

#[test]
fn what_is_not_modelled_says_so() {
    assert_eq!(sh("f() { echo; }"), "ksim: not modelled: functions\n? 69\n");
    assert_eq!(sh("cat <(echo)"), "ksim: not modelled: process substitution\n? 69\n");
    assert_eq!(sh("[[ a == a ]]"), "ksim: not modelled: `[[ … ]]`; use `[ … ]`\n? 69\n");
    assert_eq!(sh("grep -z x"), "ksim: not modelled: grep: option -z\n? 69\n");
    assert_eq!(sh("a[1]=2"), "ksim: not modelled: arrays\n? 69\n");
}

#[test]
fn nothing_runs_for_ever() {
    let endless = [
        "while [ 1 = 1 ]; do :; done",
        "x=a; while [ 1 = 1 ]; do x=$x$x; done",
        "sh -c 'sh -c \"$0\"' \"$0\"",
        "echo 'sh f' > f; sh f",
        "echo '. ./f' > f; . ./f",
        "seq 1 9999999999",
        "while sleep 1000; do :; done",
        "sleep 99999999999",
        "printf '%99999999999d' 1",
        "echo {1..99999999}",
        "((((((((((((((((((((((1))))))))))))))))))))))",
        "echo $(($(($(($(($(($(($(($((1))))))))))))))))",
        "echo ${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-x}}}}}}}}}",
        "( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( echo",
        "{ { { { { { { { { { { { { { { { { { { { { {",
    ];
    for script in endless {
        let text = sh(script);
        assert!(text.len() < 40 << 20, "{script}");
    }
}

proptest::proptest! {
    #[test]
    fn no_script_panics(script in "((if|then|fi|for|in|do|done|while|case|esac|echo|cat|x=|[a-z<>|&;(){}$`'\"\\\\*?#=~+0-9-])[ \n]?){0,16}") {
        sh(&script);
    }
}

//! `sh`, `bash`, `ash`: `sh -c SCRIPT`, `sh FILE`, a script on standard input, or a shell to type into.

use super::Cx;

pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let name = cx.args.first().cloned().unwrap_or_default();
    let place = cx.place.clone();
    let Some(kind) = cx.shell_named(&place, &name) else { return cx.not_modelled(format!("`{name}`")) };
    let mut words = cx.operands().to_vec().into_iter();
    let stdin = cx.stdin;
    while let Some(word) = words.next() {
        match word.as_str() {
            // Login and interactive shells read profiles, which nobody has here.
            "-l" | "-i" | "--login" => {}
            "-c" | "-lc" | "-ic" => {
                let Some(script) = words.next() else {
                    cx.out.err(format!("{name}: -c: option requires an argument"));
                    return 2;
                };
                // The first word after the script is `$0`.
                return cx.script_with(&place, kind, &script, words.skip(1).collect(), stdin);
            }
            "-s" => {
                return cx.script_with(&place, kind, &String::from_utf8_lossy(stdin), words.collect(), b"");
            }
            flag if flag.starts_with('-') => return cx.not_modelled(format!("{name}: option {flag}")),
            file => {
                let Ok(bytes) = cx.files().read(file) else {
                    cx.out.err(match kind {
                        super::ShellKind::Bash => format!("{name}: {file}: No such file or directory"),
                        super::ShellKind::Ash => {
                            format!("{name}: can't open '{file}': No such file or directory")
                        }
                        super::ShellKind::Dash => format!("{name}: 0: cannot open {file}: No such file"),
                    });
                    return if kind == super::ShellKind::Bash { 127 } else { 2 };
                };
                return cx.script_with(
                    &place,
                    kind,
                    &String::from_utf8_lossy(&bytes),
                    words.collect(),
                    stdin,
                );
            }
        }
    }
    if stdin.is_empty() && cx.out.is_terminal() {
        cx.session.open_shell(place, kind, cx.args, None);
        return 0;
    }
    cx.script(&place, kind, &String::from_utf8_lossy(stdin), b"")
}

//! `ls [-1] [-a] [-A] [-d] [FILE…]`

use sim_core::kube::node::files::FileKind;

use super::options::Options;
use crate::tools::Cx;

/// Columns of the terminal.
const WIDTH: usize = 80;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::read(cx, "1aAd", &[("all", 'a')]) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let operands = if options.operands.is_empty() { vec![".".to_owned()] } else { options.operands.clone() };
    let (mut plain, mut dirs, mut status) = (Vec::new(), Vec::new(), 0);
    for name in operands {
        match cx.files().kind(&name) {
            Some(FileKind::Dir) if !options.has('d') => dirs.push(name),
            Some(_) => plain.push(name),
            None => {
                let text = if super::is_busybox(cx) {
                    format!("ls: {name}: No such file or directory")
                } else {
                    format!("ls: cannot access '{name}': No such file or directory")
                };
                cx.out.err(text);
                status = if super::is_busybox(cx) { 1 } else { 2 };
            }
        }
    }
    let titles = plain.len() + dirs.len() > 1;
    let mut begun = !plain.is_empty();
    print(cx, plain, &options);
    for dir in dirs {
        let Ok(list) = cx.files().list(&dir) else { continue };
        let mut names: Vec<String> = list.into_iter().map(|(name, _)| name).collect();
        names.retain(|n| options.has('a') || options.has('A') || !n.starts_with('.'));
        if options.has('a') {
            names.splice(0..0, [".".to_owned(), "..".to_owned()]);
        }
        if titles {
            cx.out.print(if begun { "\n" } else { "" });
            cx.out.line(format!("{dir}:"));
        }
        begun = true;
        print(cx, names, &options);
    }
    status
}

fn print(cx: &mut Cx<'_>, names: Vec<String>, options: &Options) {
    if !cx.out.is_terminal() || options.has('1') {
        for name in names {
            cx.out.line(name);
        }
    } else if super::is_busybox(cx) {
        cx.out.print(even_columns(&names));
    } else {
        cx.out.print(tight_columns(&names));
    }
}

/// busybox: all columns as wide as the longest name and two blanks, rows filled from the left.
fn even_columns(names: &[String]) -> String {
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0) + 2;
    let columns = (WIDTH / width).max(1);
    let rows = names.len().div_ceil(columns);
    layout(names, rows, |_| width)
}

/// GNU: as few rows as possible, each column as wide as it needs.
fn tight_columns(names: &[String]) -> String {
    let length = |i: usize| names[i].chars().count();
    for rows in 1..=names.len() {
        let columns = names.len().div_ceil(rows);
        let widths: Vec<usize> = (0..columns)
            .map(|c| (c * rows..((c + 1) * rows).min(names.len())).map(length).max().unwrap_or(0) + 2)
            .collect();
        // The last column needs no gap behind it.
        if widths.iter().sum::<usize>() - 2 < WIDTH || rows == names.len() {
            return layout(names, rows, |c| widths[c]);
        }
    }
    String::new()
}

/// Names down the columns.
fn layout(names: &[String], rows: usize, width: impl Fn(usize) -> usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let line: Vec<&String> = names.iter().skip(row).step_by(rows).collect();
        for (c, name) in line.iter().enumerate() {
            text.push_str(name);
            if c + 1 < line.len() {
                let gap = width(c).saturating_sub(name.chars().count());
                text.extend(std::iter::repeat_n(' ', gap));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_columns() {
        let names: Vec<String> = ["bin", "dev", "etc", "home"].map(str::to_owned).to_vec();
        assert_eq!(tight_columns(&names), "bin  dev  etc  home\n");
        assert_eq!(even_columns(&names), "bin   dev   etc   home\n");
        assert_eq!(tight_columns(&[]), "");
        let long: Vec<String> = (0..5).map(|i| format!("{i}{}", "x".repeat(30))).collect();
        assert_eq!(tight_columns(&long).lines().count(), 3);
    }
}

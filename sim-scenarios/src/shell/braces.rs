//! Brace expansion, which only bash has.

/// Words of one command.
pub(super) const WORDS_LIMIT: usize = 1 << 16;

/// `a{b,c}d` and `{1..3}`, outside quotes.
pub(super) fn expand(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    let Some((open, close, commas)) = brace_pair(&chars) else { return vec![word.to_owned()] };
    let text = |range: std::ops::Range<usize>| chars[range].iter().collect::<String>();
    let inner = if commas.is_empty() {
        match sequence(&text(open + 1..close)) {
            Some(items) => items,
            None => {
                // No brace expansion: the pair stays, what follows may have one.
                let head = text(0..close + 1);
                return expand(&text(close + 1..chars.len()))
                    .iter()
                    .map(|tail| format!("{head}{tail}"))
                    .collect();
            }
        }
    } else {
        let mut cuts = vec![open];
        cuts.extend(&commas);
        cuts.push(close);
        cuts.windows(2).flat_map(|w| expand(&text(w[0] + 1..w[1]))).collect()
    };
    let (head, tails) = (text(0..open), expand(&text(close + 1..chars.len())));
    let mut all = Vec::new();
    for item in &inner {
        for tail in &tails {
            if all.len() <= WORDS_LIMIT {
                all.push(format!("{head}{item}{tail}"));
            }
        }
    }
    all
}

/// The first `{` outside quotes and `${`, its `}`, and the commas between them.
fn brace_pair(chars: &[char]) -> Option<(usize, usize, Vec<usize>)> {
    let mut quote = None;
    let mut open: Option<usize> = None;
    let mut depth = 0;
    let mut commas = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match (quote, chars[i]) {
            (Some(q), c) if q == c => quote = None,
            (None | Some('"'), '\\') => i += 1,
            (Some(_), _) => {}
            (None, c @ ('\'' | '"' | '`')) => quote = Some(c),
            // Parameter and command substitution are not looked into.
            (None, '$') if matches!(chars.get(i + 1), Some('{' | '(')) => i = skip_group(chars, i + 1),
            (None, '{') => {
                open = open.or(Some(i));
                depth += 1;
            }
            (None, '}') if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return Some((open?, i, commas));
                }
            }
            (None, ',') if depth == 1 => commas.push(i),
            _ => {}
        }
        i += 1;
    }
    None
}

fn skip_group(chars: &[char], open: usize) -> usize {
    let mut depth = 0;
    for (i, c) in chars.iter().enumerate().skip(open) {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

/// `1..5`, `a..e`, `1..9..2`
fn sequence(text: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = text.split("..").collect();
    let (from, to, step) = match parts.as_slice() {
        [from, to] => (*from, *to, 1),
        [from, to, step] => (*from, *to, step.parse::<i64>().ok()?.checked_abs()?.max(1)),
        _ => return None,
    };
    let single = |s: &str| s.chars().next().filter(|c| s.len() == 1 && c.is_ascii_alphabetic());
    if let (Some(a), Some(b)) = (single(from), single(to)) {
        let items = steps(i64::from(a as u8), i64::from(b as u8), step)?;
        return Some(
            items
                .into_iter()
                .filter_map(|n| u8::try_from(n).ok())
                .map(|b| char::from(b).to_string())
                .collect(),
        );
    }
    let items = steps(from.parse().ok()?, to.parse().ok()?, step)?;
    // `01..10` keeps its zeros.
    let padded = |s: &str| s.trim_start_matches('-').len() > 1 && s.trim_start_matches('-').starts_with('0');
    let width = if padded(from) || padded(to) { from.len().max(to.len()) } else { 0 };
    Some(items.into_iter().map(|n| format!("{n:0width$}")).collect())
}

fn steps(from: i64, to: i64, step: i64) -> Option<Vec<i64>> {
    let count = usize::try_from(from.abs_diff(to) / step.unsigned_abs()).ok()? + 1;
    if count > WORDS_LIMIT {
        return None;
    }
    let sign = if from <= to { step } else { -step };
    Some((0..count as i64).map(|k| from + k * sign).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_expanded_as_bash_does() {
        let cases = [
            ("a{b,c}d", "abd acd"),
            ("{1..3}", "1 2 3"),
            ("{3..1}x", "3x 2x 1x"),
            ("{01..03}", "01 02 03"),
            ("{a..c}{1,2}", "a1 a2 b1 b2 c1 c2"),
            ("{a,{b,c}}", "a b c"),
            ("{}", "{}"),
            ("{a}{b,c}", "{a}b {a}c"),
            ("'{a,b}'", "'{a,b}'"),
            ("${x}{1,2}", "${x}1 ${x}2"),
            ("{1..99999999999999999999}", "{1..99999999999999999999}"),
            ("{range}{.a}{end}", "{range}{.a}{end}"),
        ];
        for (word, want) in cases {
            assert_eq!(expand(word).join(" "), want, "{word}");
        }
    }
}

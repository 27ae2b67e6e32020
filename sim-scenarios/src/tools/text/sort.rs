//! `sort [-n] [-r] [-u] [-f] [-V] [-t X] [-k N[,M]] [FILE…]`, in the C locale.

use std::cmp::Ordering;

use super::options::Options;
use crate::tools::Cx;

pub(in crate::tools) fn run(cx: &mut Cx<'_>) -> i32 {
    let long =
        [("numeric-sort", 'n'), ("reverse", 'r'), ("unique", 'u'), ("version-sort", 'V'), ("key", 'k')];
    let options = match Options::read(cx, "nrufVbt:k:", &long) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut keys = Vec::new();
    for text in options.values('k') {
        match Key::parse(text) {
            Some(key) => keys.push(key),
            None => return cx.not_modelled(format!("sort: key {text}")),
        }
    }
    let whole = Way {
        numeric: options.has('n'),
        reverse: options.has('r'),
        fold: options.has('f'),
        version: options.has('V'),
    };
    let separator = options.value('t').and_then(|t| t.chars().next());
    let (sources, all) = super::sources(cx, "sort", &options.operands);
    let mut lines: Vec<&str> = super::lines(&sources).collect();
    let by_keys = |a: &&str, b: &&str| {
        if keys.is_empty() {
            return whole.compare(a, b);
        }
        keys.iter()
            .map(|key| key.compare(a, b, separator, whole))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    lines.sort_by(|a, b| {
        // Equal keys are told apart by the whole line, unless only one of them is kept.
        let last = if options.has('u') { Ordering::Equal } else { a.cmp(b) };
        by_keys(a, b).then(if whole.reverse { last.reverse() } else { last })
    });
    if options.has('u') {
        lines.dedup_by(|a, b| by_keys(a, b).is_eq());
    }
    for line in lines {
        cx.out.line(line);
    }
    i32::from(!all) * 2
}

/// How two texts are compared.
#[derive(Clone, Copy, Default)]
struct Way {
    numeric: bool,
    reverse: bool,
    fold: bool,
    version: bool,
}

impl Way {
    fn compare(self, a: &str, b: &str) -> Ordering {
        let order = if self.numeric {
            number(a).total_cmp(&number(b))
        } else if self.version {
            by_version(a, b)
        } else if self.fold {
            a.to_uppercase().cmp(&b.to_uppercase())
        } else {
            a.cmp(b)
        };
        if self.reverse { order.reverse() } else { order }
    }
}

/// `-k 2,3nr`
struct Key {
    from: usize,
    to: usize,
    way: Option<Way>,
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let digits_end = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (from, rest) = text.split_at(digits_end(text));
        let from: usize = from.parse().ok().filter(|n| *n > 0)?;
        let (mut letters, end) =
            rest.split_once(',').map_or((rest.to_owned(), ""), |(l, e)| (l.to_owned(), e));
        let (to, more) = end.split_at(digits_end(end));
        letters.push_str(more);
        let to = if to.is_empty() { usize::MAX } else { to.parse().ok()? };
        let mut way = Way::default();
        for c in letters.chars() {
            match c {
                'n' => way.numeric = true,
                'r' => way.reverse = true,
                'f' => way.fold = true,
                'V' => way.version = true,
                'b' => {}
                _ => return None,
            }
        }
        Some(Self { from, to, way: (!letters.is_empty()).then_some(way) })
    }

    fn compare(&self, a: &str, b: &str, separator: Option<char>, whole: Way) -> Ordering {
        self.way.unwrap_or(whole).compare(&self.of(a, separator), &self.of(b, separator))
    }

    fn of(&self, line: &str, separator: Option<char>) -> String {
        let fields: Vec<&str> = match separator {
            Some(c) => line.split(c).collect(),
            None => line.split_whitespace().collect(),
        };
        let to = self.to.min(fields.len());
        fields.get(self.from - 1..to).map_or(String::new(), |f| f.join(" "))
    }
}

/// The number at the start of a text, 0 without one.
fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let end = text
        .char_indices()
        .find(|(i, c)| !(c.is_ascii_digit() || *c == '.' || (*c == '-' && *i == 0)))
        .map_or(text.len(), |(i, _)| i);
    text[..end].parse().unwrap_or(0.0)
}

/// Runs of digits as numbers, everything else as bytes.
fn by_version(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let head = |s: &str| s.find(|c: char| c.is_ascii_digit()).unwrap_or(s.len());
        let (ta, ra) = a.split_at(head(a));
        let (tb, rb) = b.split_at(head(b));
        let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (na, ra) = ra.split_at(digits(ra));
        let (nb, rb) = rb.split_at(digits(rb));
        let value = |n: &str| n.trim_start_matches('0').to_owned();
        let (va, vb) = (value(na), value(nb));
        let order = ta.cmp(tb).then(va.len().cmp(&vb.len())).then(va.cmp(&vb));
        if order.is_ne() || (ra.is_empty() && rb.is_empty()) {
            return order.then(a.cmp(b));
        }
        (a, b) = (ra, rb);
    }
}

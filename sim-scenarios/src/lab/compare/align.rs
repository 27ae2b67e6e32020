//! Which expected line belongs to which line of the output, when not all of them fit.

use super::line_matches;

/// One step through both texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aligned {
    /// An expected line fits a line of the output.
    Both {
        /// Index of the expected line.
        expected: usize,
        /// Index of the line of output.
        output: usize,
    },
    /// A `...` line stands for the lines `from..to` of the output.
    Elided {
        /// Index of the `...` line.
        expected: usize,
        /// The first line.
        from: usize,
        /// The line after the last.
        to: usize,
    },
    /// An expected line that did not come.
    Missing(usize),
    /// A line of output that was not expected.
    Extra(usize),
}

/// Above so many cells the middle of the two texts is taken as replaced as a whole.
const CELLS: usize = 4 << 20;

const CHANGE: u32 = 2;
const MISSING: u32 = 3;
const EXTRA: u32 = 1;

/// The cheapest way through both texts. A line that changed is cheaper than one that vanished, so that an elision does not
/// swallow a changed line beside it.
#[must_use]
pub fn align(expected: &[&str], output: &[&str]) -> Vec<Aligned> {
    let plain = |(e, o): &(&&str, &&str)| !is_elision(e) && line_matches(e, o);
    let head = expected.iter().zip(output).take_while(plain).count();
    let (e, o) = (&expected[head..], &output[head..]);
    let tail = e.iter().rev().zip(o.iter().rev()).take_while(plain).count();
    let (e, o) = (&e[..e.len() - tail], &o[..o.len() - tail]);

    let mut steps: Vec<Aligned> = (0..head).map(|i| Aligned::Both { expected: i, output: i }).collect();
    if e.len().saturating_mul(o.len()) > CELLS {
        steps.extend((0..e.len()).map(|i| Aligned::Missing(head + i)));
        steps.extend((0..o.len()).map(|i| Aligned::Extra(head + i)));
    } else {
        steps.extend(Table::new(e, o).walk().into_iter().map(|s| shift(s, head)));
    }
    steps.extend(
        (0..tail).map(|i| Aligned::Both { expected: head + e.len() + i, output: head + o.len() + i }),
    );
    steps
}

pub(super) fn is_elision(line: &str) -> bool {
    line.trim_end() == "..."
}

fn shift(step: Aligned, by: usize) -> Aligned {
    match step {
        Aligned::Both { expected, output } => Aligned::Both { expected: expected + by, output: output + by },
        Aligned::Elided { expected, from, to } => {
            Aligned::Elided { expected: expected + by, from: from + by, to: to + by }
        }
        Aligned::Missing(i) => Aligned::Missing(i + by),
        Aligned::Extra(i) => Aligned::Extra(i + by),
    }
}

/// Edit distance with free elisions.
struct Table<'a> {
    expected: &'a [&'a str],
    output: &'a [&'a str],
    cost: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(expected: &'a [&'a str], output: &'a [&'a str]) -> Self {
        let cells = (expected.len() + 1) * (output.len() + 1);
        let mut table = Self { expected, output, cost: vec![0; cells] };
        for i in 0..=expected.len() {
            for j in 0..=output.len() {
                let best = table.ways(i, j).into_iter().flatten().map(|(cost, _)| cost).min();
                let at = table.index(i, j);
                table.cost[at] = best.unwrap_or(0);
            }
        }
        table
    }

    fn index(&self, i: usize, j: usize) -> usize {
        i * (self.output.len() + 1) + j
    }

    /// How cell (i, j) can be reached, best way first among equals: its cost, and the cell before.
    fn ways(&self, i: usize, j: usize) -> [Option<(u32, (usize, usize))>; 4] {
        let from = |i: usize, j: usize, more: u32| Some((self.cost[self.index(i, j)] + more, (i, j)));
        let elision = i > 0 && is_elision(self.expected[i - 1]);
        if elision {
            let covers = if j > 0 { from(i, j - 1, 0) } else { None };
            return [covers, from(i - 1, j, 0), None, None];
        }
        let both = i > 0 && j > 0;
        let fits = both && line_matches(self.expected[i - 1], self.output[j - 1]);
        [
            if fits { from(i - 1, j - 1, 0) } else { None },
            if both { from(i - 1, j - 1, CHANGE) } else { None },
            if j > 0 { from(i, j - 1, EXTRA) } else { None },
            if i > 0 { from(i - 1, j, MISSING) } else { None },
        ]
    }

    /// The way from the end back to the start, turned round.
    fn walk(&self) -> Vec<Aligned> {
        let mut steps = Vec::new();
        let (mut i, mut j) = (self.expected.len(), self.output.len());
        // Lines that an elision stands for, as far as they were passed.
        let mut covered_to = None;
        while (i, j) != (0, 0) {
            let here = self.cost[self.index(i, j)];
            let Some((cost, (pi, pj))) =
                self.ways(i, j).into_iter().flatten().find(|(cost, _)| *cost == here)
            else {
                break;
            };
            let elision = i > 0 && is_elision(self.expected[i - 1]);
            let before = self.cost[self.index(pi, pj)];
            match (i - pi, j - pj) {
                (0, 1) if elision => covered_to = covered_to.or(Some(j)),
                (1, 0) if elision => {
                    let to = covered_to.take().unwrap_or(j);
                    steps.push(Aligned::Elided { expected: pi, from: j, to });
                }
                (1, 1) if cost == before => steps.push(Aligned::Both { expected: pi, output: pj }),
                (1, 1) => steps.extend([Aligned::Extra(pj), Aligned::Missing(pi)]),
                (1, _) => steps.push(Aligned::Missing(pi)),
                _ => steps.push(Aligned::Extra(pj)),
            }
            (i, j) = (pi, pj);
        }
        steps.reverse();
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(expected: &str, output: &str) -> String {
        let (e, o): (Vec<&str>, Vec<&str>) = (expected.split(' ').collect(), output.split(' ').collect());
        let step = |s: &Aligned| match *s {
            Aligned::Both { expected, .. } => e[expected].to_owned(),
            Aligned::Elided { from, to, .. } => format!("({})", o[from..to].join(" ")),
            Aligned::Missing(i) => format!("-{}", e[i]),
            Aligned::Extra(i) => format!("+{}", o[i]),
        };
        align(&e, &o).iter().map(step).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_fits_stays_and_what_changed_is_named() {
        assert_eq!(show("a b c", "a x c"), "a -b +x c");
        assert_eq!(show("a c", "a b c"), "a +b c");
        assert_eq!(show("a b c", "a c"), "a -b c");
        assert_eq!(show("a ... z", "a b c z"), "a (b c) z");
        assert_eq!(show("a ... z", "a b c y"), "a (b c) -z +y");
        assert_eq!(show("... z", "z"), "() z");
        assert_eq!(show("[..]1 b", "x1 c"), "[..]1 -b +c");
    }
}

//! Columns as `ss` lays them out (`render_calc_width`, `render` of misc/ss.c).

#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// Alignment, title, and what separates a column from the one before.
const COLUMNS: [(Align, &str, &str); 9] = [
    (Align::Left, "Netid", ""),
    (Align::Left, "State", " "),
    (Align::Left, "Recv-Q", " "),
    (Align::Left, "Send-Q", " "),
    (Align::Right, "Local Address:", " "),
    (Align::Left, "Port", ""),
    (Align::Right, "Peer Address:", " "),
    (Align::Left, "Port", ""),
    (Align::Left, "Process", ""),
];

pub(super) struct Table {
    shown: [bool; 9],
    rows: Vec<[String; 9]>,
}

impl Table {
    /// Without the columns that would say the same in every row.
    pub(super) fn new(netid: bool, state: bool) -> Self {
        let mut shown = [true; 9];
        (shown[0], shown[1]) = (netid, state);
        Self { shown, rows: Vec::new() }
    }

    pub(super) fn header(&mut self) {
        self.rows.push(COLUMNS.map(|(_, title, _)| title.to_owned()));
    }

    pub(super) fn row(&mut self, cells: &[String; 9]) {
        self.rows.push(cells.clone());
    }

    /// All rows, for a terminal so wide, or as narrow as they get.
    pub(super) fn render(&self, screen: Option<usize>) -> String {
        let widths = self.widths(screen);
        let mut out = String::new();
        for row in &self.rows {
            let mut started = false;
            for (i, cell) in row.iter().enumerate().filter(|(i, _)| self.shown[*i]) {
                let (align, _, delimiter) = COLUMNS[i];
                let before = if started { delimiter } else { "" };
                started = true;
                out.push_str(before);
                let pad = widths[i].saturating_sub(cell.len() + before.len());
                match align {
                    Align::Left => out.push_str(&format!("{cell}{:pad$}", "")),
                    Align::Right => out.push_str(&format!("{:pad$}{cell}", "")),
                }
            }
            out.push('\n');
        }
        out
    }

    fn widths(&self, screen: Option<usize>) -> [usize; 9] {
        let mut widths = [0; 9];
        let mut first = true;
        for (i, width) in widths.iter_mut().enumerate().filter(|(i, _)| self.shown[*i]) {
            let longest = self.rows.iter().map(|r| r[i].len()).max().unwrap_or(0);
            *width = longest + if first || longest == 0 { 0 } else { COLUMNS[i].2.len() };
            *width = (*width).min(screen.unwrap_or(usize::MAX));
            first &= *width == 0;
        }
        if let Some(screen) = screen {
            spread(&mut widths, screen);
        }
        widths
    }
}

/// Gives the room that is left on each line of the screen to the columns of that line, the last ones first.
fn spread(widths: &mut [usize; 9], screen: usize) {
    let (mut start, mut at) = (0, 0);
    let (mut length, mut count) = (0, 0);
    while at < widths.len() {
        if widths[at] == 0 {
            at += 1;
            continue;
        }
        count += 1;
        length += widths[at];
        let last = widths[at + 1..].iter().all(|w| *w == 0);
        if !last && length < screen {
            at += 1;
            continue;
        }
        let mut end = at;
        if length > screen && count > 1 {
            // Too much: the line ends with the column before.
            length -= widths[at];
            count -= 1;
            end -= 1;
        }
        let room = screen.saturating_sub(length);
        let mut rest = room % count;
        for width in widths[start..=end].iter_mut().rev().filter(|w| **w > 0) {
            *width += room / count + usize::from(rest > 0);
            rest = rest.saturating_sub(1);
        }
        start = end + 1;
        at = end + 1;
        (length, count) = (0, 0);
    }
}

//! Elastic tab stops, as Go's `text/tabwriter` lays them out.
//!
//! A cell is what a tab ends; the text after a line's last tab belongs to no column. Neighbouring lines that have a cell in
//! the same column form a block, and the block is as wide as its widest cell. So a line without tabs ends every block.

/// A writer that aligns tab-separated cells.
#[derive(Clone, Debug)]
pub(crate) struct TabWriter {
    /// Least width of a column, padding included.
    min_width: usize,
    /// Blanks behind the widest cell of a column.
    padding: usize,
    /// Widths that columns had in earlier flushes, if the writer keeps them (`get -w` prints each row on its own).
    remembered: Option<Vec<usize>>,
    text: String,
}

impl TabWriter {
    /// The writer of `kubectl describe`: two blanks between columns.
    pub(crate) fn describe() -> Self {
        Self { min_width: 0, padding: 2, remembered: None, text: String::new() }
    }

    /// The writer of `kubectl get`: three blanks between columns, no column under six, widths never shrink.
    pub(crate) fn get() -> Self {
        Self { min_width: 6, padding: 3, remembered: Some(Vec::new()), text: String::new() }
    }

    /// A writer with no column under `min_width`, and `padding` blanks between columns.
    pub(crate) fn with(min_width: usize, padding: usize) -> Self {
        Self { min_width, padding, remembered: None, text: String::new() }
    }

    /// Takes text with tabs and newlines.
    pub(crate) fn write(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Lays out what was written since the last flush.
    pub(crate) fn flush(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        let lines: Vec<Vec<&str>> = text.split('\n').map(|l| l.split('\t').collect()).collect();
        let mut layout =
            Layout { writer: self, widths: Vec::new(), out: String::with_capacity(text.len() * 2) };
        layout.block(&lines);
        // Every line was written with a newline; the last one had none.
        layout.out.pop();
        layout.out
    }
}

struct Layout<'a> {
    writer: &'a mut TabWriter,
    /// Widths of the columns to the left of the block in hand.
    widths: Vec<usize>,
    out: String,
}

impl Layout<'_> {
    /// Lays out lines that share the columns of `widths`.
    fn block(&mut self, lines: &[Vec<&str>]) {
        let column = self.widths.len();
        let has_cell = |line: &Vec<&str>| line.len() > column + 1;
        let mut rest = lines;
        while let Some(start) = rest.iter().position(has_cell) {
            let (plain, from) = rest.split_at(start);
            self.lines(plain);
            let end = from.iter().position(|l| !has_cell(l)).unwrap_or(from.len());
            let (block, after) = from.split_at(end);
            let width = self.width(column, block);
            self.widths.push(width);
            self.block(block);
            self.widths.pop();
            rest = after;
        }
        self.lines(rest);
    }

    fn width(&mut self, column: usize, block: &[Vec<&str>]) -> usize {
        let padding = self.writer.padding;
        let widest = block.iter().map(|l| l[column].chars().count() + padding).max().unwrap_or(0);
        let width = widest.max(self.writer.min_width);
        let Some(remembered) = &mut self.writer.remembered else { return width };
        if remembered.len() <= column {
            remembered.resize(column + 1, 0);
        }
        remembered[column] = remembered[column].max(width);
        remembered[column]
    }

    fn lines(&mut self, lines: &[Vec<&str>]) {
        for line in lines {
            for (i, cell) in line.iter().enumerate() {
                self.out.push_str(cell);
                if let Some(width) = self.widths.get(i) {
                    let blanks = width.saturating_sub(cell.chars().count());
                    self.out.extend(std::iter::repeat_n(' ', blanks));
                }
            }
            self.out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_leaves_three_blanks_and_no_narrow_column() {
        let mut w = TabWriter::get();
        w.write("NAME\tA\tAGE\nsvc-a\t1\t5s\n");
        assert_eq!(w.flush(), "NAME    A     AGE\nsvc-a   1     5s\n");
    }

    #[test]
    fn get_remembers_widths_between_rows() {
        let mut w = TabWriter::get();
        w.write("NAME\tAGE\na-long-name\t5s\n");
        w.flush();
        w.write("b\t6s\n");
        assert_eq!(w.flush(), "b             6s\n");
    }

    #[test]
    fn a_line_without_tabs_ends_the_block() {
        let mut w = TabWriter::describe();
        w.write("Name:\tx\nLonger name:\ty\nIPs:\n  IP:\tz\n");
        assert_eq!(w.flush(), "Name:         x\nLonger name:  y\nIPs:\n  IP:  z\n");
    }

    #[test]
    fn empty_cells_keep_their_column() {
        let mut w = TabWriter::describe();
        w.write("Labels:\ta=1\n\tb=2\n");
        assert_eq!(w.flush(), "Labels:  a=1\n         b=2\n");
    }
}

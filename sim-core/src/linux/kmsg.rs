//! The kernel's log, as far as the network writes to it: what `dmesg` shows.

use std::collections::VecDeque;

use crate::time::SimTime;

/// Lines that are kept. The kernel bounds its buffer by bytes (`CONFIG_LOG_BUF_SHIFT`), which hold about this many.
const LINES: usize = 1000;

/// The log of one namespace, oldest line first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelLog {
    lines: VecDeque<LogLine>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: SimTime,
    /// Severity of syslog(2), 0 the worst.
    pub level: u8,
    /// The text.
    pub text: Box<str>,
}

impl KernelLog {
    /// Writes a line; the oldest gives way if there are too many.
    pub fn note(&mut self, at: SimTime, level: u8, text: impl Into<Box<str>>) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(LogLine { at, level, text: text.into() });
    }

    /// All lines, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &LogLine> {
        self.lines.iter()
    }

    /// Forgets all lines (`dmesg -C`).
    pub fn clear(&mut self) {
        self.lines.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_give_way() {
        let mut log = KernelLog::default();
        for i in 0..=LINES {
            log.note(SimTime::ZERO, 4, i.to_string());
        }
        assert_eq!(log.iter().count(), LINES);
        assert_eq!(log.iter().next().map(|l| &*l.text), Some("1"));
    }
}

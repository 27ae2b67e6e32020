//! What tools print: two streams over buffers, as file descriptors 1 and 2 point at a terminal, a pipe or a file.

use sim_core::linux::tap::TapId;
use sim_core::time::SimTime;
use sim_core::trace::{NsId, SockId};

use crate::lab::compare::Pattern;
use crate::shell::jobs::Link;

/// A transcript that grows beyond this many bytes ends its command: a lab is read by people.
const LIMIT: usize = 16 << 20;

/// Standard output and standard error of the running command.
///
/// Both streams point at buffers. Buffer 0 is the terminal, on which they interleave as they are written; a pipe, a command
/// substitution or a redirection opens another buffer and points a stream at it.
#[derive(Clone, Debug)]
pub struct Out {
    buffers: Vec<Buffer>,
    streams: Streams,
    /// Lines after which somebody presses ^C.
    until: Option<Pattern>,
    /// ^C was pressed.
    fired: bool,
    /// The terminal's echo of ^C stands at the end of the line.
    echoed: bool,
    /// Too much was written.
    overflow: bool,
    /// Buffer 0 is a terminal for the running program: not so behind `kubectl exec` and `ssh` without `-t`.
    tty: bool,
    /// Of a background job: its way to the rest of the world.
    link: Option<Box<Link>>,
    /// What the job's programs have open and nobody else will close.
    held: Vec<Held>,
    /// When `timeout` ends the running program, and whether it has.
    alarm: Option<SimTime>,
    alarmed: bool,
    /// The running program sees to SIGTERM and SIGHUP itself.
    handles_signals: bool,
    /// The running program sees to SIGINT itself.
    handles_interrupt: bool,
}

/// Something that the kernel closes when its process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Socket(NsId, SockId),
    Tap(NsId, TapId),
}

impl Held {
    pub(crate) fn close(self, cluster: &mut super::Cluster) {
        match self {
            Self::Socket(ns, sock) => cluster.world.close(ns, sock),
            Self::Tap(ns, tap) => cluster.world.tap_close(ns, tap),
        }
    }
}

/// Where standard output and standard error go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    /// File descriptor 1.
    pub stdout: Stream,
    /// File descriptor 2.
    pub stderr: Stream,
}

/// What one file descriptor points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// `/dev/null`.
    Null,
    /// A buffer of [`Out`], the terminal being number 0.
    Buffer(usize),
}

#[derive(Clone, Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: usize,
    /// A reader that takes so many lines and then closes the pipe (`head -n 2`).
    closes_after: Option<usize>,
}

impl Buffer {
    fn closed(&self) -> bool {
        self.closes_after.is_some_and(|n| self.lines >= n)
    }
}

impl Default for Out {
    fn default() -> Self {
        Self::new()
    }
}

impl Out {
    /// Both streams on an empty terminal.
    #[must_use]
    pub fn new() -> Self {
        let terminal = Stream::Buffer(0);
        Self {
            buffers: vec![Buffer::default()],
            streams: Streams { stdout: terminal, stderr: terminal },
            until: None,
            fired: false,
            echoed: false,
            overflow: false,
            tty: true,
            link: None,
            held: Vec::new(),
            alarm: None,
            alarmed: false,
            handles_signals: false,
            handles_interrupt: false,
        }
    }

    /// A terminal at which somebody presses ^C as soon as its lines match `until`.
    #[must_use]
    pub fn with_interrupt(until: Pattern) -> Self {
        let mut out = Self::new();
        let at_once = until.is_empty();
        out.until = Some(until);
        if at_once {
            out.press_control_c();
        }
        out
    }

    /// The terminal of a background job, which writes by `link` on the one that this is.
    pub(crate) fn for_job(&self, link: Link) -> Self {
        let streams = Streams {
            stdout: if self.streams.stdout == Stream::Null { Stream::Null } else { Stream::Buffer(0) },
            stderr: if self.streams.stderr == Stream::Null { Stream::Null } else { Stream::Buffer(0) },
        };
        Self { link: Some(Box::new(link)), tty: self.tty, streams, ..Self::new() }
    }

    /// The job that writes here, if it is one.
    pub(crate) fn link(&self) -> Option<&Link> {
        self.link.as_deref()
    }

    pub(crate) fn link_mut(&mut self) -> Option<&mut Link> {
        self.link.as_deref_mut()
    }

    /// Takes what a job has written on its terminal.
    pub(crate) fn take_screen(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffers[0].bytes)
    }

    /// Writes on the terminal, wherever the streams go.
    pub(crate) fn write_on_screen(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.put(Stream::Buffer(0), bytes);
        }
    }

    /// Notes that something has to be closed if the program dies.
    pub(crate) fn hold(&mut self, held: Held) {
        self.held.push(held);
    }

    pub(crate) fn take_held(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.held)
    }

    pub(crate) fn alarm(&self) -> Option<SimTime> {
        self.alarm
    }

    /// Sets when the running program is ended, and returns what held before.
    pub(crate) fn set_alarm(&mut self, at: Option<SimTime>) -> Option<SimTime> {
        std::mem::replace(&mut self.alarm, at)
    }

    pub(crate) fn note_alarm(&mut self) {
        self.alarmed = true;
    }

    /// Takes whether an alarm has rung; a program that it only interrupted goes on no more.
    pub(crate) fn take_alarmed(&mut self) -> bool {
        let alarmed = std::mem::take(&mut self.alarmed);
        self.fired &= !alarmed;
        alarmed
    }

    /// Says whether the running program sees to SIGTERM and SIGHUP itself, by stopping as on ^C.
    pub(crate) fn set_handles_signals(&mut self, handles: bool) -> bool {
        std::mem::replace(&mut self.handles_signals, handles)
    }

    pub(crate) fn handles_signals(&self) -> bool {
        self.handles_signals
    }

    /// Says whether the running program prints something on SIGINT.
    pub(crate) fn set_handles_interrupt(&mut self, handles: bool) -> bool {
        std::mem::replace(&mut self.handles_interrupt, handles)
    }

    pub(crate) fn handles_interrupt(&self) -> bool {
        self.handles_interrupt
    }

    /// A signal stops the running program, as ^C does; nothing echoes it.
    pub(crate) fn interrupt(&mut self) {
        self.fired = true;
    }

    /// Prints a line on standard output.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.print(text);
        self.print("\n");
    }

    /// Prints text on standard output, as it is.
    pub fn print(&mut self, text: impl AsRef<str>) {
        self.write(text.as_ref().as_bytes());
    }

    /// Writes bytes to standard output.
    pub fn write(&mut self, bytes: &[u8]) {
        self.put(self.streams.stdout, bytes);
    }

    /// Prints a line on standard error.
    pub fn err(&mut self, text: impl AsRef<str>) {
        self.eprint(text);
        self.eprint("\n");
    }

    /// Prints text on standard error, as it is.
    pub fn eprint(&mut self, text: impl AsRef<str>) {
        self.put(self.streams.stderr, text.as_ref().as_bytes());
    }

    /// Whether the command was interrupted: ^C was pressed, or the reader of its pipe went away.
    ///
    /// An endless tool asks [`crate::tools::Cx::interrupted`] instead, which knows the time limit too.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.fired || self.overflow || self.pipe_closed()
    }

    /// Whether the reader of standard output's pipe went away (SIGPIPE): what is still written is lost.
    #[must_use]
    pub fn pipe_closed(&self) -> bool {
        matches!(self.streams.stdout, Stream::Buffer(i) if self.buffers[i].closed())
    }

    /// Whether a command was stopped because it wrote too much.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflow
    }

    /// Whether ^C was pressed.
    #[must_use]
    pub fn control_c(&self) -> bool {
        self.fired
    }

    /// Whether somebody will press ^C in this command.
    #[must_use]
    pub fn expects_control_c(&self) -> bool {
        self.until.is_some()
    }

    /// Presses ^C, which the terminal echoes.
    fn press_control_c(&mut self) {
        self.fired = true;
        self.echoed = true;
        self.buffers[0].bytes.extend_from_slice(b"^C");
    }

    /// Whether standard output is the terminal (`isatty(1)`).
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.tty && self.streams.stdout == Stream::Buffer(0)
    }

    /// Whether standard output ends on the screen, with or without a terminal of the program's own.
    pub(crate) fn is_screen(&self) -> bool {
        self.streams.stdout == Stream::Buffer(0)
    }

    /// Says whether programs that start now have a terminal, and returns what held before.
    pub(crate) fn set_tty(&mut self, tty: bool) -> bool {
        std::mem::replace(&mut self.tty, tty)
    }

    /// Where the streams go now.
    #[must_use]
    pub fn streams(&self) -> Streams {
        self.streams
    }

    /// Points the streams elsewhere; the old value comes from [`Out::streams`].
    pub fn set_streams(&mut self, streams: Streams) {
        self.streams = streams;
    }

    /// Opens an empty buffer. Buffers are closed in the opposite order by [`Out::close`].
    pub fn open(&mut self) -> Stream {
        self.open_for(None)
    }

    /// Opens an empty buffer whose reader goes away after so many lines.
    pub fn open_for(&mut self, lines: Option<usize>) -> Stream {
        self.buffers.push(Buffer { closes_after: lines, ..Buffer::default() });
        Stream::Buffer(self.buffers.len() - 1)
    }

    /// Closes the buffer that was opened last and returns what was written into it. The terminal stays open.
    pub fn close(&mut self) -> Vec<u8> {
        if self.buffers.len() == 1 {
            return Vec::new();
        }
        self.buffers.pop().unwrap_or_default().bytes
    }

    /// What stands on the terminal.
    #[must_use]
    pub fn terminal(&self) -> &[u8] {
        &self.buffers[0].bytes
    }

    fn put(&mut self, stream: Stream, bytes: &[u8]) {
        let Stream::Buffer(index) = stream else { return };
        let Some(buffer) = self.buffers.get_mut(index) else { return };
        // What a program says on SIGINT starts on a line of its own; most see to that themselves.
        if index == 0 && std::mem::take(&mut self.echoed) && !bytes.starts_with(b"\n") {
            buffer.bytes.push(b'\n');
        }
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            if buffer.closed() || buffer.bytes.len() + line.len() > LIMIT {
                self.overflow |= !buffer.closed();
                return;
            }
            buffer.bytes.extend_from_slice(line);
            buffer.lines += usize::from(line.ends_with(b"\n"));
        }
        if index == 0 && !self.fired {
            self.look_for_control_c();
        }
    }

    fn look_for_control_c(&mut self) {
        let Some(until) = &self.until else { return };
        let terminal = &self.buffers[0];
        // Comparing is dear: only when a line was completed, and only when there are enough of them.
        if terminal.bytes.ends_with(b"\n") && terminal.lines >= until.least_lines() {
            let text = String::from_utf8_lossy(&terminal.bytes);
            if until.matches(&text) || until.most_lines().is_some_and(|most| terminal.lines >= most) {
                self.press_control_c();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_interleave_on_the_terminal() {
        let mut out = Out::new();
        out.print("a");
        out.err("b");
        out.line("c");
        assert_eq!(out.terminal(), b"ab\nc\n");
    }

    #[test]
    fn a_pipe_takes_stdout_only() {
        let mut out = Out::new();
        let before = out.streams();
        let pipe = out.open();
        out.set_streams(Streams { stdout: pipe, ..before });
        out.line("down the pipe");
        out.err("on the screen");
        out.set_streams(before);
        assert_eq!(out.close(), b"down the pipe\n");
        assert_eq!(out.terminal(), b"on the screen\n");
    }

    #[test]
    fn a_reader_that_goes_away_interrupts() {
        let mut out = Out::new();
        let stdout = out.open_for(Some(1));
        out.set_streams(Streams { stdout, ..out.streams() });
        assert!(!out.interrupted());
        out.print("one\ntwo\n");
        assert!(out.interrupted());
        assert_eq!(out.close(), b"one\n");
    }

    #[test]
    fn control_c_comes_after_the_lines_that_were_expected() {
        let mut out = Out::with_interrupt(Pattern::new(["first", "second [..]"]));
        out.line("first");
        assert!(!out.interrupted());
        out.line("second 17");
        assert!(out.interrupted());
        out.print("\nbye\n");
        assert_eq!(out.terminal(), b"first\nsecond 17\n^C\nbye\n");
    }
}

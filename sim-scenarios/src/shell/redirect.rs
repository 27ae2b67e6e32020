//! Redirections: where a command's input comes from and where its output goes.

use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoHereDocument, IoRedirect};
use sim_core::linux::Errno;

use super::ShellKind;
use super::eval::{Eval, Halt, Input, Step};
use crate::tools::{FileAccess, Stream, Streams};

/// A file that takes what was written when the command has ended.
struct Target {
    path: String,
}

/// What has to be undone and written after a command.
struct Redirected {
    streams: Streams,
    stdin: Option<Input>,
    targets: Vec<Target>,
}

/// Why a redirection did not work: the line halts, or only this command has failed with a status.
enum Trouble {
    Halt(Halt),
    Status(i32),
}

impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl Eval<'_, '_> {
    /// Runs something with redirections.
    pub(super) fn redirected<'r>(
        &mut self,
        redirects: impl Iterator<Item = &'r IoRedirect>,
        run: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        let mut done = Redirected { streams: self.io.out.streams(), stdin: None, targets: Vec::new() };
        for redirect in redirects {
            match self.redirect(redirect, &mut done) {
                Ok(()) => {}
                Err(trouble) => {
                    self.undo(done);
                    return match trouble {
                        Trouble::Halt(halt) => Err(halt),
                        Trouble::Status(status) => Ok(status),
                    };
                }
            }
        }
        let step = run(self);
        self.undo(done);
        step
    }

    fn undo(&mut self, done: Redirected) {
        self.io.out.set_streams(done.streams);
        for target in done.targets.iter().rev() {
            let bytes = self.io.out.close();
            if !bytes.is_empty() {
                // The file was there a moment ago; if the command removed it, what it wrote goes with it, as in Unix.
                let _ = self.files().append(&target.path, &bytes);
            }
        }
        if let Some(stdin) = done.stdin {
            self.stdin = stdin;
        }
    }

    fn redirect(&mut self, redirect: &IoRedirect, done: &mut Redirected) -> Result<(), Trouble> {
        match redirect {
            IoRedirect::File(fd, kind, target) => self.file(*fd, kind, target, done),
            IoRedirect::HereDocument(fd, doc) => {
                self.only_stdin(*fd)?;
                let text = self.here_document_text(doc)?;
                self.feed(text, done);
                Ok(())
            }
            IoRedirect::HereString(fd, word) => {
                self.only_stdin(*fd)?;
                let text = self.word(&word.value)?;
                self.feed(format!("{text}\n"), done);
                Ok(())
            }
            IoRedirect::OutputAndError(word, append) => {
                let path = self.word(&word.value)?;
                let stream = self.open(&path, *append, done)?;
                self.io.out.set_streams(Streams { stdout: stream, stderr: stream });
                Ok(())
            }
        }
    }

    fn file(
        &mut self,
        fd: Option<i32>,
        kind: &IoFileRedirectKind,
        target: &IoFileRedirectTarget,
        done: &mut Redirected,
    ) -> Result<(), Trouble> {
        let word = match target {
            IoFileRedirectTarget::Filename(word) | IoFileRedirectTarget::Duplicate(word) => {
                self.word(&word.value)?
            }
            IoFileRedirectTarget::Fd(n) => n.to_string(),
            IoFileRedirectTarget::ProcessSubstitution(..) => {
                return Err(self.not_modelled("process substitution").into());
            }
        };
        match kind {
            IoFileRedirectKind::Read => {
                self.only_stdin(fd)?;
                self.read_from(&word, done)
            }
            IoFileRedirectKind::Write | IoFileRedirectKind::Clobber | IoFileRedirectKind::Append => {
                let append = matches!(kind, IoFileRedirectKind::Append);
                let stream = self.open(&word, append, done)?;
                self.point(fd.unwrap_or(1), stream)
            }
            IoFileRedirectKind::DuplicateOutput => {
                let streams = self.io.out.streams();
                let stream = match word.as_str() {
                    "1" => streams.stdout,
                    "2" => streams.stderr,
                    "-" => Stream::Null,
                    // `>&FILE` is bash's other way to write `&>FILE`.
                    path if fd.is_none() && path.parse::<i32>().is_err() => {
                        let stream = self.open(path, false, done)?;
                        self.io.out.set_streams(Streams { stdout: stream, stderr: stream });
                        return Ok(());
                    }
                    other => {
                        let message = self.sh.message(format!("{other}: Bad file descriptor"));
                        self.io.out.err(message);
                        return Err(Trouble::Status(1));
                    }
                };
                self.point(fd.unwrap_or(1), stream)
            }
            IoFileRedirectKind::DuplicateInput if word == "-" => {
                self.feed(String::new(), done);
                Ok(())
            }
            IoFileRedirectKind::DuplicateInput if word == "0" => Ok(()),
            IoFileRedirectKind::DuplicateInput | IoFileRedirectKind::ReadAndWrite => {
                Err(self.not_modelled("`<&` and `<>`").into())
            }
        }
    }

    fn only_stdin(&mut self, fd: Option<i32>) -> Result<(), Trouble> {
        match fd {
            None | Some(0) => Ok(()),
            Some(n) => Err(self.not_modelled(format!("file descriptor {n}")).into()),
        }
    }

    fn point(&mut self, fd: i32, stream: Stream) -> Result<(), Trouble> {
        let streams = self.io.out.streams();
        match fd {
            1 => self.io.out.set_streams(Streams { stdout: stream, ..streams }),
            2 => self.io.out.set_streams(Streams { stderr: stream, ..streams }),
            n => return Err(self.not_modelled(format!("file descriptor {n}")).into()),
        }
        Ok(())
    }

    /// Opens a file for writing; without `append` it is emptied at once.
    fn open(&mut self, path: &str, append: bool, done: &mut Redirected) -> Result<Stream, Trouble> {
        match path {
            "/dev/null" => return Ok(Stream::Null),
            "/dev/stdout" => return Ok(self.io.out.streams().stdout),
            "/dev/stderr" => return Ok(self.io.out.streams().stderr),
            "/dev/tty" => return Ok(Stream::Buffer(0)),
            _ => {}
        }
        let mut files = self.files();
        let opened = if path.is_empty() {
            Err(Errno::ENOENT)
        } else if append {
            files.append(path, b"")
        } else {
            files.write(path, b"")
        };
        match opened {
            Ok(()) => {
                done.targets.push(Target { path: path.to_owned() });
                Ok(self.io.out.open())
            }
            Err(why) => {
                let message = self.sh.cannot_create(path, why);
                self.io.out.err(message);
                Err(Trouble::Status(self.redirect_status()))
            }
        }
    }

    fn read_from(&mut self, path: &str, done: &mut Redirected) -> Result<(), Trouble> {
        match self.files().read(path) {
            Ok(bytes) => {
                let old = std::mem::replace(&mut self.stdin, Input::new(bytes.to_vec()));
                done.stdin.get_or_insert(old);
                Ok(())
            }
            Err(why) => {
                let message = self.sh.cannot_open(path, why);
                self.io.out.err(message);
                Err(Trouble::Status(self.redirect_status()))
            }
        }
    }

    fn feed(&mut self, text: String, done: &mut Redirected) {
        let old = std::mem::replace(&mut self.stdin, Input::new(text.into_bytes()));
        done.stdin.get_or_insert(old);
    }

    fn here_document_text(&mut self, doc: &IoHereDocument) -> Result<String, Halt> {
        let body = &doc.doc.value;
        let body: String = if doc.remove_tabs {
            body.split_inclusive('\n').map(|l| l.trim_start_matches('\t')).collect()
        } else {
            body.clone()
        };
        if doc.requires_expansion { self.here_document(&body) } else { Ok(body) }
    }

    const fn redirect_status(&self) -> i32 {
        if matches!(self.sh.kind, ShellKind::Dash) { 2 } else { 1 }
    }

    /// Files as this shell sees them.
    pub(super) fn files(&mut self) -> FileAccess<'_> {
        FileAccess {
            cluster: self.io.cluster,
            session: self.io.session,
            place: &self.sh.place,
            cwd: &self.sh.cwd,
        }
    }

    /// Names in a folder, in byte order.
    pub(super) fn list(&self, dir: &str) -> Vec<String> {
        crate::tools::list_names(self.io.cluster, self.io.session, &self.sh.place, &self.sh.cwd, dir)
    }
}

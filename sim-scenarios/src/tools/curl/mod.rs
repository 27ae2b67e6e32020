//! `curl`, by release, as far as plain HTTP goes.

mod meter;
mod options;
mod transfer;
mod version;
mod write_out;

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{Cx, NOT_MODELLED, SIGINT_STATUS};

use options::{Options, Output};
use transfer::{Failed, Transfer};
use version::Release;

/// The tool.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::parse(cx) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut status = 0;
    for (i, url) in options.urls.iter().enumerate() {
        // As in the real one, each -o belongs to one URL, in order.
        let output = options.outputs.get(i).cloned().unwrap_or_default();
        status = one(cx, &options, url, &output);
        if status == SIGINT_STATUS {
            break;
        }
    }
    status
}

/// One URL, again and again as far as `--retry` goes.
fn one(cx: &mut Cx<'_>, options: &Options, text: &str, output: &Output) -> i32 {
    let mut delay = options.retry.delay.unwrap_or(Duration::from_secs(1));
    let mut left = options.retry.times;
    loop {
        let (status, answered) = once(cx, options, text, output);
        let Some(why) = problem(options, status, answered).filter(|_| left > 0) else { return status };
        if !options.silent || options.show_error {
            let seconds = delay.as_secs();
            let plural = if seconds == 1 && Release::of(cx).at_least(8, 0) { "" } else { "s" };
            let tries = if left == 1 && Release::of(cx).at_least(8, 0) { "retry" } else { "retries" };
            cx.out.err(format!(
                "Warning: Problem {why}. Will retry in {seconds} second{plural}. {left} {tries} left."
            ));
        }
        left -= 1;
        cx.pause(delay);
        if cx.out.control_c() {
            return SIGINT_STATUS;
        }
        if options.retry.delay.is_none() {
            delay = (delay * 2).min(Duration::from_secs(600));
        }
    }
}

/// What `--retry` takes for a reason to try again.
fn problem(options: &Options, status: i32, answered: Option<u16>) -> Option<&'static str> {
    match (status, answered) {
        (SIGINT_STATUS | NOT_MODELLED, _) => None,
        (6 | 28, _) => Some(": timeout"),
        (7, _) if options.retry.refused => Some(": connection refused"),
        (_, Some(408 | 429 | 500 | 502 | 503 | 504)) => Some(": HTTP error"),
        (0, _) => None,
        _ => options.retry.all.then_some("(retrying all errors)"),
    }
}

/// `curl -V`, as the official builds answer; with what it was built is not modelled.
fn print_version(cx: &mut Cx<'_>) -> i32 {
    let release = Release::of(cx).text();
    cx.not_modelled(format!("curl: the features of curl {release}"))
}

/// One try; its status, and that of the response.
fn once(cx: &mut Cx<'_>, options: &Options, text: &str, output: &Output) -> (i32, Option<u16>) {
    let mut transfer = match Transfer::new(cx, options, text) {
        Ok(transfer) => transfer,
        Err(failed) => return (complain(cx, options, &failed), None),
    };
    let file = match output {
        Output::Stdout => None,
        Output::File(name) => Some(name.clone()),
        Output::RemoteName => match transfer.url.file_name() {
            "" => {
                cx.out.err("curl: Remote file name has no length!");
                return (complain(cx, options, &Failed::new(23, WRITE_ERROR)), None);
            }
            name => Some(name.to_owned()),
        },
    };
    // The meter would garble a body on the terminal.
    let meter = !options.silent && (file.is_some() || !cx.out.is_terminal());
    if meter {
        cx.out.err(meter::TITLE);
    }
    transfer.shows_data = file.is_none() && cx.out.is_terminal();
    let result = transfer.run(cx);
    let written = deliver(cx, &transfer, file.as_deref());
    if let Some(file) = &options.dump_header {
        let heads = transfer.heads.clone();
        if file == "-" {
            cx.out.write(&heads);
        } else if let Err(errno) = cx.files().write(file, &heads) {
            cx.out.err(format!("Warning: Failed to open {file}: {errno}"));
        }
    }
    if meter {
        let line = meter::line(&transfer, cx.now());
        cx.out.err(line);
    }
    let failed = result.err().or(written.err());
    let status = failed.as_ref().map_or(0, |f| complain(cx, options, f));
    if let Some(format) = &options.write_out {
        write_out::print(cx, format, &transfer, failed.as_ref());
    }
    (status, transfer.head.as_ref().map(|h| h.status))
}

const WRITE_ERROR: &str = "Failed writing received data to disk/application";

/// Puts what was received where it belongs.
fn deliver(cx: &mut Cx<'_>, transfer: &Transfer<'_>, file: Option<&str>) -> Result<(), Failed> {
    let Some(file) = file.filter(|f| *f != "-") else {
        cx.out.write(&transfer.received);
        return Ok(());
    };
    if transfer.received.is_empty() {
        return Ok(());
    }
    cx.files().write(file, &transfer.received).map_err(|errno| {
        if !transfer.options.silent || transfer.options.show_error {
            cx.out.err(format!("Warning: Failed to open the file {file}: {errno}"));
        }
        Failed::new(23, WRITE_ERROR)
    })
}

/// Says what went wrong, unless silent, and returns the exit status.
fn complain(cx: &mut Cx<'_>, options: &Options, failed: &Failed) -> i32 {
    if matches!(failed.code, SIGINT_STATUS | NOT_MODELLED) {
        return failed.code;
    }
    if !options.silent || options.show_error {
        cx.out.err(format!("curl: ({}) {}", failed.code, failed.message));
    }
    failed.code
}

//! `curl` 7.88 (Debian 12), as far as plain HTTP goes.

mod meter;
mod options;
mod transfer;
mod write_out;

#[cfg(test)]
mod tests;

use super::{Cx, NOT_MODELLED, SIGINT_STATUS};

use options::{Options, Output};
use transfer::{Failed, Transfer};

/// The version it says it is.
const VERSION: &str = "7.88.1";

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

fn one(cx: &mut Cx<'_>, options: &Options, text: &str, output: &Output) -> i32 {
    let mut transfer = match Transfer::new(cx, options, text) {
        Ok(transfer) => transfer,
        Err(failed) => return complain(cx, options, &failed),
    };
    let file = match output {
        Output::Stdout => None,
        Output::File(name) => Some(name.clone()),
        Output::RemoteName => match transfer.url.file_name() {
            "" => {
                cx.out.err("curl: Remote file name has no length!");
                return complain(cx, options, &Failed::new(23, WRITE_ERROR));
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
    if meter {
        let line = meter::line(&transfer, cx.now());
        cx.out.err(line);
    }
    let failed = result.err().or(written.err());
    let status = failed.as_ref().map_or(0, |f| complain(cx, options, f));
    if let Some(format) = &options.write_out {
        write_out::print(cx, format, &transfer, failed.as_ref());
    }
    status
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

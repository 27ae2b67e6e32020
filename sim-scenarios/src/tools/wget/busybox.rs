//! busybox' `wget`.

use std::net::SocketAddr;

use super::super::net::http::{End, Head, HeadError, Reader};
use super::super::net::url::Url;
use super::super::net::{Failure, Stream, connect, deadline, resolve, strerror};
use super::super::{Cx, SIGINT_STATUS, busybox};
use super::busybox_options::Options;

/// Redirections that it follows.
const MOST_REDIRECTIONS: usize = 5;

/// The tool.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let options = match Options::parse(cx) {
        Ok(options) => options,
        Err(status) => return status,
    };
    for url in &options.urls {
        let mut download = Download { options: &options, modern: busybox::version(cx).minor >= 31 };
        if let Err(status) = download.run(cx, url) {
            return status;
        }
    }
    0
}

struct Download<'a> {
    options: &'a Options,
    /// Since 1.31 it says where it saves to.
    modern: bool,
}

/// A response whose body is still to be read.
struct Response {
    stream: Stream,
    reader: Reader,
    head: Head,
}

impl Download<'_> {
    fn run(&mut self, cx: &mut Cx<'_>, text: &str) -> Result<(), i32> {
        let Some(first) = Url::parse(text) else { return Err(die(cx, &format!("bad address '{text}'"))) };
        if first.scheme != "http" {
            return Err(cx.not_modelled(format!("wget: {}://", first.scheme)));
        }
        let mut url = first.clone();
        let mut address = self.address(cx, &url)?;
        for _ in 0..=MOST_REDIRECTIONS {
            let mut response = self.request(cx, &url, address)?;
            if let Some(location) = redirection(&response.head) {
                response.stream.close(cx);
                let next = url.join(location).filter(|u| u.scheme == "http");
                let Some(next) = next else { return Err(cx.not_modelled(format!("wget: {location}"))) };
                if !location.starts_with('/') {
                    address = self.address(cx, &next)?;
                }
                url = next;
                continue;
            }
            let outcome = self.finish(cx, &first, &mut response);
            response.stream.close(cx);
            return outcome;
        }
        Err(die(cx, "too many redirections"))
    }

    /// Resolves the host and says where it connects to.
    fn address(&self, cx: &mut Cx<'_>, url: &Url) -> Result<SocketAddr, i32> {
        let found = resolve(cx, &url.host).ok().and_then(|a| a.first().copied());
        let Some(ip) = found else { return Err(die(cx, &format!("bad address '{}'", url.host))) };
        let address = SocketAddr::new(ip, url.port());
        if !self.options.quiet {
            cx.out.err(format!("Connecting to {} ({address})", url.authority()));
        }
        Ok(address)
    }

    fn request(&self, cx: &mut Cx<'_>, url: &Url, address: SocketAddr) -> Result<Response, i32> {
        let until = deadline(cx, Some(self.options.timeout));
        let stream = match connect(cx, address, until) {
            Ok(stream) => stream,
            Err(Failure::Errno(errno)) => {
                let why = strerror(cx, errno);
                return Err(die(cx, &format!("can't connect to remote host ({}): {why}", address.ip())));
            }
            Err(failure) => return Err(given_up(cx, failure)),
        };
        let request = self.text(url);
        let sent = stream.send(cx, request.as_bytes());
        let mut reader = Reader::new(stream, deadline(cx, Some(self.options.timeout)));
        let head = match sent {
            Ok(()) => reader.head(cx),
            Err(failure) => Err(HeadError::Failed(failure)),
        };
        match head {
            Ok(head) => self.check(cx, Response { stream, reader, head }),
            Err(error) => {
                stream.close(cx);
                Err(match error {
                    HeadError::Empty | HeadError::Malformed => die(cx, "error getting response"),
                    HeadError::Failed(Failure::Errno(errno)) => {
                        let why = strerror(cx, errno);
                        die(cx, &format!("error getting response: {why}"))
                    }
                    HeadError::Failed(failure) => given_up(cx, failure),
                })
            }
        }
    }

    fn text(&self, url: &Url) -> String {
        let given = |name: &str| {
            self.options
                .headers
                .iter()
                .any(|h| h.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name)))
        };
        let method = if self.options.post.is_some() { "POST" } else { "GET" };
        let mut text = format!("{method} {} HTTP/1.1\r\n", url.path);
        if !given("Host") {
            text += &format!("Host: {}\r\n", url.authority());
        }
        if !given("User-Agent") {
            text += &format!("User-Agent: {}\r\n", self.options.agent);
        }
        text += "Connection: close\r\n";
        for header in &self.options.headers {
            text += &format!("{header}\r\n");
        }
        let body = self.options.post.as_deref().unwrap_or_default();
        if self.options.post.is_some() {
            if !given("Content-Type") {
                text += "Content-Type: application/x-www-form-urlencoded\r\n";
            }
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text + "\r\n" + body
    }

    /// Shows the headers where asked; an error status ends the program.
    fn check(&self, cx: &mut Cx<'_>, response: Response) -> Result<Response, i32> {
        if self.options.show_response {
            for line in String::from_utf8_lossy(&response.head.raw).split("\r\n").skip_while(|l| l.is_empty())
            {
                cx.out.err(format!("  {line}"));
                if line.is_empty() {
                    break;
                }
            }
        }
        match response.head.status {
            200..=204 | 206 | 300..=303 | 307 | 308 => Ok(response),
            _ => {
                response.stream.close(cx);
                Err(die(cx, &format!("server returned error: {}", response.head.line)))
            }
        }
    }

    fn finish(&self, cx: &mut Cx<'_>, url: &Url, response: &mut Response) -> Result<(), i32> {
        if self.options.spider {
            if self.modern && !self.options.quiet {
                cx.out.err("remote file exists");
            }
            return Ok(());
        }
        let target = self.target(url);
        let to_stdout = target == "-";
        if self.options.output.is_none() {
            self.refuse_existing(cx, &target)?;
        }
        let said = self.modern && !self.options.quiet;
        if said {
            cx.out.err(if to_stdout {
                "writing to stdout".to_owned()
            } else {
                format!("saving to '{target}'")
            });
        }
        response.reader.until = deadline(cx, Some(self.options.timeout));
        let (body, end) = response.reader.body(cx, &response.head, false);
        if to_stdout {
            cx.out.write(&body);
        } else if let Err(errno) = cx.files().write(&target, &body) {
            let why = strerror(cx, errno);
            return Err(die(cx, &format!("can't open '{target}': {why}")));
        }
        match end {
            End::Complete => {}
            End::Short(_) => return Err(die(cx, "connection closed prematurely")),
            End::Failed(Failure::Errno(errno)) => {
                let why = strerror(cx, errno);
                return Err(die(cx, &format!("read error: {why}")));
            }
            End::Failed(failure) => return Err(given_up(cx, failure)),
        }
        if !self.options.quiet {
            self.progress(cx, &target, body.len());
        }
        if said {
            cx.out.err(if to_stdout { "written to stdout".to_owned() } else { format!("'{target}' saved") });
        }
        Ok(())
    }

    /// The file to write, `-` for standard output.
    fn target(&self, url: &Url) -> String {
        if let Some(output) = &self.options.output {
            return output.clone();
        }
        let name = url.path.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or("index.html");
        match &self.options.folder {
            Some(folder) => format!("{}/{name}", folder.trim_end_matches('/')),
            None => name.to_owned(),
        }
    }

    fn refuse_existing(&self, cx: &mut Cx<'_>, target: &str) -> Result<(), i32> {
        match cx.files().kind(target).is_some() {
            true if self.options.resume => Err(cx.not_modelled("wget: option -c with a file that is there")),
            true => Err(die(cx, &format!("can't open '{target}': File exists"))),
            false => Ok(()),
        }
    }

    /// The bar as it stands at the end of a transfer.
    fn progress(&self, cx: &mut Cx<'_>, target: &str, size: usize) {
        let name = target.rsplit('/').next().unwrap_or(target);
        let (stars, unit) = if self.modern { (32, "") } else { (31, " ") };
        let size = scaled(size);
        let size = if size.ends_with(|c: char| c.is_ascii_digit()) { size + unit } else { size };
        let bar = "*".repeat(stars);
        cx.out.err(format!("{name:<20.20} 100% |{bar}|{size}  0:00:00 ETA"));
        if !self.modern {
            cx.out.err("");
        }
    }
}

/// A size in six columns, in kibibytes and so on where it would be too long.
fn scaled(size: usize) -> String {
    let (mut size, mut units) = (size, "kMGTPEZY".chars());
    if size < 100_000 {
        return format!("{size:>6}");
    }
    loop {
        size /= 1024;
        let unit = units.next().unwrap_or('Y');
        if size < 100_000 {
            return format!("{size:>5}{unit}");
        }
    }
}

fn redirection(head: &Head) -> Option<&str> {
    if matches!(head.status, 300..=303 | 307 | 308) { head.header("location") } else { None }
}

fn die(cx: &mut Cx<'_>, message: &str) -> i32 {
    cx.out.err(format!("wget: {message}"));
    1
}

/// The program's own timer ran out, or ^C.
fn given_up(cx: &mut Cx<'_>, failure: Failure) -> i32 {
    if failure == Failure::Interrupted { SIGINT_STATUS } else { die(cx, "download timed out") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_to_six_columns() {
        assert_eq!(scaled(17), "    17");
        assert_eq!(scaled(99_999), " 99999");
        assert_eq!(scaled(250_000), "  244k");
        assert_eq!(scaled(200 << 20), "  200M");
    }
}

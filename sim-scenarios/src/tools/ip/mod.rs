//! `ip`: the one of iproute2 6.1 on machines, and the busybox applet in busybox images.
//!
//! [`execute`] takes the words after the program's name and changes or shows one network namespace. What the real tool does and
//! we do not is a failure that names it.

mod address;
mod link;
mod neigh;
mod route;
mod words;

use sim_core::linux::{NetError, World};
use sim_core::trace::NsId;

use super::Cx;
use words::{Object, Words};

/// Which of the two programs it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// iproute2.
    Iproute2,
    /// The busybox applet.
    Busybox,
}

/// Why a command gave no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The tool's own words for standard error, without the last newline, and its exit status.
    Refused(String, i32),
    /// Real, but not modelled here.
    NotModelled(String),
}

/// What the options before the object say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    family: Option<Family>,
    oneline: bool,
    brief: bool,
    stats: bool,
}

/// `-4`, `-6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const fn matches(self, v4: bool) -> bool {
        matches!((self, v4), (Self::V4, true) | (Self::V6, false))
    }
}

/// One call of the tool.
struct Call<'a> {
    world: &'a mut World,
    ns: NsId,
    dialect: Dialect,
    options: Options,
    words: Words<'a>,
}

/// The program on machines.
pub(crate) fn run_iproute2(cx: &mut Cx<'_>) -> i32 {
    run(cx, Dialect::Iproute2)
}

/// The applet in busybox images.
pub(crate) fn run_busybox(cx: &mut Cx<'_>) -> i32 {
    run(cx, Dialect::Busybox)
}

fn run(cx: &mut Cx<'_>, dialect: Dialect) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else {
        return cx.not_modelled("ip on a machine without a network");
    };
    match execute(&mut cx.cluster.world, ns, dialect, cx.args.get(1..).unwrap_or_default()) {
        Ok(text) => {
            cx.out.print(text);
            0
        }
        Err(Failure::Refused(text, status)) => {
            cx.out.err(text);
            status
        }
        Err(Failure::NotModelled(what)) => cx.not_modelled(what),
    }
}

type Shown = Result<String, Failure>;

/// Runs `ip args…` in a namespace; yields what goes to standard output.
///
/// # Errors
/// What goes to standard error instead, with the exit status.
pub(crate) fn execute(world: &mut World, ns: NsId, dialect: Dialect, args: &[String]) -> Shown {
    let mut words = Words::new(args, dialect);
    let options = words.options()?;
    let object = words.object()?;
    let call = Call { world, ns, dialect, options, words };
    match object {
        Object::Address => call.address(),
        Object::Link => call.link(),
        Object::Route => call.route(),
        Object::Neigh => call.neigh(),
        Object::Rule => call.rule(),
    }
}

impl Call<'_> {
    /// Policy routing is not modelled, but the three rules that every namespace starts with are there.
    fn rule(mut self) -> Shown {
        match self.words.next() {
            None | Some("show" | "list" | "lst" | "s" | "l") => {
                let end = self.pick("", " ");
                let lines = [("0", "local"), ("32766", "main"), ("32767", "default")];
                Ok(lines.map(|(at, table)| format!("{at}:\tfrom all lookup {table}{end}\n")).concat())
            }
            Some(command) => Err(Failure::NotModelled(format!("ip rule {command}"))),
        }
    }

    /// The one of two texts that the dialect uses.
    fn pick<'t>(&self, iproute2: &'t str, busybox: &'t str) -> &'t str {
        match self.dialect {
            Dialect::Iproute2 => iproute2,
            Dialect::Busybox => busybox,
        }
    }

    /// A failure of the kernel, in the tool's words.
    fn refused(&self, error: &NetError) -> Failure {
        match (self.dialect, error) {
            (_, NetError::NoDevice(name)) => self.no_device(name),
            (Dialect::Iproute2, _) => Failure::Refused(error.to_string(), 2),
            (Dialect::Busybox, NetError::InvalidGateway) => {
                Failure::Refused("ip: RTNETLINK answers: Network unreachable".to_owned(), 2)
            }
            (Dialect::Busybox, _) => Failure::Refused(format!("ip: {error}"), 2),
        }
    }

    fn no_device(&self, name: &str) -> Failure {
        match self.dialect {
            Dialect::Iproute2 => Failure::Refused(format!("Cannot find device \"{name}\""), 1),
            Dialect::Busybox => Failure::Refused(format!("ip: can't find device '{name}'"), 1),
        }
    }

    fn done(&self, result: Result<(), NetError>) -> Shown {
        result.map(|()| String::new()).map_err(|e| self.refused(&e))
    }
}

#[cfg(test)]
mod tests;

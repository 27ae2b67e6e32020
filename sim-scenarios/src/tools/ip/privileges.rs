//! Commands that change something, from a program that may not: the command line is read, devices are looked up, and the kernel refuses.

use super::words::{Object, Words, refuse};
use super::{Dialect, Failure, Shown};
use crate::tools::privileges::NOT_PERMITTED;

/// Commands that change something, of any object.
const CHANGES: [&str; 9] = ["add", "append", "change", "chg", "delete", "flush", "prepend", "replace", "set"];

/// What a call says that would have had this result with the privilege.
pub(super) fn held(args: &[String], dialect: Dialect, shown: Shown) -> Shown {
    let mut words = Words::new(args, dialect);
    let Ok(object) = words.options().and_then(|_| words.object()) else { return shown };
    let Some(verb) = words.next() else { return shown };
    let Some(change) = CHANGES.iter().find(|c| verb.len() > 1 && c.starts_with(verb)) else { return shown };
    match shown {
        // The program's own complaint comes before it asks the kernel, whose answers end it with status 2.
        Err(Failure::Refused(text, status)) if status != 2 => Err(refuse(text, status)),
        Err(Failure::NotModelled(what)) => Err(Failure::NotModelled(what)),
        _ => Err(refused(object, change, args, dialect)),
    }
}

fn refused(object: Object, change: &str, args: &[String], dialect: Dialect) -> Failure {
    let (text, status) = match (dialect, change, object) {
        (Dialect::Iproute2, "flush", Object::Address) => ("Failed to send flush request", 255),
        (Dialect::Iproute2, "flush", Object::Neigh) => ("Failed to send flush request", 1),
        (Dialect::Iproute2, "flush", Object::Route) => ("Failed to send flush request", 2),
        (Dialect::Iproute2, _, Object::Maddress) => ("ioctl", 1),
        (Dialect::Iproute2, ..) => ("RTNETLINK answers", 2),
        (Dialect::Busybox, "flush", _) => ("ip: can't send flush request", 1),
        // The applet sets a link by the calls of old.
        (Dialect::Busybox, "set", Object::Link) if args.iter().any(|a| a == "mtu") => ("ip: SIOCSIFMTU", 2),
        (Dialect::Busybox, "set", Object::Link) => ("ip: SIOCSIFFLAGS", 2),
        (Dialect::Busybox, ..) => ("ip: RTNETLINK answers", 2),
    };
    refuse(format!("{text}: {NOT_PERMITTED}"), status)
}

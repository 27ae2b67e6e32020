//! `busybox` by its own name, and what all its applets share: the usage text.

use sim_core::kube::version::Version;

use super::registry::{self, On};
use super::{Cx, Tool};

/// Status of a shell that does not find a program, which busybox has for an applet that it does not have.
const NOT_FOUND: i32 = 127;

/// `busybox APPLET …`.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let Some(applet) = cx.operands().first().cloned() else {
        return cx.not_modelled("busybox without an applet");
    };
    if applet.starts_with("--") {
        return cx.not_modelled(format!("busybox {applet}"));
    }
    let tool: Tool = match registry::find(&applet, On::BUSYBOX) {
        Some(tool) if applet != "busybox" => tool,
        _ if registry::is_known(&applet, On::BUSYBOX) => {
            return cx.not_modelled(format!("busybox {applet}"));
        }
        _ => {
            cx.out.err(format!("{applet}: applet not found"));
            return NOT_FOUND;
        }
    };
    tool(&mut Cx {
        cluster: cx.cluster,
        place: cx.place,
        args: &cx.args[1..],
        stdin: cx.stdin,
        out: cx.out,
        cwd: cx.cwd,
        env: cx.env,
        session: cx.session,
    })
}

/// Prints an applet's usage on standard error and returns the status that goes with it. `text` starts after `Usage: `.
pub(crate) fn usage(cx: &mut Cx<'_>, text: &str) -> i32 {
    let banner = banner(cx);
    cx.out.err(format!("{banner}\n\nUsage: {text}"));
    1
}

/// The version of busybox on the machine; a current one where there is none.
pub(crate) fn version(cx: &Cx<'_>) -> Version {
    let machine = cx.cluster.machine(cx.place);
    machine.and_then(|m| m.tools.busybox).unwrap_or(sim_core::kube::node::machine::BUSYBOX_LATEST)
}

/// `BusyBox v1.37.0 (2024-09-26 21:31:42 UTC) multi-call binary.`; the time is that of the build, in the official images.
fn banner(cx: &Cx<'_>) -> String {
    let v = version(cx);
    // An image tag like 1.28 means the last release of that series.
    let patch = match (v.minor, v.patch) {
        (28, 0) => 4,
        (29, 0) => 3,
        (30..=34 | 36, 0) => 1,
        (_, patch) => patch,
    };
    let built = match (v.minor, patch) {
        (28, 4) => "2018-05-22 17:00:17 UTC",
        (36, 1) => "2023-05-18 22:34:17 UTC",
        (37, 0) => "2024-09-26 21:31:42 UTC",
        // What a build without a time stamp shows.
        _ => "",
    };
    format!("BusyBox v{}.{}.{patch} ({built}) multi-call binary.", v.major, v.minor)
}

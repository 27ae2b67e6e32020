//! `ipset` 7.17. The sets themselves speak its language; here is the program around it.

use sim_core::trace::NsId;

use super::Cx;
use super::privileges::NOT_PERMITTED;

pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else { return cx.not_modelled("ipset without a network") };
    let input = String::from_utf8_lossy(cx.stdin).into_owned();
    let args = cx.args.get(1..).unwrap_or_default();
    let now = cx.cluster.world.now();
    if !cx.is_net_admin() {
        return refused(cx, ns, &input);
    }
    match cx.cluster.world.ns_mut(ns).ipset(args, &input, now) {
        Ok((out, err)) => {
            cx.out.print(out);
            cx.out.eprint(err);
            0
        }
        Err(error) => {
            cx.out.print(error.out);
            cx.out.eprint(error.message);
            error.status
        }
    }
}

/// A command of who may not even look: the command line is read before the kernel is asked.
fn refused(cx: &mut Cx<'_>, ns: NsId, input: &str) -> i32 {
    const BAD_USAGE: i32 = 2;
    let args = cx.args.get(1..).unwrap_or_default();
    let now = cx.cluster.world.now();
    let restores = args.iter().any(|a| ["restore", "-R", "--restore"].contains(&a.as_str()));
    match cx.cluster.world.ns(ns).clone().ipset(args, input, now) {
        Err(error) if error.status == BAD_USAGE => {
            cx.out.eprint(error.message);
            error.status
        }
        Ok((out, _)) if args.first().is_some_and(|a| ["help", "-h", "--help"].contains(&a.as_str())) => {
            cx.out.print(out);
            0
        }
        _ => {
            let line = if restores { "Error in line 1: " } else { "" };
            cx.not_permitted(format!("ipset v7.17: {line}Kernel error received: {NOT_PERMITTED}"), 1)
        }
    }
}

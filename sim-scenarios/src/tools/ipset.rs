//! `ipset` 7.17. The sets themselves speak its language; here is the program around it.

use super::Cx;

pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else { return cx.not_modelled("ipset without a network") };
    let input = String::from_utf8_lossy(cx.stdin).into_owned();
    let args = cx.args.get(1..).unwrap_or_default();
    let now = cx.cluster.world.now();
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

//! `physdev`: the bridge ports of a frame that a bridge hands to iptables.

use super::{Cx, Extension, Place};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::netfilter::rule::IfaceMatch;
use crate::trace::Hook;

/// `-m physdev`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Physdev {
    input: Option<IfaceMatch>,
    output: Option<IfaceMatch>,
    /// Each with whether it is wanted (`true`) or inverted.
    is_in: Option<bool>,
    is_out: Option<bool>,
    is_bridged: Option<bool>,
}

impl Extension for Physdev {
    const NAME: &'static str = "physdev";
    const OPTIONS: &'static [Opt] = &[
        Opt::value("physdev-in").inv(),
        Opt::value("physdev-out").inv(),
        Opt::flag("physdev-is-in").inv(),
        Opt::flag("physdev-is-out").inv(),
        Opt::flag("physdev-is-bridged").inv(),
    ];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        if args.is_empty() {
            return Err(Problem::usage("PHYSDEV: no physdev option specified"));
        }
        let iface = |id| {
            let read =
                args.value(id, |text| IfaceMatch::parse(text, args.get(id).is_some_and(|v| v.inverted)))?;
            Ok::<_, Problem>(read.map(|(iface, _)| iface))
        };
        let flag = |id| args.get(id).map(|v| !v.inverted);
        Ok(Self {
            input: iface("physdev-in")?,
            output: iface("physdev-out")?,
            is_in: flag("physdev-is-in"),
            is_out: flag("physdev-is-out"),
            is_bridged: flag("physdev-is-bridged"),
        })
    }

    fn save(&self, out: &mut String) {
        for (flag, iface, name) in [
            (self.is_in, &self.input, "in"),
            (self.is_out, &self.output, "out"),
            (self.is_bridged, &None, "bridged"),
        ] {
            if let Some(wanted) = flag {
                out.push_str(if wanted { " --physdev-is-" } else { " ! --physdev-is-" });
                out.push_str(name);
            }
            if let Some(iface) = iface {
                out.push_str(if iface.inverted { " ! --physdev-" } else { " --physdev-" });
                out.push_str(name);
                out.push(' ');
                out.push_str(iface.name());
            }
        }
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" PHYSDEV match");
        self.save(out);
    }

    fn matches(&self, _: &Packet<'_>, cx: &mut Cx<'_, '_>) -> bool {
        let env = &cx.env;
        if !env.bridged {
            // `physdev_mt`: a packet that no bridge sent here has no ports; only inverted questions can be true.
            let inverted_iface = |m: &Option<IfaceMatch>| m.as_ref().is_none_or(|m| m.inverted);
            return self.is_bridged != Some(true)
                && self.is_in != Some(true)
                && self.is_out != Some(true)
                && inverted_iface(&self.input)
                && inverted_iface(&self.output);
        }
        let is = |wanted: Option<bool>, truth: bool| wanted.is_none_or(|w| w == truth);
        let fits = |m: &Option<IfaceMatch>, dev: Option<&str>| m.as_ref().is_none_or(|m| m.matches(dev));
        is(self.is_bridged, env.physout.is_some())
            && is(self.is_in, env.physin.is_some())
            && is(self.is_out, env.physout.is_some())
            && fits(&self.input, env.physin)
            && fits(&self.output, env.physout)
    }

    fn allowed(&self, place: &Place) -> bool {
        let asks_out = self.output.is_some() || self.is_out.is_some();
        !(asks_out && self.is_bridged != Some(true) && place.is_at(&[Hook::Output]))
    }
}

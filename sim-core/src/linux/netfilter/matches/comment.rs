//! `comment`: a text for people; every packet matches.

use super::{Cx, Extension};
use crate::linux::netfilter::options::{Args, Opt};
use crate::linux::netfilter::packet::Packet;
use crate::linux::netfilter::problem::Problem;
use crate::linux::netfilter::words::quote_into;

/// `-m comment`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comment(Box<str>);

/// `XT_MAX_COMMENT_LEN` in bytes, the closing zero included.
const MAX: usize = 256;

impl Extension for Comment {
    const NAME: &'static str = "comment";
    const OPTIONS: &'static [Opt] = &[Opt::value("comment").req()];

    fn build(args: &Args<'_>) -> Result<Self, Problem> {
        let text = args.get("comment").map_or("", |v| v.text);
        let mut end = text.len().min(MAX - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Ok(Self(text[..end].into()))
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --comment ");
        quote_into(out, &self.0);
    }

    fn list(&self, out: &mut String, _: bool) {
        out.push_str(" /* ");
        out.push_str(&self.0);
        out.push_str(" */");
    }

    fn matches(&self, _: &Packet<'_>, _: &mut Cx<'_, '_>) -> bool {
        true
    }
}

//! `dmesg` of util-linux 2.38: the lines that the network has written to the kernel's log, so those of `LOG` rules. What a real machine
//! says besides, at boot and of other things, is not there. `--human` and `--follow` are not modelled.

use super::getopt::{self, Word};
use super::text::date;
use super::{Cx, net};

/// The program.
pub(crate) fn run(cx: &mut Cx<'_>) -> i32 {
    let (mut print, mut clear, mut plain, mut wall) = (true, false, false, false);
    for word in getopt::parse(cx.args.get(1..).unwrap_or_default(), "CcDdEeF:f:HhJkL:l:n:PprSs:TtuVWwxK:") {
        match word {
            Word::Flag('C') => (print, clear) = (false, true),
            Word::Flag('c') => clear = true,
            Word::Flag('t') => plain = true,
            Word::Flag('T') => wall = true,
            Word::Flag('k' | 'P' | 'S') | Word::Value('L', "never") => {}
            Word::Flag(c) | Word::Value(c, _) => return cx.not_modelled(format!("dmesg -{c}")),
            Word::Operand(_) => {
                cx.out.err("dmesg: bad usage\nTry 'dmesg --help' for more information.");
                return 1;
            }
            Word::Unknown(c) => {
                cx.out
                    .err(format!("dmesg: invalid option -- '{c}'\nTry 'dmesg --help' for more information."));
                return 1;
            }
            Word::Missing(c) => {
                cx.out.err(format!(
                    "dmesg: option requires an argument -- '{c}'\nTry 'dmesg --help' for more information."
                ));
                return 1;
            }
        }
    }
    let Ok(ns) = net::netns(cx) else { return 1 };
    if print {
        let lines: Vec<_> = cx.cluster.world.ns(ns).kernel_log().iter().cloned().collect();
        for line in lines {
            let micros = line.at.since_start().as_micros();
            let before = match (plain, wall) {
                (true, _) => String::new(),
                (_, true) => format!("[{}] ", date::ctime(line.at)),
                (false, false) => format!("[{:5}.{:06}] ", micros / 1_000_000, micros % 1_000_000),
            };
            cx.out.line(format!("{before}{}", line.text));
        }
    }
    if clear {
        cx.cluster.world.ns_mut(ns).clear_kernel_log();
    }
    0
}

#[cfg(test)]
mod tests {
    use crate::testing::sh;

    #[test]
    fn log_rules_write_lines() {
        insta::assert_snapshot!(sh("ssh node1 '
            iptables -A INPUT -p tcp --dport 81 -j LOG --log-prefix \"to 81: \"
            iptables -A OUTPUT -p icmp -j LOG --log-prefix \"ping \" --log-level 6
            iptables -I FORWARD -p udp --dport 53 -j LOG
            iptables -A OUTPUT -d 192.168.100.102 -p udp -j LOG'
            curl -s -m 1 192.168.100.101:81
            ssh node1 'ping -c 1 -q 192.168.100.102 > /dev/null; echo hi | nc -u -w 1 192.168.100.102 9; dmesg -t; dmesg -C; dmesg; dmesg -x'"));
    }
}

//! Whether the options of a command line go together, and what they ask for or make.

use std::net::IpAddr;

use sim_core::linux::conntrack::{Change, Entry, Filter, Status, Tuple};
use sim_core::packet::proto;

use super::{Command, Mistake, Reader, Request, Table, not_modelled, usage};

impl Reader<'_> {
    /// Checks what belongs together, and makes of it what the command wants.
    pub(super) fn finish(mut self) -> Result<Request, Mistake> {
        self.request.command = match self.command {
            Some('L') => Command::List,
            Some('G') => Command::Get,
            Some('D') => Command::Delete,
            Some('F') => Command::Flush,
            Some('C') => Command::Count,
            Some('S') => Command::Stats,
            Some('V') => Command::Version,
            Some('E') => Command::Event,
            Some('I') => Command::Create,
            Some('A') => Command::Add,
            Some('U') => Command::Update,
            Some(_) => Command::Help,
            None => {
                self.allowed("")?;
                Command::Help
            }
        };
        self.table_fits()?;
        self.allowed(match self.request.command {
            Command::List => "sdrqpuzngjmfobwl()12345678",
            Command::Delete => "sdrqptungjmfobwl()12345678",
            Command::Get => "sdrqpfow()12345678",
            Command::Flush => "f",
            Command::Event if self.request.table == Table::Expect => "eob",
            Command::Event => "sdrqpengjmfobwl()12345678",
            Command::Create | Command::Add => "sdrqptungmfcwl()12345678",
            Command::Update => "sdrqptumfobwl<>()12345678",
            Command::Count | Command::Stats | Command::Version | Command::Help => "",
        })?;
        if self.request.command == Command::Delete && self.used.iter().any(|(letter, _)| *letter == 't') {
            return not_modelled("-D --timeout");
        }
        if self.request.command == Command::Get {
            self.request.tuple = Some(wanted(&self.request.filter)?);
        }
        match self.request.command {
            Command::Create | Command::Add => self.request.entry = Some(self.entry()?),
            Command::Update => self.change()?,
            _ => {}
        }
        if matches!(self.request.command, Command::List | Command::Delete)
            && self.used.iter().any(|(letter, _)| *letter == 'u')
            && self.request.filter.status == Status::default()
            && self.request.filter.status_unset == Status::default()
        {
            return Err(Mistake::Failed("invalid parameters".to_owned()));
        }
        Ok(self.request)
    }

    /// Whether the command can be used with the table.
    fn table_fits(&self) -> Result<(), Mistake> {
        match (self.request.command, self.request.table) {
            (Command::List, _) | (_, Table::Conntrack) => Ok(()),
            (_, Table::Dying | Table::Unconfirmed) => {
                usage("Can't do that command with tables `dying' and `unconfirmed'")
            }
            (Command::Update, Table::Expect) => usage("Can't do --update on expectations"),
            (Command::Create | Command::Add | Command::Delete | Command::Get, Table::Expect)
                if self.used.is_empty() =>
            {
                usage("You need to supply the `--src' option for this command")
            }
            (Command::Create | Command::Add | Command::Delete | Command::Get, Table::Expect) => {
                not_modelled("with expectations")
            }
            _ => Ok(()),
        }
    }

    fn has(&self, letter: char) -> bool {
        self.used.iter().any(|(l, _)| *l == letter)
    }

    /// What `-I` makes.
    fn entry(&self) -> Result<Entry, Mistake> {
        let f = &self.request.filter;
        let need = |letter, name: &str| {
            if self.has(letter) {
                Ok(())
            } else {
                usage(format!("You need to supply the `--{name}' option for this command"))
            }
        };
        need('p', "protonum")?;
        need('t', "timeout")?;
        match f.protocol {
            Some(proto::TCP) => need('5', "state")?,
            Some(proto::SCTP | 47) => return not_modelled("-I of SCTP or GRE"),
            Some(proto::ICMP | proto::ICMPV6) => {
                need('6', "icmp-type")?;
                need('7', "icmp-code")?;
            }
            _ => {}
        }
        for (net, name) in [(f.orig_src, "mask-src"), (f.orig_dst, "mask-dst")] {
            if net.is_some_and(|n| n.prefix_len() != n.max_prefix_len()) {
                return usage(format!("Illegal option `--{name}' with this command"));
            }
        }
        let given = wanted(f)?;
        let Some(inverse) = given.inverted() else {
            return Err(Mistake::Failed("Invalid argument".to_owned()));
        };
        // Only one direction was given: the other is its inverse, unless the addresses are translated.
        let from_reply = f.orig_src.zip(f.orig_dst).is_none();
        let (orig, mut reply) = if from_reply { (inverse, given) } else { (given, inverse) };
        if let Some(nat) = f.src_nat {
            reply.dst = nat.addr.unwrap_or(reply.dst);
            reply.dport = nat.port.unwrap_or(reply.dport);
        }
        if let Some(nat) = f.dst_nat {
            reply.src = nat.addr.unwrap_or(reply.src);
            reply.sport = nat.port.unwrap_or(reply.sport);
        }
        Ok(Entry {
            orig,
            reply,
            status: f.status,
            mark: f.mark.map_or(0, |(mark, _)| mark),
            timeout: self.request.timeout.unwrap_or_default(),
            state: f.state,
        })
    }

    /// What `-U` changes, and that it is no filter.
    fn change(&mut self) -> Result<(), Mistake> {
        if !['s', 'd', 'r', 'q'].into_iter().any(|l| self.has(l)) {
            return not_modelled("-U without an address");
        }
        let timeout = self.request.timeout;
        let f = &mut self.request.filter;
        self.request.change = Change {
            mark: f.mark.take(),
            timeout,
            status: std::mem::take(&mut f.status),
            state: f.state.take(),
        };
        f.status_unset = Status::default();
        Ok(())
    }

    fn allowed(&self, letters: &str) -> Result<(), Mistake> {
        match self.used.iter().find(|(letter, _)| !letters.contains(*letter)) {
            Some((_, name)) => usage(format!("Illegal option `--{name}' with this command")),
            None => Ok(()),
        }
    }
}

/// The tuple that `-G` asks for; either direction of an entry may have it.
fn wanted(f: &Filter) -> Result<Tuple, Mistake> {
    let Some(protocol) = f.protocol else {
        return usage("You need to supply the `--protonum' option for this command");
    };
    let host = |net: Option<ipnet::IpNet>| -> Option<IpAddr> { net.map(|n| n.addr()) };
    let original = host(f.orig_src).zip(host(f.orig_dst));
    let reply = host(f.reply_src).zip(host(f.reply_dst));
    let (Some((src, dst)), from_reply) = (original.or(reply), original.is_none()) else {
        return usage("you have to specify `--src' and `--dst'");
    };
    let ports = if from_reply { (f.reply_sport, f.reply_dport) } else { (f.orig_sport, f.orig_dport) };
    let (sport, dport) = match protocol {
        proto::TCP | proto::UDP => match ports {
            (Some(s), Some(d)) => (s, d),
            _ => return usage("you have to specify `--sport' and `--dport'"),
        },
        proto::ICMP | proto::ICMPV6 => {
            let kind = u16::from(f.icmp_type.unwrap_or(0)) << 8 | u16::from(f.icmp_code.unwrap_or(0));
            (f.orig_sport.unwrap_or(0), kind)
        }
        _ => (0, 0),
    };
    Ok(Tuple { src, dst, protocol, sport, dport })
}

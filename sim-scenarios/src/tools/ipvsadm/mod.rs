//! `ipvsadm` 1.31 on the virtual servers of a machine.
//!
//! Not modelled: `-f` (firewall marks), `-g`, `-i` (real servers that answer for themselves), `--ops`, `--pe`, the synchronisation daemons.

mod list;
mod options;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use sim_core::linux::ipvs::{
    DestSpec, Ipvs, IpvsError, SchedFlags, Scheduler, ServiceKey, ServiceSpec, Timeouts,
};
use sim_core::time::SimTime;

use super::{Cx, net};
use options::{Command, Request};

/// How a command ends that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// `fail`: a line, and this status.
    Fail(i32, String),
    NotModelled(String),
}

/// The status of a command that the kernel refused, and of one that was not understood.
const REFUSED: i32 = 255;
/// The status after a wrong value or combination of options.
const WRONG: i32 = 2;

pub(super) fn run(cx: &mut Cx<'_>) -> i32 {
    let Some(ns) = cx.cluster.netns(cx.place) else { return cx.not_modelled("ipvsadm without a network") };
    if !cx.is_net_admin() {
        let text = "Can't initialize ipvs: Permission denied (you must be root)\n\
                    Are you sure that IP Virtual Server is built in the kernel or as module?";
        return cx.not_permitted(text, WRONG);
    }
    // The program loads the module.
    cx.cluster.world.ns_mut(ns).ipvs_mut(Ipvs::load);
    let words = cx.args.get(1..).unwrap_or_default().to_vec();
    let done = if words.is_empty() {
        list::all(cx, list::Format::default());
        Ok(0)
    } else {
        process(cx, &words, false)
    };
    match done {
        Ok(status) => status,
        Err(Failure::NotModelled(what)) => cx.not_modelled(format!("ipvsadm: {what}")),
        Err(Failure::Fail(status, text)) => {
            cx.out.err(text);
            status
        }
    }
}

fn fail<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Fail(WRONG, text.into()))
}

fn try_help<T>() -> Result<T, Failure> {
    let text = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";
    Err(Failure::Fail(REFUSED, text.to_owned()))
}

/// One command line, or one line of `ipvsadm -R`.
fn process(cx: &mut Cx<'_>, words: &[String], restoring: bool) -> Result<i32, Failure> {
    let resolve = |cx: &mut Cx<'_>, name: &str| {
        let found = net::lookup(cx, name, sim_core::kube::dns::resolver::Family::V4).ok()?;
        found.addresses.into_iter().find(IpAddr::is_ipv4)
    };
    let request = options::parse(words, &mut |name| resolve(cx, name))?;
    match request.command {
        Command::Help => {
            cx.out.print(include_str!("usage.txt"));
            return Ok(0);
        }
        Command::Version => {
            cx.out.line("ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)");
            return Ok(0);
        }
        Command::List => return list::run(cx, &request),
        Command::Save => {
            list::all(cx, list::Format { rule: true, ..request.format });
            return Ok(0);
        }
        Command::Restore if restoring => return try_help(),
        Command::Restore => return restore(cx),
        _ => {}
    }
    let now = cx.now();
    let Some(ns) = cx.cluster.netns(cx.place) else { return Ok(REFUSED) };
    let done = cx.cluster.world.ns_mut(ns).ipvs_mut(|ipvs| change(ipvs, &request, now))?;
    match done {
        Ok(()) => Ok(0),
        Err(error) => {
            cx.out.err(strerror(request.command, error));
            Ok(REFUSED)
        }
    }
}

/// `ipvsadm -R`: a command line per line.
fn restore(cx: &mut Cx<'_>) -> Result<i32, Failure> {
    let text = String::from_utf8_lossy(cx.stdin).into_owned();
    let mut status = 0;
    for line in text.lines() {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if !words.is_empty() && !line.trim_start().starts_with('#') {
            status = process(cx, &words, true)?;
        }
    }
    Ok(status)
}

fn change(ipvs: &mut Ipvs, request: &Request, now: SimTime) -> Result<Result<(), IpvsError>, Failure> {
    let key = || request.service.ok_or_else(|| Failure::Fail(WRONG, String::new()));
    Ok(match request.command {
        Command::Add => ipvs.add_service(service(request, key()?)?, now),
        Command::Edit => ipvs.edit_service(service(request, key()?)?),
        Command::Delete => ipvs.del_service(&key()?),
        Command::Clear => {
            ipvs.flush();
            Ok(())
        }
        Command::Zero => ipvs.zero(request.service.as_ref(), now),
        Command::AddServer => ipvs.add_dest(&key()?, server(request, key()?)?, now),
        Command::EditServer => ipvs.edit_dest(&key()?, server(request, key()?)?),
        Command::DeleteServer => match request.server {
            Some(at) => ipvs.del_dest(&key()?, at),
            None => Ok(()),
        },
        Command::Set => {
            set_timeouts(&mut ipvs.settings.timeouts, &request.timeouts);
            Ok(())
        }
        Command::List | Command::Save | Command::Restore | Command::Help | Command::Version => Ok(()),
    })
}

/// A timeout of 0 is left as it is.
fn set_timeouts(timeouts: &mut Timeouts, [tcp, tcp_fin, udp]: &[u32; 3]) {
    for (kept, new) in [(&mut timeouts.tcp, tcp), (&mut timeouts.tcp_fin, tcp_fin), (&mut timeouts.udp, udp)]
    {
        if *new > 0 {
            *kept = *new;
        }
    }
}

fn service(request: &Request, key: ServiceKey) -> Result<ServiceSpec, Failure> {
    if key.at.port() == 0 && request.persistence.is_none() {
        return fail("Zero port specified for non-persistent service");
    }
    let name = request.scheduler.as_deref().unwrap_or("wlc");
    let scheduler = match Scheduler::of_name(name) {
        Some(scheduler) => scheduler,
        None if name == "twos" => return Err(Failure::NotModelled("scheduler twos".to_owned())),
        None => {
            let no_such = strerror(request.command, IpvsError::NoDest);
            return Err(Failure::Fail(REFUSED, no_such));
        }
    };
    let flags = request.sched_flags.as_deref().map_or(Ok(SchedFlags::default()), options::sched_flags)?;
    Ok(ServiceSpec { key, scheduler, flags, persistence: request.persistence })
}

fn server(request: &Request, key: ServiceKey) -> Result<DestSpec, Failure> {
    if request.forward != Some('m') {
        let how =
            if request.forward == Some('i') { "-i (tunneling)" } else { "-g (direct routing, the default)" };
        return Err(Failure::NotModelled(how.to_owned()));
    }
    let at = request.server.unwrap_or(SocketAddr::new(key.at.ip(), 0));
    let [upper, lower] = request.limits;
    Ok(DestSpec { at, weight: request.weight, upper, lower })
}

/// What `ipvs_strerror` makes of a refusal.
fn strerror(command: Command, error: IpvsError) -> String {
    let of_server = matches!(command, Command::AddServer | Command::EditServer | Command::DeleteServer);
    match error {
        IpvsError::Exists if of_server => "Destination already exists",
        IpvsError::Exists => "Service already exists",
        IpvsError::NoService if of_server => "Service not defined",
        IpvsError::NoService => "No such service",
        IpvsError::NoDest if of_server => "No such destination",
        IpvsError::NoDest => "Scheduler or persistence engine not found",
        IpvsError::Invalid => "Invalid operation.  Possibly wrong module version, address not unicast, ...",
        IpvsError::Range => "Numerical result out of range",
    }
    .to_owned()
}

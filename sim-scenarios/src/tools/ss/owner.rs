//! Which process holds a socket.

use sim_core::kube::apps::image;
use sim_core::kube::objects::Pod;
use sim_core::trace::SockId;

use crate::tools::{Cluster, Cx, Place, net};

/// A process: name, number, file descriptor.
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) fd: usize,
}

/// ` users:(("nginx",pid=1,fd=6))`
pub(super) fn users(cx: &Cx<'_>, sock: SockId) -> String {
    owner(cx, sock).map_or(String::new(), |o| format!(" users:((\"{}\",pid={},fd={}))", o.name, o.pid, o.fd))
}

/// The process that holds a socket of this machine's namespace, if one of the model does.
pub(crate) fn owner(cx: &Cx<'_>, sock: SockId) -> Option<Owner> {
    let ns = net::netns(cx).ok()?;
    let (mut number, place, mut fd) = cx.cluster.process_of(ns, sock)?;
    let proxy = matches!(place, Place::Node(_)) && cx.cluster.is_proxy_health(ns, sock);
    if proxy {
        // Its servers are one process.
        let all = cx.cluster.world.bare(ns).sockets.listening().map(|s| s.id);
        let all: Vec<SockId> = all.filter(|s| cx.cluster.is_proxy_health(ns, *s)).collect();
        number = all.first().and_then(|s| cx.cluster.process_of(ns, *s)).map_or(number, |(first, ..)| first);
        fd = all.iter().position(|s| *s == sock).unwrap_or(fd);
    }
    // The program of a container is the first in its own process namespace.
    let inside = matches!(cx.place, Place::Container { .. });
    let pid = if inside { 1 } else { 800 + number * 13 };
    Some(Owner {
        name: if proxy { "kube-proxy".to_owned() } else { program(cx.cluster, place) },
        pid,
        fd: 3 + fd,
    })
}

/// What the program of a place is called.
fn program(cluster: &Cluster, place: &Place) -> String {
    let Place::Container { namespace, pod, container } = place else {
        return match place {
            Place::Node(_) => "kube-apiserver".to_owned(),
            Place::Host(_) | Place::Workstation | Place::Netns { .. } | Place::Container { .. } => {
                "server".to_owned()
            }
        };
    };
    let spec = cluster.store.read::<Pod>(namespace, pod).map(|p| p.spec.clone());
    let found = spec
        .as_ref()
        .and_then(|s| s.containers.iter().find(|c| container.as_ref().is_none_or(|name| *name == c.name)));
    let Some(c) = found else { return "server".to_owned() };
    let image = image::find(cluster.config(), &c.image);
    let entry = if c.command.is_empty() { image.entrypoint } else { c.command.clone() };
    let args = if c.args.is_empty() && c.command.is_empty() { image.cmd } else { c.args.clone() };
    // Scripts that only prepare the ground replace themselves by what they are given.
    let mut words = entry.iter().chain(&args).map(|w| w.rsplit('/').next().unwrap_or(w));
    let name = words.find(|w| !w.is_empty() && !w.ends_with(".sh") && *w != "tini" && *w != "--");
    // `/proc/PID/comm` has room for 15 bytes.
    name.unwrap_or("server").chars().take(15).collect()
}

//! What the kernel refuses to programs in containers: a pod's root has no `CAP_NET_ADMIN` unless its manifest gives it.
//!
//! Left out: other capabilities, and users other than root beyond having none. `ping` needs no privilege: the runtime lets every group open
//! ICMP sockets (`net.ipv4.ping_group_range`).

use sim_core::kube::node::machine::Privileges;

use super::Cx;

/// `EPERM`, in the C library's words.
pub(super) const NOT_PERMITTED: &str = "Operation not permitted";

impl Cx<'_> {
    /// What this program may do.
    pub(super) fn privileges(&self) -> Privileges {
        self.cluster.machine(self.place).map_or(Privileges::ALL, |machine| machine.privileges)
    }

    /// Whether this program may look at and change what only an administrator of the network may.
    pub(super) fn is_net_admin(&self) -> bool {
        self.privileges().net_admin
    }

    /// Complains of a missing privilege; the exit status.
    pub(super) fn not_permitted(&mut self, text: impl std::fmt::Display, status: i32) -> i32 {
        self.out.err(text.to_string());
        status
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::sh_at;
    use crate::tools::{Place, ShellKind};

    /// Asked of the real tools, version by version, as root without `CAP_NET_ADMIN`.
    #[test]
    fn roots_of_pods_look_and_change_nothing() {
        let busybox = sh_at(
            &Place::pod("default", "pod-a"),
            ShellKind::Ash,
            "ip link set eth0 down; echo $?; ip link set eth0 mtu 1400; ip addr add 10.0.0.1/24 dev eth0; echo $?
             ip addr flush dev eth0; echo $?; ip route del default; ip route add 10.0.0.0/8 dev nosuch; ip rule add from 1.2.3.4 table 100
             route add default gw 10.244.1.1; echo $?; arp -s 10.244.1.5 02:00:00:00:00:01; arp -d 10.244.1.1; ip route; ip link show lo",
        );
        insta::assert_snapshot!(busybox);
    }
}

//! Entry from outside the cluster, today's way: KUBE-EXT, and KUBE-FW where source ranges are given.

use super::block::Writer;

impl Writer<'_> {
    /// External IPs, load balancer addresses and the node port.
    pub(super) fn entries(&mut self) {
        self.external_ips();
        self.load_balancer_ips();
        self.node_port();
    }

    fn external_ips(&mut self) {
        for ip in &self.service.external_ips {
            let to = self.to(*ip);
            if self.endpoints.any {
                self.entry("external IP", format!("{to} -j {}", self.chains.external));
            }
            if !self.has_external {
                self.refuse("KUBE-EXTERNAL-SERVICES", to);
            }
        }
    }

    fn load_balancer_ips(&mut self) {
        for ip in &self.service.load_balancer_ips {
            let to = self.to(*ip);
            if self.endpoints.any {
                let chain = if self.uses_firewall { &self.chains.firewall } else { &self.chains.external };
                self.entry("loadbalancer IP", format!("{to} -j {chain}"));
            }
            if self.uses_firewall && !self.settings.dialect.mark_drop {
                let comment = format!("{} traffic not accepted by {}", self.name, self.chains.firewall);
                self.filter("KUBE-PROXY-FIREWALL", comment, format!("{to} -j DROP"));
            }
            if !self.has_external {
                self.refuse("KUBE-EXTERNAL-SERVICES", to);
            }
        }
    }

    fn node_port(&mut self) {
        let Some(port) = self.service.node_port else { return };
        let (proto, chain) = (self.proto, self.chains.external.clone());
        if self.endpoints.any {
            let head = format!("-m comment --comment {} -m {proto} -p {proto}", self.name);
            if self.settings.localhost() && self.settings.nfacct {
                let count = "-m nfacct --nfacct-name localhost_nps_accepted_pkts";
                self.node_port_rule(format!("{head} -d 127.0.0.0/8 --dport {port} {count} -j {chain}"));
            }
            self.node_port_rule(format!("{head} --dport {port} -j {chain}"));
        }
        if !self.has_external {
            let matches = format!("-m addrtype --dst-type LOCAL -m {proto} -p {proto} --dport {port}");
            self.refuse("KUBE-EXTERNAL-SERVICES", matches);
        }
    }

    pub(super) fn external_chain(&mut self) {
        if !self.endpoints.any || !self.service.externally_reachable() {
            return;
        }
        let (name, ext) = (self.name.clone(), self.chains.external.clone());
        self.out.chains.push(ext.clone());
        let svc = self.chains.cluster.clone();
        let comment =
            |what: &str| format!("-m comment --comment \"{what} for {name} external destinations\"");
        if self.service.external_local {
            // Pods and the node itself go to all endpoints, as if they had used the cluster IP.
            if let Some(pods) = self.settings.detector.local() {
                self.rule(&ext, format!("{} {pods} -j {svc}", comment("pod traffic")));
            }
            let local = "-m addrtype --src-type LOCAL";
            self.rule(&ext, format!("{} {local} -j KUBE-MARK-MASQ", comment("masquerade LOCAL traffic")));
            self.rule(&ext, format!("{} {local} -j {svc}", comment("route LOCAL traffic")));
        } else {
            self.rule(&ext, format!("{} -j KUBE-MARK-MASQ", comment("masquerade traffic")));
        }
        if self.has_external {
            let policy = if self.service.external_local { self.chains.local.clone() } else { svc };
            self.rule(&ext, format!("-j {policy}"));
        }
    }

    pub(super) fn firewall_chain(&mut self) {
        if !self.uses_firewall {
            return;
        }
        let (fw, ext) = (self.chains.firewall.clone(), self.chains.external.clone());
        let comment = format!("-m comment --comment \"{} loadbalancer IP\"", self.name);
        self.out.chains.push(fw.clone());
        let service = self.service;
        for range in &service.source_ranges {
            self.rule(&fw, format!("{comment} -s {range} -j {ext}"));
        }
        // A node that has the VIP as an address of its own sends from it.
        if self.settings.node_ip.is_some_and(|ip| service.source_ranges.iter().any(|r| r.contains(&ip))) {
            for ip in &service.load_balancer_ips {
                self.rule(&fw, format!("{comment} -s {ip} -j {ext}"));
            }
        }
        if self.settings.dialect.mark_drop {
            self.rule(&fw, format!("{comment} -j KUBE-MARK-DROP"));
            return;
        }
        let dropped = format!("other traffic to {} will be dropped by KUBE-PROXY-FIREWALL", self.name);
        self.rule(&fw, format!("-m comment --comment \"{dropped}\""));
    }
}

//! Entry from outside the cluster as it was before 1.24: straight to KUBE-SVC, or by KUBE-XLB to local endpoints; KUBE-FW for every load
//! balancer address.

use super::block::Writer;

impl Writer<'_> {
    /// External IPs, load balancer addresses, the node port, and the chain of local endpoints.
    pub(super) fn entries_before_ext(&mut self) {
        self.old_external_ips();
        self.old_load_balancer_ips();
        self.old_node_port();
        self.old_local_chain();
    }

    /// Where traffic from outside goes by policy.
    fn old_target(&self) -> String {
        let chains = &self.chains;
        if self.service.external_policy_local() { &chains.external_local } else { &chains.cluster }.clone()
    }

    fn old_external_ips(&mut self) {
        let svc = self.chains.cluster.clone();
        for ip in &self.service.external_ips {
            let to = self.to(*ip);
            if !self.endpoints.any {
                self.refuse("KUBE-EXTERNAL-SERVICES", to);
                continue;
            }
            self.entry("external IP", format!("{to} -j KUBE-MARK-MASQ"));
            // From outside the node and not from its own pods; and what the node sends to itself.
            let outside = "-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL";
            self.entry("external IP", format!("{to} {outside} -j {svc}"));
            self.entry("external IP", format!("{to} -m addrtype --dst-type LOCAL -j {svc}"));
        }
    }

    fn old_load_balancer_ips(&mut self) {
        let (service, fw) = (self.service, self.chains.firewall.clone());
        let target = self.old_target();
        let comment = format!("-m comment --comment \"{} loadbalancer IP\"", self.name);
        for (i, ip) in service.load_balancer_ips.iter().enumerate() {
            let to = self.to(*ip);
            if !self.endpoints.any {
                self.refuse("KUBE-EXTERNAL-SERVICES", to);
                continue;
            }
            if i == 0 {
                self.out.chains.push(fw.clone());
            }
            self.entry("loadbalancer IP", format!("{to} -j {fw}"));
            if !service.external_policy_local() {
                self.rule(&fw, format!("{comment} -j KUBE-MARK-MASQ"));
            }
            if service.source_ranges.is_empty() {
                self.rule(&fw, format!("{comment} -j {target}"));
            }
            for range in &service.source_ranges {
                self.rule(&fw, format!("{comment} -s {range} -j {target}"));
            }
            let node = self.settings.node_ip;
            if node.is_some_and(|node| service.source_ranges.iter().any(|r| r.contains(&node))) {
                self.rule(&fw, format!("{comment} -s {ip} -j {target}"));
            }
            self.rule(&fw, format!("{comment} -j KUBE-MARK-DROP"));
        }
    }

    fn old_node_port(&mut self) {
        let Some(port) = self.service.node_port else { return };
        let (proto, target) = (self.proto, self.old_target());
        if !self.endpoints.any {
            let matches = format!("-m addrtype --dst-type LOCAL -m {proto} -p {proto} --dport {port}");
            self.refuse("KUBE-EXTERNAL-SERVICES", matches);
            return;
        }
        let head = format!("-m comment --comment {} -m {proto} -p {proto} --dport {port}", self.name);
        let from = if self.service.external_policy_local() { " -s 127.0.0.0/8" } else { "" };
        self.node_port_rule(format!("{head}{from} -j KUBE-MARK-MASQ"));
        self.node_port_rule(format!("{head} -j {target}"));
    }

    fn old_local_chain(&mut self) {
        if !self.endpoints.any || !self.service.external_policy_local() {
            return;
        }
        let (xlb, svc, name) =
            (self.chains.external_local.clone(), self.chains.cluster.clone(), self.name.clone());
        self.out.chains.push(xlb.clone());
        if let Some(pods) = self.settings.detector.local() {
            let why = "Redirect pods trying to reach external loadbalancer VIP to clusterIP";
            self.rule(&xlb, format!("-m comment --comment \"{why}\" {pods} -j {svc}"));
        }
        let local = "-m addrtype --src-type LOCAL";
        let comment = |what: &str| format!("-m comment --comment \"{what}\"");
        let masquerade = comment(&format!("masquerade LOCAL traffic for {name} LB IP"));
        let route = comment(&format!("route LOCAL traffic for {name} LB IP to service chain"));
        self.rule(&xlb, format!("{masquerade} {local} -j KUBE-MARK-MASQ"));
        self.rule(&xlb, format!("{route} {local} -j {svc}"));
        let endpoints = self.endpoints;
        if endpoints.local.is_empty() {
            self.no_local_endpoints(&xlb);
        } else {
            self.balance_with(&xlb, &endpoints.local, |i, _| {
                comment(&format!("Balancing rule {i} for {name}"))
            });
        }
    }
}

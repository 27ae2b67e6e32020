//! The kubernetes plugin: names of Services, endpoints and pods, and the decision between NXDOMAIN and NODATA.

mod index;
mod options;
mod plugin;

use std::net::IpAddr;

use self::index::{EndpointFacts, Index, Key, PortFacts, ServiceFacts, ServiceFlavour, SliceFacts};
use super::super::name;
use super::super::wire::{Message, Rcode, Record, RecordData, RecordType, Soa};

pub use self::index::ServiceImport;
pub(super) use self::options::Options;
use self::options::PodsMode;
pub(super) use self::plugin::Kubernetes;

/// Version of the DNS specification that `dns-version` names.
const DNS_VERSION: &str = "1.1.0";
/// TTL of that record in seconds.
const DNS_VERSION_TTL: u32 = 28_800;
/// Aliases of one chain beyond which the plugin gives up.
const LONGEST_CHAIN: usize = 11;
/// Longest TTL of a SOA record in seconds.
const LONGEST_SOA_TTL: u32 = 300;
/// Seconds from the Unix epoch to the start of virtual time, 2026-01-01T00:00:00Z.
const EPOCH: u64 = 1_767_225_600;

/// What the plugin makes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// Records.
    Found { answers: Vec<Record>, additional: Vec<Record> },
    /// The name exists, without records of this type.
    NoData,
    /// The name does not exist.
    NameError,
    /// Not answered as a matter of policy.
    Refused,
    /// An alias that leaves the cluster.
    External { chain: Vec<Record>, target: String },
}

/// The plugin while it answers one question.
struct Asked<'a> {
    options: &'a Options,
    index: &'a Index,
    /// The zone as the client typed it, absolute.
    zone: &'a str,
}

/// Something behind a name: a Service port, an endpoint port, a pod.
struct Entry<'a> {
    host: Host<'a>,
    /// None: addresses only, no SRV.
    port: Option<u16>,
    /// Its own name, without the zone.
    name: String,
}

enum Host<'a> {
    Addr(IpAddr),
    Alias(&'a str),
}

/// The name does not exist.
struct NoSuchName;

/// A name under the zone, taken apart.
enum Parsed<'a> {
    /// The zone itself, `svc` or `pod` alone, or a namespace: it exists, and has nothing.
    Empty,
    Service(Request<'a>),
    Pod {
        namespace: &'a str,
        pod: &'a str,
    },
}

#[derive(Default)]
struct Request<'a> {
    namespace: &'a str,
    service: &'a str,
    endpoint: Option<&'a str>,
    /// The cluster of the endpoint, in a set of clusters.
    cluster: Option<&'a str>,
    /// Port name and protocol.
    port: Option<(&'a str, &'a str)>,
    /// Where the endpoints are to run, and whether it may be elsewhere if nothing runs there.
    place: Option<(String, bool)>,
}

impl Decision {
    /// The message for the client. Everything the plugin says is authoritative; a denial carries the zone's SOA.
    fn into_reply(self, query: &Message, options: &Options, index: &Index) -> Message {
        let soa = |rcode| {
            let mut reply = query.reply(rcode);
            let asked = query.question.as_ref().map_or(".", |q| &q.name);
            let start = options.zone_of(asked).and_then(|zone| name::zone_start(asked, zone)).unwrap_or(0);
            reply.authority = vec![soa(&asked[start..], options, index)];
            reply.flags.aa = true;
            reply
        };
        match self {
            Self::Found { answers, additional } => {
                let mut reply = query.reply(Rcode::NOERROR);
                reply.flags.aa = true;
                reply.answers = answers;
                reply.additional = additional;
                reply
            }
            Self::NoData | Self::External { .. } => soa(Rcode::NOERROR),
            Self::NameError if !index.is_filled() => soa(Rcode::SERVFAIL),
            Self::NameError => soa(Rcode::NXDOMAIN),
            Self::Refused => query.reply(Rcode::REFUSED),
        }
    }

    /// Records, or NODATA if there are none.
    fn found(answers: Vec<Record>) -> Self {
        if answers.is_empty() { Self::NoData } else { Self::Found { answers, additional: Vec::new() } }
    }
}

fn soa(zone: &str, options: &Options, index: &Index) -> Record {
    let serial = EPOCH + index.modified().since_start().as_secs();
    let soa = Soa {
        mname: format!("ns.dns.{zone}"),
        rname: format!("hostmaster.{zone}"),
        serial: serial as u32,
        refresh: 7200,
        retry: 1800,
        expire: 86_400,
        minimum: options.ttl,
    };
    Record::new(zone, options.ttl.min(LONGEST_SOA_TTL), RecordData::Soa(soa))
}

impl<'a> Asked<'a> {
    fn decide(&self, asked: &str, rtype: RecordType) -> Decision {
        let apex = asked.len() == self.zone.len();
        match rtype {
            RecordType::A | RecordType::AAAA => self.addresses(asked, rtype),
            RecordType::TXT => self.text(asked),
            RecordType::CNAME => self.alias(asked),
            RecordType::PTR => self.pointers(asked),
            RecordType::SRV => self.locations(asked),
            RecordType::MX => self.nothing(asked),
            RecordType::SOA if apex => Decision::found(vec![soa(self.zone, self.options, self.index)]),
            // Whether the name exists is not looked at.
            RecordType::SOA => Decision::NoData,
            RecordType::NS if apex => self.name_servers(asked),
            RecordType::AXFR | RecordType::IXFR => Decision::Refused,
            // Whether the name exists at all is found out by asking for its addresses.
            _ => match self.addresses(asked, RecordType::A) {
                Decision::NameError => Decision::NameError,
                _ => Decision::NoData,
            },
        }
    }

    fn record(&self, owner: &str, data: RecordData) -> Record {
        Record::new(owner, self.options.ttl, data)
    }

    fn addresses(&self, asked: &str, rtype: RecordType) -> Decision {
        let mut chain: Vec<Record> = Vec::new();
        let mut owner = asked.to_owned();
        loop {
            let entries = match self.entries(&owner) {
                Ok(entries) => entries,
                Err(NoSuchName) if chain.is_empty() => return Decision::NameError,
                Err(NoSuchName) => return Decision::NoData,
            };
            let Some(target) = entries.iter().find_map(Entry::alias) else {
                let addresses = self.own_addresses(&owner, &entries, rtype);
                if addresses.is_empty() {
                    return Decision::NoData;
                }
                chain.extend(addresses);
                return Decision::found(chain);
            };
            let target = name::absolute(target);
            let loops = name::zone_start(&target, &owner).is_some()
                || chain.iter().any(|r| r.name.eq_ignore_ascii_case(&target));
            if loops || chain.len() >= LONGEST_CHAIN {
                return Decision::NoData;
            }
            chain.push(self.record(&owner, RecordData::Cname(target.clone())));
            if name::zone_start(&target, self.zone).is_none() {
                return Decision::External { chain, target };
            }
            owner = target;
        }
    }

    fn own_addresses(&self, owner: &str, entries: &[Entry<'_>], rtype: RecordType) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        for data in entries.iter().filter_map(Entry::address).map(RecordData::of_address) {
            if data.rtype() == rtype && records.iter().all(|r| r.data != data) {
                records.push(self.record(owner, data));
            }
        }
        records
    }

    fn text(&self, asked: &str) -> Decision {
        let labels = self.labels(asked);
        if labels.len() == 1 && labels[0].eq_ignore_ascii_case("dns-version") {
            let data = RecordData::Txt(vec![DNS_VERSION.into()]);
            return Decision::found(vec![Record::new(asked, DNS_VERSION_TTL, data)]);
        }
        // Also for names that exist but have nothing at all: this is the plugin's way.
        let zonal = |asked: &str| {
            matches!(
                self.parse(&asked.to_ascii_lowercase()),
                Ok(Parsed::Service(Request { place: Some(_), .. }))
            )
        };
        match self.records(asked) {
            Ok(entries) if !entries.is_empty() || zonal(asked) => Decision::NoData,
            _ => Decision::NameError,
        }
    }

    fn alias(&self, asked: &str) -> Decision {
        match self.entries(asked) {
            Err(NoSuchName) => Decision::NameError,
            Ok(entries) => {
                let target = entries.first().and_then(Entry::alias).map(name::absolute);
                Decision::found(
                    target.map(|t| self.record(asked, RecordData::Cname(t))).into_iter().collect(),
                )
            }
        }
    }

    fn nothing(&self, asked: &str) -> Decision {
        if self.entries(asked).is_ok() { Decision::NoData } else { Decision::NameError }
    }

    fn pointers(&self, asked: &str) -> Decision {
        let Some(addr) = name::address_of_reverse(asked) else { return self.nothing(asked) };
        let names = self.names_of(addr);
        let record =
            |n| self.record(asked, RecordData::Ptr(format!("{n}.svc.{}", self.options.primary_zone())));
        let records: Vec<Record> = names.into_iter().map(record).collect();
        if records.is_empty() { Decision::NameError } else { Decision::found(records) }
    }

    /// A Service by its cluster IP, else every Service with such an endpoint.
    fn names_of(&self, addr: IpAddr) -> Vec<String> {
        let shown =
            |key: &&Key| self.options.namespaces.is_empty() || self.options.namespaces.contains(&key.0);
        if let Some((namespace, service)) = self.index.services_at(addr).find(shown) {
            return vec![format!("{service}.{namespace}")];
        }
        let mut names = Vec::new();
        for (namespace, service) in self.index.services_behind(addr).filter(shown) {
            let endpoints = self.index.slices(namespace, service).flat_map(|s| &s.endpoints);
            for endpoint in endpoints.filter(|e| e.addr == addr) {
                let name = format!("{}.{service}.{namespace}", endpoint.label);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    fn locations(&self, asked: &str) -> Decision {
        let Ok(entries) = self.entries(asked) else { return Decision::NameError };
        let located: Vec<_> = entries.iter().filter_map(|e| Some((e, e.address()?))).collect();
        // All have priority 0 and share the weight; duplicates count, as in the plugin.
        let weight = (100 / located.len().max(1)).max(1) as u16;
        let (mut answers, mut additional): (Vec<Record>, Vec<Record>) = (Vec::new(), Vec::new());
        for (entry, addr) in located {
            let Some(port) = entry.port else { continue };
            let target = format!("{}.{}", entry.name, self.zone);
            let address = self.record(&target, RecordData::of_address(addr));
            let record = self.record(asked, RecordData::Srv { priority: 0, weight, port, target });
            for (section, record) in [(&mut answers, record), (&mut additional, address)] {
                if !section.contains(&record) {
                    section.push(record);
                }
            }
        }
        if answers.is_empty() { Decision::NoData } else { Decision::Found { answers, additional } }
    }

    fn name_servers(&self, asked: &str) -> Decision {
        let (mut answers, mut additional): (Vec<Record>, Vec<Record>) = (Vec::new(), Vec::new());
        for (server, addr) in self.own_servers() {
            let server = format!("{server}.{}", self.zone);
            additional.push(self.record(&server, RecordData::of_address(addr)));
            let record = self.record(asked, RecordData::Ns(server));
            if !answers.contains(&record) {
                answers.push(record);
            }
        }
        if answers.is_empty() { Decision::NoData } else { Decision::Found { answers, additional } }
    }

    /// Names (without the zone) and addresses of the Services in front of this process, else the process itself.
    fn own_servers(&self) -> Vec<(String, IpAddr)> {
        let mut servers = Vec::new();
        let keys = self.options.bound.iter().flat_map(|ip| self.index.services_behind(*ip));
        for (namespace, service) in keys {
            let name = format!("{service}.{namespace}.svc");
            match self.index.service(namespace, service).map(|s| &s.kind) {
                Some(ServiceFlavour::Virtual(ips)) => {
                    servers.extend(ips.iter().map(|ip| (name.clone(), *ip)))
                }
                Some(ServiceFlavour::Headless) => {
                    let endpoints = self.index.slices(namespace, service).flat_map(|s| &s.endpoints);
                    servers.extend(endpoints.map(|e| (format!("{}.{name}", e.label), e.addr)));
                }
                Some(ServiceFlavour::External(_)) | None => {}
            }
        }
        if servers.is_empty() {
            servers = self.options.bound.iter().map(|ip| ("ns.dns".to_owned(), *ip)).collect();
        }
        servers
    }
}

impl<'a> Asked<'a> {
    /// What is behind a name, the name server's own name included.
    fn entries(&self, asked: &str) -> Result<Vec<Entry<'a>>, NoSuchName> {
        if let [ns, dns] = self.labels(asked)[..]
            && ns.eq_ignore_ascii_case("ns")
            && dns.eq_ignore_ascii_case("dns")
        {
            let entry = |(name, addr)| Entry { host: Host::Addr(addr), port: Some(0), name };
            return Ok(self.own_servers().into_iter().map(entry).collect());
        }
        self.records(asked)
    }

    fn records(&self, asked: &str) -> Result<Vec<Entry<'a>>, NoSuchName> {
        let lower = asked.to_ascii_lowercase();
        let parsed = self.parse(&lower)?;
        let is_reverse = |zone| name::zone_start(&lower, zone).is_some();
        match parsed {
            Parsed::Empty => Ok(Vec::new()),
            _ if is_reverse("in-addr.arpa.") || is_reverse("ip6.arpa.") => Err(NoSuchName),
            Parsed::Service(request) if self.is_multicluster() => self.imports(&request),
            Parsed::Service(request) => self.services(&request),
            Parsed::Pod { namespace, pod } => self.pods(namespace, pod),
        }
    }

    /// Labels left of the zone.
    fn labels<'n>(&self, asked: &'n str) -> Vec<&'n str> {
        name::labels(&asked[..asked.len() - self.zone.len()])
    }

    /// `[ENDPOINT. | _PORT._PROTOCOL.]SERVICE.NAMESPACE.svc`, and the same with `pod`.
    fn parse<'n>(&self, lower: &'n str) -> Result<Parsed<'n>, NoSuchName> {
        let labels = self.labels(lower);
        let Some((&kind, rest)) = labels.split_last() else { return Ok(Parsed::Empty) };
        if !matches!(kind, "svc" | "pod") {
            return Err(NoSuchName);
        }
        let Some((&namespace, rest)) = rest.split_last() else { return Ok(Parsed::Empty) };
        let Some((&service, rest)) = rest.split_last() else {
            let hidden = !self.shows(namespace) || kind == "pod" && self.options.pods == PodsMode::Disabled;
            return if hidden { Err(NoSuchName) } else { Ok(Parsed::Empty) };
        };
        let mut request = Request { namespace, service, ..Request::default() };
        match rest {
            [] => {}
            [endpoint] => request.endpoint = Some(*endpoint),
            [endpoint, cluster] if self.is_multicluster() && !is_port(endpoint) && !is_port(cluster) => {
                (request.endpoint, request.cluster) = (Some(*endpoint), Some(*cluster));
            }
            [port, protocol] => request.port = Some((bare(port), bare(protocol))),
            [place @ .., how @ ("pin" | "prefer"), "_zone"]
                if self.options.zonal && kind == "svc" && !self.is_multicluster() =>
            {
                request.place = Some((place.join("."), *how == "prefer"));
            }
            _ => return Err(NoSuchName),
        }
        Ok(match kind {
            "pod" => Parsed::Pod { namespace, pod: service },
            _ => Parsed::Service(request),
        })
    }

    fn is_multicluster(&self) -> bool {
        self.options.multicluster.iter().any(|z| z.eq_ignore_ascii_case(self.zone))
    }

    fn shows(&self, namespace: &str) -> bool {
        let named = &self.options.namespaces;
        (named.is_empty() || named.iter().any(|n| n == namespace)) && self.index.has_namespace(namespace)
    }

    fn services(&self, request: &Request<'_>) -> Result<Vec<Entry<'a>>, NoSuchName> {
        let &Request { namespace, service, endpoint, port, .. } = request;
        let facts =
            self.index.service(namespace, service).filter(|_| self.shows(namespace)).ok_or(NoSuchName)?;
        let mut entries = Vec::new();
        if let Some((place, elsewhere)) = &request.place {
            let headless = facts.kind == ServiceFlavour::Headless;
            return if headless { Ok(self.local(request, place, *elsewhere)) } else { Err(NoSuchName) };
        }
        match &facts.kind {
            ServiceFlavour::External(target) => {
                // An address is no name to be an alias of.
                if endpoint.is_none() && port.is_none() && target.parse::<IpAddr>().is_err() {
                    let name = format!("{service}.{namespace}.svc");
                    entries.push(Entry { host: Host::Alias(target), port: Some(0), name });
                }
            }
            ServiceFlavour::Virtual(ips) if endpoint.is_none() => {
                let empty = self.index.slices(namespace, service).all(|s| s.endpoints.is_empty());
                if self.options.ignore_empty_service && empty {
                    return Err(NoSuchName);
                }
                entries.extend(virtual_entries(facts, ips, request));
            }
            ServiceFlavour::Virtual(_) | ServiceFlavour::Headless => entries = self.endpoints(request),
        }
        if entries.is_empty() { Err(NoSuchName) } else { Ok(entries) }
    }

    /// What a Service of a set of clusters has.
    fn imports(&self, request: &Request<'_>) -> Result<Vec<Entry<'a>>, NoSuchName> {
        let (namespace, service) = (request.namespace, request.service);
        let facts =
            self.index.import(namespace, service).filter(|_| self.shows(namespace)).ok_or(NoSuchName)?;
        let entries = match &facts.kind {
            ServiceFlavour::Virtual(ips) if request.endpoint.is_none() => {
                virtual_entries(facts, ips, request)
            }
            _ => {
                let asked = request.cluster.unwrap_or_default();
                let slices = self.index.imported(namespace, service);
                let own =
                    |s: &&SliceFacts| request.endpoint.is_none() || s.cluster.eq_ignore_ascii_case(asked);
                slices
                    .filter(own)
                    .flat_map(|s| s.entries(request, |e| format!("{e}.{}", s.cluster)))
                    .collect()
            }
        };
        if entries.is_empty() { Err(NoSuchName) } else { Ok(entries) }
    }

    fn endpoints(&self, request: &Request<'_>) -> Vec<Entry<'a>> {
        let slices = self.index.slices(request.namespace, request.service);
        slices.flat_map(|s| s.entries(request, str::to_owned)).collect()
    }

    /// Endpoints that run in a place, or all if none does and that is allowed.
    fn local(&self, request: &Request<'_>, place: &str, elsewhere: bool) -> Vec<Entry<'a>> {
        let here: Vec<_> = self
            .index
            .slices(request.namespace, request.service)
            .flat_map(|s| s.entries_of(request, str::to_owned, |e| e.zone.eq_ignore_ascii_case(place)))
            .collect();
        if here.is_empty() && elsewhere { self.endpoints(request) } else { here }
    }

    /// Labels left of the pod's are passed over.
    fn pods(&self, namespace: &str, pod: &str) -> Result<Vec<Entry<'a>>, NoSuchName> {
        let dotted = pod.matches('-').count() == 3 && !pod.contains("--");
        let text = pod.replace('-', if dotted { "." } else { ":" });
        let addr: IpAddr = text.parse().map_err(|_| NoSuchName)?;
        let exists = match self.options.pods {
            PodsMode::Disabled => false,
            PodsMode::Insecure => true,
            PodsMode::Verified => self.index.pods_at(addr).any(|(ns, _)| ns == namespace),
        };
        if !exists || !self.shows(namespace) {
            return Err(NoSuchName);
        }
        Ok(vec![Entry { host: Host::Addr(addr), port: Some(0), name: format!("{pod}.{namespace}.pod") }])
    }
}

/// A Service's addresses, each with each port that is asked for.
fn virtual_entries<'a>(facts: &'a ServiceFacts, ips: &'a [IpAddr], request: &Request<'_>) -> Vec<Entry<'a>> {
    let name = format!("{}.{}.svc", request.service, request.namespace);
    let ports = facts.ports.iter().filter(|p| p.is_asked(request.port));
    let entry =
        |p: &PortFacts, ip: &IpAddr| Entry { host: Host::Addr(*ip), port: p.number, name: name.clone() };
    ports.flat_map(|p| ips.iter().map(move |ip| (p, ip))).map(|(p, ip)| entry(p, ip)).collect()
}

impl SliceFacts {
    /// The endpoints that are asked for, each with each port; `named` makes the label of one.
    fn entries<'a>(&'a self, request: &Request<'_>, named: impl Fn(&str) -> String) -> Vec<Entry<'a>> {
        self.entries_of(request, named, |_| true)
    }

    fn entries_of<'a>(
        &'a self,
        request: &Request<'_>,
        named: impl Fn(&str) -> String,
        wanted: impl Fn(&EndpointFacts) -> bool,
    ) -> Vec<Entry<'a>> {
        let mut entries = Vec::new();
        let asked = |label: &str| request.endpoint.is_none_or(|e| e.eq_ignore_ascii_case(label));
        for e in self.endpoints.iter().filter(|e| asked(&e.label) && wanted(e)) {
            let name = format!("{}.{}.{}.svc", named(&e.label), request.service, request.namespace);
            let ports = self.ports.iter().filter(|p| p.is_asked(request.port));
            entries.extend(ports.map(|p| Entry {
                host: Host::Addr(e.addr),
                port: p.number,
                name: name.clone(),
            }));
        }
        entries
    }
}

impl<'a> Entry<'a> {
    const fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Addr(addr) => Some(addr),
            Host::Alias(_) => None,
        }
    }

    const fn alias(&self) -> Option<&'a str> {
        match self.host {
            Host::Alias(target) => Some(target),
            Host::Addr(_) => None,
        }
    }
}

impl PortFacts {
    fn is_asked(&self, port: Option<(&str, &str)>) -> bool {
        let fits = |asked: &str, own: &str| asked.is_empty() || asked.eq_ignore_ascii_case(own);
        port.is_none_or(|(name, protocol)| fits(name, &self.name) && fits(protocol, &self.protocol))
    }
}

/// Whether a label can only be a port or protocol.
fn is_port(label: &str) -> bool {
    label.starts_with('_')
}

/// A port or protocol label without its underscore, which is optional.
fn bare(label: &str) -> &str {
    label.strip_prefix('_').unwrap_or(label)
}

//! What a Corefile says to the kubernetes plugin.

use std::net::IpAddr;

use super::super::fall::Fall;
use super::super::setup::{Setup, number, once_more, zones_or_keys};
use crate::kube::dns::corefile::Dispenser;
use crate::kube::dns::name;
use crate::kube::objects::Selector;

/// How the plugin answers `1-2-3-4.NAMESPACE.pod.ZONE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PodsMode {
    /// Not at all; the plugin's own default.
    #[default]
    Disabled,
    /// With the address in the name, if the namespace exists; kubeadm's choice.
    Insecure,
    /// Only if a pod of that namespace has the address.
    Verified,
}

/// Settings of the plugin.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::kube::dns::server) struct Options {
    /// Zones, absolute and lower case; the first that is not a reverse zone is the primary one.
    pub(super) zones: Vec<String>,
    /// Zones whose unknown names go to the next plugin.
    pub(super) fallthrough: Fall,
    /// Namespaces that are shown; empty: all.
    pub(super) namespaces: Vec<String>,
    /// Pod names.
    pub(super) pods: PodsMode,
    /// TTL of the plugin's records in seconds.
    pub(super) ttl: u32,
    /// Endpoints without a hostname are called as their pod.
    pub(super) endpoint_pod_names: bool,
    /// A `ClusterIP` Service without ready endpoints does not exist.
    pub(super) ignore_empty_service: bool,
    /// Endpoints are not looked at.
    pub(super) no_endpoints: bool,
    /// Names that ask for the endpoints of one zone are understood.
    pub(super) zonal: bool,
    /// Zones with the services of a set of clusters.
    pub(in crate::kube::dns::server) multicluster: Vec<String>,
    /// Only Services and endpoints with such labels are shown.
    pub(super) labels: Option<Selector>,
    /// Only namespaces with such labels are shown.
    pub(super) namespace_labels: Option<Selector>,
    /// Addresses that the process listens on.
    pub(super) bound: Vec<IpAddr>,
}

/// TTL of the plugin's records if the Corefile names none, and the longest that it may name, in seconds.
const TTL: (u32, i64) = (5, 3600);

impl Options {
    fn new(zones: Vec<String>) -> Self {
        Self {
            zones,
            fallthrough: Fall::default(),
            namespaces: Vec::new(),
            pods: PodsMode::default(),
            ttl: TTL.0,
            endpoint_pod_names: false,
            ignore_empty_service: false,
            no_endpoints: false,
            zonal: false,
            multicluster: Vec::new(),
            labels: None,
            namespace_labels: None,
            bound: Vec::new(),
        }
    }

    /// Reads the plugin's words.
    pub(in crate::kube::dns::server) fn setup(c: &mut Dispenser, cx: &Setup<'_>) -> Result<Self, String> {
        let mut options = None;
        while c.advance() {
            once_more(&options)?;
            let mut own = Self::new(zones_or_keys(&c.remaining_args(), cx.keys));
            if own.primary_zone().is_empty() {
                return Err("non-reverse zone name must be used".to_owned());
            }
            while c.next_block() {
                own.property(c)?;
            }
            if !own.namespaces.is_empty() && own.namespace_labels.is_some() {
                return Err(c.err("namespaces and namespace_labels cannot both be set"));
            }
            if let Some(zone) = own.multicluster.iter().find(|z| !own.zones.contains(z)) {
                return Err(format!("is not authoritative for the multicluster zone {zone}"));
            }
            options = Some(own);
        }
        let mut options = options.ok_or_else(|| c.arg_err())?;
        options.bound = cx.bound.to_vec();
        Ok(options)
    }

    fn property(&mut self, c: &mut Dispenser) -> Result<(), String> {
        let property = c.val().to_owned();
        let args = c.remaining_args();
        let flag = |c: &Dispenser| if args.is_empty() { Ok(true) } else { Err(c.arg_err()) };
        match property.as_str() {
            "endpoint_pod_names" => self.endpoint_pod_names = flag(c)?,
            "noendpoints" => self.no_endpoints = flag(c)?,
            "zonal" => self.zonal = flag(c)?,
            "fallthrough" => self.fallthrough = Fall::of_args(&args),
            "multicluster" => self.multicluster = zones_or_keys(&args, &[]),
            "pods" => {
                let [mode] = &args[..] else { return Err(c.arg_err()) };
                self.pods = match mode.as_str() {
                    "disabled" => PodsMode::Disabled,
                    "insecure" => PodsMode::Insecure,
                    "verified" => PodsMode::Verified,
                    _ => {
                        return Err(format!(
                            "wrong value for pods: {mode},  must be one of: disabled, verified, insecure"
                        ));
                    }
                };
            }
            "ttl" => {
                let ttl = number(args.first().ok_or_else(|| c.arg_err())?)?;
                if !(0..=TTL.1).contains(&ttl) {
                    return Err(c.err(&format!("ttl must be in range [0, {}]: {ttl}", TTL.1)));
                }
                self.ttl = ttl as u32;
            }
            "ignore" => match args.first().map(String::as_str) {
                Some("empty_service") => self.ignore_empty_service = true,
                Some(other) => return Err(format!("unable to parse ignore value: '{other}'")),
                None => {}
            },
            _ if args.is_empty() && property != "upstream" && KNOWN.contains(&property.as_str()) => {
                return Err(c.arg_err());
            }
            "namespaces" => self.namespaces = args,
            "labels" => self.labels = Some(selector("label selector", &args)?),
            "namespace_labels" => self.namespace_labels = Some(selector("namespace_label selector", &args)?),
            // How the API server is reached changes no answer here.
            "startup_timeout" | "apiserver_qps" | "apiserver_burst" | "apiserver_max_inflight" => {}
            // Gone since 1.7, and passed over before.
            "upstream" | "resyncperiod" => {}
            "endpoint" | "tls" | "kubeconfig" => {
                return Err(format!("property '{property}' (another API server) is not modelled"));
            }
            _ => return Err(c.err(&format!("unknown property '{property}'"))),
        }
        Ok(())
    }

    /// The plugin's zone that a name is in: the longest that fits.
    pub(super) fn zone_of(&self, name: &str) -> Option<&str> {
        let fits = self.zones.iter().filter(|z| name::zone_start(name, z).is_some());
        fits.max_by_key(|z| z.len()).map(String::as_str)
    }

    /// The zone under which pointers lead.
    pub(super) fn primary_zone(&self) -> &str {
        let is_reverse = |z: &str| z.ends_with("in-addr.arpa.") || z.ends_with("ip6.arpa.");
        self.zones.iter().find(|z| !is_reverse(z)).map_or("", String::as_str)
    }
}

/// Properties that need at least one word.
const KNOWN: [&str; 10] = [
    "namespaces",
    "labels",
    "namespace_labels",
    "startup_timeout",
    "apiserver_qps",
    "apiserver_burst",
    "apiserver_max_inflight",
    "endpoint",
    "tls",
    "kubeconfig",
];

fn selector(what: &str, args: &[String]) -> Result<Selector, String> {
    let text = args.join(" ");
    Selector::parse(&text).map_err(|e| format!("unable to parse {what} value: '{text}': {e}"))
}

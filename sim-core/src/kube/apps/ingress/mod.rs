//! ingress-nginx: a pod that takes requests from outside and passes them on to the endpoints of Services, by host and path.
//!
//! [`options`] are the controller's arguments, `annotations` what an Ingress says beside its rules, [`configuration`] makes nginx'
//! servers and locations of the Ingresses of the controller's class, [`location`] finds the one for a request, [`proxy`] is the process,
//! `exchange` one request on its way to an endpoint and back, [`access_log`] the line about it.
//!
//! After ingress-nginx v1 (and what differs before). Left out: TLS itself, connections that are kept open to endpoints.

pub mod access_log;
mod annotations;
pub mod configuration;
mod exchange;
pub mod location;
pub mod options;
mod pages;
pub mod proxy;

pub use configuration::Configuration;
pub use options::Options;
pub use proxy::{Finished, IngressNginx};

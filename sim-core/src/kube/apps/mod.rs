//! What containers and outside machines do on the network.
//!
//! [`image`] knows images: their programs, their files, what they start. [`program`] reads a container's command line. [`runtime`] runs
//! server processes; [`output`] and [`logs`] are what containers write; [`http`], [`site`] and [`small`] are what web servers say, [`name_server`] is `CoreDNS` as a process and [`node_cache`] its form on every node, [`kube_proxy`] kube-proxy as a container, [`ingress`] ingress-nginx, [`conversation`] anything else.

pub mod bind_error;
pub mod command;
pub mod conversation;
mod health;
pub mod http;
pub mod image;
pub mod ingress;
pub mod kube_proxy;
pub mod logs;
pub mod name_server;
mod nginx;
pub mod node_cache;
pub mod output;
pub mod program;
pub mod runtime;
pub mod site;
pub mod small;

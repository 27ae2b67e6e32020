//! kube-proxy's configuration, as somebody may write it into its ConfigMap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_core::kube::node::proxy::config::ProxyConfig;

fuzz_target!(|text: &str| {
    if let Ok(config) = ProxyConfig::parse(text) {
        let _ = (config.chosen_mode(), config.sysctls());
    }
});

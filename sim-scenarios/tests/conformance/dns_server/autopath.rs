//! The plugin autopath.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_core::kube::dns::corefile::Surroundings;
use sim_core::kube::dns::wire::Message;

use super::reply::data;
use super::scenario::{Setup, source};
use crate::cases::Case;

pub(super) fn cases(prefix: &str, file: &Arc<Value>, objects: &Arc<Value>) -> Vec<Case> {
    let cases = file["autopath"]["cases"].as_array().into_iter().flatten();
    let one = |(i, case): (usize, &Value)| {
        let (file, objects) = (Arc::clone(file), Arc::clone(objects));
        let asked = case["query"][0].as_str().unwrap_or_default().to_owned();
        Case {
            name: format!("{prefix}/autopath/{asked}"),
            run: Box::new(move || run(&file["autopath"], &file["autopath"]["cases"][i], &objects)),
        }
    };
    cases.enumerate().map(one).collect()
}

/// A `resolv.conf` with a search list.
struct Resolv(String);

impl Surroundings for Resolv {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn read(&self, path: &str) -> Option<String> {
        (path == "/etc/resolv.conf").then(|| self.0.clone())
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn run(file: &Value, case: &Value, objects: &Value) -> Result<(), String> {
    let client = file["client"]["pod_ip"].as_str().unwrap_or_default();
    let mut setup = if case.get("search_list").is_some() { listed(case)? } else { of_pod(file, objects)? };
    let query = json!({"name": case["query"][0], "type": case["query"][1], "client": client});
    let (_, bytes) = setup.ask(&query)?;
    let reply = Message::parse(&bytes).map_err(|e| e.to_string())?;
    let want = case["rcode"].as_str().unwrap_or("NOERROR");
    if reply.rcode.to_string() != want {
        return Err(format!("rcode: got {}, the real one is {want}", reply.rcode));
    }
    let got: Vec<Value> = reply
        .answers
        .iter()
        .map(|r| json!([r.name, r.ttl, r.data.rtype().to_string(), data(&r.data)]))
        .collect();
    let want = case["answer"].as_array().cloned().unwrap_or_default();
    if got == want { Ok(()) } else { Err(format!("got {got:?}, the real one is {want:?}")) }
}

/// The kubernetes plugin knows the client's search list by its address.
fn of_pod(file: &Value, objects: &Value) -> Result<Setup, String> {
    let corefile = ".:53 {\nautopath @kubernetes\nkubernetes cluster.local {\npods verified\nttl 30\n}\nforward . 192.0.2.1\n}\n";
    let mut source = source(&json!({"objects_ref": "kubeadm"}), objects)?.clone();
    let client = &file["client"];
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "client", "namespace": client["pod_namespace"]},
        "status": {"podIP": client["pod_ip"]},
    });
    source["objects"].as_array_mut().ok_or("objects")?.push(pod);
    Setup::new(corefile, &json!({}), &source, &Resolv(String::new()))
}

/// The search list stands in a file.
fn listed(case: &Value) -> Result<Setup, String> {
    let list = case["search_list"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let list: Vec<&str> = list.filter(|s| !s.is_empty()).collect();
    let resolv = Resolv(format!("search {}\n", list.join(" ")));
    // The names that the case gives, or those of the case before.
    let known = case["known"].as_object().cloned().unwrap_or_else(|| {
        let given = json!({"b.com.": "A 127.0.0.53 ttl 3600", "a.example.com.": "A 127.0.0.53 ttl 3600"});
        given.as_object().cloned().unwrap_or_default()
    });
    let record = |(name, what): (&String, &Value)| {
        let words: Vec<&str> = what.as_str()?.split_whitespace().collect();
        let [rtype, data, "ttl", ttl] = words[..] else { return None };
        Some(json!(format!("{name} {ttl} IN {rtype} {data}")))
    };
    let records: Vec<Value> = known.iter().filter_map(record).collect();
    let corefile = ".:53 {\nautopath . /etc/resolv.conf\nforward . 192.0.2.1\n}\n";
    Setup::new(corefile, &json!({}), &json!({"upstream_records": records}), &resolv)
}

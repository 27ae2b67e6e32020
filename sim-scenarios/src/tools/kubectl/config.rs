//! `kubectl config`: looks at the kubeconfig file and changes it.

use sim_core::kube::version::Version;

use super::args::{Flag, Kind as F, flag, short};
use super::cluster_info;
use super::commands::Verb;
use super::ctl::Ctl;
use super::failure::Failure;
use super::flags::PRINT;
use super::get;
use super::kube_config::{CLUSTER, Context, PATH, USER};
use super::printers::tabwriter::TabWriter;
use super::printers::yaml;

static VIEW: &[Flag] =
    &[flag("minify", F::Bool), flag("raw", F::Bool), flag("flatten", F::Bool), flag("merge", F::Bool)];
static LIST: &[Flag] = &[flag("no-headers", F::Bool), short("output", 'o', F::Text)];
static SET_CONTEXT: &[Flag] = &[flag("current", F::Bool)];

pub(crate) static VERBS: &[Verb] = &[
    Verb { name: "config current-context", flags: &[], run: current_context },
    Verb { name: "config delete-context", flags: &[], run: delete_context },
    Verb { name: "config get-clusters", flags: &[], run: |ctl| names(ctl, CLUSTER) },
    Verb { name: "config get-contexts", flags: &[LIST], run: get_contexts },
    Verb { name: "config get-users", flags: &[], run: |ctl| names(ctl, USER) },
    Verb { name: "config rename-context", flags: &[], run: rename_context },
    Verb { name: "config set-context", flags: &[SET_CONTEXT], run: set_context },
    Verb { name: "config use-context", flags: &[], run: use_context },
    Verb { name: "config view", flags: &[VIEW, PRINT], run: view },
];

fn current_context(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let current = ctl.config().current.clone();
    if current.is_empty() {
        return Err(Failure::plain("current-context is not set"));
    }
    ctl.line(current);
    Ok(0)
}

fn names(ctl: &mut Ctl<'_, '_>, name: &str) -> Result<i32, Failure> {
    ctl.line("NAME");
    ctl.line(name);
    Ok(0)
}

fn one_word(ctl: &Ctl<'_, '_>) -> Result<String, Failure> {
    match ctl.args.words.as_slice() {
        [name] => Ok(name.clone()),
        words => Err(Failure::usage(&ctl.path, format!("Unexpected args: [{}]", words.join(" ")))),
    }
}

fn get_contexts(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let config = ctl.config().clone();
    let wanted = ctl.args.words.clone();
    if let Some(unknown) = wanted.iter().find(|w| config.context(w).is_none()) {
        return Err(Failure::plain(format!("context {unknown} not found")));
    }
    let shown: Vec<&Context> =
        config.contexts.iter().filter(|c| wanted.is_empty() || wanted.contains(&c.name)).collect();
    match ctl.args.text("output").unwrap_or("") {
        "name" => {
            shown.iter().for_each(|c| ctl.line(&c.name));
            return Ok(0);
        }
        "" => {}
        other => {
            return Err(Failure::plain(format!("output must be one of '' or 'name': {other}")));
        }
    }
    let mut table = TabWriter::get();
    if !ctl.args.bool("no-headers", false) {
        table.write("CURRENT\tNAME\tCLUSTER\tAUTHINFO\tNAMESPACE\n");
    }
    for c in shown {
        let mark = if c.name == config.current { "*" } else { "" };
        table.write(&format!("{mark}\t{}\t{}\t{}\t{}\n", c.name, c.cluster, c.user, c.namespace));
    }
    let text = table.flush();
    ctl.print(text);
    Ok(0)
}

fn set_context(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let current = ctl.args.bool("current", false);
    let name = match (ctl.args.words.as_slice(), current) {
        ([], true) => ctl.config().current.clone(),
        ([name], false) => name.clone(),
        ([], false) => return Err(Failure::plain("you must specify a non-empty context name or --current")),
        ([_], true) => return Err(Failure::plain("you cannot specify both a context name and --current")),
        (words, _) => {
            return Err(Failure::usage(&ctl.path, format!("Unexpected args: [{}]", words.join(" "))));
        }
    };
    if name.is_empty() {
        return Err(Failure::plain("no current context is set"));
    }
    let given = |flag: &str| ctl.args.text(flag).map(str::to_owned);
    let (namespace, cluster, user) = (given("namespace"), given("cluster"), given("user"));
    let (context, known) = ctl.config_mut().context_mut(&name);
    for (field, new) in
        [(&mut context.namespace, namespace), (&mut context.cluster, cluster), (&mut context.user, user)]
    {
        if let Some(new) = new {
            *field = new;
        }
    }
    ctl.line(format!("Context {name:?} {}.", if known { "modified" } else { "created" }));
    Ok(0)
}

fn use_context(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let name = one_word(ctl)?;
    if ctl.config().context(&name).is_none() {
        return Err(Failure::plain(format!("no context exists with the name: {name:?}")));
    }
    ctl.config_mut().current.clone_from(&name);
    ctl.line(format!("Switched to context {name:?}."));
    Ok(0)
}

fn delete_context(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let name = one_word(ctl)?;
    if ctl.config().context(&name).is_none() {
        return Err(Failure::plain(format!("cannot delete context {name}, not in {PATH}")));
    }
    if ctl.config().current == name {
        ctl.err("warning: this removed your active context, use \"kubectl config use-context\" to select a different one");
    }
    ctl.config_mut().contexts.retain(|c| c.name != name);
    ctl.line(format!("deleted context {name} from {PATH}"));
    Ok(0)
}

fn rename_context(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    let [old, new] = ctl.args.words.clone().try_into().map_err(|words: Vec<String>| {
        Failure::usage(&ctl.path, format!("Unexpected args: [{}]", words.join(" ")))
    })?;
    let config = ctl.config();
    let Some(mut context) = config.context(&old).cloned() else {
        return Err(Failure::plain(format!("cannot rename the context {old:?}, it's not in {PATH}")));
    };
    if config.context(&new).is_some() {
        return Err(Failure::plain(format!(
            "cannot rename the context {old:?}, the context {new:?} already exists in {PATH}"
        )));
    }
    context.name.clone_from(&new);
    let config = ctl.config_mut();
    config.contexts.retain(|c| c.name != old);
    *config.context_mut(&new).0 = context;
    if config.current == old {
        config.current.clone_from(&new);
    }
    ctl.line(format!("Context {old:?} renamed to {new:?}."));
    Ok(0)
}

fn view(ctl: &mut Ctl<'_, '_>) -> Result<i32, Failure> {
    ctl.refuse(&["raw", "flatten"])?;
    let server = cluster_info::server(ctl);
    let minify = ctl.args.bool("minify", false);
    let preferences = ctl.version() < Version::new(1, 34, 0);
    let value = ctl.config().to_value(&server, minify, preferences);
    let output = get::output(ctl)?;
    let text = if output.is_human() { yaml::document(&value) } else { output.one(&value, "config")? };
    ctl.print(text);
    Ok(0)
}

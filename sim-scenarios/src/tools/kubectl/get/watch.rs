//! `kubectl get -w`.

use sim_core::kube::store::ChangeKind;

use super::super::ctl::Ctl;
use super::super::failure::Failure;
use super::super::printers::columns::{View, layout};
use super::super::printers::output::Output;
use super::super::printers::table;
use super::super::printers::tabwriter::TabWriter;
use super::super::resource::Resource;
use super::super::selector::{Fields, Labels};
use super::super::target::{Found, Wanted, found};
use crate::tools::SIGINT_STATUS;

/// Prints the table, then a row per change, until ^C.
///
/// # Errors
/// More than one type, an object that is not there, or a printer that does not watch.
pub(super) fn run(ctl: &mut Ctl<'_, '_>, wanted: &Wanted, output: &Output) -> Result<i32, Failure> {
    let types = wanted.resources();
    let (&[resource], true) = (types.as_slice(), is_watchable(wanted)) else {
        return Err(Failure::plain("you may only specify a single resource type"));
    };
    let wide = matches!(output, Output::Human { wide: true });
    let (initial, failures) = super::find(ctl, wanted);
    Failure::from_many(failures)?;
    let mut printer = Printer::new(ctl, resource, wide, output);
    let mut cursor = ctl.store().changes().cursor();
    if !ctl.args.bool("watch-only", false) {
        initial.iter().try_for_each(|f| printer.row(ctl, "ADDED", f))?;
    }
    let filter = Filter::new(ctl, wanted, resource)?;
    while !ctl.cx.interrupted() {
        let until = ctl.cx.deadline();
        let fits = |c: &sim_core::kube::store::Change| filter.fits(&found(&c.object));
        ctl.cx.wait(until, |cluster| cluster.store.changes_since(cursor).iter().any(fits));
        let changes = ctl.store().changes_since(cursor).to_vec();
        cursor = changes.last().map_or(cursor, |c| c.cursor);
        for change in changes.iter().filter(|c| fits(c)) {
            let event = match change.what {
                ChangeKind::Added => "ADDED",
                ChangeKind::Modified => "MODIFIED",
                ChangeKind::Deleted => "DELETED",
            };
            printer.row(ctl, event, &found(&change.object))?;
            if ctl.cx.out.interrupted() {
                break;
            }
        }
    }
    Ok(SIGINT_STATUS)
}

/// A watch is of one type, or of one object.
fn is_watchable(wanted: &Wanted) -> bool {
    matches!(wanted, Wanted::All(_)) || wanted.is_single()
}

struct Filter {
    resource: Resource,
    namespace: Option<String>,
    name: Option<String>,
    labels: Labels,
    fields: Fields,
}

impl Filter {
    fn new(ctl: &Ctl<'_, '_>, wanted: &Wanted, resource: Resource) -> Result<Self, Failure> {
        let everywhere = ctl.args.bool("all-namespaces", false) || !resource.namespaced();
        let name = match wanted {
            Wanted::Named(names) => names.first().map(|(_, n)| n.clone()),
            Wanted::All(_) => None,
        };
        let fields = ctl.args.text("field-selector").unwrap_or("");
        Ok(Self {
            resource,
            namespace: (!everywhere).then(|| ctl.namespace()),
            name,
            labels: Labels::parse(ctl.args.text("selector").unwrap_or("")).map_err(Failure::plain)?,
            fields: Fields::parse(fields, resource.kind_name()).map_err(Failure::plain)?,
        })
    }

    fn fits(&self, found: &Found) -> bool {
        use super::super::value::{name, namespace};
        found.resource == self.resource
            && self.namespace.as_ref().is_none_or(|n| n == namespace(&found.value))
            && self.name.as_ref().is_none_or(|n| n == name(&found.value))
            && self.labels.matches(&found.value)
            && self.fields.matches(&found.value)
    }
}

/// Prints rows one by one; columns keep the widths they had.
struct Printer<'a> {
    output: &'a Output,
    table: TabWriter,
    resource: Resource,
    wide: bool,
    header: bool,
    events: bool,
}

impl<'a> Printer<'a> {
    fn new(ctl: &Ctl<'_, '_>, resource: Resource, wide: bool, output: &'a Output) -> Self {
        Self {
            output,
            table: TabWriter::get(),
            resource,
            wide,
            header: !ctl.args.bool("no-headers", false),
            events: ctl.args.bool("output-watch-events", false),
        }
    }

    fn row(&mut self, ctl: &mut Ctl<'_, '_>, event: &str, found: &Found) -> Result<(), Failure> {
        if !self.output.is_human() {
            let text = self.output.one(&found.value, &found.resource.prefix())?;
            ctl.print(text);
            return Ok(());
        }
        let layout = layout(self.resource.kind_name(), ctl.version());
        let options = super::table_options(ctl, self.resource, self.wide, false);
        let view = View { now: ctl.now(), wide: self.wide };
        let first = |text: &str| if self.events { format!("{text}\t") } else { String::new() };
        if std::mem::take(&mut self.header) {
            self.table.write(&(first("EVENT") + &table::header(&layout, &options)));
        }
        self.table.write(&(first(event) + &table::row(&layout, &options, &found.value, view)));
        let text = self.table.flush();
        ctl.print(text);
        Ok(())
    }
}

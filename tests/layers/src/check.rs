//! Applies the rules to every crate of a workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::dependency_graphs::{Graphs, graphs};
use crate::finding::{Cycle, CycleEdge, Finding};
use crate::graph::{Graph, Node};
use crate::model::Crate;
use crate::read::{ReadError, read_crate};
use crate::report::{CrateReport, EdgeCount, Report};
use crate::table::Entry;
use crate::workspace::members;

/// Checks the crates of the workspace at `root`. If `only` names a folder, checks only the crate in
/// that folder. Does not check layers if `table` is `None`.
///
/// # Errors
/// Returns an error if a source file or a manifest cannot be read or parsed, if the file of a module
/// does not exist, or if `only` is not the folder of a crate.
pub fn check(
    root: &Path,
    table: Option<&[Entry]>,
    only: Option<&str>,
) -> Result<Report, ReadError> {
    let members = members(root)?;
    let folders = members.iter().map(|member| member.folder.clone()).collect::<BTreeSet<_>>();
    if let Some(only) = only.filter(|&only| !folders.contains(only)) {
        return Err(ReadError::NoCrate(only.into()));
    }
    let mut report = Report::default();
    for member in members {
        if only.is_none_or(|only| only == member.folder) {
            let krate = read_crate(&root.join(&member.folder), member.library)?;
            report.crates.push(check_crate(member.folder, &krate, table));
        }
    }
    let entries = table.unwrap_or_default().iter();
    let absent = entries.filter(|entry| only.is_none() && !folders.contains(entry.folder));
    report.absent_crates = absent.map(|entry| entry.folder.into()).collect();
    Ok(report)
}

fn check_crate(folder: String, krate: &Crate, table: Option<&[Entry]>) -> CrateReport {
    let graphs = graphs(krate);
    let mut findings = Vec::new();
    let entry = table.and_then(|table| table.iter().find(|entry| entry.folder == folder));
    match entry {
        Some(entry) => check_layers(krate, &graphs.top_level, entry, &mut findings),
        None if table.is_some() => findings.push(Finding::CrateNotInTable),
        None => {}
    }
    check_root(&graphs.top_level, &mut findings);
    check_cycles(krate, &graphs, &mut findings);
    check_readable(krate, &mut findings);
    CrateReport {
        folder,
        modules: krate.top_level().len(),
        layers: entry.map(|entry| entry.layers.len()),
        edges: edge_counts(&graphs.top_level),
        findings,
    }
}

fn check_layers(krate: &Crate, graph: &Graph, entry: &Entry, findings: &mut Vec<Finding>) {
    let existing = krate.top_level();
    let mut layer_of = BTreeMap::new();
    for (layer, modules) in (1..).zip(entry.layers) {
        for &module in *modules {
            if !existing.contains(module) {
                findings.push(Finding::AbsentModule(module.into()));
            }
            if layer_of.insert(module, layer).is_some() {
                findings.push(Finding::ListedTwice(module.into()));
            }
        }
    }
    let unlisted = existing.iter().filter(|&&module| !layer_of.contains_key(module));
    findings.extend(unlisted.map(|&module| Finding::UnlistedModule(module.into())));
    check_directions(graph, &layer_of, findings);
}

fn check_directions(graph: &Graph, layer_of: &BTreeMap<&str, usize>, findings: &mut Vec<Finding>) {
    for (from, to, occurrences) in graph.edges() {
        let (Node::Child(from), Node::Child(to)) = (from, to) else { continue };
        let layers = (layer_of.get(from.as_str()), layer_of.get(to.as_str()));
        let (Some(&from_layer), Some(&to_layer)) = layers else { continue };
        if from_layer <= to_layer {
            continue;
        }
        let locations =
            occurrences.iter().map(|occurrence| &occurrence.at).collect::<BTreeSet<_>>();
        findings.extend(locations.into_iter().map(|at| Finding::UpwardDependency {
            at: at.to_string(),
            from: from.clone(),
            from_layer,
            to: to.clone(),
            to_layer,
        }));
    }
}

fn check_root(graph: &Graph, findings: &mut Vec<Finding>) {
    for (from, to, occurrences) in graph.edges() {
        if *to == Node::Own {
            findings.extend(occurrences.iter().map(|occurrence| Finding::DependencyOnRoot {
                at: occurrence.at.to_string(),
                from: from.to_string(),
                path: occurrence.path.clone(),
            }));
        }
    }
}

fn check_cycles(krate: &Crate, graphs: &Graphs, findings: &mut Vec<Finding>) {
    findings.extend(cycles(&graphs.top_level, None));
    for (&module, graph) in &graphs.inner {
        findings.extend(cycles(graph, Some(krate.path_of(module))));
    }
}

fn check_readable(krate: &Crate, findings: &mut Vec<Finding>) {
    for (at, construct) in krate.modules().flat_map(|(_, module)| &module.unreadable) {
        findings.push(Finding::Unreadable { at: at.to_string(), construct: *construct });
    }
}

fn cycles(graph: &Graph, module: Option<String>) -> impl Iterator<Item = Finding> {
    graph.cycles().into_iter().map(move |cycle| {
        let edges = graph
            .edges()
            .filter(|(from, to, _)| cycle.contains(from) && cycle.contains(to))
            .filter_map(|(from, to, occurrences)| {
                let names = occurrences.iter().map(|occurrence| occurrence.name().to_owned());
                Some(CycleEdge {
                    from: from.to_string(),
                    to: to.to_string(),
                    at: occurrences.first()?.at.to_string(),
                    names: names.collect(),
                })
            })
            .collect();
        let members = cycle.iter().map(ToString::to_string).collect();
        Finding::Cycle(Cycle { module: module.clone(), members, edges })
    })
}

fn edge_counts(graph: &Graph) -> Vec<EdgeCount> {
    let edges = graph.edges().filter(|(_, to, _)| **to != Node::Own);
    edges
        .map(|(from, to, occurrences)| EdgeCount {
            from: from.to_string(),
            to: to.to_string(),
            uses: occurrences.len(),
        })
        .collect()
}

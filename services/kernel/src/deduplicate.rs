//! The tables of deduplicate steps: what their keys are, and which steps may share one.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::fingerprint::fingerprint;
use crate::path::{Fields, Path, kind_of};
use crate::plan::{LanePlan, StepPlan, TablePlan};
use crate::schema::Schema;
use crate::walk::end_of;

/// The generations that a window is divided into.
const GENERATIONS: i64 = 8;

/// A table that one or more deduplicate steps share.
#[derive(Debug)]
pub struct TableDef {
    pub name: String,
    pub generation_ms: i64,
    /// Of what an entry means.
    pub fingerprint: u64,
    key: Vec<Path>,
}

impl TableDef {
    pub fn compile(schema: &Schema, plan: &TablePlan) -> Result<Self, String> {
        let place = |error: String| format!("table {}: {error}", plan.name);
        if plan.window_ms < 1 || plan.name.len() > usize::from(u16::MAX) {
            return Err(place("the window is at least 1 ms long, the name at most 65,535 bytes".to_owned()));
        }
        let mut key = Vec::with_capacity(plan.key.len());
        for field in &plan.key {
            let names: Vec<String> = field.split('.').map(str::to_owned).collect();
            let path = Path::compile(schema, &names).map_err(place)?;
            if kind_of(schema, path.leaf).is_none() {
                return Err(place(format!("the key field `{field}` is no plain value")));
            }
            key.push(path);
        }
        if key.is_empty() {
            return Err(place("the key is empty".to_owned()));
        }
        Ok(Self {
            name: plan.name.clone(),
            generation_ms: (plan.window_ms as u64).div_ceil(GENERATIONS as u64) as i64,
            fingerprint: fingerprint("deduplicate", plan.key.iter().map(String::as_str)),
            key,
        })
    }

    /// The 128 bits by which the key of a record is remembered. Each field comes with a byte that says whether it is
    /// null rather than in its union, so that a field which becomes nullable keeps its keys.
    #[must_use]
    pub fn digest(&self, schema: &Schema, fields: &Fields<'_>, buffer: &mut Vec<u8>) -> u128 {
        buffer.clear();
        for path in &self.key {
            match path.find(schema, fields) {
                None => buffer.push(0),
                Some(start) => {
                    buffer.push(1);
                    let end = if path.top_level() {
                        fields.offsets[path.field + 1] as usize
                    } else {
                        end_of(schema, path.leaf, fields.body, start)
                    };
                    buffer.extend_from_slice(&fields.body[start..end]);
                }
            }
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(&buffer)[..16]);
        u128::from_le_bytes(bytes)
    }
}

/// The steps of a feed that see the same records: those of a source, or those that a relation makes (None).
pub type Run<'a> = (Option<usize>, &'a [StepPlan]);

/// A table belongs to first steps on a source, which may share it because each record reaches them all, or to one
/// other step.
pub fn check_tables<'a>(
    plan: &'a LanePlan,
    runs: impl Fn(usize) -> Result<Vec<Run<'a>>, String>,
) -> Result<(), String> {
    let mut names = HashSet::new();
    if let Some(table) = plan.tables.iter().find(|table| !names.insert(&table.name)) {
        return Err(format!("table {}: the name is there twice", table.name));
    }
    let mut first = HashSet::new();
    let mut later = HashSet::new();
    for (number, feed) in plan.feeds.iter().enumerate() {
        for (source, steps) in runs(number)? {
            for (index, step) in steps.iter().enumerate() {
                let StepPlan::Deduplicate { name, table } = step else { continue };
                let place = format!("feed {}: step {name}", feed.name);
                let Some(found) = plan.tables.get(*table) else {
                    let count = plan.tables.len();
                    return Err(format!("{place}: there is no table {table}; the plan has {count}"));
                };
                let owner = if source.is_none() { Some(feed.name.as_str()) } else { None };
                if found.source != source || found.feed.as_deref() != owner {
                    return Err(format!("{place}: table {table} remembers other records than the step's"));
                }
                if index == 0 && source.is_some() {
                    first.insert(*table);
                } else if !later.insert(*table) {
                    return Err(format!(
                        "{place}: table {table} is another step's; a later step has a table of its own"
                    ));
                }
            }
        }
    }
    match first.intersection(&later).next() {
        Some(table) => Err(format!("table {table} is both a first step's and a later step's")),
        None => Ok(()),
    }
}

//! A lane, compiled: its source, its tables, its feeds sorted into groups, its projections.

use std::collections::{HashMap, HashSet};

use crate::condition::compile as compile_condition;
use crate::expression::Expr;
use crate::index::Index;
use crate::mask::TokenKey;
use crate::path::{Fields, Path, kind_of};
use crate::plan::{FeedPlan, LanePlan, SelectedPlan, StepPlan, TablePlan};
use crate::project::Projection;
use crate::schema::{NodeId, Schema};
use crate::source::Source;
use crate::walk::end_of;

use sha2::{Digest, Sha256};

/// The generations that a window is divided into.
const GENERATIONS: i64 = 8;

/// A table that one or more deduplicate steps share.
#[derive(Debug)]
pub struct TableDef {
    pub name: String,
    pub generation_ms: i64,
    key: Vec<Path>,
}

#[derive(Debug)]
pub enum Step {
    Where(Expr),
    Deduplicate(usize),
}

/// A feed without its first deduplicate, which belongs to its group.
pub struct Feed {
    pub name: String,
    pub topic: String,
    pub grant_expires_ms: i64,
    pub schema_id: Option<u32>,
    pub token_key: Option<TokenKey>,
    pub steps: Vec<Step>,
    pub projection: usize,
    pub group: usize,
    /// Feeds with equal numbers deliver equal payloads, which are made once.
    pub payload: usize,
}

/// Feeds that begin with the same deduplicate, or with none.
pub struct Group {
    pub table: Option<usize>,
    pub index: Index,
}

pub struct Lane {
    pub name: String,
    pub partitions: u32,
    pub source: Source,
    pub tables: Vec<TableDef>,
    pub feeds: Vec<Feed>,
    pub groups: Vec<Group>,
    pub projections: Vec<Projection>,
}

impl Lane {
    pub fn compile(plan: &LanePlan) -> Result<Self, String> {
        let place = |error: String| format!("lane {}: {error}", plan.lane);
        let source = Source::compile(&plan.source).map_err(place)?;
        let tables = plan.tables.iter().map(|table| TableDef::compile(&source.schema, table));
        let tables = tables.collect::<Result<Vec<_>, _>>().map_err(place)?;
        let mut lane = Self {
            name: plan.lane.clone(),
            partitions: plan.partitions,
            source,
            tables,
            feeds: Vec::new(),
            groups: Vec::new(),
            projections: Vec::new(),
        };
        check_tables(plan).map_err(place)?;
        let mut known = HashMap::new();
        for feed in &plan.feeds {
            let place = |error: String| format!("lane {}: feed {}: {error}", plan.lane, feed.name);
            lane.add_feed(feed, &mut known).map_err(place)?;
        }
        lane.build_groups();
        Ok(lane)
    }

    fn add_feed<'a>(
        &mut self,
        plan: &'a FeedPlan,
        known: &mut HashMap<&'a [SelectedPlan], usize>,
    ) -> Result<(), String> {
        let schema = &self.source.schema;
        let mut steps = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            steps.push(match step {
                StepPlan::Deduplicate { table, .. } => Step::Deduplicate(*table),
                StepPlan::Where { name, when } => Step::Where(
                    compile_condition(schema, when).map_err(|error| format!("step {name}: {error}"))?,
                ),
            });
        }
        let next = self.projections.len();
        let projection = *known.entry(&plan.select.fields).or_insert(next);
        if projection == next {
            self.projections.push(Projection::compile(schema, &plan.select)?);
        }
        let table = match steps.first() {
            Some(Step::Deduplicate(table)) => Some(*table),
            _ => None,
        };
        if table.is_some() {
            steps.remove(0);
        }
        let group = self.groups.iter().position(|group| group.table == table).unwrap_or(self.groups.len());
        if group == self.groups.len() {
            self.groups.push(Group { table, index: Index::default() });
        }
        // Tokens differ by feed, so a payload with tokens is the feed's own: numbered after all the shared ones.
        let own = self.projections[projection].needs_key;
        self.feeds.push(Feed {
            name: plan.name.clone(),
            topic: plan.topic.clone(),
            grant_expires_ms: plan.grant_expires_ms,
            schema_id: None,
            token_key: None,
            steps,
            projection,
            group,
            payload: if own { usize::MAX } else { projection },
        });
        Ok(())
    }

    fn build_groups(&mut self) {
        let shared = self.projections.len();
        for (number, feed) in self.feeds.iter_mut().enumerate() {
            if feed.payload == usize::MAX {
                feed.payload = shared + number;
            }
        }
        for (number, group) in self.groups.iter_mut().enumerate() {
            let members = self.feeds.iter().enumerate().filter(|(_, feed)| feed.group == number);
            group.index = Index::build(members.map(|(id, feed)| {
                let condition = match feed.steps.first() {
                    Some(Step::Where(condition)) => Some(condition),
                    _ => None,
                };
                (id, condition)
            }));
        }
    }

    /// What must still be set before a record can be taken, or None.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        self.feeds.iter().find_map(|feed| {
            if feed.schema_id.is_none() {
                return Some(format!("feed {}: no schema id; call set_feed_schema before step", feed.name));
            }
            (self.projections[feed.projection].needs_key && feed.token_key.is_none()).then(|| {
                format!("feed {}: it has tokens and no key; call set_token_key before step", feed.name)
            })
        })
    }
}

impl TableDef {
    fn compile(schema: &Schema, plan: &TablePlan) -> Result<Self, String> {
        let place = |error: String| format!("table {}: {error}", plan.name);
        if plan.window_ms < 1 || plan.name.len() > usize::from(u16::MAX) {
            return Err(place("the window is at least 1 ms long, the name at most 65,535 bytes".to_owned()));
        }
        let mut key = Vec::with_capacity(plan.key.len());
        for field in &plan.key {
            let path = Path::compile(schema, std::slice::from_ref(field)).map_err(place)?;
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
                    let end = leaf_end(schema, path.leaf, fields, path, start);
                    buffer.extend_from_slice(&fields.body[start..end]);
                }
            }
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(&buffer)[..16]);
        u128::from_le_bytes(bytes)
    }
}

fn leaf_end(schema: &Schema, leaf: NodeId, fields: &Fields<'_>, path: &Path, start: usize) -> usize {
    if path.top_level() {
        fields.offsets[path.field + 1] as usize
    } else {
        end_of(schema, leaf, fields.body, start)
    }
}

/// A table belongs to first steps, which may share it because each record reaches them all, or to one later step.
fn check_tables(plan: &LanePlan) -> Result<(), String> {
    let mut names = HashSet::new();
    if let Some(table) = plan.tables.iter().find(|table| !names.insert(&table.name)) {
        return Err(format!("table {}: the name is there twice", table.name));
    }
    let mut first = HashSet::new();
    let mut later = HashSet::new();
    for feed in &plan.feeds {
        for (index, step) in feed.steps.iter().enumerate() {
            let StepPlan::Deduplicate { name, table } = step else { continue };
            let place = format!("feed {}: step {name}", feed.name);
            if *table >= plan.tables.len() {
                return Err(format!(
                    "{place}: there is no table {table}; the plan has {}",
                    plan.tables.len()
                ));
            }
            if index == 0 {
                first.insert(*table);
            } else if !later.insert(*table) {
                return Err(format!(
                    "{place}: table {table} is another step's; a later step has a table of its own"
                ));
            }
        }
    }
    match first.intersection(&later).next() {
        Some(table) => Err(format!("table {table} is both a first step's and a later step's")),
        None => Ok(()),
    }
}

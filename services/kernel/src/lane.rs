//! A lane, compiled: its inputs, each with the feeds that its records reach, sorted into groups; tables, projections.

use std::collections::HashMap;

use crate::condition::compile as compile_condition;
use crate::deduplicate::{Run, TableDef, check_tables};
use crate::expression::Expr;
use crate::index::Index;
use crate::mask::TokenKey;
use crate::plan::{FeedPlan, LanePlan, SelectedPlan, StepPlan};
use crate::project::Projection;
use crate::rekey::Rekey;
use crate::schema::Schema;
use crate::source::Source;

#[derive(Debug)]
pub enum Step {
    Where(Expr),
    Deduplicate(usize),
}

/// The end of a feed: what it does with the records that come out of its way in.
pub struct Feed {
    pub name: String,
    pub topic: String,
    pub grant_expires_ms: i64,
    pub schema_id: Option<u32>,
    pub token_key: Option<TokenKey>,
    /// On what the feed's relation makes; without a relation all steps are the way's.
    pub steps: Vec<Step>,
    pub projection: usize,
    /// Feeds with equal numbers deliver equal payloads, which are made once.
    pub payload: usize,
}

/// The way of an input's records into a feed, without the first deduplicate, which belongs to the group.
pub struct Way {
    pub feed: usize,
    pub steps: Vec<Step>,
    /// Whether the feed must hear of a record that fails a condition.
    pub follows: bool,
    port: usize,
    group: usize,
}

/// Ways that begin with the same deduplicate, or with none.
pub struct Group {
    pub table: Option<usize>,
    pub index: Index,
}

/// One input of the lane.
pub struct Port {
    /// The kernel's number of the source.
    pub source: usize,
    /// The lane's number of the source's first topic.
    pub first_topic: usize,
    pub groups: Vec<Group>,
    pub rekeys: Vec<usize>,
    /// The feeds that read it, each with its group.
    pub members: Vec<(usize, usize)>,
}

pub struct Lane {
    pub name: String,
    pub partitions: u32,
    pub ordered: bool,
    pub ports: Vec<Port>,
    pub tables: Vec<TableDef>,
    pub rekeys: Vec<Rekey>,
    pub feeds: Vec<Feed>,
    pub ways: Vec<Way>,
    pub projections: Vec<Projection>,
}

impl Lane {
    /// Compiles a plan whose sources are the kernel's with these numbers.
    pub fn compile(plan: &LanePlan, numbers: &[usize], sources: &[Source]) -> Result<Self, String> {
        let place = |error: String| format!("lane {}: {error}", plan.lane);
        let mut compiler = Compiler::new(plan, numbers, sources).map_err(place)?;
        check_tables(plan, |feed| runs(&plan.feeds[feed])).map_err(place)?;
        for feed in &plan.feeds {
            compiler.feed(feed).map_err(|error| place(format!("feed {}: {error}", feed.name)))?;
        }
        Ok(compiler.finish())
    }

    /// The topics of all ports, each with its port and its number in the source.
    pub fn topics(&self, sources: &[Source]) -> Vec<(&Port, usize)> {
        self.ports
            .iter()
            .flat_map(|port| (0..sources[port.source].topics.len()).map(move |topic| (port, topic)))
            .collect()
    }

    /// The Kafka topic of a feed, or above all feeds of a rekey.
    #[must_use]
    pub fn topic(&self, target: usize) -> &str {
        match self.feeds.get(target) {
            Some(feed) => &feed.topic,
            None => &self.rekeys[target - self.feeds.len()].topic,
        }
    }

    /// What must still be set before a record can be taken, or None.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let rekey = self.rekeys.iter().find(|rekey| rekey.schema_id.is_none());
        if let Some(rekey) = rekey {
            return Some(format!("rekey {}: no schema id; call set_feed_schema before step", rekey.name));
        }
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

/// The runs of steps of a feed.
fn runs(feed: &FeedPlan) -> Result<Vec<Run<'_>>, String> {
    match (&feed.relation, feed.source) {
        (None, Some(source)) => Ok(vec![(Some(source), &feed.steps)]),
        (None, None) => Err(format!("feed {}: without a join it names its source", feed.name)),
        (Some(_), _) => Err(format!("feed {}: relations are not compiled yet", feed.name)),
    }
}

struct Compiler<'a> {
    plan: &'a LanePlan,
    sources: &'a [Source],
    lane: Lane,
    /// The projections by what they read, a port or above them all a feed's relation, and by what they select.
    known: HashMap<(usize, &'a [SelectedPlan]), usize>,
}

impl<'a> Compiler<'a> {
    fn new(plan: &'a LanePlan, numbers: &[usize], sources: &'a [Source]) -> Result<Self, String> {
        let mut first_topic = 0;
        let mut lane = Lane {
            name: plan.lane.clone(),
            partitions: plan.partitions,
            ordered: plan.ordered,
            ports: Vec::with_capacity(numbers.len()),
            tables: Vec::with_capacity(plan.tables.len()),
            rekeys: Vec::with_capacity(plan.rekeys.len()),
            feeds: Vec::with_capacity(plan.feeds.len()),
            ways: Vec::with_capacity(plan.feeds.len()),
            projections: Vec::new(),
        };
        for source in numbers {
            let (groups, rekeys, members) = (Vec::new(), Vec::new(), Vec::new());
            lane.ports.push(Port { source: *source, first_topic, groups, rekeys, members });
            first_topic += sources[*source].topics.len();
        }
        let mut compiler = Self { plan, sources, lane, known: HashMap::new() };
        for rekey in &plan.rekeys {
            let made = Rekey::compile(compiler.schema(rekey.source)?, rekey)?;
            compiler.lane.ports[rekey.source].rekeys.push(compiler.lane.rekeys.len());
            compiler.lane.rekeys.push(made);
        }
        for table in &plan.tables {
            let source = table.source.ok_or_else(|| format!("table {}: it has no source", table.name))?;
            let made = TableDef::compile(compiler.schema(source)?, table)?;
            compiler.lane.tables.push(made);
        }
        Ok(compiler)
    }

    /// The schema of an input.
    fn schema(&self, port: usize) -> Result<&'a Schema, String> {
        let found = self.lane.ports.get(port).map(|port| &self.sources[port.source].schema);
        found.ok_or_else(|| format!("there is no source {port}; the plan has {}", self.lane.ports.len()))
    }

    fn feed(&mut self, plan: &'a FeedPlan) -> Result<(), String> {
        let feed = self.lane.feeds.len();
        for (source, steps) in runs(plan)? {
            let Some(port) = source else { continue };
            let steps = compile_steps(self.schema(port)?, steps)?;
            self.way(Way { feed, steps, follows: plan.follow_ms.is_some(), port, group: 0 });
        }
        let basis = plan.source.unwrap_or_default();
        let next = self.lane.projections.len();
        let projection = *self.known.entry((basis, &plan.select.fields)).or_insert(next);
        if projection == next {
            let schema = self.schema(basis)?;
            self.lane.projections.push(Projection::compile(schema, &plan.select)?);
        }
        self.lane.feeds.push(Feed {
            name: plan.name.clone(),
            topic: plan.topic.clone(),
            grant_expires_ms: plan.grant_expires_ms,
            schema_id: None,
            token_key: None,
            steps: Vec::new(),
            projection,
            payload: projection,
        });
        Ok(())
    }

    /// Adds a way to the group of its first deduplicate.
    fn way(&mut self, mut way: Way) {
        let table = match way.steps.first() {
            Some(Step::Deduplicate(table)) => Some(*table),
            _ => None,
        };
        if table.is_some() {
            way.steps.remove(0);
        }
        let port = &mut self.lane.ports[way.port];
        way.group = port.groups.iter().position(|group| group.table == table).unwrap_or(port.groups.len());
        if way.group == port.groups.len() {
            port.groups.push(Group { table, index: Index::default() });
        }
        port.members.push((way.feed, way.group));
        self.lane.ways.push(way);
    }

    fn finish(self) -> Lane {
        let mut lane = self.lane;
        let shared = lane.projections.len();
        for (number, feed) in lane.feeds.iter_mut().enumerate() {
            // Tokens differ by feed, so a payload with tokens is the feed's own: numbered after all the shared ones.
            if lane.projections[feed.projection].needs_key {
                feed.payload = shared + number;
            }
        }
        let ways = &lane.ways;
        for (port_number, port) in lane.ports.iter_mut().enumerate() {
            for (number, group) in port.groups.iter_mut().enumerate() {
                let own = |way: &&Way| way.port == port_number && way.group == number;
                let own = ways.iter().enumerate().filter(|(_, way)| own(way));
                group.index = Index::build(own.map(|(id, way)| {
                    let condition = match way.steps.first() {
                        Some(Step::Where(condition)) if !way.follows => Some(condition),
                        _ => None,
                    };
                    (id, condition)
                }));
            }
        }
        lane
    }
}

fn compile_steps(schema: &Schema, plans: &[StepPlan]) -> Result<Vec<Step>, String> {
    let mut steps = Vec::with_capacity(plans.len());
    for step in plans {
        steps.push(match step {
            StepPlan::Deduplicate { table, .. } => Step::Deduplicate(*table),
            StepPlan::Where { name, when } => {
                Step::Where(compile_condition(schema, when).map_err(|error| format!("step {name}: {error}"))?)
            }
        });
    }
    Ok(steps)
}

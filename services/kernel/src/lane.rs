//! A lane, compiled: its inputs, each with the feeds that its records reach, sorted into groups; tables, projections.

use std::collections::HashMap;

use crate::condition::compile as compile_condition;
use crate::deduplicate::{Run, TableDef, check_tables};
use crate::expression::Expr;
use crate::feed::{Feed, View};
use crate::fingerprint::fingerprint;
use crate::index::Index;
use crate::plan::{FeedPlan, LanePlan, SelectedPlan, StepPlan, TablePlan};
use crate::project::Projection;
use crate::rekey::Rekey;
use crate::relation::{Input, Relation};
use crate::relation_plan::RelationPlan;
use crate::schema::Schema;
use crate::source::Source;
use crate::token::TokenRule;

#[derive(Debug)]
pub enum Step {
    Where(Expr),
    Deduplicate(usize),
}

/// The way of an input's records into a feed, without the first deduplicate, which belongs to the group.
pub struct Way {
    pub feed: usize,
    /// Of the feed's relation.
    pub side: usize,
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

/// A feed's relation.
pub struct RelationDef {
    pub relation: Relation,
    pub feed: usize,
    pub step: String,
    /// By side.
    pub ports: Vec<usize>,
}

/// What is remembered by entity, in each slice.
pub struct StoreDef {
    pub name: String,
    pub window_ms: i64,
    pub fingerprint: u64,
}

pub struct Lane {
    pub name: String,
    pub partitions: u32,
    pub ordered: bool,
    pub ports: Vec<Port>,
    pub tables: Vec<TableDef>,
    pub stores: Vec<StoreDef>,
    pub relations: Vec<RelationDef>,
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

    fn needs_key(&self, feed: &Feed) -> bool {
        feed.views.iter().any(|view| self.projections[view.projection].needs_key)
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
            (self.needs_key(feed) && feed.token_key.is_none()).then(|| {
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
        (Some(relation), _) => {
            let sides = relation.sides().into_iter();
            let sides = sides.map(|side| (Some(side.source), side.steps.as_slice()));
            Ok(sides.chain([(None, feed.steps.as_slice())]).collect())
        }
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
            stores: Vec::new(),
            relations: Vec::new(),
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
            let name = format!("moves/{}", rekey.name);
            let moves = compiler.store(name, rekey.moves_ms, rekey.key.iter().map(String::as_str))?;
            let made = Rekey::compile(compiler.schema(rekey.source)?, rekey, moves)?;
            compiler.lane.ports[rekey.source].rekeys.push(compiler.lane.rekeys.len());
            compiler.lane.rekeys.push(made);
        }
        for (feed, plan) in plan.feeds.iter().enumerate() {
            if let Some(relation) = &plan.relation {
                let made = compiler.relation(feed, relation);
                let made = made.map_err(|error| format!("feed {}: {error}", plan.name))?;
                compiler.lane.relations.push(made);
            }
        }
        for table in &plan.tables {
            let schema = match (table.source, &table.feed) {
                (Some(source), None) => compiler.schema(source)?,
                (None, Some(feed)) => compiler.composite(feed, table)?,
                _ => return Err(format!("table {}: it is either a source's or a feed's", table.name)),
            };
            let made = TableDef::compile(schema, table)?;
            compiler.lane.tables.push(made);
        }
        Ok(compiler)
    }

    /// The schema of an input.
    fn schema(&self, port: usize) -> Result<&'a Schema, String> {
        let found = self.lane.ports.get(port).map(|port| &self.sources[port.source].schema);
        found.ok_or_else(|| format!("there is no source {port}; the plan has {}", self.lane.ports.len()))
    }

    fn relation(&self, feed: usize, plan: &RelationPlan) -> Result<RelationDef, String> {
        let ports: Vec<usize> = plan.sides().iter().map(|side| side.source).collect();
        for port in &ports {
            self.schema(*port)?;
        }
        let sources = self.lane.ports.iter().map(|port| &self.sources[port.source]);
        let inputs: Vec<Input<'_>> =
            sources.map(|source| Input { schema: &source.schema, key: &source.rules.key }).collect();
        let relation = Relation::compile(plan, &inputs)?;
        Ok(RelationDef { relation, feed, step: plan.name().to_owned(), ports })
    }

    /// The schema of what the relation of a feed makes.
    fn composite(&self, feed: &str, table: &TablePlan) -> Result<&Schema, String> {
        let mut relations = self.lane.relations.iter();
        let found = relations.find(|relation| self.plan.feeds[relation.feed].name == feed);
        let found = found.map(|relation| relation.relation.schema());
        found.ok_or_else(|| format!("table {}: the feed {feed} has no relation", table.name))
    }

    /// The number of a store with this window, if there is to be one.
    fn store<'b>(
        &mut self,
        name: String,
        window_ms: Option<i64>,
        meaning: impl Iterator<Item = &'b str>,
    ) -> Result<Option<usize>, String> {
        let Some(window_ms) = window_ms else { return Ok(None) };
        if window_ms < 1 || name.len() > usize::from(u16::MAX) {
            return Err(format!("{name}: the window is at least 1 ms long, the name at most 65,535 bytes"));
        }
        let fingerprint = fingerprint("store", meaning);
        self.lane.stores.push(StoreDef { name, window_ms, fingerprint });
        Ok(Some(self.lane.stores.len() - 1))
    }

    fn feed(&mut self, plan: &'a FeedPlan) -> Result<(), String> {
        let feed = self.lane.feeds.len();
        let relation = self.lane.relations.iter().position(|relation| relation.feed == feed);
        let mut later = Vec::new();
        for (side, (source, steps)) in runs(plan)?.into_iter().enumerate() {
            let Some(port) = source else {
                let relation = relation.map(|number| &self.lane.relations[number].relation);
                later =
                    relation.map_or(Ok(Vec::new()), |relation| compile_steps(relation.schema(), steps))?;
                continue;
            };
            let steps = compile_steps(self.schema(port)?, steps)?;
            self.way(Way { feed, side, steps, follows: plan.follow_ms.is_some(), port, group: 0 });
        }
        let normal = self.projection(feed, plan, &plan.select.fields, relation)?;
        let within = match &plan.select.emergency {
            Some(fields) => self.projection(feed, plan, fields, relation)?,
            None => normal,
        };
        let projections = &self.lane.projections;
        if !projections[normal].is_alike(&projections[within]) {
            return Err("what it delivers within an emergency has other names or types".to_owned());
        }
        if plan.tokens.is_none() && (projections[normal].needs_key || projections[within].needs_key) {
            return Err("it has tokens, and the plan does not say how they are made".to_owned());
        }
        let types: Vec<String> = Projection::tail_types(&plan.select.fields).collect();
        let name = format!("corrections/{}", plan.name);
        let follow = self.store(name, plan.follow_ms, types.iter().map(String::as_str))?;
        if follow.is_some() {
            self.lane.projections[normal].check_envelope()?;
        }
        self.lane.feeds.push(Feed {
            name: plan.name.clone(),
            topic: plan.topic.clone(),
            grant_expires_ms: plan.grant_expires_ms,
            schema_id: None,
            token_key: None,
            tokens: plan.tokens.as_ref().map(TokenRule::compile).transpose()?,
            number: feed,
            mode: plan.mode,
            relation,
            steps: later,
            follow,
            views: [normal, within].map(|projection| View { projection, payload: projection }),
        });
        Ok(())
    }

    /// The number of the projection, which feeds that select the same of the same records share.
    fn projection(
        &mut self,
        feed: usize,
        plan: &'a FeedPlan,
        fields: &'a [SelectedPlan],
        relation: Option<usize>,
    ) -> Result<usize, String> {
        let port = plan.source.unwrap_or_default();
        let basis = if relation.is_some() { self.lane.ports.len() + feed } else { port };
        let next = self.lane.projections.len();
        let number = *self.known.entry((basis, fields)).or_insert(next);
        if number == next {
            let projection = match relation {
                Some(number) => Projection::compile(self.lane.relations[number].relation.schema(), fields),
                None => Projection::compile(self.schema(port)?, fields),
            };
            self.lane.projections.push(projection?);
        }
        Ok(number)
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
            for (mode, view) in feed.views.iter_mut().enumerate() {
                if lane.projections[view.projection].needs_key {
                    view.payload = shared + 2 * number + mode;
                }
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

//! The Python surface: messages taken apart and outputs put together under the GIL, the work done without it.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::account::Totals;
use crate::batch::{Key, Outcome, Output, Wait};
use crate::kernel::{Kernel as Core, LATENCY_BOUNDS_MS};
use crate::messages::{Batch, Getters};
use crate::modes::Mode;
use crate::python_dump::{Dump, SpillFailed};
use crate::python_leaf::Leaf;

fn refused(error: String) -> PyErr {
    PyValueError::new_err(error)
}

/// A record that goes to the dead-letter topic.
#[pyclass(frozen, get_all, module = "gebus_kernel")]
struct Dead {
    index: usize,
    reason: String,
    detail: String,
    place: String,
}

#[pymethods]
impl Dead {
    fn __repr__(&self) -> String {
        format!("Dead(index={}, reason={:?}, place={:?})", self.index, self.reason, self.place)
    }
}

/// The first record of a partition that must not be taken yet.
#[pyclass(frozen, get_all, module = "gebus_kernel")]
struct Blocked {
    index: usize,
    reason: &'static str,
    schema_id: Option<u32>,
}

#[pymethods]
impl Blocked {
    fn __repr__(&self) -> String {
        format!("Blocked(index={}, reason={:?}, schema_id={:?})", self.index, self.reason, self.schema_id)
    }
}

/// What became of one batch.
#[pyclass(frozen, get_all, module = "gebus_kernel")]
struct Step {
    count: usize,
    outputs: Py<PyList>,
    dead: Py<PyList>,
    blocked: Py<PyList>,
}

impl Step {
    fn new<'py>(
        py: Python<'py>,
        core: &Core,
        outcome: &mut Outcome,
        batch: &Batch<'py>,
        count: usize,
    ) -> PyResult<Self> {
        Ok(Self {
            count,
            outputs: outputs(py, core, outcome, batch)?.unbind(),
            dead: dead(py, outcome)?.unbind(),
            blocked: blocked(py, outcome)?.unbind(),
        })
    }
}

/// Where the records of one Kafka topic of one slice went for one feed.
#[pyclass(frozen, get_all, module = "gebus_kernel")]
struct Account {
    lane: String,
    slice: u32,
    topic: String,
    feed: String,
    taken: u64,
    more: u64,
    delivered: u64,
    filtered: u64,
    duplicate: u64,
    withheld: u64,
    dead: u64,
    waiting: u64,
}

impl Account {
    fn new(lane: &str, slice: u32, topic: &str, feed: &str, totals: Totals) -> Self {
        let Totals { taken, more, delivered, filtered, duplicate, withheld, dead, waiting } = totals;
        let [lane, topic, feed] = [lane, topic, feed].map(str::to_owned);
        Self {
            lane,
            slice,
            topic,
            feed,
            taken,
            more,
            delivered,
            filtered,
            duplicate,
            withheld,
            dead,
            waiting,
        }
    }
}

#[pymethods]
impl Account {
    fn __repr__(&self) -> String {
        format!(
            "Account(lane={:?}, slice={}, topic={:?}, feed={:?}, taken={}, more={}, delivered={}, filtered={}, \
             duplicate={}, withheld={}, dead={}, waiting={})",
            self.lane,
            self.slice,
            self.topic,
            self.feed,
            self.taken,
            self.more,
            self.delivered,
            self.filtered,
            self.duplicate,
            self.withheld,
            self.dead,
            self.waiting
        )
    }
}

#[pyclass(module = "gebus_kernel")]
struct Kernel {
    core: Core,
    getters: Getters,
    outcome: Outcome,
}

#[pymethods]
impl Kernel {
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "PyO3 hands over owned strings")]
    fn new(py: Python<'_>, plans: Vec<String>) -> PyResult<Self> {
        let core = Core::compile(&plans).map_err(refused)?;
        Ok(Self { core, getters: Getters::new(py)?, outcome: Outcome::default() })
    }

    #[classattr]
    #[pyo3(name = "LATENCY_BOUNDS_MS")]
    fn latency_bounds_ms(py: Python<'_>) -> PyResult<Py<PyTuple>> {
        PyTuple::new(py, LATENCY_BOUNDS_MS).map(Bound::unbind)
    }

    fn add_writer_schema(&mut self, source: &str, schema_id: u32, schema: &str) -> PyResult<()> {
        self.core
            .source(source)
            .and_then(|source| source.add_writer_schema(schema_id, schema))
            .map_err(refused)
    }

    fn refuse_schema(&mut self, source: &str, schema_id: u32, reason: String) -> PyResult<()> {
        self.core.source(source).map_err(refused)?.refuse_schema(schema_id, reason);
        Ok(())
    }

    fn set_feed_schema(&mut self, feed: &str, schema_id: u32) -> PyResult<()> {
        self.core.set_schema(feed, schema_id).map_err(refused)
    }

    fn set_token_key(&mut self, feed: &str, key: &[u8]) -> PyResult<()> {
        self.core.set_token_key(feed, key).map_err(refused)
    }

    fn set_grants(&mut self, until_ms: HashMap<String, i64>) -> PyResult<()> {
        self.core.set_grants(until_ms).map_err(refused)
    }

    fn set_modes(&mut self, modes: Vec<(String, String, i64, i64)>) -> PyResult<()> {
        let modes = modes.into_iter();
        let modes = modes.map(|(id, prefix, since_ms, until_ms)| Mode { id, prefix, since_ms, until_ms });
        self.core.set_modes(modes.collect()).map_err(refused)
    }

    fn open(&mut self, lane: &str, slice: u32) -> PyResult<()> {
        self.core.open(lane, slice).map_err(refused)
    }

    fn close(&mut self, lane: &str, slice: u32) -> PyResult<()> {
        self.core.close(lane, slice).map_err(refused)
    }

    fn restore(&mut self, py: Python<'_>, lane: &str, slice: u32, key: &[u8], value: &[u8]) -> PyResult<()> {
        let core = &mut self.core;
        py.detach(|| core.restore(lane, slice, key, value)).map_err(refused)?;
        core.check_disk().map_err(SpillFailed::new_err)
    }

    fn step(&mut self, py: Python<'_>, messages: &Bound<'_, PyAny>) -> PyResult<Step> {
        self.core.check_ready().map_err(refused)?;
        let batch = Batch::take(&self.getters, messages, &self.core)?;
        let records = batch.records()?;
        let Self { core, outcome, .. } = self;
        outcome.clear();
        py.detach(|| core.step(&records, outcome));
        core.check_disk().map_err(SpillFailed::new_err)?;
        Step::new(py, core, outcome, &batch, records.len())
    }

    fn tick(&mut self, py: Python<'_>, lane: &str, slice: u32, clock_ms: i64) -> PyResult<Step> {
        self.core.check_ready().map_err(refused)?;
        let Self { core, outcome, .. } = self;
        outcome.clear();
        py.detach(|| core.tick(lane, slice, clock_ms, outcome)).map_err(refused)?;
        core.check_disk().map_err(SpillFailed::new_err)?;
        Step::new(py, core, outcome, &Batch::default(), 0)
    }

    fn dump(&self, py: Python<'_>, lane: &str, slice: u32) -> PyResult<Dump> {
        py.detach(|| self.core.dump(lane, slice)).map(Dump::new).map_err(refused)
    }

    #[allow(clippy::needless_pass_by_value, reason = "PyO3 hands over an owned path")]
    fn spill_to(&mut self, folder: std::path::PathBuf, disk_bytes: u64, cache_bytes: u64) {
        self.core.spill_to(&folder, disk_bytes, cache_bytes);
    }

    fn spill(&mut self, py: Python<'_>, memory_bytes: usize) -> (usize, Option<String>) {
        let core = &mut self.core;
        py.detach(|| core.spill(memory_bytes))
    }

    fn spilt(&mut self) -> Vec<(&str, u32, &str, u64)> {
        self.core.spilt()
    }

    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let records = py.detach(|| self.core.state());
        let list = PyList::empty(py);
        for (lane, slice, key, value) in records {
            list.append((lane, slice, PyBytes::new(py, &key), PyBytes::new(py, &value)))?;
        }
        Ok(list)
    }

    fn leaves(&self, py: Python<'_>) -> Vec<Leaf> {
        self.core.leaves().iter().map(|leaf| Leaf::new(py, &self.core, leaf)).collect()
    }

    fn commit(&mut self, now_ms: i64) -> Vec<u64> {
        self.core.commit(now_ms)
    }

    fn rollback(&mut self, py: Python<'_>) {
        let core = &mut self.core;
        py.detach(|| core.rollback());
    }

    fn advance(&mut self, py: Python<'_>, lane: &str, slice: u32, clock_ms: i64) -> PyResult<usize> {
        let core = &mut self.core;
        py.detach(|| core.advance(lane, slice, clock_ms)).map_err(refused)
    }

    fn accounts(&self) -> Vec<Account> {
        let mut accounts = Vec::new();
        let sources = self.core.sources();
        for (number, lane) in self.core.lanes().iter().enumerate() {
            for (slice, state) in self.core.slices(number) {
                for (account, (port, topic)) in state.accounts.iter().zip(lane.topics(sources)) {
                    let topic = &sources[port.source].topics[topic].name;
                    let feeds = port.members.iter().map(|(feed, group)| {
                        (lane.feeds[*feed].name.as_str(), account.feed(*feed, *group, false))
                    });
                    let rows = std::iter::once(("", account.source(false))).chain(feeds);
                    accounts.extend(
                        rows.map(|(feed, totals)| Account::new(&lane.name, slice, topic, feed, totals)),
                    );
                }
            }
        }
        accounts
    }

    fn state_size(&self) -> Vec<(&str, u32, &str, usize, usize)> {
        let mut rows = Vec::new();
        for (number, lane) in self.core.lanes().iter().enumerate() {
            for (slice, state) in self.core.slices(number) {
                let of_slice = state.sizes(lane);
                rows.extend(
                    of_slice.map(|(name, entries, bytes)| (lane.name.as_str(), slice, name, entries, bytes)),
                );
            }
        }
        rows
    }
}

/// What goes out, by topic: lists of dicts as confluent-kafka's `produce_batch` takes them. A dict's key is the very
/// object that the message gave, where the key is the message's.
fn outputs<'py>(
    py: Python<'py>,
    core: &Core,
    outcome: &mut Outcome,
    batch: &Batch<'py>,
) -> PyResult<Bound<'py, PyList>> {
    let topics = PyList::empty(py);
    // The sort is stable: a topic's records stay in the order of the batch.
    outcome.outputs.sort_by_key(|output| (output.lane, output.target));
    for of_topic in outcome.outputs.chunk_by(|a, b| (a.lane, a.target) == (b.lane, b.target)) {
        let list = PyList::empty(py);
        for output in of_topic {
            list.append(delivery(py, &outcome.arena, output, batch)?)?;
        }
        let Output { lane, target, .. } = of_topic[0];
        topics.append((PyString::new(py, core.lanes()[lane].topic(target)), list))?;
    }
    Ok(topics)
}

fn delivery<'py>(
    py: Python<'py>,
    arena: &[u8],
    output: &Output,
    batch: &Batch<'py>,
) -> PyResult<Bound<'py, PyDict>> {
    let bytes = |start, end| PyBytes::new(py, arena.get(start..end).unwrap_or_default());
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "value"), bytes(output.start, output.end))?;
    match output.key {
        Key::Message(record) => dict.set_item(intern!(py, "key"), batch.key(record))?,
        Key::Text(start, end) => dict.set_item(intern!(py, "key"), bytes(start, end))?,
    }
    if let Some(partition) = output.partition {
        dict.set_item(intern!(py, "partition"), partition)?;
    }
    Ok(dict)
}

fn dead<'py>(py: Python<'py>, outcome: &mut Outcome) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for dead in outcome.dead.drain(..) {
        let (index, reason, detail, place) = (dead.record, dead.reason, dead.detail, dead.place);
        list.append(Bound::new(py, Dead { index, reason, detail, place })?)?;
    }
    Ok(list)
}

fn blocked<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for blocked in &outcome.blocked {
        let (reason, schema_id) = match blocked.wait {
            Wait::Schema(id) => ("unknown_schema", Some(id)),
            Wait::People => ("dead_letter_limit", None),
            Wait::Room => ("batch_full", None),
        };
        list.append(Bound::new(py, Blocked { index: blocked.record, reason, schema_id })?)?;
    }
    Ok(list)
}

#[pymodule]
mod gebus_kernel {
    #[pymodule_export]
    use super::{Account, Blocked, Dead, Dump, Kernel, Leaf, SpillFailed, Step};
}

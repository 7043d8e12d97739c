//! The Python surface: messages taken apart and outputs put together under the GIL, the work done without it.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::batch::{Outcome, Output};
use crate::kernel::{Kernel as Core, LATENCY_BOUNDS_MS};
use crate::mask::TokenKey;
use crate::messages::{Batch, Getters};

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

/// Where the records of one Kafka topic of one slice went for one feed.
#[pyclass(frozen, get_all, module = "gebus_kernel")]
struct Account {
    lane: String,
    slice: u32,
    topic: String,
    feed: String,
    taken: u64,
    delivered: u64,
    filtered: u64,
    duplicate: u64,
    withheld: u64,
    dead: u64,
}

#[pymethods]
impl Account {
    fn __repr__(&self) -> String {
        format!(
            "Account(lane={:?}, slice={}, topic={:?}, feed={:?}, taken={}, delivered={}, filtered={}, duplicate={}, \
             withheld={}, dead={})",
            self.lane,
            self.slice,
            self.topic,
            self.feed,
            self.taken,
            self.delivered,
            self.filtered,
            self.duplicate,
            self.withheld,
            self.dead
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
        self.core.feed(feed).map_err(refused)?.schema_id = Some(schema_id);
        Ok(())
    }

    fn set_token_key(&mut self, feed: &str, key: &[u8]) -> PyResult<()> {
        let key = TokenKey::new(key).map_err(refused)?;
        self.core.feed(feed).map_err(refused)?.token_key = Some(key);
        Ok(())
    }

    fn open(&mut self, lane: &str, slice: u32) -> PyResult<()> {
        self.core.open(lane, slice).map_err(refused)
    }

    fn close(&mut self, lane: &str, slice: u32) -> PyResult<()> {
        self.core.close(lane, slice).map_err(refused)
    }

    fn restore(&mut self, py: Python<'_>, lane: &str, slice: u32, key: &[u8], value: &[u8]) -> PyResult<()> {
        let core = &mut self.core;
        py.detach(|| core.restore(lane, slice, key, value)).map_err(refused)
    }

    fn step(&mut self, py: Python<'_>, messages: &Bound<'_, PyAny>) -> PyResult<Step> {
        self.core.check_ready().map_err(refused)?;
        let batch = Batch::take(&self.getters, messages, &self.core)?;
        let records = batch.records()?;
        let Self { core, outcome, .. } = self;
        outcome.clear();
        py.detach(|| core.step(&records, outcome));
        let count = records.len();
        Ok(Step {
            count,
            outputs: outputs(py, core, outcome, &batch)?.unbind(),
            dead: dead(py, outcome)?.unbind(),
            blocked: blocked(py, outcome)?.unbind(),
        })
    }

    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let records = py.detach(|| self.core.state());
        let list = PyList::empty(py);
        for (lane, slice, key, value) in records {
            list.append((lane, slice, PyBytes::new(py, &key), PyBytes::new(py, &value)))?;
        }
        Ok(list)
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
        for (number, lane) in self.core.lanes().iter().enumerate() {
            for (slice, state) in self.core.slices(number) {
                for (topic, account) in lane.source.topics.iter().zip(&state.accounts) {
                    let source = ("", account.source(false));
                    let feeds = lane.feeds.iter().enumerate();
                    let feeds =
                        feeds.map(|(id, feed)| (feed.name.as_str(), account.feed(id, feed.group, false)));
                    accounts.extend(std::iter::once(source).chain(feeds).map(|(feed, totals)| Account {
                        lane: lane.name.clone(),
                        slice,
                        topic: topic.name.clone(),
                        feed: feed.to_owned(),
                        taken: totals.taken,
                        delivered: totals.delivered,
                        filtered: totals.filtered,
                        duplicate: totals.duplicate,
                        withheld: totals.withheld,
                        dead: totals.dead,
                    }));
                }
            }
        }
        accounts
    }

    fn state_size(&self) -> Vec<(&str, u32, &str, usize, usize)> {
        let mut sizes = Vec::new();
        for (number, lane) in self.core.lanes().iter().enumerate() {
            for (slice, state) in self.core.slices(number) {
                let tables = lane.tables.iter().zip(&state.seen);
                sizes.extend(tables.map(|(table, seen)| {
                    (lane.name.as_str(), slice, table.name.as_str(), seen.len(), seen.bytes())
                }));
            }
        }
        sizes
    }
}

/// The deliveries, by feed topic: lists of dicts as confluent-kafka's `produce_batch` takes them. A dict's key is the
/// very object that the message gave.
fn outputs<'py>(
    py: Python<'py>,
    core: &Core,
    outcome: &mut Outcome,
    batch: &Batch<'py>,
) -> PyResult<Bound<'py, PyList>> {
    let topics = PyList::empty(py);
    // The sort is stable: a feed's records stay in the order of the batch.
    outcome.outputs.sort_by_key(|output| (output.lane, output.feed));
    for of_feed in outcome.outputs.chunk_by(|a, b| (a.lane, a.feed) == (b.lane, b.feed)) {
        let list = PyList::empty(py);
        for output in of_feed {
            list.append(delivery(
                py,
                outcome.arena.get(output.start..output.end).unwrap_or_default(),
                output,
                batch,
            )?)?;
        }
        let Output { lane, feed, .. } = of_feed[0];
        topics.append((PyString::new(py, &core.lanes()[lane].feeds[feed].topic), list))?;
    }
    Ok(topics)
}

fn delivery<'py>(
    py: Python<'py>,
    bytes: &[u8],
    output: &Output,
    batch: &Batch<'py>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "value"), PyBytes::new(py, bytes))?;
    dict.set_item(intern!(py, "key"), batch.key(output.record))?;
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
        let reason = if blocked.schema_id.is_some() { "unknown_schema" } else { "dead_letter_limit" };
        list.append(Bound::new(
            py,
            Blocked { index: blocked.record, reason, schema_id: blocked.schema_id },
        )?)?;
    }
    Ok(list)
}

#[pymodule]
mod gebus_kernel {
    #[pymodule_export]
    use super::{Account, Blocked, Dead, Kernel, Step};
}

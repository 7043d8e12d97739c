//! Batches of confluent-kafka messages taken apart.
//!
//! Each method is called through a `map` of its own, which runs in C from message to message without a bound method or
//! a frame for each. All maps go forward together: a message's fields are read while the message is near.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyTuple, PyType};

use crate::batch::Record;
use crate::kernel::Kernel;

/// The timestamp type of a topic with `message.timestamp.type=LogAppendTime`.
const LOG_APPEND_TIME: i64 = 2;
/// Year 9999: beyond it lies no clock, only damage.
const LAST_MS: i64 = 253_402_300_799_999;

/// The ways to read messages, looked up once.
pub struct Getters {
    map: Py<PyAny>,
    method_caller: Py<PyAny>,
    method_descriptor: Py<PyAny>,
}

/// Where a message came from, and its key and value as they lie in Python's memory.
struct Taken<'py> {
    source: usize,
    topic: usize,
    slice: u32,
    append_ms: i64,
    key: Bound<'py, PyAny>,
    value: Bound<'py, PyAny>,
}

/// A batch of messages, checked: of topics and slices that the kernel has, and with the log's own time.
#[derive(Default)]
pub struct Batch<'py>(Vec<Taken<'py>>);

impl Getters {
    pub fn new(py: Python<'_>) -> PyResult<Self> {
        Ok(Self {
            map: py.import("builtins")?.getattr("map")?.unbind(),
            method_caller: py.import("operator")?.getattr("methodcaller")?.unbind(),
            method_descriptor: py.import("types")?.getattr("MethodDescriptorType")?.unbind(),
        })
    }

    /// What the method gives for each message, one after the other.
    fn each<'py>(
        &self,
        messages: &Bound<'py, PyAny>,
        first: &Bound<'py, PyType>,
        name: &str,
    ) -> PyResult<Bound<'py, PyIterator>> {
        let py = messages.py();
        // The descriptor of a type written in C refuses other types itself; a Python class may be mixed with others.
        let method = first.getattr(name)?;
        let getter = if method.is_instance(self.method_descriptor.bind(py))? {
            method
        } else {
            self.method_caller.bind(py).call1((name,))?
        };
        self.map.bind(py).call1((getter, messages))?.try_iter()
    }
}

impl<'py> Batch<'py> {
    pub fn take(getters: &Getters, messages: &Bound<'py, PyAny>, kernel: &Kernel) -> PyResult<Self> {
        let count = messages.len()?;
        let mut batch = Vec::with_capacity(count);
        if count == 0 {
            return Ok(Self(batch));
        }
        let first = messages.get_item(0)?.get_type();
        let each = |name| getters.each(messages, &first, name);
        let (mut keys, mut values) = (each("key")?, each("value")?);
        let (mut topics, mut partitions, mut times) =
            (each("topic")?, each("partition")?, each("timestamp")?);
        let mut finder = Finder { kernel, recent: Vec::new() };
        for number in 0..count {
            let append_ms = append_time(&next(&mut times)?).map_err(|found| wrong(number, &found))?;
            let topic = next(&mut topics)?;
            let partition = next(&mut partitions)?;
            let found = finder.find(topic.extract()?, partition.extract()?);
            let (source, topic, slice) = found.map_err(|found| wrong(number, &found))?;
            let (key, value) = (next(&mut keys)?, next(&mut values)?);
            batch.push(Taken { source, topic, slice, append_ms, key, value });
        }
        Ok(Self(batch))
    }

    pub fn records(&self) -> PyResult<Vec<Record<'_>>> {
        self.0.iter().map(Taken::record).collect()
    }

    /// The key object of a message.
    #[must_use]
    pub fn key(&self, record: usize) -> &Bound<'py, PyAny> {
        &self.0[record].key
    }
}

impl Taken<'_> {
    fn record(&self) -> PyResult<Record<'_>> {
        let Self { source, topic, slice, append_ms, .. } = *self;
        let (key, value) = (bytes(&self.key, "key")?, bytes(&self.value, "value")?);
        Ok(Record { source, topic, slice, key, value, append_ms })
    }
}

fn next<'py>(iterator: &mut Bound<'py, PyIterator>) -> PyResult<Bound<'py, PyAny>> {
    iterator
        .next()
        .unwrap_or_else(|| Err(PyValueError::new_err("the list of messages changed while it was read")))
}

fn wrong(number: usize, found: &str) -> PyErr {
    PyValueError::new_err(format!("message {number}: {found}"))
}

fn bytes<'a>(object: &'a Bound<'_, PyAny>, name: &str) -> PyResult<Option<&'a [u8]>> {
    if object.is_none() {
        return Ok(None);
    }
    let content: Result<&[u8], _> = object.extract();
    content.map(Some).map_err(|_| PyTypeError::new_err(format!("a message's {name}() is bytes or None")))
}

/// The topics that are compared one by one before they are looked up.
const MOST_RECENT: usize = 8;

/// Finds source, topic and slice; most messages are of one of a few topics.
struct Finder<'a> {
    kernel: &'a Kernel,
    recent: Vec<(&'a str, usize, usize)>,
}

impl<'a> Finder<'a> {
    fn find(&mut self, topic: &str, partition: i64) -> Result<(usize, usize, u32), String> {
        let known = self.recent.iter().find(|(name, ..)| *name == topic).copied();
        let (_, source, index) = match known {
            Some(known) => known,
            None => self.look_up(topic)?,
        };
        let slice = u32::try_from(partition).ok().filter(|slice| self.kernel.is_open(source, *slice));
        let slice = slice
            .ok_or_else(|| format!("slice {partition} of {topic} is not open; call open, then restore"))?;
        Ok((source, index, slice))
    }

    fn look_up(&mut self, topic: &str) -> Result<(&'a str, usize, usize), String> {
        let known = self.kernel.topic(topic).ok_or_else(|| format!("no lane reads the topic {topic}"))?;
        if self.recent.len() < MOST_RECENT {
            self.recent.push(known);
        }
        Ok(known)
    }
}

/// The append time of a message. A client error in a message's place has none, and is refused here.
fn append_time(timestamp: &Bound<'_, PyAny>) -> Result<i64, String> {
    let pair = timestamp.cast::<PyTuple>().ok().and_then(|pair| {
        let kind: i64 = pair.get_borrowed_item(0).ok()?.extract().ok()?;
        let ms: i64 = pair.get_borrowed_item(1).ok()?.extract().ok()?;
        Some((kind, ms))
    });
    match pair {
        Some((LOG_APPEND_TIME, ms)) if (0..=LAST_MS).contains(&ms) => Ok(ms),
        Some((LOG_APPEND_TIME, ms)) => Err(format!("its append time {ms} is no time")),
        Some((kind, _)) => Err(format!(
            "its timestamp is of type {kind}, and must be the log's append time (2): it is a client error, or \
             its topic lacks message.timestamp.type=LogAppendTime"
        )),
        None => Err("its timestamp() is not a pair of numbers".to_owned()),
    }
}

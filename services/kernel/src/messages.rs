//! Batches of confluent-kafka messages taken apart, one attribute of all messages at a time.
//!
//! A method called through `map` runs in C from message to message, without a bound method or a frame for each.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::kernel::{Kernel, Record};

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

impl Getters {
    pub fn new(py: Python<'_>) -> PyResult<Self> {
        Ok(Self {
            map: py.import("builtins")?.getattr("map")?.unbind(),
            method_caller: py.import("operator")?.getattr("methodcaller")?.unbind(),
            method_descriptor: py.import("types")?.getattr("MethodDescriptorType")?.unbind(),
        })
    }

    /// What the method gives for each message.
    fn column<'py>(
        &self,
        messages: &Bound<'py, PyAny>,
        first: &Bound<'py, PyType>,
        name: &str,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = messages.py();
        // The descriptor of a type written in C refuses other types itself; a Python class may be mixed with others.
        let method = first.getattr(name)?;
        let getter = if method.is_instance(self.method_descriptor.bind(py))? {
            method
        } else {
            self.method_caller.bind(py).call1((name,))?
        };
        let values = self.map.bind(py).call1((getter, messages))?;
        Ok(py.get_type::<PyTuple>().call1((values,))?.cast_into::<PyTuple>()?)
    }
}

/// The attributes of a batch of messages, each as one tuple.
pub struct Columns<'py> {
    topics: Bound<'py, PyTuple>,
    partitions: Bound<'py, PyTuple>,
    offsets: Bound<'py, PyTuple>,
    keys: Bound<'py, PyTuple>,
    values: Bound<'py, PyTuple>,
    timestamps: Bound<'py, PyTuple>,
}

impl<'py> Columns<'py> {
    pub fn take(getters: &Getters, messages: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = messages.py();
        if messages.len()? == 0 {
            let none = || PyTuple::empty(py);
            let (topics, partitions, offsets) = (none(), none(), none());
            return Ok(Self {
                topics,
                partitions,
                offsets,
                keys: none(),
                values: none(),
                timestamps: none(),
            });
        }
        let first = messages.get_item(0)?.get_type();
        let column = |name| getters.column(messages, &first, name);
        Ok(Self {
            topics: column("topic")?,
            partitions: column("partition")?,
            offsets: column("offset")?,
            keys: column("key")?,
            values: column("value")?,
            timestamps: column("timestamp")?,
        })
    }

    pub const fn keys(&self) -> &Bound<'py, PyTuple> {
        &self.keys
    }

    /// The messages as records, checked: of topics and slices that the kernel has, and with the log's own time.
    pub fn records<'a>(&'a self, kernel: &Kernel) -> PyResult<Vec<Record<'a>>> {
        let mut records: Vec<Record<'a>> = Vec::with_capacity(self.topics.len());
        let mut last: (&str, usize, usize) = ("", usize::MAX, 0);
        let columns = self.topics.iter_borrowed().zip(self.partitions.iter_borrowed());
        let columns = columns.zip(self.offsets.iter_borrowed()).zip(self.keys.iter_borrowed());
        let columns = columns.zip(self.values.iter_borrowed()).zip(self.timestamps.iter_borrowed());
        for (number, (((((topic, partition), offset), key), value), timestamp)) in columns.enumerate() {
            let name = <&str>::extract(topic)?;
            if name != last.0 || last.1 == usize::MAX {
                let (lane, index) = kernel
                    .topic(name)
                    .ok_or_else(|| wrong(number, format!("no lane reads the topic {name}")))?;
                last = (name, lane, index);
            }
            let slice = partition
                .extract::<u32>()
                .map_err(|_| wrong(number, format!("{name} has a partition below 0")))?;
            if !kernel.is_open(last.1, slice) {
                return Err(wrong(
                    number,
                    format!("slice {slice} of {name} is not open; call open, then restore"),
                ));
            }
            if offset.extract::<i64>()? < 0 {
                return Err(wrong(
                    number,
                    format!("its offset in {name} is negative: a client error is no record"),
                ));
            }
            let append_ms =
                append_time(&timestamp).map_err(|found| wrong(number, format!("of {name}: {found}")))?;
            let (key, value) = (bytes(key, "key")?, bytes(value, "value")?);
            records.push(Record { lane: last.1, topic: last.2, slice, key, value, append_ms });
        }
        if records.len() != self.topics.len() {
            return Err(PyValueError::new_err("the list of messages changed while it was read"));
        }
        Ok(records)
    }
}

fn wrong(number: usize, found: String) -> PyErr {
    PyValueError::new_err(format!("message {number}: {found}"))
}

fn bytes<'a>(object: Borrowed<'a, '_, PyAny>, name: &str) -> PyResult<Option<&'a [u8]>> {
    if object.is_none() {
        return Ok(None);
    }
    let content = <&[u8]>::extract(object);
    content.map(Some).map_err(|_| PyTypeError::new_err(format!("a message's {name}() is bytes or None")))
}

fn append_time(timestamp: &Borrowed<'_, '_, PyAny>) -> Result<i64, String> {
    let pair: Option<(i64, i64)> = timestamp.extract().ok();
    match pair {
        Some((LOG_APPEND_TIME, ms)) if (0..=LAST_MS).contains(&ms) => Ok(ms),
        Some((LOG_APPEND_TIME, ms)) => Err(format!("its append time {ms} is no time")),
        Some((kind, _)) => Err(format!(
            "its timestamp is of type {kind}, and must be the log's append time (2): set message.timestamp.type=LogAppendTime"
        )),
        None => Err("its timestamp() is not a pair of numbers".to_owned()),
    }
}

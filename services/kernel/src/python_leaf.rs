//! A leaf as Python takes it.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::kernel::Kernel as Core;
use crate::leaf::Leaf as Held;

/// What the open transaction delivered to one feed from one slice, in one mode.
#[pyclass(frozen, get_all, module = "gebus_kernel")]
pub struct Leaf {
    lane: String,
    slice: u32,
    feed: String,
    mode: u32,
    count: u64,
    size: u64,
    fields: (u64, u64, u64, u64),
    root: Py<PyBytes>,
    entries: Py<PyBytes>,
}

impl Leaf {
    pub fn new(py: Python<'_>, core: &Core, leaf: &Held) -> Self {
        let lane = &core.lanes()[leaf.of.lane];
        let [_, public, internal, sensitive, most] = leaf.values;
        Self {
            lane: lane.name.clone(),
            slice: leaf.of.slice,
            feed: lane.feeds[leaf.of.feed].name.clone(),
            mode: leaf.of.mode,
            count: leaf.count(),
            size: leaf.size,
            fields: (public, internal, sensitive, most),
            root: PyBytes::new(py, &leaf.root()).unbind(),
            entries: PyBytes::new(py, &leaf.entries).unbind(),
        }
    }
}

#[pymethods]
impl Leaf {
    fn __repr__(&self) -> String {
        let Self { feed, slice, mode, count, .. } = self;
        format!("Leaf(feed={feed:?}, slice={slice}, mode={mode}, count={count})")
    }
}

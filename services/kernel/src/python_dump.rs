//! A dump as Python takes it, record by record.

use pyo3::create_exception;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::spill::Dump as Core;

create_exception!(gebus_kernel, SpillFailed, PyOSError);

type Record<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// The committed state of a slice, record by record.
#[pyclass(module = "gebus_kernel")]
pub struct Dump {
    core: Core,
}

impl Dump {
    pub fn new(core: Core) -> Self {
        Self { core }
    }
}

#[pymethods]
impl Dump {
    fn __len__(&self) -> usize {
        self.core.len()
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Record<'py>>> {
        let core = &mut self.core;
        match py.detach(|| core.next()) {
            None => Ok(None),
            Some(Ok((key, value))) => Ok(Some((PyBytes::new(py, &key), PyBytes::new(py, &value)))),
            Some(Err(error)) => Err(SpillFailed::new_err(error)),
        }
    }
}

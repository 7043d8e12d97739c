//! The kernel's one way to a disk: what tables remember beyond their memory, in an embedded LSM store.
//!
//! A cache of what is committed, never the truth: it begins empty, each run is deleted with whoever holds it, and none
//! is opened again. Nothing is written while a transaction is open, so no run has to be taken back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use lsm_tree::config::{BlockSizePolicy, PartitioningPolicy};
use lsm_tree::{
    AbstractTree, AnyTree, Cache, Config, DescriptorTable, Guard, SeqNo, SequenceNumberCounter, UserKey,
    UserValue,
};

pub use piece::{Dump, Piece};

mod piece;

/// Open files at a time, of all runs together.
const MOST_FILES: usize = 256;
/// A look-up passes the filters of so many parts of a run, at most; then they are merged.
const MOST_PARTS: usize = 8;
const BLOCK_BYTES: u32 = 4096;
const MERGED_BYTES: u64 = 64 << 20;
/// Runs of all kernels of this process have names of their own.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder for the runs of one kernel, with the bytes that they may take.
pub struct Disk {
    folder: PathBuf,
    most: u64,
    used: AtomicU64,
    cache: Arc<Cache>,
    files: Arc<DescriptorTable>,
    /// The first read that failed: what was answered since is worth nothing.
    failure: OnceLock<String>,
}

impl Disk {
    /// Runs will be folders in `folder`, of `most` bytes together, read through a cache of `cache` bytes.
    #[must_use]
    pub fn new(folder: &Path, most: u64, cache: u64) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.to_owned(),
            most,
            used: AtomicU64::new(0),
            cache: Arc::new(Cache::with_capacity_bytes(cache)),
            files: Arc::new(DescriptorTable::new(MOST_FILES)),
            failure: OnceLock::new(),
        })
    }

    /// Why a read failed since this kernel began: what it answered since must not be committed.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    fn room(&self, bytes: u64) -> Result<(), String> {
        let used = self.used.load(Ordering::Relaxed);
        if used.saturating_add(bytes) <= self.most {
            return Ok(());
        }
        Err(format!("{used} of the {} bytes of disk are used, and {bytes} more are wanted", self.most))
    }

    /// Keeps why a read failed, and answers nothing.
    fn failed<T: Default>(&self, error: String) -> T {
        let _ = self.failure.set(error);
        T::default()
    }

    fn told(&self, what: &str, error: &lsm_tree::Error) -> String {
        let error = match error {
            lsm_tree::Error::Io(error) => error.to_string(),
            other => format!("{other:?}"),
        };
        format!("{} could not be {what}: {error}", self.folder.display())
    }
}

/// Values by key on the disk, which lives as long as whoever holds it.
///
/// Promised: a failed `add` leaves what was there. A read that fails is told by the disk's `failure`; the checksum of
/// every block is compared. Not promised: that anything is there after the process.
pub struct Run {
    disk: Arc<Disk>,
    folder: PathBuf,
    tree: AnyTree,
    bytes: AtomicU64,
}

impl Run {
    /// An empty run, if the disk has room for so many bytes.
    pub fn new(disk: &Arc<Disk>, bytes: usize) -> Result<Self, String> {
        disk.room(bytes as u64)?;
        let folder = disk.folder.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        // Partitioned: a look-up reads a block of an index or a filter, not all of it.
        let whole = PartitioningPolicy::all(true);
        let numbers = [SequenceNumberCounter::default(), SequenceNumberCounter::default()];
        let [own, visible] = numbers;
        let config = Config::new(&folder, own, visible)
            .use_cache(Arc::clone(&disk.cache))
            .use_descriptor_table(Some(Arc::clone(&disk.files)))
            .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
            .index_block_partitioning_policy(whole.clone())
            .filter_block_partitioning_policy(whole);
        match config.open() {
            Ok(tree) => Ok(Self { disk: Arc::clone(disk), folder, tree, bytes: AtomicU64::new(0) }),
            Err(error) => {
                // What is left is no run's; if it cannot be removed, it is with all else when the process ends.
                let _ = fs::remove_dir_all(&folder);
                Err(disk.told("written", &error))
            }
        }
    }

    /// Adds values by rising keys, at least one, of about so many bytes; a key that is there gets the new value.
    pub fn add<'a, K: AsRef<[u8]>>(
        &self,
        bytes: usize,
        values: impl Iterator<Item = (K, &'a [u8])>,
    ) -> Result<(), String> {
        self.disk.room(bytes as u64)?;
        let last = self.tree.get_next_table_id();
        let added = self.write(values);
        if added.is_err() {
            self.sweep(last);
        }
        self.count();
        added.map_err(|error| self.disk.told("written", &error))
    }

    fn write<'a, K: AsRef<[u8]>>(
        &self,
        values: impl Iterator<Item = (K, &'a [u8])>,
    ) -> Result<(), lsm_tree::Error> {
        let mut ingestion = self.tree.ingestion()?;
        for (key, value) in values {
            ingestion.write(key.as_ref(), value)?;
        }
        ingestion.finish()?;
        if self.tree.l0_run_count() > MOST_PARTS {
            self.tree.major_compact(MERGED_BYTES, 0)?;
        }
        Ok(())
    }

    /// Deletes the files that a failed `add` began: on a full disk they would fill what is left of it.
    fn sweep(&self, last: u64) {
        let used: Vec<u64> = self.tree.current_version().iter_tables().map(lsm_tree::Table::id).collect();
        for file in fs::read_dir(self.folder.join("tables")).into_iter().flatten().flatten() {
            let number = file.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if number.is_some_and(|number| number > last && !used.contains(&number)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    fn count(&self) {
        let now = self.tree.disk_space();
        let before = self.bytes.swap(now, Ordering::Relaxed);
        self.disk.used.fetch_add(now, Ordering::Relaxed);
        self.disk.used.fetch_sub(before, Ordering::Relaxed);
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether a key is there; no too where reading failed, which the disk's `failure` tells.
    #[must_use]
    pub fn has(&self, key: &[u8]) -> bool {
        let found = self.tree.get(key, SeqNo::MAX).map_err(|error| self.disk.told("read", &error));
        found.unwrap_or_else(|error| self.disk.failed(error)).is_some()
    }

    /// The value of a key that was added; none where reading failed, which the disk's `failure` tells.
    #[must_use]
    pub fn value(&self, key: &[u8]) -> UserValue {
        self.read(key).unwrap_or_else(|error| self.disk.failed(error))
    }

    fn read(&self, key: &[u8]) -> Result<UserValue, String> {
        let found = self.tree.get(key, SeqNo::MAX).map_err(|error| self.disk.told("read", &error))?;
        found.ok_or_else(|| format!("{}: a value that was written is not there", self.folder.display()))
    }

    /// The keys that are there now, rising, whatever is added later.
    #[must_use]
    pub fn keys(self: &Arc<Self>) -> Keys {
        let run = Arc::clone(self);
        let all = self.tree.iter(SeqNo::MAX, None);
        Keys(Box::new(all.map(move |entry| entry.key().map_err(|error| run.disk.told("read", &error)))))
    }
}

/// Keys of a run, which holds it.
pub struct Keys(Box<dyn Iterator<Item = Result<UserKey, String>> + Send>);

impl Iterator for Keys {
    type Item = Result<UserKey, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Dropped tables give their open files back; the folder goes whatever became of them.
        let _ = self.tree.drop_range::<[u8; 1], _>(..);
        let _ = fs::remove_dir_all(&self.folder);
        self.disk.used.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

#[cfg(test)]
pub mod tests;

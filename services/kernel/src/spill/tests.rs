use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Disk, NEXT, Piece, Run};
use crate::random::Random;

/// A folder that is gone after the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // In memory where there is such a folder: each run is synchronised to its disk many times.
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let folder = parent.join(format!("gebus-kernel-{}-{number}", std::process::id()));
        assert!(fs::create_dir(&folder).is_ok());
        Self(folder)
    }

    pub fn disk(&self) -> Arc<Disk> {
        Disk::new(&self.0, 1 << 30, 1 << 20)
    }

    /// The runs in it, and the files of them that this process holds open.
    fn left(&self) -> (usize, usize) {
        let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let open = open.filter_map(|file| fs::read_link(file.path()).ok());
        (
            fs::read_dir(&self.0).map_or(0, Iterator::count),
            open.filter(|file| file.starts_with(&self.0)).count(),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn records(pieces: Vec<Piece>) -> Vec<Vec<u8>> {
    let read: Result<Vec<_>, _> = pieces.into_iter().map(Piece::record).collect();
    assert_eq!(read.as_ref().err(), None);
    read.unwrap_or_default()
}

fn run(disk: &Arc<Disk>) -> Run {
    match Run::new(disk, 0) {
        Ok(run) => run,
        Err(error) => unreachable!("{error}"),
    }
}

fn add(run: &Run, numbers: impl Iterator<Item = u32>, value: &[u8]) -> Result<(), String> {
    run.add(100, numbers.map(|number| (number.to_be_bytes(), value)))
}

#[test]
fn a_run_gives_the_newest_value_however_often_it_was_added_to() {
    let folder = Folder::new();
    let run = Arc::new(run(&folder.disk()));
    let mut random = Random(1);
    let mut expected = vec![None; 500];
    for round in 0..40 {
        let (first, step) = (random.below(100), 1 + random.below(7));
        let numbers = (first..500).step_by(step);
        numbers.clone().for_each(|number| expected[number] = Some(round));
        assert_eq!(add(&run, numbers.map(|number| number as u32), &[round]), Ok(()));
        for (number, value) in expected.iter().enumerate() {
            let key = (number as u32).to_be_bytes();
            assert_eq!(run.has(&key), value.is_some());
            assert!(value.is_none_or(|value| *run.value(&key) == [value]), "{number}");
        }
    }
    let keys: Result<Vec<_>, _> = run.keys().map(|key| key.map(|key| key.to_vec())).collect();
    let there = expected.iter().enumerate().filter(|(_, value)| value.is_some());
    assert_eq!(keys, Ok(there.map(|(number, _)| (number as u32).to_be_bytes().to_vec()).collect()));
}

#[test]
fn what_nobody_holds_any_more_leaves_nothing() {
    let folder = Folder::new();
    let disk = folder.disk();
    let run = Arc::new(run(&disk));
    assert_eq!(add(&run, 0..5_000, b"value"), Ok(()));
    assert!((0..5_000u32).all(|number| run.has(&number.to_be_bytes())));
    assert!(disk.used.load(Ordering::Relaxed) >= run.bytes() && run.bytes() > 5_000);
    let mut keys = run.keys();
    drop(run);
    assert_eq!(keys.next().map(|key| key.map(|key| key.to_vec())), Some(Ok(vec![0; 4])));
    assert_eq!(keys.count(), 4_999, "whoever reads it keeps it");
    assert_eq!((folder.left(), disk.used.load(Ordering::Relaxed)), ((0, 0), 0));
}

#[test]
fn beyond_its_bytes_a_disk_takes_nothing() {
    let folder = Folder::new();
    let disk = Disk::new(&folder.0, 1_000, 1 << 20);
    let run = run(&disk);
    let refused = run.add(1_001, [(b"key", &b"value"[..])].into_iter());
    assert_eq!(refused, Err("0 of the 1000 bytes of disk are used, and 1001 more are wanted".to_owned()));
    assert!(!run.has(b"key"));
    assert_eq!(run.add(900, [(b"key", &b"value"[..])].into_iter()), Ok(()));
    assert!(Run::new(&disk, 1_000).is_err_and(|error| error.contains("of the 1000 bytes of disk are used")));
    assert_eq!((&*run.value(b"key"), disk.failure()), (&b"value"[..], None));
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_what_was_there_stays() {
    let folder = Folder::new();
    let disk = folder.disk();
    let run = run(&disk);
    assert_eq!(add(&run, 0..10, b"v"), Ok(()));
    let tables = run.folder.join("tables");
    let aside = folder.0.join("aside");
    assert!(fs::rename(&tables, &aside).is_ok());
    let refused = add(&run, 0..10, b"w").err().unwrap_or_default();
    assert!(refused.contains("could not be written: ") && refused.contains("gebus-kernel-"), "{refused}");
    assert!(fs::rename(&aside, &tables).is_ok());
    assert_eq!((&*run.value(&[0; 4]), disk.failure()), (&b"v"[..], None));
    assert_eq!((add(&run, 0..10, b"w"), &*run.value(&[0; 4])), (Ok(()), &b"w"[..]));
    let nowhere = Disk::new(&folder.0.join("aside/file"), 1_000, 1_000);
    assert!(fs::write(folder.0.join("aside"), b"a file").is_ok());
    assert!(Run::new(&nowhere, 0).is_err_and(|error| error.contains("aside/file could not be written: ")));
}

#[test]
fn a_damaged_file_is_found_and_told_until_the_end() {
    let folder = Folder::new();
    let disk = folder.disk();
    let run = run(&disk);
    assert_eq!(add(&run, 0..2_000, b"a value that is read"), Ok(()));
    for file in fs::read_dir(run.folder.join("tables")).into_iter().flatten().flatten() {
        let bytes = fs::read(file.path()).unwrap_or_default();
        let damaged: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
        assert!(fs::write(file.path(), damaged).is_ok());
    }
    let found = (0..2_000u32).filter(|number| run.has(&number.to_be_bytes())).count();
    assert_eq!(found, 0, "none is believed");
    assert!(
        disk.failure().is_some_and(|failure| failure.contains("could not be read: ")),
        "{:?}",
        disk.failure()
    );
    assert_eq!(&*run.value(&[0; 4]), b"");
}

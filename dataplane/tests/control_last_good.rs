//! The last good table on disk: what is saved, what is believed, what is ignored.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "fake/controller.rs"]
mod fake;

use std::os::unix::fs::PermissionsExt;

use dataplane::control::{LastGood, LastGoodError};
use fake::*;
use routetable::RouteTable;
use routetable::wire::last_good;

fn saved() -> (tempfile::TempDir, LastGood, RouteTable) {
    let dir = tempfile::tempdir().unwrap();
    let file = LastGood::new(dir.path());
    let table = simple(&[("chat", 1), ("feed", 2)]);
    file.save(&table, version(4)).unwrap();
    (dir, file, table)
}

#[test]
fn what_is_saved_is_what_is_loaded_and_only_its_owner_reads_it() {
    let (dir, file, table) = saved();
    assert_eq!(file.load().unwrap(), Some((table.into(), version(4))));
    let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing else stays behind");
}

#[test]
fn a_folder_without_the_file_is_a_first_start() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(LastGood::new(dir.path()).load().unwrap(), None);
}

#[test]
fn no_damaged_byte_and_no_cut_is_believed() {
    let (_dir, file, _) = saved();
    let whole = std::fs::read(file.path()).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(file.path(), &damaged).unwrap();
        assert!(file.load().is_err(), "byte {at} flipped");
        std::fs::write(file.path(), &whole[..at]).unwrap();
        assert!(file.load().is_err(), "cut at {at}");
    }
    let longer = [&whole[..], b"x"].concat();
    std::fs::write(file.path(), longer).unwrap();
    assert!(file.load().is_err(), "bytes behind the end");
}

#[test]
fn a_file_of_another_release_is_named_as_such() {
    let (_dir, file, _) = saved();
    let mut bytes = std::fs::read(file.path()).unwrap();
    bytes[8] = 99;
    std::fs::write(file.path(), bytes).unwrap();
    assert!(matches!(
        file.load(),
        Err(LastGoodError::Content(last_good::LastGoodError::Protocol(99)))
    ));
}

//! What the kernel knows of a process: children, memory, CPU time, descriptors.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Children of a process, with their command names (cut at 15 bytes by the kernel).
pub fn children(parent: u32) -> Vec<(u32, String)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return vec![];
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            let mut fields = rest.split_whitespace();
            // A zombie is no child any more.
            let alive = fields.next()? != "Z";
            (alive && fields.next()?.parse() == Ok(parent)).then(|| (pid, name.to_owned()))
        })
        .collect()
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident pages.
    pub rss: u64,
    /// Resident pages, those shared with other processes in proportion.
    pub pss: u64,
    /// Pages only this process has.
    pub private: u64,
}

/// Reads the memory of a process.
///
/// # Errors
/// When the process is gone.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let field = |name: &str| -> Result<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kib.with_context(|| format!("{name} in {path}"))? * 1024)
    };
    Ok(Memory {
        rss: field("Rss")?,
        pss: field("Pss")?,
        private: field("Private_Clean")? + field("Private_Dirty")?,
    })
}

/// CPU time that a process has used, all its threads together.
///
/// # Errors
/// When the process is gone.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    // Nanoseconds per thread; the process's own stat counts in ticks of 10 ms. A thread that has ended
    // is not counted: the processes measured here keep theirs.
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let nanos = text
            .split_whitespace()
            .next()
            .and_then(|first| first.parse::<u64>().ok());
        total += nanos.with_context(|| path.display().to_string())?;
    }
    Ok(Duration::from_nanos(total))
}

/// How many descriptors a process has open.
///
/// # Errors
/// When the process is gone.
pub fn descriptors(pid: u32) -> Result<usize> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).with_context(|| path)?.count())
}

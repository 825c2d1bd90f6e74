//! What the system knows of this process: descriptors, processor time, memory.

use std::fmt::Result;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::encode::Page;

/// The names that all Prometheus clients use.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let mut page = Page(encoder);
        if let Some(stat) = Stat::read() {
            let ticks = clock_ticks_per_second() as f64;
            let cpu = stat.cpu_ticks / ticks;
            page.lone_counter("process_cpu_seconds", "Processor time, user and system", &cpu)?;
            let resident = stat.resident_pages * page_size() as f64;
            page.lone_gauge("process_resident_memory_bytes", "Memory in use", &resident)?;
            if let Some(boot) = boot_time() {
                let start = boot + stat.start_ticks / ticks;
                page.lone_gauge(
                    "process_start_time_seconds",
                    "Start of this process, in Unix time",
                    &start,
                )?;
            }
        }
        if let Some(open) = open_descriptors() {
            page.lone_gauge("holdfast_open_file_descriptors", "Descriptors in use", &open)?;
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            page.lone_gauge(
                "holdfast_file_descriptor_limit",
                "Descriptors that this process may use",
                &limit,
            )?;
        }
        Ok(())
    }
}

/// Fields of `/proc/self/stat` (proc(5)).
struct Stat {
    cpu_ticks: f64,
    start_ticks: f64,
    resident_pages: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is a name in brackets that may hold blanks and brackets.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered from 1 in proc(5); the third is the first behind the name.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
            resident_pages: field(24)?,
        })
    }
}

fn boot_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn open_descriptors() -> Option<u64> {
    // The one that lists them is not counted.
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_and_brackets_do_not_shift_the_fields() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = Stat::parse(&format!("17 (a ) b) {}", fields.join(" "))).unwrap();
        assert_eq!(
            (stat.cpu_ticks, stat.start_ticks, stat.resident_pages),
            (29.0, 22.0, 24.0)
        );
    }

    #[test]
    fn this_process_has_a_start_and_memory() {
        let stat = Stat::read().unwrap();
        assert!(stat.resident_pages > 0.0 && stat.start_ticks > 0.0 && boot_time().is_some());
    }
}

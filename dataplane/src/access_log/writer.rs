//! The writer thread behind the queue.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use serde::Serialize;

/// Records that may wait; of some 300 bytes each, 3 kB at most.
const QUEUE: usize = 8192;

/// Bytes that go out in one write while more records are waiting.
const BATCH: usize = 64 << 10;

/// How long the first record of a batch waits for others. Waking this thread and writing cost several times what a
/// record does.
const GATHER: Duration = Duration::from_millis(10);

enum Job {
    Line(Vec<u8>),
    /// Answer when everything before this is out.
    Flush(SyncSender<()>),
}

/// The sending end of the queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: SyncSender<Job>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        thread::Builder::new()
            .name("access-log".into())
            .spawn(move || run(&jobs, sink, &lost))?;
        Ok(Self { queue, dropped })
    }

    pub(super) fn write(&self, record: &impl Serialize) {
        let mut line = Vec::with_capacity(512);
        let written = serde_json::to_writer(&mut line, record);
        line.push(b'\n');
        if written.is_err() || self.queue.try_send(Job::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        // A full queue is being written; its sink may also hang, so this must not wait for room.
        let mut job = Job::Flush(done);
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.queue.try_send(job) {
            if waited >= limit {
                return;
            }
            job = back;
            thread::sleep(step);
            waited += step;
        }
        let _ = wait.recv_timeout(limit.saturating_sub(waited));
    }
}

fn run(jobs: &Receiver<Job>, mut sink: impl Write, lost: &AtomicU64) {
    let mut batch = Vec::with_capacity(BATCH);
    let (mut records, mut drained) = (0, true);
    while let Ok(job) = jobs.recv() {
        if drained && matches!(job, Job::Line(_)) {
            thread::sleep(GATHER);
        }
        let mut next = Some(job);
        let mut flushed = Vec::new();
        while let Some(job) = next {
            match job {
                Job::Line(line) => {
                    batch.extend_from_slice(&line);
                    records += 1;
                }
                Job::Flush(done) => flushed.push(done),
            }
            next = if batch.len() < BATCH {
                jobs.try_recv().ok()
            } else {
                None
            };
        }
        drained = batch.len() < BATCH;
        if sink.write_all(&batch).and_then(|()| sink.flush()).is_err() {
            // Whoever read it went away; requests are served all the same.
            lost.fetch_add(records, Ordering::Relaxed);
        }
        batch.clear();
        records = 0;
        for done in flushed {
            let _ = done.try_send(());
        }
    }
}

//! After any kind of end nothing is left: no row, no descriptor. Alone in its process, because it
//! counts the process's descriptors.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "tunnel_sessions/rig.rs"]
#[allow(dead_code)]
mod rig;

use std::time::Duration;

use dataplane::session::ProxyCause;
use dataplane::tunnel::{DrainPlan, Filter, TableSettings};
use rig::{Options, close_frame, close_of, frame, reset, settings, worker};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn nothing_is_left_behind() {
    let brief = TableSettings {
        close_timeout: Duration::from_millis(50),
        ..settings()
    };
    worker(brief, |rig| async move {
        // The driver has its own once it runs.
        tokio::task::yield_now().await;
        let before = descriptors();
        for round in 0..300 {
            let options = Options {
                idle: (round % 6 == 5).then_some(Duration::from_millis(20)),
                ..Options::default()
            };
            let (mut client, mut backend) = rig.session(options).await;
            client.write_all(&frame(0x81, b"hello", true)).await.unwrap();
            match round % 6 {
                0 => reset(client),
                1 => drop((client, backend)),
                2 => backend.write_all(b"\xff\xff garbage").await.unwrap(),
                3 => {
                    client.write_all(&close_frame(1000, true)).await.unwrap();
                    backend.write_all(&close_frame(1000, false)).await.unwrap();
                }
                4 => {
                    let plan = DrainPlan {
                        cause: ProxyCause::Command,
                        close: close_of(4000, "enough"),
                        window: Duration::from_millis(5),
                        deadline: Duration::from_millis(50),
                    };
                    rig.table.drain(Filter::All, plan, Instant::now());
                }
                _ => {
                    // The idle timeout, and peers that do not answer.
                    while rig.table.len() > 20 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
        }
        let ends = rig.all_ends().await;
        assert_eq!(ends.len(), 300);
        assert!(rig.table.is_empty());
        // The peers' own ends are all dropped by now.
        assert_eq!(descriptors(), before);
    });
}

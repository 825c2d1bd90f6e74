//! A network of the tests' own: a namespace in which every address of 198.18.0.0/15 (the range for
//! benchmarks, RFC 2544) is this machine's, and a /24 of it for each test.
//!
//! EndpointSlices may not name loopback addresses, and two tests must be able to use the same port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail, ensure};

/// An address that only our namespace has.
const PROBE: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 254);
const SET_UP: &str = "ip link set lo up && ip addr add 198.18.0.0/15 dev lo && exec \"$@\"";
/// How many /24 the range has.
const SUBNETS: u16 = 512;

/// Runs this program again in a namespace of its own, unless it is in one; returns only there.
///
/// Must be called while the program has one thread, before anything else.
///
/// # Errors
/// When neither root nor an unprivileged user may make one here.
pub fn enter() -> Result<()> {
    if TcpListener::bind((PROBE, 0)).is_ok() {
        return Ok(());
    }
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.arg("--net");
    // Asked first, because a failure after `exec` could say nothing more.
    let attempt = Command::new(unshare.get_program())
        .args(unshare.get_args())
        .args(["ip", "link", "set", "lo", "up"])
        .output()
        .context("unshare is missing: install util-linux")?;
    ensure!(
        attempt.status.success(),
        "these tests need a network namespace of their own, and the system refuses one: {}; run them as root, or \
         allow unprivileged user namespaces (and install iproute2, if 'ip' is missing)",
        String::from_utf8_lossy(&attempt.stderr).trim()
    );
    let error = unshare
        .args(["sh", "-c", SET_UP, "sh"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .exec();
    bail!("unshare: {error}");
}

/// The addresses of one test: `198.18.N.0/24` or `198.19.N.0/24`.
#[derive(Clone, Copy, Debug)]
pub struct Subnet(u16);

impl Subnet {
    /// One that no other test of this process has.
    ///
    /// # Errors
    /// When all are given away.
    pub fn next() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        ensure!(number < SUBNETS - 1, "no subnet left of {SUBNETS}");
        Ok(Self(number))
    }

    /// One of its addresses.
    pub fn ip(self, host: u8) -> IpAddr {
        let [high, low] = self.0.to_be_bytes();
        Ipv4Addr::new(198, 18 + high, low, host).into()
    }

    /// One of its addresses with a port.
    pub fn at(self, host: u8, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(host), port)
    }
}

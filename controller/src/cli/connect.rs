//! `holdfast connect`: tests a WebSocket handshake the way `curl -v` tests a request.
//!
//! Writes and reads the HTTP heads itself, so that what is shown is what went over the wire; frames
//! are left to a WebSocket library once the 101 is judged (RFC 6455, section 4.1).

mod dial;
mod request;
mod response;
mod session;
mod tls;
mod transcript;
mod url;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use self::request::Header;
use self::transcript::{line, milliseconds};
use self::url::Url;
use super::Exit;
use crate::compile::timeouts;

/// Arguments of `holdfast connect`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the session opened, did what was asked and closed; 1 the peer refused, \
    answered wrongly or not at all; 2 usage, or unreachable"
)]
pub(super) struct Args {
    /// Where to connect to, such as ws://localhost:8080/echo
    url: String,
    /// Header field to send; one that is sent anyway is replaced
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = request::header)]
    header: Vec<Header>,
    /// Subprotocol to offer; may be repeated, best first
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
    /// Host to ask for instead of the URL's
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Address to connect to instead of the one the URL's host resolves to: IP or IP:PORT
    #[arg(long, value_name = "ADDR", value_parser = dial::resolve_flag)]
    resolve: Option<dial::Override>,
    /// Take any certificate, as for a test host without a real one
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    /// File with the certificates (PEM) of the authorities to trust [default: those that browsers trust]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Text message to send; its echo is awaited
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// How many times to send the message (or, without one, a Ping)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Close code to send at the end
    #[arg(long, value_name = "CODE", default_value_t = 1000, value_parser = session::close_code)]
    close: u16,
    /// How long each phase may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = timeouts::duration)]
    timeout: Duration,
    /// How long to try again when the peer cannot be reached or does not open the session
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = timeouts::duration)]
    retry: Duration,
}

/// Between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Connects, shakes hands, talks and closes. An error means that the peer could not be reached.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let url = Url::parse(&args.url)?;
    let last_start = Instant::now() + args.retry;
    loop {
        // Each attempt has a key of its own.
        let request = request::Request::new(&url, &args)?;
        let failure = match open(&url, &request, &args).await {
            Ok(Ok(session)) => return session.run(&args).await,
            Ok(Err(refused)) => Ok(refused),
            Err(unreachable) => Err(unreachable),
        };
        if Instant::now() + RETRY_PAUSE > last_start {
            return failure;
        }
        if let Err(unreachable) = failure {
            line('!', &format!("{unreachable:#}"));
        }
        line('*', &format!("trying again in {RETRY_PAUSE:?}"));
        sleep(RETRY_PAUSE).await;
    }
}

/// Connects and shakes hands; the inner error says that the peer did not open a session.
async fn open(
    url: &Url,
    request: &request::Request,
    args: &Args,
) -> anyhow::Result<Result<session::Session, Exit>> {
    let socket = dial::connect(url, args.resolve, args.timeout).await?;
    let mut stream = tls::around(socket, url, args).await?;
    for text in request.lines() {
        line('>', text);
    }
    let started = Instant::now();
    timeout(args.timeout, stream.write_all(&request.bytes()))
        .await
        .context("the peer does not read")?
        .context("cannot send the request")?;
    let response = match timeout(args.timeout, response::read(&mut stream)).await {
        Ok(Ok(response)) => response,
        Ok(Err(wrong)) => return Ok(Err(finding(&wrong.to_string()))),
        Err(_) => return Ok(Err(finding(&format!("no answer within {:?}", args.timeout)))),
    };
    for text in response.lines() {
        line('<', text);
    }
    let took = milliseconds(started.elapsed());
    if response.status != 101 {
        let body = timeout(args.timeout, response.body(&mut stream))
            .await
            .unwrap_or_default();
        transcript::body(&body);
        let reason = response
            .header("holdfast-reason")
            .map(|reason| format!(", reason {reason}"));
        // A page says yes to a request, but not to this one.
        let page = if response.status < 300 {
            "not a WebSocket here: "
        } else {
            ""
        };
        return Ok(Err(finding(&format!(
            "{page}refused with {}{} after {took}",
            response.status,
            reason.unwrap_or_default()
        ))));
    }
    if let Err(wrong) = response.judge(request) {
        return Ok(Err(finding(&wrong)));
    }
    line(
        '*',
        &format!(
            "open after {took}; subprotocol: {}; extensions: {}",
            response.header("sec-websocket-protocol").unwrap_or("none"),
            response.header("sec-websocket-extensions").unwrap_or("none"),
        ),
    );
    Ok(Ok(
        session::Session::new(stream, response.rest, args.timeout).await
    ))
}

/// Says what the peer did wrong.
fn finding(text: &str) -> Exit {
    line('!', text);
    Exit::Findings
}

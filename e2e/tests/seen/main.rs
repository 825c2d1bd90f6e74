//! What must be seen, with the real binaries: a file for each promise.
//!
//! All in one test binary, so that the long ones run beside the others.

mod access_record;
mod broken_document;
mod browser;
mod churn;
mod command_line;
mod demo;
mod edits;
mod floods;
mod http_beside_websocket;
mod idle;
mod interop;
mod ipv6;
mod kill;
mod metrics_reference;
mod plain_http;
mod proxy_header;
mod raw_ends;
mod refusals;
mod sharing;
mod stopped_reader;
mod terminate;
mod timeouts;
mod tls;

//! What is known of a client connection from its TLS handshake.

use std::sync::Arc;

use routetable::TlsVersion;

use crate::snapshot::names::NameEntry;

/// A handshake that is over.
#[derive(Clone, Debug)]
pub struct Secured {
    /// Who answered.
    pub entry: Arc<NameEntry>,
    /// Both sides agreed on HTTP/2.
    pub http2: bool,
    /// The version of TLS.
    pub version: TlsVersion,
}

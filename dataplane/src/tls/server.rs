//! TLS towards clients: how it is spoken, name by name.

use std::fmt;
use std::sync::Arc;

use routetable::{ClientValidation, TlsVersion};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;

use super::certificate::{CertificateSlot, choose};
use super::{provider, roots, versions};

/// HTTP/2 in ALPN (RFC 9113 section 3.1).
pub const H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN (RFC 7301 section 6).
pub const HTTP_11: &[u8] = b"http/1.1";

/// What all names have in common.
#[derive(Clone)]
pub struct Basis {
    /// The keys of the session tickets, the same in every worker, so that any of them resumes.
    tickets: Option<Arc<dyn ProducesTickets>>,
    /// HTTP/2 is offered.
    http2: bool,
}

impl fmt::Debug for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basis")
            .field("http2", &self.http2)
            .finish_non_exhaustive()
    }
}

impl Basis {
    /// With fresh keys for tickets. Without any, when the system gives no random numbers, nothing is resumed.
    pub fn new(http2: bool) -> Self {
        let tickets = Ticketer::new();
        if let Err(error) = &tickets {
            tracing::warn!(%error, "no session of TLS will be resumed");
        }
        Self {
            tickets: tickets.ok(),
            http2,
        }
    }
}

/// How TLS is spoken with clients that ask for one name.
///
/// # Errors
/// An authority is none; in words for people.
pub fn config(
    basis: &Basis,
    certificates: Vec<Arc<CertificateSlot>>,
    oldest: TlsVersion,
    client: Option<&ClientValidation>,
) -> Result<Arc<ServerConfig>, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(oldest))
        .map_err(|error| error.to_string())?;
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots(&client.authorities)?, provider());
            let verifier = if client.optional {
                verifier.allow_unauthenticated()
            } else {
                verifier
            };
            let verifier = verifier
                .build()
                .map_err(|error| format!("the authorities for clients cannot be used: {error}"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Shown(certificates)));
    config.alpn_protocols = match basis.http2 {
        true => vec![H2.to_vec(), HTTP_11.to_vec()],
        false => vec![HTTP_11.to_vec()],
    };
    config.send_tls13_tickets = 1;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match &basis.tickets {
        // A ticket says nothing of whom an authority that is gone by now had vouched for.
        Some(tickets) if client.is_none() => config.ticketer = Arc::clone(tickets),
        _ => config.send_tls13_tickets = 0,
    }
    Ok(Arc::new(config))
}

/// The certificates for a name.
#[derive(Debug)]
struct Shown(Vec<Arc<CertificateSlot>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        choose(&self.0, hello.signature_schemes())
    }
}

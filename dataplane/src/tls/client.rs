//! TLS towards backends: verified unless a route says otherwise.

use std::io;
use std::sync::{Arc, LazyLock};

use routetable::{TlsVersion, Verify};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate::{CertificateSlot, choose};
use super::server::{H2, HTTP_11};
use super::stream::Stream;
use super::{provider, roots, versions};

static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
    Arc::new(RootCertStore { roots })
});

/// How TLS is spoken with one backend.
#[derive(Debug)]
pub struct Client {
    /// Offers HTTP/1.1 alone.
    http1: Arc<ClientConfig>,
    /// Offers HTTP/2 as well.
    http2: Arc<ClientConfig>,
    name: ServerName<'static>,
    certificate: Option<Arc<CertificateSlot>>,
}

impl Client {
    /// For a backend that has to prove `verify` and is asked for `server_name`; it is shown `certificate` if it asks.
    ///
    /// # Errors
    /// The name or an authority is none; in words for people.
    pub fn new(
        server_name: &str,
        verify: &Verify,
        certificate: Option<Arc<CertificateSlot>>,
    ) -> Result<Self, String> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions(TlsVersion::V12))
            .map_err(|error| error.to_string())?;
        let verifier: Arc<dyn ServerCertVerifier> = match verify {
            Verify::System => by_roots(Arc::clone(&SYSTEM))?,
            Verify::Authorities(authorities) => by_roots(roots(authorities)?)?,
            Verify::Nothing => Arc::new(Anybody),
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match certificate.clone() {
            Some(slot) => builder.with_client_cert_resolver(Arc::new(Shown([slot]))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_11.to_vec()];
        config.enable_sni = !server_name.is_empty();
        let name = match server_name {
            "" => "unnamed.invalid",
            name => name,
        };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("'{server_name}' is neither a DNS name nor an address"))?;
        let mut with_http2 = config.clone();
        with_http2.alpn_protocols.insert(0, H2.to_vec());
        Ok(Self {
            http1: Arc::new(config),
            http2: Arc::new(with_http2),
            name,
            certificate,
        })
    }

    /// True when `certificate` is what it shows.
    pub fn shows(&self, certificate: Option<&Arc<CertificateSlot>>) -> bool {
        match (&self.certificate, certificate) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Does the handshake; offers HTTP/2 if `http2`.
    ///
    /// # Errors
    /// The backend does not prove what it must, or breaks off.
    pub async fn connect(&self, socket: TcpStream, http2: bool) -> io::Result<Stream> {
        let config = if http2 { &self.http2 } else { &self.http1 };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(self.name.clone(), socket).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

fn by_roots(roots: Arc<RootCertStore>) -> Result<Arc<WebPkiServerVerifier>, String> {
    WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| format!("the authorities for the backend cannot be used: {error}"))
}

/// What we show when the backend asks.
#[derive(Debug)]
struct Shown([Arc<CertificateSlot>; 1]);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        choose(&self.0, schemes)
    }

    fn has_certs(&self) -> bool {
        self.0[0].shown().is_some()
    }
}

/// Lets anybody be the backend: only where a route asks for that by name. Signatures are still checked, so that
/// the peer is at least the one with the certificate it shows.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

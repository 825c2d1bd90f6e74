//! TLS around the connection, as a browser would ask for it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::Args;
use super::transcript::{line, milliseconds};
use super::url::Url;

/// A connection, encrypted or not.
pub(super) type Stream = Box<dyn Duplex>;

/// Both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Does the handshake if the URL asks for one.
pub(super) async fn around(socket: TcpStream, url: &Url, args: &Args) -> anyhow::Result<Stream> {
    if !url.tls {
        return Ok(Box::new(socket));
    }
    let name = args.host.as_deref().map_or(url.host.as_str(), bare);
    let name = ServerName::try_from(name.to_owned())
        .with_context(|| format!("'{name}' is no name that a certificate can have"))?;
    let started = Instant::now();
    let connecting = TlsConnector::from(Arc::new(config(args)?)).connect(name, socket);
    let stream = timeout(args.timeout, connecting)
        .await
        .with_context(|| format!("no TLS handshake within {:?}", args.timeout))?
        .context(
            "the TLS handshake failed (--insecure takes any certificate, --ca FILE names the authority)",
        )?;
    let (_, tls) = stream.get_ref();
    let version = match tls.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    };
    line('*', &format!("{version} in {}", milliseconds(started.elapsed())));
    Ok(Box::new(stream))
}

/// A host without its port and brackets.
fn bare(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

fn config(args: &Args) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if args.insecure {
        Arc::new(Anybody(Arc::clone(&provider)))
    } else {
        let roots = roots(args.ca.as_deref())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(file: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let Some(file) = file else {
        let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        return Ok(RootCertStore { roots });
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file);
    for certificate in certificates.with_context(|| format!("cannot read '{}' (--ca)", file.display()))? {
        let certificate = certificate.with_context(|| format!("'{}' (--ca) is not PEM", file.display()))?;
        roots
            .add(certificate)
            .with_context(|| format!("'{}' (--ca) holds a damaged certificate", file.display()))?;
    }
    if roots.is_empty() {
        bail!(
            "'{}' (--ca) holds no certificate ('-----BEGIN CERTIFICATE-----')",
            file.display()
        );
    }
    Ok(roots)
}

/// Takes any certificate; signatures are still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

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
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

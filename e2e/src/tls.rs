//! TLS as tests and figures need it: certificates that live as long as a test, and clients that trust them, or anybody.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::deadline::{SOON, within};

/// A connection, encrypted or not.
pub type Stream = Box<dyn Duplex>;

/// Both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Duplex for T {}

/// Whom a client believes.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The authority's certificate, for clients in other processes.
    pub pem: String,
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Does a handshake that asks for `name` and offers these protocols.
    ///
    /// # Errors
    /// The peer is not who it must be, or breaks off.
    pub async fn connect(
        &self,
        name: &str,
        socket: TcpStream,
        alpn: &[&str],
    ) -> Result<TlsStream<TcpStream>> {
        connect_with(&Arc::new(offering(&self.config, alpn)), name, socket).await
    }
}

/// Connects, with TLS if somebody is to be believed.
///
/// # Errors
/// Nobody listens, or the peer is not who it must be.
pub async fn dial(to: SocketAddr, host: &str, trust: Option<&Trust>) -> Result<Stream> {
    let socket = within("connect", SOON, TcpStream::connect(to)).await?;
    socket.set_nodelay(true)?;
    Ok(match trust {
        Some(trust) => Box::new(within("handshake", SOON, trust.connect(host, socket, &[])).await?),
        None => Box::new(socket),
    })
}

/// An authority that signs for one test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM as a Secret holds them.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `tls.crt`.
    pub certificate: String,
    /// The same in DER.
    pub der: CertificateDer<'static>,
    /// `tls.key`.
    pub key: String,
}

impl Pair {
    /// The Secret that holds it, as a document of YAML.
    pub fn secret(&self, name: &str) -> String {
        let indented = |text: &str| {
            text.lines()
                .map(|line| format!("    {line}\n"))
                .collect::<String>()
        };
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\nstringData:\n  \
             tls.crt: |\n{}  tls.key: |\n{}",
            indented(&self.certificate),
            indented(&self.key)
        )
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(vec![])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// A certificate for these names.
    ///
    /// # Errors
    /// A name is none.
    pub fn sign(&self, names: &[&str]) -> Result<Pair> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.0)?;
        Ok(Pair {
            certificate: certificate.pem(),
            der: certificate.der().clone(),
            key: key.serialize_pem(),
        })
    }

    /// A client that trusts it.
    ///
    /// # Errors
    /// As [`Authority::client`].
    pub fn trust(&self) -> Result<Trust> {
        Ok(Trust {
            pem: self.0.pem(),
            config: self.client(&[])?,
        })
    }

    /// A client that trusts it, and offers these protocols.
    ///
    /// # Errors
    /// Its certificate is none.
    pub fn client(&self, alpn: &[&str]) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(offering(&config, alpn)))
    }
}

fn offering(config: &ClientConfig, alpn: &[&str]) -> ClientConfig {
    let mut config = config.clone();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// Does a handshake that asks for `name`.
///
/// # Errors
/// The peer is not who it must be, or breaks off.
pub async fn connect_with(
    config: &Arc<ClientConfig>,
    name: &str,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).context("no name for a certificate")?;
    Ok(TlsConnector::from(Arc::clone(config))
        .connect(name, socket)
        .await?)
}

/// The same with anybody, offering these protocols, and without resumption: for figures.
///
/// # Errors
/// The peer breaks off.
pub async fn connect(name: &str, socket: TcpStream, alpn: &[&str]) -> Result<TlsStream<TcpStream>> {
    static ANYBODY: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Some(Arc::new(config))
    });
    let config = ANYBODY.as_ref().context("rustls speaks no version of TLS")?;
    let config = match alpn {
        [] => Arc::clone(config),
        alpn => Arc::new(offering(config, alpn)),
    };
    connect_with(&config, name, socket).await
}

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
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

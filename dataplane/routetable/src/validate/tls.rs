//! What certificates and names must be. Whether a certificate works is for those who can use it.

use super::{Invalid, count, encoded, host_bounds, not_empty, text};
use crate::limits::*;
use crate::model::{Certificate, ClientValidation, ServerName, Verify, WeightedBackend};

/// Checks a certificate.
///
/// # Errors
/// The first thing that is wrong.
pub fn certificate(certificate: &Certificate) -> Result<(), Invalid> {
    text("namespace", &certificate.namespace, MAX_NAME_LEN)?;
    text("secret", &certificate.secret, MAX_NAME_LEN)?;
    not_empty("chain", certificate.chain.is_empty())?;
    chain("chain", &certificate.chain)?;
    not_empty("key", certificate.key.0.is_empty())?;
    bytes("key", certificate.key.0.len(), MAX_KEY_LEN)
}

/// Checks how TLS is spoken for a name.
///
/// # Errors
/// The first thing that is wrong.
pub fn server_name(name: &ServerName) -> Result<(), Invalid> {
    host_bounds(0, &name.host)?;
    count("certificates", &name.certificates, MAX_CERTIFICATES_FOR_NAME)?;
    client("client", name.client.as_ref())?;
    encoded(name)
}

pub(super) fn client(field: &str, validation: Option<&ClientValidation>) -> Result<(), Invalid> {
    let Some(validation) = validation else {
        return Ok(());
    };
    not_empty(field, validation.authorities.is_empty())?;
    chain(field, &validation.authorities)
}

pub(super) fn backend(at: usize, backend: &WeightedBackend) -> Result<(), Invalid> {
    let Some(tls) = &backend.protocol.tls else {
        return Ok(());
    };
    let field = format!("backends[{at}].tls");
    text(&field, &tls.server_name, MAX_NAME_LEN)?;
    match &tls.verify {
        // A name that nothing is compared with would let anybody in.
        Verify::System => not_empty(&field, tls.server_name.is_empty()),
        Verify::Authorities(authorities) => {
            not_empty(&field, tls.server_name.is_empty() || authorities.is_empty())?;
            chain(&field, authorities)
        }
        Verify::Nothing => Ok(()),
    }
}

fn chain(field: &str, chain: &[Vec<u8>]) -> Result<(), Invalid> {
    count(field, chain, MAX_CHAIN)?;
    bytes(field, chain.iter().map(Vec::len).sum(), MAX_CHAIN_LEN)
}

fn bytes(field: &str, got: usize, limit: usize) -> Result<(), Invalid> {
    if got > limit {
        return Err(Invalid::TooLong {
            field: field.to_owned(),
            limit,
            got,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{CertificateId, ServerNameId};
    use crate::model::{BackendProtocol, BackendTls, HostPattern, PrivateKey, TlsVersion};
    use crate::{EndpointSetId, testing};

    #[test]
    fn certificates_and_names_are_bounded() {
        let good = Certificate {
            id: CertificateId::new("prod", "tls"),
            namespace: "prod".into(),
            secret: "tls".into(),
            chain: vec![vec![1; 1000]],
            key: PrivateKey(vec![2; 100]),
        };
        assert_eq!(certificate(&good), Ok(()));
        for bad in [
            Certificate {
                chain: vec![],
                ..good.clone()
            },
            Certificate {
                chain: vec![vec![1; MAX_CHAIN_LEN + 1]],
                ..good.clone()
            },
            Certificate {
                chain: vec![vec![1]; MAX_CHAIN + 1],
                ..good.clone()
            },
            Certificate {
                key: PrivateKey(vec![]),
                ..good.clone()
            },
            Certificate {
                key: PrivateKey(vec![1; MAX_KEY_LEN + 1]),
                ..good.clone()
            },
        ] {
            assert!(certificate(&bad).is_err());
        }
        assert!(!format!("{good:?}").contains("2, 2"), "a key must not be shown");

        let host = HostPattern::Exact("a.test".into());
        let name = ServerName {
            id: ServerNameId::new(&host),
            host,
            certificates: vec![good.id],
            min_version: TlsVersion::V12,
            client: None,
        };
        assert_eq!(server_name(&name), Ok(()));
        let nobody = ClientValidation {
            authorities: vec![],
            optional: true,
        };
        for bad in [
            ServerName {
                host: HostPattern::Exact("A.test".into()),
                ..name.clone()
            },
            ServerName {
                certificates: vec![good.id; MAX_CERTIFICATES_FOR_NAME + 1],
                ..name.clone()
            },
            ServerName {
                client: Some(nobody),
                ..name.clone()
            },
        ] {
            assert!(server_name(&bad).is_err());
        }
    }

    #[test]
    fn what_is_verified_has_a_name() {
        let check = |server_name: &str, verify| {
            let mut route = testing::route(
                "a",
                HostPattern::Any,
                crate::RouteMatch::path(crate::PathMatch::Prefix(String::new())),
            );
            route.backends = vec![WeightedBackend {
                endpoint_set: EndpointSetId(1),
                weight: 1,
                protocol: BackendProtocol {
                    http2: false,
                    proxy_header: None,
                    tls: Some(BackendTls {
                        server_name: server_name.into(),
                        verify,
                        certificate: None,
                    }),
                },
            }];
            super::super::route(&route).is_ok()
        };
        assert!(check("a.test", Verify::System));
        assert!(check("", Verify::Nothing));
        assert!(!check("", Verify::System));
        assert!(!check("", Verify::Authorities(vec![vec![1]])));
        assert!(!check("a.test", Verify::Authorities(vec![])));
    }
}

//! Certificates and authorities, and the names for which TLS is spoken with them.
//!
//! `ingress` and `route` read what an object asks for and make a [`Claim`] for each name; `contest` decides between
//! the claims of several objects. What a Secret held when it last could be used counts until it can be again.

mod contest;
pub(super) mod ingress;
mod kept;
pub(super) mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use routetable::limits::MAX_CERTIFICATES_FOR_NAME;
use routetable::{Certificate, CertificateId, ClientValidation, HostPattern, TlsVersion};

use super::field::FieldPath;
use super::finding::{Finding, Reason};
use super::refs::Refs;
use super::report::Report;
use super::{Settings, key};
use crate::crd::tls::CaKind;
use crate::world::{self, AUTHORITIES, CHAIN, ConfigMap, KEY, Kind, Name, Secret, TLS_TYPE, Validity, World};

pub(super) use contest::{Contest, Contestant, Winner};
pub(super) use kept::Kept;

/// Most names of a certificate that a message lists.
const MAX_LISTED: usize = 4;
/// What a message ends with when the content of a Secret broke.
const LAST_GOOD: &str = "; the last good certificate keeps serving";

/// How an object wants TLS to be spoken with clients that ask for one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    /// Where it says so.
    pub(super) field: FieldPath,
    /// What can be shown; without any, handshakes are refused.
    pub(super) certificates: Vec<Arc<Certificate>>,
    /// The oldest version that is spoken, if the object says one.
    pub(super) min_version: Option<TlsVersion>,
    /// What clients must prove.
    pub(super) client: Option<ClientValidation>,
}

/// What an object says about TLS towards clients.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// By the name that is asked for.
    pub(super) claims: BTreeMap<HostPattern, Claim>,
    /// The hosts that it wants to be reached with TLS.
    pub(super) hosts: BTreeSet<HostPattern>,
    /// When the certificates that it refers to are valid, by the names of their Secrets.
    pub(super) validity: BTreeMap<String, Validity>,
}

impl Spoken {
    /// True when clients reach this host with TLS.
    pub(super) fn covers(&self, host: &HostPattern) -> bool {
        self.hosts.iter().any(|spoken| match host {
            HostPattern::Exact(name) => spoken.covers(name),
            host => spoken == host,
        })
    }
}

impl Claim {
    /// One that shows the default certificate, or nothing.
    fn at(field: &FieldPath) -> Self {
        Self {
            field: field.clone(),
            certificates: vec![],
            min_version: None,
            client: None,
        }
    }

    /// That of the controller's settings, and what is wrong with its Secret.
    pub(super) fn by_default(name: &Name, secrets: &mut Secrets<'_>) -> (Self, Option<Finding>) {
        let mut claim = Self::at(&FieldPath::default());
        let key = key(Kind::Secret, name);
        let problem = |reason, what: String| {
            let message = format!("the default certificate: {what}");
            Finding::error(&key, &FieldPath::default(), reason, message)
        };
        let problem = match secrets.certificate(name, &mut Refs::default()) {
            Ok(usable) => {
                claim.show(&usable.certificate);
                usable
                    .remark
                    .map(|remark| problem(Reason::InvalidCertificate, remark))
            }
            Err(lack) => Some(problem(lack.reason, lack.message)),
        };
        (claim, problem)
    }

    /// Adds a certificate; false when there is no room.
    fn show(&mut self, certificate: &Arc<Certificate>) -> bool {
        if self.certificates.iter().any(|known| known.id == certificate.id) {
            return true;
        }
        let has_room = self.certificates.len() < MAX_CERTIFICATES_FOR_NAME;
        if has_room {
            self.certificates.push(Arc::clone(certificate));
        }
        has_room
    }

    fn ids(&self) -> Vec<CertificateId> {
        self.certificates
            .iter()
            .map(|certificate| certificate.id)
            .collect()
    }
}

/// A certificate that can be used.
#[derive(Debug)]
pub(super) struct Usable {
    pub(super) certificate: Arc<Certificate>,
    pub(super) read: Arc<world::Certificate>,
    /// What is wrong with the Secret's present content.
    pub(super) remark: Option<String>,
}

/// Why a Secret can't be used.
#[derive(Debug)]
pub(super) struct Lack {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// It does not exist.
    pub(super) is_missing: bool,
}

impl Lack {
    /// The message, where a name has nothing else to show.
    fn for_names(self) -> String {
        match self.is_missing {
            true => format!(
                "{}; TLS for its hostnames is refused until it exists",
                self.message
            ),
            false => self.message,
        }
    }
}

/// Looks up what Secrets hold, and ConfigMaps.
#[derive(Debug)]
pub(super) struct Secrets<'a> {
    /// `None` when Secrets are not read, nor ConfigMaps.
    known: Option<&'a World>,
    default: Option<&'a Name>,
    kept: &'a mut Kept,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(world: &'a World, settings: &'a Settings, kept: &'a mut Kept) -> Self {
        Self {
            known: settings.secrets.then_some(world),
            default: settings.default_certificate.as_ref(),
            kept,
        }
    }

    /// The certificate in a Secret.
    pub(super) fn certificate(&mut self, name: &Name, refs: &mut Refs) -> Result<Usable, Lack> {
        let secret = self.secret(name, refs)?;
        let (what, broken) = (&name.name, secret.certificate.now.as_ref());
        let message = match broken.and_then(|now| now.as_ref().err()) {
            Some(broken) => Some(format!("'{}' of Secret '{what}' {}", broken.item, broken.why)),
            None => problem(secret, what),
        };
        let Some(read) = secret.certificate.usable() else {
            let message = message.unwrap_or_else(|| format!("'{what}' holds no certificate"));
            return Err(Lack {
                reason: Reason::InvalidCertificate,
                message,
                is_missing: false,
            });
        };
        Ok(Usable {
            certificate: self.kept.get(name, read),
            read: Arc::clone(read),
            remark: message.map(|message| format!("{message}{LAST_GOOD}")),
        })
    }

    /// The authorities in an object of this kind, and what is wrong with its present content.
    pub(super) fn authorities(
        &self,
        kind: CaKind,
        name: &Name,
        refs: &mut Refs,
    ) -> Result<(Vec<Vec<u8>>, Option<String>), Lack> {
        let held = match kind {
            CaKind::Secret => &self.secret(name, refs)?.authorities,
            CaKind::ConfigMap => &self.config_map(name, refs)?.authorities,
        };
        let (kind, what) = (Kind::from(kind).as_str(), &name.name);
        let message = match &held.now {
            Some(Ok(_)) => None,
            Some(Err(broken)) => Some(format!("'{}' of {kind} '{what}' {}", broken.item, broken.why)),
            None => Some(format!(
                "'{what}' lacks '{AUTHORITIES}'; must hold the certificates of authorities there"
            )),
        };
        match held.usable() {
            Some(usable) => {
                let remark =
                    message.map(|message| format!("{message}; the last good authorities keep counting"));
                Ok((usable.to_vec(), remark))
            }
            None => Err(Lack {
                reason: Reason::InvalidCertificate,
                message: message.unwrap_or_default(),
                is_missing: false,
            }),
        }
    }

    /// The default certificate, if there is one to speak of.
    pub(super) fn default_certificate(&mut self, refs: &mut Refs) -> Option<Result<Usable, Lack>> {
        let name = self.default?;
        Some(self.certificate(name, refs))
    }

    fn secret(&self, name: &Name, refs: &mut Refs) -> Result<&'a Secret, Lack> {
        refs.secrets.insert(name.clone());
        let found = self.known.map(|world| world.secrets.get(name).map(Arc::as_ref));
        existing(Kind::Secret, name, found)
    }

    fn config_map(&self, name: &Name, refs: &mut Refs) -> Result<&'a ConfigMap, Lack> {
        refs.config_maps.insert(name.clone());
        let found = self
            .known
            .map(|world| world.config_maps.get(name).map(Arc::as_ref));
        existing(Kind::ConfigMap, name, found)
    }
}

/// What was found under a name; the outer `None` when nobody looked.
fn existing<T>(kind: Kind, name: &Name, found: Option<Option<T>>) -> Result<T, Lack> {
    let is_missing = found.is_some();
    let kind = kind.as_str();
    let Name { namespace, name } = name;
    found.flatten().ok_or_else(|| Lack {
        reason: Reason::CertificateNotFound,
        message: match is_missing {
            true => format!("{kind} '{name}' not found in '{namespace}'"),
            false => format!("{kind} '{name}' is not read: the controller runs with '--watch-secrets=false'"),
        },
        is_missing,
    })
}

/// What keeps a Secret from holding a certificate at all.
fn problem(secret: &Secret, name: &str) -> Option<String> {
    let lacking: Vec<&str> = [CHAIN, KEY]
        .into_iter()
        .filter(|key| !secret.keys.contains(*key))
        .collect();
    let lacks = format!("lacks '{}'", lacking.join("' and '"));
    match (secret.kind == TLS_TYPE, lacking.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("'{name}' {lacks}; must hold a certificate and its key")),
        (false, true) => Some(format!("'{name}' is {}; must be {TLS_TYPE}", secret.kind)),
        (false, false) => Some(format!(
            "'{name}' is {} and {lacks}; must be {TLS_TYPE}",
            secret.kind
        )),
    }
}

/// Tells which of these hosts clients will refuse the certificate for.
fn check_names<'h>(
    hosts: impl Iterator<Item = (&'h FieldPath, &'h HostPattern)>,
    secret: &str,
    certificate: &world::Certificate,
    report: &mut Report<'_>,
) {
    for (field, host) in hosts {
        let name = host.to_string();
        // No certificate is for every name.
        if *host == HostPattern::Any || certificate.covers(&name) {
            continue;
        }
        let message = format!(
            "certificate of Secret '{secret}' covers {}, not '{name}'; browsers will refuse wss://",
            covered(certificate)
        );
        report.warning(field, Reason::CertificateNameMismatch, message);
    }
}

fn covered(certificate: &world::Certificate) -> String {
    match certificate.dns_names.as_slice() {
        [] => "no host name".to_owned(),
        names if names.len() > MAX_LISTED => {
            format!("'{}' and {} more", names[0], names.len() - 1)
        }
        names => format!("'{}'", names.join("', '")),
    }
}

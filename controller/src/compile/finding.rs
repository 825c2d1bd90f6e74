//! What is wrong, or worth knowing, about an object, and what to write instead.

use std::fmt;
use std::path::PathBuf;

use super::field::FieldPath;
use crate::world::ObjectKey;

/// One remark about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The object, when it is known.
    pub object: Option<ObjectKey>,
    /// Where it is written, when it comes from a file.
    pub location: Option<Location>,
    /// Path of the field, as in `spec.rules[0].backendRefs[0].port`; empty for the whole object.
    pub field: String,
    /// The cause.
    pub reason: Reason,
    /// What is wrong and what to write instead, as one sentence without a full stop.
    pub message: String,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something does not work as somebody may expect.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// In lower case, as compilers print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The cause of a finding, as it appears in conditions, events and messages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// The CamelCase word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

reasons! {
    /// A file or folder can't be read, or is too large.
    Unreadable,
    /// A folder or file without any object.
    NoObjects,
    /// The text is not YAML.
    InvalidYaml,
    /// Not an object of a kind that is known.
    UnknownKind,
    /// A kind that plays no part here.
    IgnoredKind,
    /// The same object is written twice.
    DuplicateObject,
    /// A field that the kind does not have.
    UnknownField,
    /// A required field is absent.
    MissingField,
    /// A value of the wrong type.
    InvalidType,
    /// A value that the API does not allow.
    InvalidValue,
    /// A regular expression that the engine refuses.
    InvalidRegex,
    /// A backend that can't be served.
    UnsupportedBackend,
    /// An annotation that has no effect.
    UnsupportedAnnotation,
    /// An annotation under our prefix that nobody knows.
    UnknownAnnotation,
    /// An annotation whose value can't be read.
    InvalidAnnotation,
    /// The object can't be decoded.
    UnsupportedValue,
    /// No IngressClass of that name.
    ClassNotFound,
    /// No class named, and none is the default.
    NoClass,
    /// The class belongs to another controller.
    ForeignClass,
    /// No Service of that name.
    BackendNotFound,
    /// The Service has no such port.
    PortNotFound,
    /// The port's protocol is not TCP.
    UnsupportedProtocol,
    /// No ReferenceGrant allows the reference into another namespace.
    RefNotPermitted,
    /// The Service is an alias of a host, and such are not served.
    ExternalNameNotAllowed,
    /// No endpoint takes new sessions.
    NoReadyEndpoints,
    /// An EndpointSlice that can't be used in full.
    InvalidEndpoints,
    /// No Secret or ConfigMap of that name.
    CertificateNotFound,
    /// It holds no certificate, or no authority.
    InvalidCertificate,
    /// The certificate is for other names.
    CertificateNameMismatch,
    /// The certificate should have been renewed by now.
    CertificateExpiring,
    /// How a backend is verified was not written down.
    VerificationAssumed,
    /// Another rule takes the same requests.
    Conflicted,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Finding {
    fn new(
        severity: Severity,
        object: &ObjectKey,
        field: &FieldPath,
        reason: Reason,
        message: String,
    ) -> Self {
        let (object, field) = (Some(object.clone()), field.as_str().to_owned());
        Self {
            severity,
            object,
            location: None,
            field,
            reason,
            message,
        }
    }

    /// Something in `field` of `object` does not work.
    pub fn error(object: &ObjectKey, field: &FieldPath, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, object, field, reason, message.into())
    }

    /// Something in `field` of `object` may not work as expected.
    pub fn warning(
        object: &ObjectKey,
        field: &FieldPath,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, object, field, reason, message.into())
    }

    /// Something worth knowing about `field` of `object`.
    pub fn info(object: &ObjectKey, field: &FieldPath, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, object, field, reason, message.into())
    }

    /// The message with the field it is about.
    pub fn text(&self) -> String {
        let Self { field, message, .. } = self;
        if field.is_empty() || message.contains(&format!("`{field}`")) {
            message.clone()
        } else {
            format!("`{field}`: {message}")
        }
    }
}

/// `FILE:LINE: error: KIND NAMESPACE/NAME: what and what instead (Reason)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Location { file, line }) = &self.location {
            write!(f, "{}:{line}: ", file.display())?;
        }
        write!(f, "{}: ", self.severity.as_str())?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        write!(f, "{} ({})", self.text(), self.reason)
    }
}

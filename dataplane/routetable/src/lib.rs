//! The contract between the controller and the data plane.
//!
//! Owns the route table's model, how a request is matched against it, its canonical form and the
//! codec of the local channel. Never touches a socket, a clock or a file: bytes and values in,
//! bytes and values out.

pub mod canonical;
mod encoding;
pub mod id;
pub mod limits;
pub mod matching;
pub mod model;
pub mod policy;
pub mod shared_map;
pub mod validate;
pub mod wire;

pub use id::{CertificateId, EndpointSetId, ObjectId, RouteId, ServerNameId};
pub use model::{
    BackendProtocol, BackendTls, Certificate, ClientValidation, Endpoint, EndpointSet, EndpointState,
    HostPattern, InsecurePolicy, ObjectKind, ObjectRef, PathMatch, PrivateKey, ProxyVersion, Route,
    RouteMatch, RouteTable, RouteTls, ServerName, TlsVersion, ValueMatch, ValuePattern, Verify,
    WeightedBackend,
};
pub use policy::Timeouts;
pub use shared_map::SharedMap;
pub use validate::Invalid;

#[cfg(test)]
mod testing;

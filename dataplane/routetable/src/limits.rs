//! Bounds on counts and lengths. The controller compiles within them and the data plane refuses
//! what is beyond, so both sides take them from here. Lengths are in bytes.

use std::time::Duration;

/// Routes of a table.
pub const MAX_ROUTES: usize = 200_000;
/// Endpoint sets of a table.
pub const MAX_ENDPOINT_SETS: usize = 200_000;
/// Certificates of a table.
pub const MAX_CERTIFICATES: usize = 100_000;
/// Names of a table that TLS is spoken for.
pub const MAX_SERVER_NAMES: usize = 200_000;
/// Certificates for one name.
pub const MAX_CERTIFICATES_FOR_NAME: usize = 8;
/// Certificates in a chain, or authorities of one kind.
pub const MAX_CHAIN: usize = 64;
/// A chain, or the authorities of one kind, in all.
pub const MAX_CHAIN_LEN: usize = 256 << 10;
/// A private key.
pub const MAX_KEY_LEN: usize = 16 << 10;
/// Endpoints of a set.
pub const MAX_ENDPOINTS: usize = 16_384;
/// Operations of a delta; beyond that a snapshot is the cheaper way.
pub const MAX_OPS: usize = 50_000;
/// Virtual hosts of a route.
pub const MAX_HOSTS: usize = 64;
/// Matches of a route.
pub const MAX_MATCHES: usize = 256;
/// Conditions of one kind in a match.
pub const MAX_CONDITIONS: usize = 32;
/// Backends of a route.
pub const MAX_BACKENDS: usize = 64;
/// A resource as it is sent; well within a frame.
pub const MAX_RESOURCE_LEN: usize = 4 << 20;
/// A name: of an object, a rule, a host, a port, a header, a parameter, a cookie, a subprotocol.
pub const MAX_NAME_LEN: usize = 253;
/// A path or the exact value of a condition.
pub const MAX_VALUE_LEN: usize = 4096;
/// A regular expression as written.
pub const MAX_REGEX_LEN: usize = 1024;
/// A regular expression as compiled; bounds its lazily built automaton as well.
pub const MAX_REGEX_SIZE: usize = 1 << 20;
/// A time limit: a century, so that adding it to the present can't overflow.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 86_400);
/// A message about a resource.
pub const MAX_MESSAGE_LEN: usize = 2048;

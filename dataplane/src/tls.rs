//! TLS (RFC 8446, RFC 5246), by rustls with aws-lc-rs. The one room that knows how either side of a connection
//! is encrypted; everybody else sees a [`stream::Stream`], or a
//! [`wire::Wire`] once it has left the runtime.

pub mod stream;
pub mod wire;

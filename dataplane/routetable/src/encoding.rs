//! Postcard into a buffer that is used again: what hashing and sending thousands of resources costs
//! is mostly where the bytes go.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Appends the encoding of `value`.
///
/// # Errors
/// Only a type that says so itself; none of ours does.
pub(crate) fn append(to: &mut Vec<u8>, value: &impl Serialize) -> Result<(), postcard::Error> {
    postcard::serialize_with_flavor(value, Append(to))
}

struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

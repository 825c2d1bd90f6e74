//! What both directions have in common: decoding a payload, and bounds beyond the frame's length.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FrameError, Nack, PROTOCOL, ToController, ToDataplane};
use crate::limits::{
    MAX_CERTIFICATES, MAX_ENDPOINT_SETS, MAX_MESSAGE_LEN, MAX_OPS, MAX_ROUTES, MAX_SERVER_NAMES,
};

/// A message of the channel: [`ToController`] or [`ToDataplane`].
pub trait Message: Serialize + DeserializeOwned + sealed::Sealed {
    /// Decodes a whole payload.
    ///
    /// # Errors
    /// [`FrameError::Malformed`], or [`FrameError::Protocol`] where another protocol is recognised.
    fn decode(payload: &[u8]) -> Result<Self, FrameError>;

    /// Checks the bounds that the types don't hold.
    ///
    /// # Errors
    /// [`FrameError::Bounds`] with what there is too much of.
    fn check(&self) -> Result<(), FrameError>;
}

impl Message for ToController {
    fn decode(payload: &[u8]) -> Result<Self, FrameError> {
        if let [HELLO, rest @ ..] = payload
            && let Ok((protocol, _)) = postcard::take_from_bytes::<u32>(rest)
            && protocol != PROTOCOL
        {
            return Err(FrameError::Protocol(protocol));
        }
        match postcard::take_from_bytes(payload) {
            Ok((message, [])) => Ok(message),
            _ => Err(FrameError::Malformed),
        }
    }

    fn check(&self) -> Result<(), FrameError> {
        match self {
            Self::Nack(nack) => {
                at_most(nack.items.len(), Nack::MAX_ITEMS, "nacked items")?;
                let longest = nack.items.iter().map(|item| item.message.len()).max();
                at_most(
                    longest.unwrap_or(0),
                    MAX_MESSAGE_LEN,
                    "bytes in the message of an item",
                )
            }
            Self::Hello(_) | Self::Ack(_) | Self::Resync | Self::Stats(_) => Ok(()),
        }
    }
}

impl Message for ToDataplane {
    fn decode(payload: &[u8]) -> Result<Self, FrameError> {
        match postcard::take_from_bytes(payload) {
            // Another protocol's refusal may say more than its number.
            Ok((message, rest)) if rest.is_empty() || matches!(message, Self::Refused { .. }) => Ok(message),
            _ => Err(FrameError::Malformed),
        }
    }

    fn check(&self) -> Result<(), FrameError> {
        match self {
            Self::SnapshotBegin(begin) => {
                at_most(begin.routes as usize, MAX_ROUTES, "routes")?;
                at_most(begin.endpoint_sets as usize, MAX_ENDPOINT_SETS, "endpoint sets")?;
                at_most(begin.certificates as usize, MAX_CERTIFICATES, "certificates")?;
                at_most(begin.server_names as usize, MAX_SERVER_NAMES, "server names")
            }
            Self::Delta(delta) => at_most(delta.ops.len(), MAX_OPS, "operations"),
            Self::Refused { .. }
            | Self::SnapshotRoutes(_)
            | Self::SnapshotEndpointSets(_)
            | Self::SnapshotCertificates(_)
            | Self::SnapshotServerNames(_)
            | Self::SnapshotEnd(_)
            | Self::Current(_)
            | Self::Command(_) => Ok(()),
        }
    }
}

/// Place of `Hello` among the variants, as it is encoded.
const HELLO: u8 = 0;

fn at_most(got: usize, limit: usize, what: &'static str) -> Result<(), FrameError> {
    if got > limit {
        Err(FrameError::Bounds(what))
    } else {
        Ok(())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ToController {}
    impl Sealed for super::ToDataplane {}
}

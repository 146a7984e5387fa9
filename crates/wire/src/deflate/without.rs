//! What stands in for the codec in a build without the feature `deflate`. No connection has it, as no [`Options`](super::Options) can be made.

use bytes::Bytes;

use super::Direction;
use crate::ProtocolError;

#[derive(Debug)]
pub(crate) struct Compressor;

#[derive(Debug)]
pub(crate) struct Decompressor;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind;

impl Compressor {
    pub(super) fn new(_: Direction, _: u8, _: usize) -> Self {
        Self
    }

    pub(crate) fn is_able(&self) -> bool {
        false
    }

    pub(crate) fn wants(&self, _: usize) -> bool {
        false
    }

    pub(crate) fn message<T>(&mut self, _: &[u8], send: impl FnOnce(Option<&[u8]>) -> T) -> T {
        send(None)
    }

    pub(crate) fn next_part(&mut self, payload: &[u8], _: bool) -> Bytes {
        Bytes::copy_from_slice(payload)
    }

    pub(crate) fn forget(&mut self) {}

    pub(crate) fn has_context(&self) -> bool {
        false
    }

    pub(crate) fn threshold(&self) -> usize {
        usize::MAX
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind
    }
}

impl Kind {
    pub(crate) fn compress(self, payload: &[u8]) -> Bytes {
        Bytes::copy_from_slice(payload)
    }
}

impl Decompressor {
    pub(super) fn new(_: Direction) -> Self {
        Self
    }

    pub(crate) fn inflate(&mut self, _: &[u8], _: impl FnOnce(&[u8]) -> Result<(), ProtocolError>) -> Result<usize, ProtocolError> {
        Err(ProtocolError::InflateFailed)
    }

    pub(crate) fn has_more(&self) -> bool {
        false
    }

    pub(crate) fn finish(&mut self, _: impl FnMut(&[u8]) -> Result<(), ProtocolError>) -> Result<(), ProtocolError> {
        Err(ProtocolError::InflateFailed)
    }
}

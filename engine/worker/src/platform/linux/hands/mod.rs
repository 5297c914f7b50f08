//! Changing a Linux host.

use crate::action::{Act, Done, Object, ProcessTarget, Undo};
use crate::frame::Part;
use crate::journal::Store;
use crate::platform::CaptureSink;
use crate::query::HostError;
use crate::text::HostPath;

/// Carries out acts.
pub struct Hands {}

#[expect(missing_docs, clippy::missing_errors_doc, unused_variables, reason = "written next")]
impl Hands {
    pub fn new() -> Self {
        Self {}
    }
    pub fn act(&self, act: &Act) -> Result<Done, HostError> {
        Err(HostError::Busy)
    }
    pub fn thaw(&self, process: &ProcessTarget) -> Result<(), HostError> {
        Err(HostError::Busy)
    }
    pub fn undo(&self, undo: &Undo, content: Option<&[u8]>) -> Result<Done, HostError> {
        Err(HostError::Busy)
    }
    pub fn capture(&self, object: &Object, parts: &[Part], sink: &mut dyn CaptureSink) -> Result<(), HostError> {
        Err(HostError::Busy)
    }
    pub fn lock(&self) -> Result<Box<dyn Send>, HostError> {
        Err(HostError::Busy)
    }
    pub fn arm(&self) -> Result<(), HostError> {
        Err(HostError::Busy)
    }
    pub fn committed(&self, proven: &[ProcessTarget]) -> Result<(), HostError> {
        Err(HostError::Busy)
    }
    pub fn disarm(&self) {}
    pub fn open_journal(&self, directory: &HostPath, spool_bytes: u64) -> Result<Box<dyn Store>, HostError> {
        Err(HostError::Busy)
    }
    pub fn recall_journal(&self, directory: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
        Err(HostError::Busy)
    }
    pub fn forget_journal(&self, directory: &HostPath) -> Result<(), HostError> {
        Err(HostError::Busy)
    }
}

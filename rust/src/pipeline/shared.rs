//! What the workers of an export have in common.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::control::Control;
use super::merge::Merge;
use super::segments::Segments;
use super::sessions::Sessions;
use crate::bytes::chunk_pool::ChunkPool;
use crate::formats::base::Encoding;
use crate::plan::Plan;

/// What all workers of an export share.
pub struct Shared {
    pub plan: Plan,
    pub segments: Segments,
    pub encoding: Arc<dyn Encoding>,
    pub merge: Merge,
    pub control: Control,
    pub pool: Arc<ChunkPool>,
    /// Segments that were read again so far.
    pub retries: AtomicU32,
    /// Where the connections of other exports of the same moment wait.
    pub sessions: Option<Arc<Sessions>>,
}

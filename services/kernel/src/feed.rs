//! The end of a feed in its lane.

use crate::lane::Step;
use crate::plan::FeedMode;
use crate::token::{TokenKey, TokenRule};

/// What a feed delivers in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub projection: usize,
    /// Views with equal numbers deliver equal payloads, which are made once.
    pub payload: usize,
}

/// The end of a feed: what it does with the records that come out of its way in.
pub struct Feed {
    pub name: String,
    pub topic: String,
    pub grant_expires_ms: i64,
    pub schema_id: Option<u32>,
    pub token_key: Option<TokenKey>,
    pub tokens: Option<TokenRule>,
    /// Among all feeds of the kernel.
    pub number: usize,
    pub mode: FeedMode,
    /// Among the lane's relations.
    pub relation: Option<usize>,
    /// On what the feed's relation makes; without a relation all steps are the way's.
    pub steps: Vec<Step>,
    /// The lane's store of what the consumer has, where corrections are followed.
    pub follow: Option<usize>,
    /// In the normal mode, and within an emergency.
    pub views: [View; 2],
}

impl Feed {
    /// Whether a record that `mode` holds for, 0 being none, may be delivered at all.
    #[must_use]
    pub fn flows(&self, mode: u32) -> bool {
        match self.mode {
            FeedMode::Any => true,
            FeedMode::Normal => mode == 0,
            FeedMode::Emergency => mode > 0,
        }
    }

    /// Whether what is delivered within an emergency is delivered because of it.
    #[must_use]
    pub fn heeds(&self) -> bool {
        self.mode == FeedMode::Emergency || self.views[0] != self.views[1]
    }
}

//! The `relation` of a feed in the lane plan.

use serde::Deserialize;
use serde_json::Value;

use crate::plan::StepPlan;

#[derive(Deserialize, Debug)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RelationPlan {
    Join(JoinPlan),
    Reconcile(ReconcilePlan),
}

/// What a relation is given of one source.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct SidePlan {
    /// The position of the input in the lane.
    pub source: usize,
    pub alias: String,
    /// Compiled and run by the lane: a record is offered after them.
    pub steps: Vec<StepPlan>,
    /// The envelope, then the fields that are kept, in the order of the schema.
    pub fields: Vec<String>,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Matches {
    EachPair,
    Latest,
    ValidAt,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unmatched {
    Wait,
    Left,
    Right,
    Both,
}

impl Unmatched {
    #[must_use]
    pub const fn left(self) -> bool {
        matches!(self, Self::Left | Self::Both)
    }

    #[must_use]
    pub const fn right(self) -> bool {
        matches!(self, Self::Right | Self::Both)
    }
}

/// The side whose records every slice has, under a key of their own.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Broadcast {
    None,
    Left,
    Right,
}

impl Broadcast {
    /// Whether every slice has the records of the left, or else of the right side.
    #[must_use]
    pub fn copies(self, left: bool) -> bool {
        self == if left { Self::Left } else { Self::Right }
    }

    /// The side whose Kafka key a pair has: 0 is the left; None where both have the same.
    #[must_use]
    pub const fn keyed_by(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Left => Some(1),
            Self::Right => Some(0),
        }
    }
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Gives {
    Winner,
    Conflicts,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct JoinPlan {
    pub name: String,
    pub state: String,
    pub left: SidePlan,
    pub right: SidePlan,
    pub on: Vec<String>,
    pub within_ms: i64,
    pub matches: Matches,
    pub unmatched: Unmatched,
    pub broadcast: Broadcast,
    pub most: usize,
    pub follow: bool,
    pub schema: Value,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ReconcilePlan {
    pub name: String,
    pub state: String,
    pub of: SidePlan,
    pub key: Vec<String>,
    pub authority: Vec<String>,
    pub within_ms: i64,
    pub compare: Vec<String>,
    pub gives: Gives,
    pub most: usize,
    pub schema: Value,
}

impl RelationPlan {
    /// The step's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Join(join) => &join.name,
            Self::Reconcile(reconcile) => &reconcile.name,
        }
    }

    /// The sides, the left one first.
    #[must_use]
    pub fn sides(&self) -> Vec<&SidePlan> {
        match self {
            Self::Join(join) => vec![&join.left, &join.right],
            Self::Reconcile(reconcile) => vec![&reconcile.of],
        }
    }
}

//! The lane plan: the JSON that the planner writes and the kernel compiles. An unknown key is an error.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::relation_plan::RelationPlan;

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct LanePlan {
    pub lane: String,
    pub partitions: u32,
    /// Whether the records of a slice are given in the order of their append times.
    pub ordered: bool,
    pub sources: Vec<SourcePlan>,
    pub tables: Vec<TablePlan>,
    pub rekeys: Vec<RekeyPlan>,
    pub feeds: Vec<FeedPlan>,
}

/// One input. Lanes that name the same one say the same of it, and the kernel keeps it once.
#[derive(Deserialize, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SourcePlan {
    pub name: String,
    pub contract: String,
    /// Written by a lane under another key: its records were checked there.
    pub internal: bool,
    /// The party that owns each Kafka topic; "" for an internal one.
    pub topics: BTreeMap<String, String>,
    pub schema: Value,
    pub key: Vec<String>,
    pub past_ms: i64,
    pub future_ms: i64,
    pub in_a_row: u32,
    pub ratio: f64,
}

/// What a deduplicate remembers: of a source's records, or of what a feed's relation makes.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TablePlan {
    pub name: String,
    pub source: Option<usize>,
    pub feed: Option<String>,
    /// Paths, their parts joined by points.
    pub key: Vec<String>,
    pub window_ms: i64,
}

/// A copy of a source's records under another key, for another lane.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct RekeyPlan {
    pub name: String,
    pub topic: String,
    pub source: usize,
    pub key: Vec<String>,
    pub partitions: u32,
    /// Whether every partition gets a copy.
    pub all: bool,
    /// How long an entity's key is remembered, so that its old key hears of its leaving; None: nobody follows.
    pub moves_ms: Option<i64>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct FeedPlan {
    pub name: String,
    pub topic: String,
    pub grant_expires_ms: i64,
    /// None with a join, whose sides name theirs.
    pub source: Option<usize>,
    pub relation: Option<RelationPlan>,
    pub steps: Vec<StepPlan>,
    /// How long what was delivered of an entity can still be corrected; None: nothing is followed.
    pub follow_ms: Option<i64>,
    /// When its records flow.
    pub mode: FeedMode,
    /// How tokens are made, where there are some.
    pub tokens: Option<TokensPlan>,
    pub select: SelectPlan,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FeedMode {
    Any,
    /// Outside every emergency alone.
    Normal,
    /// Within one alone.
    Emergency,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TokensPlan {
    /// How long equal values have equal tokens: always, year, quarter, month or day.
    pub period: String,
    /// sha-256 or sm3.
    pub hash: String,
}

#[derive(Deserialize, Debug)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StepPlan {
    Deduplicate { name: String, table: usize },
    Where { name: String, when: ExprPlan },
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct SelectPlan {
    /// The step's permanent name: part of the plan for people and for later state, without effect on the bytes.
    #[allow(dead_code)]
    pub name: String,
    pub fields: Vec<SelectedPlan>,
    /// The same fields as they are delivered within an emergency; None: as ever.
    pub emergency: Option<Vec<SelectedPlan>>,
}

#[derive(Deserialize, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct SelectedPlan {
    pub name: String,
    pub path: Vec<String>,
    #[serde(rename = "type")]
    pub avro: Value,
    pub mask: Option<MaskPlan>,
    /// How the source's field is classified, 1 to 4; 0 for the envelope, which is the bus's own.
    #[serde(default)]
    pub class: u8,
}

/// A mask; `kind` decides which of the other keys has a meaning.
#[derive(Deserialize, Debug, Clone, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields, default)]
pub struct MaskPlan {
    pub kind: String,
    pub value: String,
    pub first: usize,
    pub last: usize,
    pub digits: usize,
    pub unit: String,
    pub width: i64,
}

impl Default for MaskPlan {
    fn default() -> Self {
        let (kind, value, unit) = (String::new(), String::new(), String::new());
        Self { kind, value, first: 0, last: 0, digits: 0, unit, width: 0 }
    }
}

/// A node of a condition; `op` decides which of the other keys has a meaning.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ExprPlan {
    pub op: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub value: Value,
    pub path: Vec<String>,
    pub items: Vec<ExprPlan>,
    pub args: Vec<ExprPlan>,
}

impl LanePlan {
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("lane plan: {error}"))
    }
}

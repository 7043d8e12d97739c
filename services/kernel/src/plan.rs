//! The lane plan: the JSON that the planner writes and the kernel compiles. An unknown key is an error.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct LanePlan {
    pub lane: String,
    pub partitions: u32,
    pub source: SourcePlan,
    pub tables: Vec<TablePlan>,
    pub feeds: Vec<FeedPlan>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct SourcePlan {
    pub name: String,
    /// The party that owns each Kafka topic.
    pub topics: BTreeMap<String, String>,
    pub schema: Value,
    pub key: Vec<String>,
    pub past_ms: i64,
    pub future_ms: i64,
    pub in_a_row: u32,
    pub ratio: f64,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TablePlan {
    pub name: String,
    pub key: Vec<String>,
    pub window_ms: i64,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct FeedPlan {
    pub name: String,
    pub topic: String,
    pub grant_expires_ms: i64,
    pub steps: Vec<StepPlan>,
    pub select: SelectPlan,
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
}

#[derive(Deserialize, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct SelectedPlan {
    pub name: String,
    pub path: Vec<String>,
    #[serde(rename = "type")]
    pub avro: Value,
    pub mask: Option<MaskPlan>,
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

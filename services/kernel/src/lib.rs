//! The part of gebus that touches the bytes of a batch: no clock, no threads, no I/O but one disk's.
#![forbid(unsafe_code)]

mod account;
mod batch;
mod calendar;
mod check;
mod composite;
mod condition;
mod deduplicate;
mod defaults;
mod expression;
mod feed;
mod fingerprint;
mod follow;
mod index;
mod join;
mod kept;
mod kernel;
mod lane;
mod leaf;
mod limit;
mod mask;
mod messages;
mod modes;
mod path;
mod plan;
mod project;
mod python;
mod python_dump;
mod python_leaf;
#[cfg(test)]
mod random;
mod reconcile;
mod reconcile_book;
mod rekey;
mod relate;
mod relation;
mod relation_plan;
mod relation_state;
mod resolve;
#[cfg(test)]
mod rig;
mod schema;
mod seen;
mod side;
mod slice;
mod source;
mod spill;
mod stand;
mod store;
mod table;
mod table_join;
mod text_key;
mod token;
mod turn;
mod walk;
mod wire;

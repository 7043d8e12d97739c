//! The part of gebus that touches the bytes of a batch: no I/O, no clock, no threads.
#![forbid(unsafe_code)]

mod account;
mod batch;
mod check;
mod condition;
mod deduplicate;
mod defaults;
mod expression;
mod fingerprint;
mod index;
mod kernel;
mod lane;
mod limit;
mod mask;
mod messages;
mod path;
mod plan;
mod project;
mod python;
#[cfg(test)]
mod random;
mod rekey;
mod resolve;
mod schema;
mod seen;
mod slice;
mod source;
mod table;
mod text_key;
mod turn;
mod walk;
mod wire;

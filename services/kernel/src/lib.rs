//! The part of gebus that touches the bytes of a batch: no I/O, no clock, no threads.
#![forbid(unsafe_code)]

mod account;
mod batch;
mod check;
mod condition;
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
mod relation_plan;
mod resolve;
mod schema;
mod seen;
mod slice;
mod source;
mod store;
mod table;
mod text_key;
mod walk;
mod wire;

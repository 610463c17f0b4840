//! A vault and a carrier with an object of every kind, what can be done to these, what is asked of them, and what is answered.

pub(crate) mod alterations;
pub(crate) mod changes;
pub(crate) mod fault;
pub(crate) mod kinds;
pub(crate) mod outcomes;
pub(crate) mod outsiders;
pub(crate) mod overlay;
pub(crate) mod questions;
pub(crate) mod template;

//! Arrow: record batches as messages of IPC, in a stream or in a file (Feather), or handed over as they are.
//!
//! Workers collect rows into record batches ([`batch`]) and encode each to one message, compressed; the merger puts a
//! schema before the messages and an end, or a footer, behind them (`file`). `logical` gives arrays the type that
//! readers see, `schema` says which that is, `halves` fits the two halves into the pipeline, and `handed` makes the
//! halves of an export that stays in memory. What they share is [`ArrowLayout`].

use std::sync::Arc;

use super::base::{Encoding, Export, Format, RowCounter};
use super::options::{Options, Refused};
use crate::error::Result;

mod batch;
mod count;
mod file;
mod halves;
mod handed;
mod layout;
mod logical;
mod message;
mod options;
mod schema;

use count::ArrowCounter;
use layout::ArrowLayout;
use options::{ArrowOptions, Container};
pub use schema::schema;

/// Arrow with its options.
pub fn open(options: &dyn Options) -> Result<Arc<dyn Format>, Refused> {
    Ok(Arc::new(ArrowOptions::read(options)?))
}

impl Format for ArrowOptions {
    fn encoding(&self, export: &Export<'_>) -> Result<Arc<dyn Encoding>> {
        let layout = Arc::new(ArrowLayout::new(self, export.columns, export.server_version)?);
        Ok(match self.container {
            Container::Batches => Arc::new(handed::BatchEncoding::new(layout)),
            Container::Stream | Container::File => Arc::new(halves::IpcEncoding::new(layout)),
        })
    }

    fn row_counter(&self) -> Box<dyn RowCounter> {
        Box::new(ArrowCounter::new(self.container == Container::File))
    }
}

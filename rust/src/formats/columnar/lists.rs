//! LIST columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::FieldRef;

use super::values::ValueColumn;
use crate::columns::builders::{Builder, internal, reuse};
use crate::error::{Error, Result};
use crate::types::array::Array;

/// LIST: arrays of at most one dimension. Lower bounds are lost.
pub(super) struct Lists {
    element: ValueColumn,
    field: FieldRef,
    /// Elements of this batch so far.
    length: i32,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Lists {
    pub(super) fn new(field: FieldRef, element: ValueColumn) -> Self {
        Lists { element, field, length: 0, offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }
}

impl Builder for Lists {
    fn append(&mut self, field: Option<&[u8]>) -> Result<bool> {
        if let Some(bytes) = field {
            let array = Array::parse(bytes)?;
            if array.dimensions().len() > 1 {
                return Ok(false);
            }
            for element in array.elements() {
                self.element.append(element?)?;
                self.length = self
                    .length
                    .checked_add(1)
                    .ok_or_else(|| Error::value("the lists of a batch have too many elements"))?;
            }
        }
        self.offsets.push(self.length);
        self.nulls.append(field.is_some());
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.length = 0;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let elements = self.element.finish()?;
        let list =
            ListArray::try_new(Arc::clone(&self.field), offsets, elements, self.nulls.finish()).map_err(internal)?;
        Ok(Arc::new(list))
    }

    fn reclaim(&mut self, array: ArrayRef, kept: usize) {
        if let Some(list) = array.as_list_opt::<i32>().cloned() {
            drop(array);
            let (_, offsets, elements, _) = list.into_parts();
            self.element.reclaim(elements, kept);
            self.offsets = reuse(offsets.into_inner().into_inner(), kept);
            self.offsets.push(0);
        }
    }

    fn take_losses(&mut self) -> u64 {
        self.element.take_losses()
    }
}

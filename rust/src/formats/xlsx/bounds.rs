//! How much a sheet and a strip of it may hold.

/// How much goes into a sheet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Rows of a sheet, with its header.
    pub(super) sheet_rows: u32,
    /// Bytes of a sheet's XML after which no strip begins.
    pub(super) sheet_bytes: u64,
    /// Rows of a strip.
    pub(super) strip_rows: u32,
    /// Bytes of XML after which a strip ends.
    pub(super) strip_bytes: u64,
}

/// Excel's rows ("Excel specifications and limits"). A strip has at most 32 MiB and a row, which has less than 1 GiB:
/// 128 MiB as it is read, seven bytes a byte. So no sheet comes to 4 GiB.
pub(super) const BOUNDS: Bounds =
    Bounds { sheet_rows: 1_048_576, sheet_bytes: 2900 << 20, strip_rows: 16_384, strip_bytes: 32 << 20 };

//! The guard against formulas: what a spreadsheet would run, and the character that keeps it from that.

/// Makes a spreadsheet take the cell for text.
pub(super) const GUARD: u8 = b'\'';

/// Whether a spreadsheet would take the cell for a formula (OWASP, "CSV Injection"). The second pattern is the
/// full-width ＝, ＋, － and ＠, which spreadsheets with East Asian input read as the others.
#[inline]
pub(super) fn runs_as_formula(text: &[u8]) -> bool {
    matches!(
        text,
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n', ..] | [0xEF, 0xBC, 0x9D | 0x8B | 0x8D | 0xA0, ..]
    )
}

/// Whether a json text begins with a blank that a spreadsheet may skip. With `-` it is a number; no json begins with
/// the others.
#[inline]
pub(super) fn starts_with_blank(json: &[u8]) -> bool {
    matches!(json.first(), Some(b'\t' | b'\r' | b'\n'))
}

/// The character that makes a spreadsheet take the cell for text, where it is needed.
pub(super) fn push_guard(text: &[u8], out: &mut Vec<u8>) {
    if runs_as_formula(text) {
        out.push(GUARD);
    }
}

//! Which numbers a cell can hold: a cell is a double, of which spreadsheets show and keep fifteen digits.

/// Digits that a spreadsheet keeps ("Excel specifications and limits").
const DIGITS: usize = 15;
/// A numeric that is longer than this may be nearer to zero than any double.
const LONGEST: usize = 300;
/// The smallest and largest magnitude that a cell takes, apart from zero ("Excel specifications and limits"; the
/// smallest is the smallest double that is not subnormal).
const SMALLEST: f64 = f64::MIN_POSITIVE;
const LARGEST: f64 = 9.999_999_999_999_99e307;

/// Whether the text of a number is one that a cell holds with all its digits. NaN and the infinities are none.
#[inline]
pub(super) fn fits(text: &[u8], exact: bool) -> bool {
    if !text.last().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    if exact { text.len() <= DIGITS || has_few_digits(text) } else { !text.contains(&b'e') || is_in_range(text) }
}

/// Whether no more digits matter than a spreadsheet keeps. Zeros at the end of a fraction say nothing; those of a whole
/// number count, since it would be shown with an exponent.
fn has_few_digits(text: &[u8]) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    let (whole, fraction) = match text.iter().position(|b| *b == b'.') {
        Some(point) => text.split_at(point),
        None => (text, &[][..]),
    };
    let kept = fraction.iter().rposition(|b| !matches!(b, b'0' | b'.')).map_or(0, |last| last + 1);
    let digits = whole.iter().chain(fraction.iter().take(kept)).filter(|b| b.is_ascii_digit());
    digits.skip_while(|b| **b == b'0').count() <= DIGITS
}

fn is_in_range(text: &[u8]) -> bool {
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    value.is_some_and(|value| (SMALLEST..=LARGEST).contains(&value.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_fifteen_digits_fits() {
        for text in
            ["0", "-1", "999999999999999", "-999999999999999", "0.00000000000000000001", "2.5000000000000000", "-0.10"]
        {
            assert!(fits(text.as_bytes(), true), "{text}");
        }
        let long = format!("0.{}1", "0".repeat(400));
        for text in ["1000000000000000", "1234567890.123456", "NaN", "-Infinity", "", long.as_str()] {
            assert!(!fits(text.as_bytes(), true), "{text}");
        }
    }

    #[test]
    fn a_double_fits_unless_a_spreadsheet_takes_it_for_zero_or_none() {
        for text in ["0.1", "1e+22", "-1.7e-300", "3.141592653589793", "2.2250738585072014e-308"] {
            assert!(fits(text.as_bytes(), false), "{text}");
        }
        for text in ["NaN", "Infinity", "5e-324", "1.7976931348623157e+308"] {
            assert!(!fits(text.as_bytes(), false), "{text}");
        }
    }
}

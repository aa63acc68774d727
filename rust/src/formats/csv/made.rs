//! Values that are written otherwise than the server prints them: words for true and false, numbers with a decimal
//! comma or a fixed number of digits, dates and times by a pattern; and those that spreadsheets must not change.

use std::io::Write as _;
use std::sync::Arc;

use super::guard::{GUARD, runs_as_formula};
use super::options::{CsvOptions, Truth, Words};
use super::pattern::Pattern;
use super::values::reads_as_value;
use crate::error::Result;
use crate::types::calendar::{Civil, MICROS_PER_DAY, Time};
use crate::types::record::{Formula, Meaning, Type};
use crate::types::{Decoder, Kind};

/// Spreadsheets keep this many digits of a number and write zeros for the rest.
const SPREADSHEET_DIGITS: usize = 15;
/// `="` and `"` around a text make it a formula that gives the text.
const TEXT_FORMULA_START: &[u8] = b"=\"";

/// How the values of a column are made.
pub(super) struct Made {
    form: Form,
    /// The decimal point is written as a comma.
    comma: bool,
    /// What becomes a formula that gives text.
    wrap: Wrap,
    /// What would run as a formula gets the guard.
    guarded: bool,
}

enum Wrap {
    Nothing,
    /// Numbers of more digits than a spreadsheet keeps.
    LongNumbers,
    /// What a spreadsheet would not take for text; amounts of money unless the server printed them.
    Values {
        words: Arc<Words>,
        money: bool,
    },
}

enum Form {
    /// As the server prints it.
    Printed,
    Truth {
        read: fn(&[u8]) -> Result<bool>,
        words: Truth,
    },
    /// So many digits after the point.
    Fixed {
        read: fn(&[u8]) -> Result<f64>,
        digits: usize,
    },
    Day {
        read: fn(&[u8]) -> Result<i32>,
        pattern: Pattern,
    },
    Moment {
        read: fn(&[u8]) -> Result<i64>,
        pattern: Pattern,
    },
}

impl Made {
    /// None where the options leave values of that kind as the server prints them, guard aside.
    pub(super) fn choose(kind: Kind, options: &CsvOptions, words: Option<&Arc<Words>>) -> Option<Self> {
        let Kind::Scalar(record) = kind else { return None };
        let comma = options.decimal_comma && matches!(record.meaning, Meaning::Float(_) | Meaning::Decimal);
        let (form, wrap) = (Form::choose(record, options), Wrap::choose(record, options, words));
        let as_printed = matches!((&form, &wrap), (Form::Printed, Wrap::Nothing)) && !comma;
        let guarded = options.formula_guard && record.formula == Formula::Possible;
        (!as_printed).then_some(Made { form, comma, wrap, guarded })
    }

    /// Whether the field is text that may be long.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.wrap, Wrap::Values { .. })
    }

    /// Whether a long text gets the guard.
    pub(super) fn guards(&self, text: &[u8]) -> bool {
        self.guarded && runs_as_formula(text)
    }

    /// The text of a field, in the buffer; quotes are put around it elsewhere.
    pub(super) fn cell<'a>(&self, decoder: &Decoder, field: &[u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        scratch.clear();
        scratch.extend_from_slice(TEXT_FORMULA_START);
        self.write(decoder, field, scratch)?;
        let text = scratch.get(TEXT_FORMULA_START.len()..).unwrap_or_default();
        if self.wrap.applies_to(text) {
            scratch.push(b'"');
            return Ok(scratch);
        }
        if !self.guards(text) {
            return Ok(scratch.get(TEXT_FORMULA_START.len()..).unwrap_or_default());
        }
        // In the place of the byte in front of the text.
        let guarded = scratch.get_mut(TEXT_FORMULA_START.len() - 1..).unwrap_or_default();
        if let Some(first) = guarded.first_mut() {
            *first = GUARD;
        }
        Ok(guarded)
    }

    /// Appends the text of a field.
    fn write(&self, decoder: &Decoder, field: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        match &self.form {
            Form::Printed => decoder.write_text(field, out)?,
            Form::Truth { read, words } => out.extend_from_slice(if read(field)? { words.yes } else { words.no }),
            Form::Fixed { read, digits } => {
                let number = read(field)?;
                if !number.is_finite() {
                    return decoder.write_text(field, out);
                }
                // Writing to a Vec does not fail. The digits are those of the exact value, as printf's are.
                let _ = write!(out, "{number:.digits$}");
            }
            Form::Day { read, pattern } => {
                let days = read(field)?;
                if days == i32::MAX || !in_common_era(days.into()) {
                    return decoder.write_text(field, out);
                }
                pattern.write(days.into(), Time { seconds: 0, fraction: 0 }, out);
            }
            Form::Moment { read, pattern } => {
                let micros = read(field)?;
                let days = micros.div_euclid(MICROS_PER_DAY as i64);
                if micros == i64::MAX || !in_common_era(days) {
                    return decoder.write_text(field, out);
                }
                // Between 0 and a day, so that the sign is gone.
                pattern.write(days, Time::of_micros(micros.rem_euclid(MICROS_PER_DAY as i64) as u64), out);
            }
        }
        let text = out.get_mut(start..).unwrap_or_default();
        if let (true, Some(point)) = (self.comma, text.iter_mut().find(|byte| **byte == b'.')) {
            *point = b',';
        }
        Ok(())
    }
}

/// Years before 1 have no number in a pattern.
fn in_common_era(days: i64) -> bool {
    Civil::of_days(days).year > 0
}

impl Form {
    fn choose(record: &Type, options: &CsvOptions) -> Self {
        let form = match record.meaning {
            Meaning::Truth(read) => options.booleans.map(|words| Form::Truth { read, words }),
            Meaning::Float(read) => options.float_digits.map(|digits| Form::Fixed { read, digits }),
            Meaning::Day(read) => options.date_format.clone().map(|pattern| Form::Day { read, pattern }),
            Meaning::Moment(read) | Meaning::Instant(read) => {
                options.timestamp_format.clone().map(|pattern| Form::Moment { read, pattern })
            }
            Meaning::Text
            | Meaning::Printed
            | Meaning::Integer
            | Meaning::Decimal
            | Meaning::Clock(_)
            | Meaning::Other => None,
        };
        form.unwrap_or(Form::Printed)
    }
}

impl Wrap {
    fn choose(record: &Type, options: &CsvOptions, words: Option<&Arc<Words>>) -> Self {
        match (record.meaning, words) {
            _ if options.long_numbers_as_text && record.big_number => Wrap::LongNumbers,
            (Meaning::Text, Some(words)) => Wrap::Values { words: Arc::clone(words), money: true },
            (Meaning::Printed, Some(words)) => Wrap::Values { words: Arc::clone(words), money: false },
            _ => Wrap::Nothing,
        }
    }

    fn applies_to(&self, text: &[u8]) -> bool {
        match self {
            Wrap::Nothing => false,
            Wrap::LongNumbers => significant_digits(text) > SPREADSHEET_DIGITS,
            Wrap::Values { words, money } => reads_as_value(text, words, *money),
        }
    }
}

/// The digits of a number from the first one that is not zero.
fn significant_digits(number: &[u8]) -> usize {
    number.iter().filter(|b| b.is_ascii_digit()).skip_while(|b| **b == b'0').count()
}

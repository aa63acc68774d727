//! Days and times of day in ISO form, for the types made of them (`EncodeDateTime`, `EncodeTimeOnly`,
//! `JsonEncodeDateTime`).
//!
//! PostgreSQL counts from 2000-01-01, in the proleptic Gregorian calendar without leap seconds. Text separates date and
//! time by a blank and writes the zone as `+00`; JSON uses `T` and `+00:00` (xsd:dateTime). Years before 1 are written
//! as years BC, without a year 0; years above 9999 with all their digits.

use crate::bytes::block::push_block;
use crate::bytes::digits::{eight_digits, eight_digits_word, trailing_zeros, unsigned};
use crate::bytes::inline_text::InlineText;

pub const MICROS_PER_SECOND: u64 = 1_000_000;
pub const MICROS_PER_DAY: u64 = 86_400 * MICROS_PER_SECOND;
/// Days from 0000-03-01, where the reckoning below starts, to 2000-01-01.
const EPOCH_FROM_MARCH_YEAR_ZERO: i64 = 730_425;
/// Days in 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
const YEARS_PER_ERA: i64 = 400;
/// Eras added so that every day an i32 can hold is counted from a positive number.
const ERAS_BEFORE: i64 = 14_700;
/// Bytes that are put between digits in a word.
const COLON: u64 = b':' as u64;
const HYPHEN: u64 = b'-' as u64;
const POINT: u64 = b'.' as u64;

/// How date and time are joined and how the zone is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// timestamp as text: `2000-01-01 00:00:00`.
    Text,
    /// timestamptz as text in UTC: `2000-01-01 00:00:00+00`.
    TextUtc,
    /// timestamp in JSON and XML Schema: `2000-01-01T00:00:00`.
    Iso,
    /// timestamptz in JSON and XML Schema, in UTC: `2000-01-01T00:00:00+00:00`.
    IsoUtc,
}

impl Style {
    /// What stands between date and time.
    #[inline]
    const fn separator(self) -> u8 {
        match self {
            Style::Text | Style::TextUtc => b' ',
            Style::Iso | Style::IsoUtc => b'T',
        }
    }

    /// What stands behind the time.
    #[inline]
    const fn zone(self) -> InlineText {
        match self {
            Style::Text | Style::Iso => InlineText::EMPTY,
            Style::TextUtc => InlineText::new(u128::from_le_bytes(*b"+00\0\0\0\0\0\0\0\0\0\0\0\0\0"), 3),
            Style::IsoUtc => InlineText::new(u128::from_le_bytes(*b"+00:00\0\0\0\0\0\0\0\0\0\0"), 6),
        }
    }
}

/// A date as `date_out` prints it, where its year has four digits; `None` for an infinity too.
#[inline]
pub fn short_date(days: i32) -> Option<InlineText> {
    Civil::of_days(days.into()).short()
}

/// Appends a date (`date_out`); the text is the same in all formats.
#[inline]
pub fn write_date(days: i32, out: &mut Vec<u8>) {
    match short_date(days) {
        Some(date) => date.push(out),
        None => write_far_date(days, out),
    }
}

fn write_far_date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => return out.extend_from_slice(b"infinity"),
        i32::MIN => return out.extend_from_slice(b"-infinity"),
        _ => (),
    }
    let civil = Civil::of_days(days.into());
    civil.write(out);
    civil.write_era(out);
}

/// Appends a timestamp or timestamptz.
#[inline]
pub fn write_timestamp(micros: i64, style: Style, out: &mut Vec<u8>) {
    let civil = Civil::of_days(micros.div_euclid(MICROS_PER_DAY as i64));
    // Between 0 and a day, so that the sign is gone.
    let time = Time::of_micros(micros.rem_euclid(MICROS_PER_DAY as i64) as u64);
    match civil.short() {
        Some(date) => push_near(date, time.short(), style, out),
        None => write_far_timestamp(micros, civil, time, style, out),
    }
}

/// As `write_timestamp` with a byte in front, where the year has four digits; false for all others, with nothing
/// appended.
#[inline]
pub fn push_timestamp(micros: i64, style: Style, before: Option<u8>, out: &mut Vec<u8>) -> bool {
    let Some(date) = Civil::of_days(micros.div_euclid(MICROS_PER_DAY as i64)).short() else { return false };
    out.extend(before);
    push_near(date, Time::of_micros(micros.rem_euclid(MICROS_PER_DAY as i64) as u64).short(), style, out);
    true
}

/// Date, separator, time and zone as one block of 32 bytes: the date takes ten bytes, the time eight to fifteen.
#[inline]
fn push_near(date: InlineText, time: InlineText, style: Style, out: &mut Vec<u8>) {
    let zone = style.zone();
    let first = date.word() | u128::from(style.separator()) << 80 | time.word() << 88;
    let last = time.word() >> 40 | zone.word() << (8 * time.length().saturating_sub(5));
    push_block([first.to_le_bytes(), last.to_le_bytes()].as_flattened(), 11 + time.length() + zone.length(), out);
}

fn write_far_timestamp(micros: i64, civil: Civil, time: Time, style: Style, out: &mut Vec<u8>) {
    match micros {
        i64::MAX => return out.extend_from_slice(b"infinity"),
        i64::MIN => return out.extend_from_slice(b"-infinity"),
        _ => (),
    }
    civil.write(out);
    out.push(style.separator());
    time.short().push(out);
    style.zone().push(out);
    civil.write_era(out);
}

/// Appends `HH:MM:SS` and a fraction without trailing zeros (`time_out`).
///
/// `micros` since midnight, at most a day.
#[inline]
pub fn write_time(micros: u64, out: &mut Vec<u8>) {
    Time::of_micros(micros).short().push(out);
}

/// A time of day.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    pub seconds: u32,
    /// Microseconds of the second.
    pub fraction: u32,
}

impl Time {
    /// From microseconds since midnight, at most a day.
    #[inline]
    pub fn of_micros(micros: u64) -> Self {
        // At most 86,400, and below a million.
        Time { seconds: (micros / MICROS_PER_SECOND) as u32, fraction: (micros % MICROS_PER_SECOND) as u32 }
    }

    /// `HH:MM:SS.ffffff` without the zeros at the end of the fraction, and without a point when there is none.
    #[inline]
    fn short(self) -> InlineText {
        let minutes = self.seconds / 60;
        // `00HHMMSS` and `00ffffff`.
        let clock = eight_digits_word(minutes / 60 * 10_000 + minutes % 60 * 100 + self.seconds % 60) >> 16;
        let fraction = eight_digits_word(self.fraction) >> 16;
        let clock = clock & 0xffff | COLON << 16 | (clock >> 16 & 0xffff) << 24 | COLON << 40 | (clock >> 32) << 48;
        let length = if self.fraction == 0 { 8 } else { 15 - trailing_zeros(self.fraction) };
        InlineText::cut(u128::from(clock) | u128::from(POINT | fraction << 8) << 64, length)
    }
}

/// Appends a point and the digits of a fraction in microseconds, without trailing zeros; nothing for zero.
#[inline]
pub fn write_fraction(micros: u32, out: &mut Vec<u8>) {
    if micros == 0 {
        return;
    }
    let [_, _, a, b, c, d, e, f] = eight_digits(micros);
    push_block(&[b'.', a, b, c, d, e, f], 7 - trailing_zeros(micros), out);
}

/// Appends a number with a leading zero below ten, as `%02d` does.
#[inline]
pub fn write_at_least_two(n: impl Into<u64>, out: &mut Vec<u8>) {
    let n = n.into();
    if n < 10 {
        out.push(b'0');
    }
    unsigned(n, out);
}

/// A day of the calendar; `year` 0 is 1 BC.
#[derive(Debug, Clone, Copy)]
pub struct Civil {
    pub year: i64,
    pub month: u8,
    pub day: u8,
}

impl Civil {
    /// The day so many days after 2000-01-01 (Neri and Schneider, "Euclidean affine functions and their application to
    /// calendar algorithms", 2022: years start in March, so that the leap day is the last).
    #[inline]
    pub fn of_days(days: i64) -> Self {
        // Positive for every i32, and for every day an i64 of microseconds reaches.
        let n = (days + EPOCH_FROM_MARCH_YEAR_ZERO + ERAS_BEFORE * DAYS_PER_ERA) as u64;
        let n1 = 4 * n + 3;
        let century = n1 / DAYS_PER_ERA as u64;
        let day_of_century = n1 % DAYS_PER_ERA as u64 / 4;
        let product = 2_939_745 * (4 * day_of_century + 3);
        let year_of_century = product >> 32;
        let day_of_year = (product & 0xffff_ffff) / 2_939_745 / 4;
        let n3 = 2141 * day_of_year + 197_913;
        let (month, day) = (n3 >> 16, (n3 & 0xffff) / 2141 + 1);
        let (next_year, month) = if month > 12 { (1, month - 12) } else { (0, month) };
        let year = (100 * century + year_of_century + next_year) as i64 - ERAS_BEFORE * YEARS_PER_ERA;
        // At most 12 and 31.
        Civil { year, month: month as u8, day: day as u8 }
    }

    /// `YYYY-MM-DD`, where the year has no more digits.
    #[inline]
    fn short(self) -> Option<InlineText> {
        if !(1..10_000).contains(&self.year) {
            return None;
        }
        // Checked just now.
        let digits = eight_digits_word(self.year as u32 * 10_000 + u32::from(self.month) * 100 + u32::from(self.day));
        let until_month = digits & 0xffff_ffff | HYPHEN << 32 | (digits >> 32 & 0xffff) << 40 | HYPHEN << 56;
        Some(InlineText::new(u128::from(until_month) | u128::from(digits >> 48) << 64, 10))
    }

    #[inline]
    fn digits(self, year: u32) -> [u8; 8] {
        eight_digits(year % 10_000 * 10_000 + u32::from(self.month) * 100 + u32::from(self.day))
    }

    /// Appends `YYYY-MM-DD`, without the era.
    #[inline]
    fn write(self, out: &mut Vec<u8>) {
        let year = if self.year > 0 { self.year } else { 1 - self.year }.unsigned_abs();
        // What is cut off has been written then.
        let [a, b, c, d, m1, m2, d1, d2] = self.digits((year % 10_000) as u32);
        if year < 10_000 {
            out.extend_from_slice(&[a, b, c, d, b'-', m1, m2, b'-', d1, d2]);
        } else {
            unsigned(year, out);
            out.extend_from_slice(&[b'-', m1, m2, b'-', d1, d2]);
        }
    }

    #[inline]
    fn write_era(self, out: &mut Vec<u8>) {
        if self.year <= 0 {
            out.extend_from_slice(b" BC");
        }
    }
}

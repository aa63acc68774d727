//! date, time, timetz, timestamp and timestamptz in ISO form (`EncodeDateTime`, `EncodeTimeOnly`, `JsonEncodeDateTime`).
//!
//! PostgreSQL counts from 2000-01-01, in the proleptic Gregorian calendar without leap seconds. Text separates date and
//! time by a blank and writes the zone as `+00`; JSON uses `T` and `+00:00` (xsd:dateTime). Years before 1 are written
//! as years BC, without a year 0; years above 9999 with all their digits.

use crate::copy::cursor::{Cursor, exact};
use crate::encode::block::push_block;
use crate::encode::digits::{eight_digits, trailing_zeros, unsigned};
use crate::error::{Error, Result};

const MICROS_PER_SECOND: u64 = 1_000_000;
const MICROS_PER_DAY: u64 = 86_400 * MICROS_PER_SECOND;
/// Days from 0000-03-01, where the reckoning below starts, to 2000-01-01.
const EPOCH_FROM_MARCH_YEAR_ZERO: i64 = 730_425;
/// Days in 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
const YEARS_PER_ERA: i64 = 400;
/// Eras added so that every day an i32 can hold is counted from a positive number.
const ERAS_BEFORE: i64 = 14_700;

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

/// Days since 2000-01-01; `i32::MAX` and `i32::MIN` are infinity and -infinity.
#[inline]
pub fn date(bytes: &[u8]) -> Result<i32> {
    exact(bytes).map(i32::from_be_bytes)
}

/// Microseconds since 2000-01-01 00:00 (timestamptz: UTC); `i64::MAX` and `i64::MIN` are infinity and -infinity.
#[inline]
pub fn timestamp(bytes: &[u8]) -> Result<i64> {
    exact(bytes).map(i64::from_be_bytes)
}

/// Microseconds since midnight, up to and including 24:00:00.
#[inline]
pub fn time(bytes: &[u8]) -> Result<i64> {
    let micros = exact(bytes).map(i64::from_be_bytes)?;
    match u64::try_from(micros) {
        Ok(0..=MICROS_PER_DAY) => Ok(micros),
        _ => Err(Error::protocol(format!("a time of {micros} microseconds"))),
    }
}

/// A time and its zone in seconds *west* of UTC, as it is stored.
#[inline]
pub fn timetz(bytes: &[u8]) -> Result<(i64, i32)> {
    let mut cursor = Cursor::new(bytes);
    let micros = time(cursor.take(8)?)?;
    let zone = cursor.i32()?;
    cursor.end()?;
    Ok((micros, zone))
}

/// Appends a date (`date_out`); the text is the same in all formats.
#[inline]
pub fn write_date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => return out.extend_from_slice(b"infinity"),
        i32::MIN => return out.extend_from_slice(b"-infinity"),
        _ => (),
    }
    let civil = Civil::of_days(i64::from(days));
    civil.write(out);
    civil.write_era(out);
}

/// Appends a timestamp or timestamptz.
#[inline]
pub fn write_timestamp(micros: i64, style: Style, out: &mut Vec<u8>) {
    match micros {
        i64::MAX => return out.extend_from_slice(b"infinity"),
        i64::MIN => return out.extend_from_slice(b"-infinity"),
        _ => (),
    }
    let days = micros.div_euclid(MICROS_PER_DAY as i64);
    // Between 0 and a day, so that the sign is gone.
    let time = Time::of_micros(micros.rem_euclid(MICROS_PER_DAY as i64) as u64);
    let civil = Civil::of_days(days);
    let separator = if matches!(style, Style::Text | Style::TextUtc) { b' ' } else { b'T' };
    match civil.four_digit_year() {
        Some([y1, y2, y3, y4, m1, m2, d1, d2]) => {
            let [a, b, c, d, e, f, g, h, point, i, j, k, l, m, n] = time.text();
            let date = [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, separator];
            out.extend_from_slice(&date);
            push_block(&[a, b, c, d, e, f, g, h, point, i, j, k, l, m, n, 0], time.length(), out);
        }
        None => {
            civil.write(out);
            out.push(separator);
            time.write(out);
        }
    }
    match style {
        Style::Text | Style::Iso => (),
        Style::TextUtc => out.extend_from_slice(b"+00"),
        Style::IsoUtc => out.extend_from_slice(b"+00:00"),
    }
    civil.write_era(out);
}

/// Appends `HH:MM:SS` and a fraction without trailing zeros (`time_out`).
///
/// `micros` since midnight, at most a day.
#[inline]
pub fn write_time(micros: u64, out: &mut Vec<u8>) {
    Time::of_micros(micros).write(out);
}

/// A time of day.
#[derive(Debug, Clone, Copy)]
struct Time {
    seconds: u32,
    /// Microseconds of the second.
    fraction: u32,
}

impl Time {
    /// From microseconds since midnight, at most a day.
    #[inline]
    fn of_micros(micros: u64) -> Self {
        // At most 86,400, and below a million.
        Time { seconds: (micros / MICROS_PER_SECOND) as u32, fraction: (micros % MICROS_PER_SECOND) as u32 }
    }

    /// `HH:MM:SS.ffffff`, of which [`Time::length`] bytes count.
    #[inline]
    fn text(self) -> [u8; 15] {
        let minutes = self.seconds / 60;
        let [_, _, h1, h2, m1, m2, s1, s2] = eight_digits(minutes / 60 * 10_000 + minutes % 60 * 100 + self.seconds % 60);
        let [_, _, a, b, c, d, e, f] = eight_digits(self.fraction);
        [h1, h2, b':', m1, m2, b':', s1, s2, b'.', a, b, c, d, e, f]
    }

    /// Without the zeros at the end of the fraction, and without a point when there is none.
    #[inline]
    fn length(self) -> usize {
        if self.fraction == 0 { 8 } else { 15 - trailing_zeros(self.fraction) }
    }

    #[inline]
    fn write(self, out: &mut Vec<u8>) {
        push_block(&self.text(), self.length(), out);
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

/// Appends the text of `timetz_out`: the time and its zone as `+HH`, `+HH:MM` or `+HH:MM:SS`.
pub fn write_timetz(micros: u64, zone: i32, out: &mut Vec<u8>) {
    write_time(micros, out);
    out.push(if zone <= 0 { b'+' } else { b'-' });
    let zone = zone.unsigned_abs();
    let (hours, minutes, seconds) = (zone / 3600, zone / 60 % 60, zone % 60);
    write_at_least_two(hours, out);
    if minutes != 0 || seconds != 0 {
        out.push(b':');
        write_at_least_two(minutes, out);
    }
    if seconds != 0 {
        out.push(b':');
        write_at_least_two(seconds, out);
    }
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
struct Civil {
    year: i64,
    month: u8,
    day: u8,
}

impl Civil {
    /// The day so many days after 2000-01-01 (Neri and Schneider, "Euclidean affine functions and their application to
    /// calendar algorithms", 2022: years start in March, so that the leap day is the last).
    #[inline]
    fn of_days(days: i64) -> Self {
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

    /// `YYYYMMDD`, where the year has no more digits.
    #[inline]
    fn four_digit_year(self) -> Option<[u8; 8]> {
        // Checked just now.
        if (1..10_000).contains(&self.year) { Some(self.digits(self.year as u32)) } else { None }
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

//! Dates and times by a pattern of the caller: a subset of `strftime` (POSIX, in the C locale).

use super::super::options::Refused;
use crate::bytes::digits::unsigned;
use crate::types::calendar::{Civil, Time};

/// What a pattern may hold; `python/polyglot_export/formats/patterns.py` has the same list for people.
const DIRECTIVES: &[(char, Part)] = &[
    ('Y', Part::Year),
    ('y', Part::YearOfCentury),
    ('m', Part::Month),
    ('B', Part::MonthName),
    ('b', Part::MonthShort),
    ('d', Part::Day),
    ('j', Part::DayOfYear),
    ('A', Part::WeekdayName),
    ('a', Part::WeekdayShort),
    ('H', Part::Hour),
    ('I', Part::Hour12),
    ('M', Part::Minute),
    ('S', Part::Second),
    ('f', Part::Fraction),
    ('p', Part::HalfOfDay),
];
/// Short for several of the above.
const SHORTHANDS: &[(char, &str)] = &[('F', "%Y-%m-%d"), ('T', "%H:%M:%S")];
/// Bytes of a name that the short ones have.
const SHORT_NAME: usize = 3;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// From the weekday of 2000-01-01 on.
const WEEKDAYS: [&str; 7] = ["Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
/// Days of a year that is no leap year before each month.
const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const MARCH: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// At least four digits.
    Year,
    YearOfCentury,
    Month,
    MonthName,
    MonthShort,
    Day,
    DayOfYear,
    WeekdayName,
    WeekdayShort,
    Hour,
    Hour12,
    Minute,
    Second,
    /// Six digits.
    Fraction,
    HalfOfDay,
}

impl Part {
    fn is_of_day(self) -> bool {
        !matches!(self, Part::Hour | Part::Hour12 | Part::Minute | Part::Second | Part::Fraction | Part::HalfOfDay)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(char),
    Part(Part),
}

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

impl Pattern {
    /// # Errors
    /// It holds something else than the directives above; with `of_day`, also where one is of the time of day.
    pub fn read(text: &str, of_day: bool) -> Result<Self, Refused> {
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            if char != '%' {
                pieces.push(Piece::Literal(char));
                continue;
            }
            let directive = chars.next();
            if directive == Some('%') {
                pieces.push(Piece::Literal('%'));
            } else if let Some((_, longhand)) = SHORTHANDS.iter().find(|(short, _)| directive == Some(*short)) {
                pieces.extend(Pattern::read(longhand, of_day)?.0);
            } else {
                let found =
                    DIRECTIVES.iter().find(|(known, part)| directive == Some(*known) && (!of_day || part.is_of_day()));
                let Some((_, part)) = found else { return Err(Refused(format!("the pattern {text:?} is none"))) };
                pieces.push(Piece::Part(*part));
            }
        }
        Ok(Pattern(pieces))
    }

    /// Appends a moment of the common era; `days` since 2000-01-01.
    pub fn write(&self, days: i64, time: Time, out: &mut Vec<u8>) {
        let civil = Civil::of_days(days);
        for piece in &self.0 {
            match piece {
                Piece::Literal(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                Piece::Part(part) => part.write(days, civil, time, out),
            }
        }
    }
}

impl Part {
    fn write(self, days: i64, civil: Civil, time: Time, out: &mut Vec<u8>) {
        let year = civil.year.unsigned_abs();
        let (hour, minutes) = (u64::from(time.seconds / 3600), time.seconds / 60 % 60);
        match self {
            Part::Year => padded(year, 4, out),
            Part::YearOfCentury => padded(year % 100, 2, out),
            Part::Month => padded(civil.month.into(), 2, out),
            Part::MonthName => out.extend_from_slice(month(civil.month).as_bytes()),
            Part::MonthShort => short(month(civil.month), out),
            Part::Day => padded(civil.day.into(), 2, out),
            Part::DayOfYear => padded(day_of_year(civil), 3, out),
            Part::WeekdayName => out.extend_from_slice(weekday(days).as_bytes()),
            Part::WeekdayShort => short(weekday(days), out),
            Part::Hour => padded(hour, 2, out),
            Part::Hour12 => padded((hour + 11) % 12 + 1, 2, out),
            Part::Minute => padded(minutes.into(), 2, out),
            Part::Second => padded((time.seconds % 60).into(), 2, out),
            Part::Fraction => padded(time.fraction.into(), 6, out),
            Part::HalfOfDay => out.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
        }
    }
}

fn month(number: u8) -> &'static str {
    MONTHS.get(usize::from(number).saturating_sub(1)).copied().unwrap_or_default()
}

fn weekday(days: i64) -> &'static str {
    usize::try_from(days.rem_euclid(7)).ok().and_then(|day| WEEKDAYS.get(day)).copied().unwrap_or_default()
}

fn day_of_year(civil: Civil) -> u64 {
    let leap = civil.year % 4 == 0 && (civil.year % 100 != 0 || civil.year % 400 == 0);
    let before = DAYS_BEFORE_MONTH.get(usize::from(civil.month).saturating_sub(1)).copied().unwrap_or_default();
    before + u64::from(leap && civil.month >= MARCH) + u64::from(civil.day)
}

fn short(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.get(..SHORT_NAME).unwrap_or(name).as_bytes());
}

/// Appends a number with zeros in front until it has so many digits.
fn padded(number: u64, digits: u32, out: &mut Vec<u8>) {
    let mut smallest = 10_u64.pow(digits.saturating_sub(1));
    while number < smallest && smallest > 1 {
        out.push(b'0');
        smallest /= 10;
    }
    unsigned(number, out);
}

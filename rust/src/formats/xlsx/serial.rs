//! Days and times as spreadsheets count them: days since 1899-12-30, the time as their fraction.
//!
//! Excel's 1900 system takes 1900 for a leap year, others do not: they agree from 1900-03-01 on, the day 61. Excel ends
//! with the year 9999. What lies outside has no number.

use crate::types::calendar::MICROS_PER_DAY;

/// The number of 2000-01-01, from which PostgreSQL counts.
const EPOCH: i64 = 36_526;
/// 1900-03-01 and 9999-12-31.
const FIRST: i64 = 61;
const LAST: i64 = 2_958_465;
/// 2079-06-05, whose number has the 17th bit: from here on a double does not tell all microseconds.
const COARSE: i64 = 65_536;
/// Microseconds of the unit that every number tells: a double's step in the year 9999 is less than a twentieth of it.
const MILLISECOND: u64 = 1_000;
const SECOND: u64 = 1_000_000;

/// A point in time as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Serial {
    pub(super) days: f64,
    /// Whether its seconds have a fraction.
    pub(super) fraction: bool,
}

/// The number of a date, so many days after 2000-01-01.
#[inline]
pub(super) fn date(days: i32) -> Option<i64> {
    Some(i64::from(days) + EPOCH).filter(|serial| (FIRST..=LAST).contains(serial))
}

/// The number of a time, in microseconds since midnight; none for 24:00.
#[inline]
pub(super) fn time(micros: i64) -> Option<Serial> {
    let micros = u64::try_from(micros).ok().filter(|micros| *micros < MICROS_PER_DAY)?;
    Some(Serial { days: part_of_day(micros), fraction: !micros.is_multiple_of(SECOND) })
}

/// The number of a timestamp, in microseconds since 2000-01-01 00:00; none where it would not tell the microseconds.
#[inline]
pub(super) fn timestamp(micros: i64) -> Option<Serial> {
    let day = micros.div_euclid(MICROS_PER_DAY as i64) + EPOCH;
    // Between 0 and a day, so that the sign is gone.
    let time = micros.rem_euclid(MICROS_PER_DAY as i64) as u64;
    let is_told = day < COARSE || time.is_multiple_of(MILLISECOND);
    let serial = Serial { days: day as f64 + part_of_day(time), fraction: !time.is_multiple_of(SECOND) };
    (is_told && (FIRST..=LAST).contains(&day)).then_some(serial)
}

#[inline]
fn part_of_day(micros: u64) -> f64 {
    micros as f64 / MICROS_PER_DAY as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: i64 = MICROS_PER_DAY as i64;

    #[test]
    fn dates_of_the_1900_system_have_a_number() {
        assert_eq!(date(0), Some(36_526));
        assert_eq!((date(-36_465), date(-36_466)), (Some(61), None));
        assert_eq!((date(2_921_939), date(2_921_940)), (Some(2_958_465), None));
        assert_eq!((date(i32::MAX), date(i32::MIN)), (None, None));
    }

    #[test]
    fn each_microsecond_has_a_number_of_its_own_or_none() {
        for day in [-36_465, 0, 9_999, 29_009, 29_010, 40_000, 1_000_000, 2_921_939] {
            for time in (0..DAY).step_by(7_919_999_983).chain([1, 999, 1_000, 1_001, DAY - 1]) {
                let micros = day * DAY + time;
                let Some(serial) = timestamp(micros) else {
                    assert!(day > 29_009 && time % 1_000 != 0, "{day} {time}");
                    continue;
                };
                let exact = ((serial.days.fract()) * DAY as f64).round() as i64;
                let step = if day > 29_009 { 20 } else { 0 };
                assert!((exact - time).abs() <= step, "{day} {time} {exact}");
                assert_eq!(serial.fraction, time % 1_000_000 != 0);
            }
        }
        assert!(timestamp(i64::MAX).is_none() && timestamp(i64::MIN).is_none());
        assert_eq!(time(DAY / 2), Some(Serial { days: 0.5, fraction: false }));
        assert!(time(DAY).is_none());
    }
}

//! Which texts a spreadsheet does not leave as they are: numbers, dates, times, words for true and false, errors.
//!
//! Microsoft tells what Excel converts without asking in its article Q159491, "Text or Number Converted to Unintended
//! Number Format". What separates thousands and the parts of a date depends on the reader's country, so a text is taken
//! for a value here if any country would read it as one. A text too many is shown as it is nevertheless.

use std::str::Chars;

use super::options::Words;

/// Characters of a text within a formula, at most; longer texts are left alone.
const MAX_CHARS: usize = 255;
/// Bytes that so many characters can have.
const MAX_BYTES: usize = 4 * MAX_CHARS;
/// What a spreadsheet shows for a formula that failed, and reads as that.
const ERRORS: &[&str] = &["#n/a", "#ref!", "#div/0!", "#value!", "#name?", "#num!", "#null!", "#getting_data"];
/// Runs of ASCII letters that a value can have: three in the name of a month, which other letters part, and half of a
/// day.
const MAX_RUNS: usize = 4;
/// Of a word for true or false, in any case.
const MAX_WORD_BYTES: usize = 64;
const HALVES_OF_DAY: &[&str] = &["a", "p", "am", "pm"];
/// Digits of a group of thousands.
const THOUSAND: usize = 3;
const YEAR_DIGITS: usize = 4;
const DATE_PARTS: usize = 3;
const CLOCK_PARTS: usize = 3;

/// Whether a spreadsheet would take a text for something else; with `money` also where it is an amount of it.
pub(super) fn reads_as_value(text: &[u8], words: &Words, money: bool) -> bool {
    if text.len() > MAX_BYTES || memchr::memchr2(b'\r', b'\n', text).is_some() {
        return false;
    }
    let text = text.trim_ascii();
    let Some(first) = text.first() else { return false };
    let has_digits = text.iter().any(|b| b.is_ascii_digit() || !b.is_ascii());
    // Most text is told by its first word, or by having many.
    if !has_digits && *first != b'#' || has_digits && runs_of_letters(text) > MAX_RUNS {
        return is_word(text, words);
    }
    let Some(text) = std::str::from_utf8(text).ok().filter(|text| text.chars().count() <= MAX_CHARS) else {
        return false;
    };
    let text = text.trim_matches(is_blank);
    if first.is_ascii_alphabetic() {
        return is_date(text, words) || is_word(text.as_bytes(), words);
    }
    (money || !text.contains(is_currency))
        && (is_number(text)
            || is_date(text, words)
            || is_clock(text)
            || is_word(text.as_bytes(), words)
            || ERRORS.iter().any(|error| text.eq_ignore_ascii_case(error)))
}

fn runs_of_letters(text: &[u8]) -> usize {
    let (mut runs, mut within) = (0, false);
    for byte in text {
        let letter = byte.is_ascii_alphabetic();
        runs += usize::from(letter && !within);
        within = letter;
    }
    runs
}

fn is_word(text: &[u8], words: &Words) -> bool {
    // A letter can be shorter in lower case, and no word has more letters than this.
    text.len() <= MAX_WORD_BYTES && std::str::from_utf8(text).is_ok_and(|text| is_one_of(text, &words.truth))
}

/// Whatever the case of its letters.
fn is_one_of(word: &str, words: &[String]) -> bool {
    let Some(first) = word.bytes().next() else { return false };
    // Most words begin otherwise. What begins in ASCII does so in lower case too.
    let may_be = |known: &&String| !first.is_ascii() || known.bytes().next() == Some(first.to_ascii_lowercase());
    words.iter().filter(may_be).any(|known| word.chars().flat_map(char::to_lowercase).eq(known.chars()))
}

/// Digits with signs, currency, percent and an exponent. `1.5`, `00123`, `1,234.50 €`, `(5)`, `1E5`, `12 %`.
fn is_number(text: &str) -> bool {
    let affix = |char: char| is_blank(char) || is_currency(char) || matches!(char, '+' | '-' | '−' | '(' | ')' | '%');
    let number = text.trim_matches(affix);
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (number, None),
    };
    let whole = |exponent: &str| {
        let digits = exponent.trim_matches(is_blank);
        let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits).trim_matches(is_blank);
        let digits = digits.strip_suffix(['.', ',']).unwrap_or(digits);
        !digits.is_empty() && digits.chars().all(is_digit)
    };
    exponent.is_none_or(whole) && is_grouped(mantissa.trim_matches(is_blank))
}

/// Digits, with separators where those of thousands or of a fraction can be.
fn is_grouped(number: &str) -> bool {
    let number = number.strip_suffix(['.', ',']).unwrap_or(number);
    let separator = |char: char| is_blank(char) || matches!(char, '.' | ',' | '\'' | '’');
    let groups: Vec<&str> = number.split(separator).collect();
    let Some((first, rest)) = groups.split_first() else { return false };
    let Some((last, middle)) = rest.split_last() else { return is_digits(first) };
    let fraction = number.strip_suffix(last).is_some_and(|before| before.ends_with(['.', ',']));
    (first.is_empty() && middle.is_empty() || is_digits(first))
        && middle.iter().all(|group| is_digits(group) && group.chars().count() == THOUSAND)
        && is_digits(last)
        && (fraction || last.chars().count() == THOUSAND)
}

/// Two or three parts of a date, one of which may be the name of a month, and a time behind them: `3-4`, `Mar 4`,
/// `2026-11-27`, `4. März 2026 1:30`, `SEPT2`. Fractions look the same: `1 3/4`.
fn is_date(text: &str, words: &Words) -> bool {
    let (mut rest, mut parts, mut months) = (text, 0, 0);
    let (mut separated, mut three_digits, mut slash, mut comma) = (false, false, false, false);
    while parts < DATE_PARTS {
        let before = if rest.starts_with(is_digit) {
            let (digits, after) = split_while(rest, is_digit);
            let count = digits.chars().count();
            if count > YEAR_DIGITS {
                return false;
            }
            // The hour of a time behind the date.
            if after.starts_with(':') {
                break;
            }
            three_digits |= count == THOUSAND;
            rest = after;
            true
        } else {
            let (word, after) = split_while(rest, char::is_alphabetic);
            if !is_one_of(word, &words.months) {
                break;
            }
            months += 1;
            rest = after;
            false
        };
        parts += 1;
        let (separator, after) = split_while(rest, is_date_separator);
        // A name and a number need nothing between them.
        if separator.is_empty() && before == after.starts_with(is_digit) {
            break;
        }
        slash |= separator.contains('/');
        comma |= separator.contains(',');
        separated |= separator.contains(|char: char| !is_blank(char) && char != ',');
        rest = after;
    }
    let named = months == 1;
    // Days and a time.
    if parts == 1 && months == 0 && rest.contains(':') {
        return is_clock(rest);
    }
    parts >= 2
        && months < 2
        && (named || separated && !comma)
        && (slash || !three_digits)
        && (rest.is_empty() || is_half_of_day(rest) || is_clock(rest.trim_matches(is_blank)))
}

/// `1:30`, `25:00:01.5`, `-1:30 pm`, `5 p`, `5am`, `17:`.
fn is_clock(text: &str) -> bool {
    let clock = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let word = text.strip_prefix(clock).unwrap_or_default();
    if !word.is_empty() && !is_half_of_day(word) {
        return false;
    }
    // One letter behind the hour is told from that of a house by the blank.
    let named = word.len() > 1 || !word.is_empty() && clock.ends_with(is_blank);
    let affix = |char: char| is_blank(char) || matches!(char, '+' | '-');
    let clock = clock.trim_matches(affix);
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, "0"));
    let (clock, colon) = match clock.strip_suffix(':') {
        Some(hour) => (hour.trim_matches(affix), true),
        None => (clock, false),
    };
    let parts = clock.split(':').count();
    (2..=CLOCK_PARTS).contains(&parts) | (parts == 1 && (colon || named))
        && clock.split(':').all(is_digits)
        && (fraction.is_empty() || is_digits(fraction))
}

fn is_half_of_day(word: &str) -> bool {
    HALVES_OF_DAY.iter().any(|half| word.eq_ignore_ascii_case(half))
}

fn split_while(text: &str, holds: impl Fn(char) -> bool) -> (&str, &str) {
    let mut chars: Chars<'_> = text.chars();
    loop {
        let rest = chars.as_str();
        if !chars.next().is_some_and(&holds) {
            return text.split_at_checked(text.len().saturating_sub(rest.len())).unwrap_or((text, ""));
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_digit)
}

/// Also in full width, as East Asian input has them.
fn is_digit(char: char) -> bool {
    char.is_ascii_digit() || ('０'..='９').contains(&char)
}

/// Also those that separate thousands: no-break, narrow no-break, thin.
fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{3000}')
}

fn is_date_separator(char: char) -> bool {
    is_blank(char) || matches!(char, '-' | '/' | '.' | ',' | '年' | '月' | '日')
}

/// Unicode's currency symbols (category Sc).
fn is_currency(char: char) -> bool {
    matches!(char, '$' | '¢'..='¥' | '₠'..='⃀' | '￠' | '￡' | '￥' | '￦')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken for a value goes into a formula as it is: nothing in it may end the text there.
    #[test]
    fn no_value_can_leave_its_quotes() {
        const CHARS: [char; 16] =
            ['1', '2', '0', '.', ',', '-', ' ', 'e', ':', 'm', 'a', 'y', '"', '\n', '=', '\u{a0}'];
        let words = Words { truth: vec!["may".into()], months: vec!["may".into()] };
        let (mut seed, mut values) = (1_u64, 0);
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let length = (seed >> 60) % 7 + 1;
            let text: String =
                (0..length).filter_map(|at| CHARS.get((seed >> (4 * at + 20)) as usize % CHARS.len())).collect();
            if reads_as_value(text.as_bytes(), &words, true) {
                assert!(!text.contains(['"', '\n', '=']), "{text:?}");
                values += 1;
            }
        }
        assert!(values > 1000);
    }
}

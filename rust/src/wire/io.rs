//! What every part of a connection needs of the system: a deadline, and its errors in plain words.

use std::io;
use std::time::{Duration, Instant};

/// The moment by which something must be done; without one there is no hurry.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    pub const NONE: Deadline = Deadline(None);

    pub fn after(time: Option<Duration>) -> Self {
        Deadline(time.and_then(|time| Instant::now().checked_add(time)))
    }

    /// The time that is left, never zero (which the system would read as "for ever"); an error once it has passed.
    pub fn remaining(self) -> io::Result<Option<Duration>> {
        match self.0 {
            None => Ok(None),
            Some(end) => match end.checked_duration_since(Instant::now()) {
                Some(left) if left >= Duration::from_millis(1) => Ok(Some(left)),
                _ => Err(io::ErrorKind::TimedOut.into()),
            },
        }
    }

    /// Whether there is one.
    pub fn is_set(self) -> bool {
        self.0.is_some()
    }

    pub fn passed(self) -> bool {
        self.remaining().is_err()
    }
}

/// An operating system error as a phrase for the end of a sentence: "connection refused".
pub fn describe_io(e: &io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    // getaddrinfo(3) errors arrive with this prefix, which our sentence says already.
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut chars = text.chars();
    match chars.next() {
        // An abbreviation such as TLS or an `SSL…` keeps its case.
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_phrases() {
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(describe_io(&refused), "connection refused");
        assert_eq!(describe_io(&io::Error::other("TLS went wrong")), "TLS went wrong");
    }
}

//! No faster than a server would be.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// What is written at a time where there is a limit. A server has 8 KB, which would wake both sides too often here.
const STEP: usize = 64 << 10;

/// The pace of one connection.
pub struct Pace {
    /// Bytes a second.
    rate: Option<f64>,
    /// When the next step may begin.
    next: Instant,
}

impl Pace {
    pub fn new(rate: Option<f64>) -> Self {
        Pace { rate, next: Instant::now() }
    }

    /// Writes all of it. Time in which the client did not read is not made up for, since a server does not either; time
    /// in which this thread had no processor is, since that server would have had one.
    pub fn write(&mut self, client: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        let Some(rate) = self.rate else {
            return client.write_all(bytes);
        };
        self.next = self.next.max(Instant::now());
        for step in bytes.chunks(STEP) {
            let begun = Instant::now();
            client.write_all(step)?;
            self.next += begun.elapsed() + Duration::from_secs_f64(step.len() as f64 / rate);
            thread::sleep(self.next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }
}

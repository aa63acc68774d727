//! Any bytes in, an error or a value out: never a panic, never a read past an end, never more memory than the input
//! allows.
//!
//! Each target gets an equal part of `POLYGLOT_FUZZ_SECONDS` (`make fuzz`: a minute; about two seconds otherwise) and
//! as many cases as fit. Inputs are valid values and streams with a few bits turned, bytes changed or parts cut away,
//! and bytes without any sense. A case that fails is made small and printed; run it again by writing it into the tests
//! of its module.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod inputs;
#[path = "../parquet_file/mod.rs"]
mod parquet_file;
mod targets;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};

/// Cases between two looks at the clock.
const BATCH: u32 = 16;
/// Seconds where nobody asks for more.
const DEFAULT_SECONDS: f64 = 2.0;

/// What is tried, and whether it failed.
struct Fuzz {
    seconds: f64,
    failures: Vec<String>,
    cases: u64,
}

impl Fuzz {
    /// Tries inputs on a property until its time is over.
    fn target<S: Strategy>(&mut self, name: &str, inputs: &S, property: impl Fn(S::Value) -> TestCaseResult) {
        let started = Instant::now();
        let until = started + Duration::from_secs_f64(self.seconds);
        let mut cases = 0_u64;
        while Instant::now() < until {
            let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(BATCH) };
            if let Err(error) = TestRunner::new(config).run(inputs, &property) {
                self.failures.push(format!("{name}: {error}"));
                break;
            }
            cases += u64::from(BATCH);
        }
        self.cases += cases;
        println!("{name:<28} {cases:>9} cases in {:>5.1} s", started.elapsed().as_secs_f64());
    }
}

#[test]
fn any_bytes_give_a_value_or_an_error() {
    let seconds = std::env::var("POLYGLOT_FUZZ_SECONDS")
        .map_or(DEFAULT_SECONDS, |text| text.parse().expect("seconds as a number"));
    let mut fuzz = Fuzz { seconds: seconds / 9.0, failures: Vec::new(), cases: 0 };
    fuzz.target("fields to text and JSON", &inputs::fields(), targets::decoders);
    fuzz.target("COPY messages to rows", &inputs::streams(), targets::frames);
    fuzz.target("server bytes to messages", &inputs::server_bytes(), targets::messages);
    fuzz.target("rows to csv", &inputs::rows(inputs::csv_options(), targets::any_text), targets::text_format);
    fuzz.target("rows to json", &inputs::rows(inputs::json_options(false), targets::utf8_text), targets::text_format);
    fuzz.target("rows to ndjson", &inputs::rows(inputs::json_options(true), targets::utf8_text), targets::text_format);
    fuzz.target("rows to xml", &inputs::rows(inputs::xml_options(), targets::xml_text), targets::text_format);
    fuzz.target("documents to xml", &inputs::documents(targets::xml_text), targets::text_format);
    fuzz.target("rows to parquet", &inputs::parquet_rows(), targets::parquet);
    println!("{:<28} {:>9} cases", "together", fuzz.cases);
    assert!(fuzz.failures.is_empty(), "{}", fuzz.failures.join("\n"));
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::copy::frame::Tuple;
use crate::formats::base::FileEnd;

/// A format of lines: the fields of a row behind one another, and a line that says how many there were.
struct Lines;

struct LineEncoder {
    out: Vec<u8>,
    rows: u64,
}

struct LineFile {
    ready: VecDeque<Chunk>,
    held: usize,
}

/// What each file of the tests holds until its end.
const HELD: usize = 50 << 10;

impl Encoding for Lines {
    fn segment_encoder(&self, _pool: &Arc<ChunkPool>) -> Result<Box<dyn SegmentEncoder>> {
        Ok(Box::new(LineEncoder { out: Vec::new(), rows: 0 }))
    }

    fn file_assembler(&self) -> Result<Box<dyn FileAssembler>> {
        Ok(Box::new(LineFile { ready: VecDeque::new(), held: 0 }))
    }
}

impl SegmentEncoder for LineEncoder {
    fn row(&mut self, mut tuple: Tuple<'_>, _pieces: &mut dyn crate::formats::base::PieceSink) -> Result<()> {
        self.out.extend(tuple.field()?.unwrap_or(b"-"));
        self.out.push(b'\n');
        self.rows += 1;
        tuple.end()
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn finish(&mut self, pieces: &mut dyn crate::formats::base::PieceSink) -> Result<SegmentEnd> {
        pieces.push(Piece::of_bytes(std::mem::take(&mut self.out), self.rows))?;
        Ok(SegmentEnd { sum: None, losses: vec![std::mem::take(&mut self.rows)] })
    }
}

impl FileAssembler for LineFile {
    fn piece(&mut self, body: Body) -> Result<()> {
        let Body::Bytes(body) = body else { panic!("only bytes here") };
        self.held += HELD;
        self.ready.push_back(Chunk { body, ..Chunk::default() });
        Ok(())
    }

    fn segment_end(&mut self, _end: &SegmentEnd) {}

    fn finish(&mut self, totals: &Totals) -> Result<()> {
        let body = format!("={}\n", totals.rows).into_bytes();
        self.ready.push_back(Chunk { body, ..Chunk::default() });
        Ok(())
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        self.ready.pop_front()
    }

    fn memory_bytes(&self) -> usize {
        self.held
    }
}

/// A file as it came out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Written {
    value: Option<String>,
    text: String,
    end: Option<FileEnd>,
}

#[derive(Default)]
struct Out {
    files: BTreeMap<u32, Written>,
    rows: u64,
    open: usize,
    most_open: usize,
}

impl crate::formats::base::PieceSink for Out {
    fn push(&mut self, piece: Piece) -> Result<()> {
        let mut pass_on = PassOn::default();
        self.rows += piece.rows;
        pass_on.piece(piece.body)?;
        let chunk = pass_on.take_chunk().unwrap();
        match chunk.mark.unwrap() {
            FileMark::Begin { number, value } => {
                self.open += 1;
                self.most_open = self.most_open.max(self.open);
                let file = Written { value, ..Written::default() };
                assert!(self.files.insert(number, file).is_none(), "begun twice");
            }
            FileMark::Body { number } => {
                let file = self.files.get_mut(&number).unwrap();
                assert!(file.end.is_none(), "written after its end");
                file.text.push_str(std::str::from_utf8(&chunk.body).unwrap());
            }
            FileMark::End { number, end } => {
                self.open -= 1;
                assert!(self.files.get_mut(&number).unwrap().end.replace(end).is_none(), "ended twice");
            }
        }
        Ok(())
    }
}

fn field(value: Option<&str>) -> Vec<u8> {
    let Some(text) = value else { return (-1_i32).to_be_bytes().to_vec() };
    let mut bytes = i32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

type Row = (Option<String>, String);

fn row(value: &str, text: &str) -> Row {
    (Some(value.to_owned()), text.to_owned())
}

fn route(open_files: usize, waiting_bytes: usize, file_bytes: Option<usize>) -> Route {
    Route { column: "v".into(), open_files, waiting_bytes, file_bytes }
}

/// Routes the rows of several segments.
fn routed(segments: &[Vec<Row>], route: Route) -> Result<Out> {
    let pool = Arc::new(ChunkPool::new(1024, 0));
    let encoding = Routed::new(Arc::new(Lines), route, segments.len() as u64, 1);
    let mut router = encoding.segment_encoder(&pool)?;
    let mut out = Out::default();
    let mut lost = 0;
    for segment in segments {
        for (value, text) in segment {
            let tuple = [field(value.as_deref()), field(Some(text))].concat();
            router.row(Tuple::of_fields(&tuple), &mut out)?;
        }
        assert_eq!(router.rows(), segment.len() as u64);
        lost += router.finish(&mut out)?.losses[0];
    }
    assert_eq!(lost, out.rows, "each row counts as a loss here");
    assert_eq!(out.open, 0);
    Ok(out)
}

/// The rows of each value, over all of its files in their order.
fn by_value(out: &Out) -> BTreeMap<Option<String>, String> {
    let mut found: BTreeMap<Option<String>, String> = BTreeMap::new();
    for file in out.files.values() {
        let end = file.end.as_ref().unwrap();
        let rows = file.text.strip_suffix(&format!("={}\n", end.rows)).expect("a footer");
        assert_eq!(rows.lines().count() as u64, end.rows);
        assert_eq!(end.losses, [end.rows]);
        assert!(end.rows > 0, "a file of nothing");
        found.entry(file.value.clone()).or_default().push_str(rows);
    }
    found
}

fn expected(segments: &[Vec<Row>]) -> BTreeMap<Option<String>, String> {
    let mut found: BTreeMap<Option<String>, String> = BTreeMap::new();
    for (value, text) in segments.iter().flatten() {
        let value = value.clone().filter(|text| !text.is_empty());
        found.entry(value).or_default().push_str(&format!("{text}\n"));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_value_has_its_rows_in_their_order(
        segments in prop::collection::vec(
            prop::collection::vec((prop::option::of("[a-f]{0,2}"), "[x-z]{0,40}"), 0..80),
            1..5,
        ),
        open_files in 1_usize..5,
        waiting in 0_usize..4_000,
        file_bytes in prop::option::of(1_usize..2_000),
    ) {
        let out = routed(&segments, route(open_files, waiting, file_bytes)).unwrap();
        prop_assert_eq!(by_value(&out), expected(&segments));
        prop_assert!(out.most_open <= open_files);
        let again = routed(&segments, route(open_files, waiting, file_bytes)).unwrap();
        prop_assert_eq!(out.files, again.files);
    }
}

#[test]
fn values_in_order_have_one_file_each_although_little_may_wait() {
    let segments: Vec<Vec<Row>> = (0..4)
        .map(|segment| (0..500).map(|at| row(&format!("{}", (segment * 500 + at) / 100), "text")).collect())
        .collect();
    let out = routed(&segments, route(2, 3_000, None)).unwrap();
    assert_eq!(out.files.len(), 20);
    assert_eq!(by_value(&out), expected(&segments));
}

#[test]
fn few_values_in_any_order_have_one_file_each() {
    let segments = [(0..5_000).map(|at| row(&format!("{}", at * 7919 % 8), "some text")).collect()];
    let out = routed(&segments, route(8, 16_000, None)).unwrap();
    assert_eq!(out.files.len(), 8);
}

#[test]
fn more_values_than_files_may_be_open_cost_files_and_no_memory() {
    let segments = [(0..5_000).map(|at| row(&format!("{}", at * 7919 % 50), "some text")).collect()];
    let out = routed(&segments, route(4, 40_000, None)).unwrap();
    assert!(out.files.len() > 50);
    assert_eq!(out.most_open, 4);
    assert_eq!(by_value(&out), expected(&segments));
}

#[test]
fn a_file_ends_when_it_has_enough_rows() {
    let segments = [(0..100).map(|_| row("a", "0123456789")).collect()];
    let out = routed(&segments, route(4, 1 << 20, Some(1_000))).unwrap();
    let rows: Vec<u64> = out.files.values().map(|file| file.end.as_ref().unwrap().rows).collect();
    assert!(rows.len() > 1, "{rows:?}");
    assert!(rows[..rows.len() - 1].iter().all(|each| *each == rows[0]), "{rows:?}");
}

#[test]
fn no_value_empty_text_and_the_name_of_the_folder_share_it_and_are_counted() {
    let segments = [vec![(None, "a".into()), row("", "b"), row("__HIVE_DEFAULT_PARTITION__", "c"), row("x", "d")]];
    let out = routed(&segments, route(4, 1 << 20, None)).unwrap();
    let told: Vec<_> =
        out.files.values().map(|file| (file.value.as_deref(), file.end.as_ref().unwrap().replaced)).collect();
    assert_eq!(told, [(None, 2), (Some("x"), 0)]);
    assert_eq!(out.files[&0].text, "a\nb\nc\n=3\n");
}

#[test]
fn a_large_row_comes_behind_those_that_wait() {
    let large = "x".repeat(1 << 20);
    let segments = [vec![row("a", "first"), row("b", "other"), row("a", &large), row("a", "last"), row("", &large)]];
    let out = routed(&segments, route(4, 1 << 20, None)).unwrap();
    assert_eq!(by_value(&out), expected(&segments));
    let replaced: u64 = out.files.values().map(|file| file.end.as_ref().unwrap().replaced).sum();
    assert_eq!(replaced, 1);
}

#[test]
fn footers_that_wait_are_bounded() {
    // Each row is a write, which leaves something for the footer.
    let segments = [(0..200).map(|_| row("a", "text")).collect()];
    let out = routed(&segments, route(4, 0, None)).unwrap();
    assert!(out.files.len() > 2);
    assert_eq!(by_value(&out), expected(&segments));
}

#[test]
fn an_empty_export_makes_no_file() {
    assert!(routed(&[vec![], vec![]], route(4, 100, None)).unwrap().files.is_empty());
}

#[test]
fn a_value_that_is_too_long_is_refused_with_its_column() {
    let segments = [vec![row(&"x".repeat(5_000), "text")]];
    let Err(error) = routed(&segments, route(4, 100, None)) else { panic!("it was taken") };
    assert_eq!(error.to_string(), "column \"v\": a value of 5000 bytes cannot name a folder, which may have 4096");
}

//! The numbering of segments over all scans, and the SQL of each.

use std::fmt::Write;

use crate::error::{Error, Result};
use crate::plan::{Scan, TidRanges};

/// The number of each scan's first segment; segment SQL is made when it is needed, since a large table has many.
#[derive(Debug)]
pub struct Segments {
    firsts: Vec<u64>,
    total: u64,
}

impl Segments {
    pub fn new(scans: &[Scan]) -> Self {
        let mut total = 0_u64;
        let firsts = scans
            .iter()
            .map(|scan| {
                let first = total;
                total += count(scan);
                first
            })
            .collect();
        Segments { firsts, total }
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// The statement of a segment.
    pub fn sql(&self, scans: &[Scan], segment: u64) -> Result<String> {
        let scan = self.firsts.partition_point(|first| *first <= segment).checked_sub(1);
        let found = scan.and_then(|index| Some((scans.get(index)?, *self.firsts.get(index)?)));
        let (scan, first) = found.ok_or_else(|| Error::Internal(format!("no scan has segment {segment}")))?;
        let mut sql = scan.before.clone();
        if let Some(ranges) = &scan.ranges {
            push_range(&mut sql, ranges, segment - first);
        }
        sql.push_str(&scan.after);
        Ok(sql)
    }
}

fn count(scan: &Scan) -> u64 {
    match &scan.ranges {
        None => 1,
        Some(ranges) => u64::from(ranges.pages.div_ceil(ranges.pages_per_segment.max(1)).max(1)),
    }
}

/// Operators are qualified: a user's schema in `search_path` may shadow them. An open last range takes the pages that
/// were appended after the size was read, and their rows that the snapshot sees.
fn push_range(sql: &mut String, ranges: &TidRanges, index: u64) {
    let step = u64::from(ranges.pages_per_segment.max(1));
    let end = u64::from(ranges.first_page) + u64::from(ranges.pages);
    let from = u64::from(ranges.first_page) + index * step;
    let _ = write!(sql, "ctid OPERATOR(pg_catalog.>=) '({from},0)'::pg_catalog.tid");
    let to = if ranges.open_end { from + step } else { end.min(from + step) };
    if to < end || !ranges.open_end {
        let _ = write!(sql, " AND ctid OPERATOR(pg_catalog.<) '({to},0)'::pg_catalog.tid");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn scan(ranges: Option<TidRanges>) -> Scan {
        Scan { before: "A ".into(), after: " Z".into(), ranges }
    }

    fn ranges(first_page: u32, pages: u32, open_end: bool) -> TidRanges {
        TidRanges { first_page, pages, pages_per_segment: 10, open_end }
    }

    #[test]
    fn a_part_ends_where_the_next_one_begins() {
        let sql = |part| {
            let scans = [scan(Some(part))];
            let segments = Segments::new(&scans);
            (0..segments.total()).map(|segment| segments.sql(&scans, segment).unwrap()).collect::<Vec<_>>()
        };
        let whole = sql(ranges(0, 45, true));
        let parts = [ranges(0, 20, false), ranges(20, 10, false), ranges(30, 15, true)];
        assert_eq!(parts.map(sql).concat(), whole);
        assert_eq!(
            sql(ranges(30, 5, false)),
            ["A ctid OPERATOR(pg_catalog.>=) '(30,0)'::pg_catalog.tid AND ctid OPERATOR(pg_catalog.<) \
              '(35,0)'::pg_catalog.tid Z"]
        );
    }

    #[test]
    fn ranges_cover_every_page_once_and_the_last_is_open() {
        let scans = [scan(None), scan(Some(ranges(0, 25, true))), scan(None)];
        let segments = Segments::new(&scans);
        let sql: Vec<String> = (0..segments.total()).map(|segment| segments.sql(&scans, segment).unwrap()).collect();
        let range = |from: u32, to: &str| format!("A ctid OPERATOR(pg_catalog.>=) '({from},0)'::pg_catalog.tid{to} Z");
        let below = |to: u32| format!(" AND ctid OPERATOR(pg_catalog.<) '({to},0)'::pg_catalog.tid");
        assert_eq!(
            sql,
            ["A  Z".to_owned(), range(0, &below(10)), range(10, &below(20)), range(20, ""), "A  Z".to_owned()]
        );
        assert_eq!(segments.total(), 5);
    }

    #[test]
    fn an_empty_table_still_has_its_open_range() {
        let scans = [scan(Some(ranges(0, 0, true)))];
        assert_eq!(Segments::new(&scans).total(), 1);
    }
}

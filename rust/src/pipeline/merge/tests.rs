use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::error::ValueError;

fn piece(bytes: Vec<u8>) -> Piece {
    let rows = bytes.len() as u64;
    Piece::of_bytes(bytes, rows)
}

/// Runs workers that push `segments` and returns what the consumer pulled, and the most bytes that waited.
fn merged(segments: &[Vec<Vec<u8>>], workers: usize, window: usize) -> (Vec<u8>, usize) {
    let merge = Merge::new(segments.len() as u64, 8, window);
    let waiting = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let mut out = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(segment) = merge.take().unwrap() {
                    for bytes in &segments[segment as usize] {
                        let length = bytes.len();
                        merge.push(segment, piece(bytes.clone())).unwrap();
                        most.fetch_max(waiting.fetch_add(length, Ordering::SeqCst) + length, Ordering::SeqCst);
                    }
                    merge.end(segment, Ok(SegmentEnd::default())).unwrap();
                }
            });
        }
        loop {
            match merge.pull().unwrap() {
                Pulled::Piece(Piece { body: Body::Bytes(bytes), .. }) => {
                    waiting.fetch_sub(bytes.len().min(waiting.load(Ordering::SeqCst)), Ordering::SeqCst);
                    out.extend(bytes);
                }
                Pulled::Piece(_) => panic!("only bytes here"),
                Pulled::SegmentEnd(_) => {}
                Pulled::End => break,
            }
        }
    });
    (out, most.load(Ordering::SeqCst))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn order_is_that_of_the_segments(
        segments in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6),
            0..20,
        ),
        workers in 1_usize..17,
        window in 0_usize..64,
    ) {
        let expected: Vec<u8> = segments.iter().flatten().flatten().copied().collect();
        prop_assert_eq!(merged(&segments, workers, window).0, expected);
    }
}

#[test]
fn a_later_segment_waits_when_the_window_is_full() {
    let merge = Merge::new(2, 8, 10);
    assert_eq!(merge.take().unwrap(), Some(0));
    assert_eq!(merge.take().unwrap(), Some(1));
    merge.push(1, piece(vec![0; 10])).unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| merge.push(1, piece(vec![0; 1])));
        std::thread::sleep(Duration::from_millis(30));
        assert!(!blocked.is_finished());
        merge.stop(Error::Cancelled);
        assert!(matches!(blocked.join().unwrap(), Err(Error::Cancelled)));
    });
}

#[test]
fn the_turn_of_a_segment_comes_when_those_before_it_are_handed_out() {
    let merge = Merge::new(2, 8, 10);
    merge.take().unwrap();
    merge.take().unwrap();
    merge.wait_for_turn(0).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| merge.wait_for_turn(1));
        std::thread::sleep(Duration::from_millis(30));
        assert!(!waiting.is_finished());
        merge.end(0, Ok(SegmentEnd::default())).unwrap();
        assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn the_head_takes_a_piece_of_any_size() {
    let merge = Merge::new(1, 8, 0);
    merge.take().unwrap();
    merge.push(0, piece(vec![0; 1000])).unwrap();
}

#[test]
fn a_value_error_waits_for_its_turn_and_names_the_row_of_the_export() {
    let merge = Merge::new(3, 8, 100);
    for _ in 0..3 {
        merge.take().unwrap();
    }
    let error = Error::Value(Box::new(ValueError { row: Some(3), ..ValueError::default() }));
    merge.end(1, Err(error)).unwrap();
    assert_eq!(merge.take().unwrap(), None);
    merge.push(0, piece(vec![7; 5])).unwrap();
    merge.end(0, Ok(SegmentEnd::default())).unwrap();
    assert!(matches!(merge.pull().unwrap(), Pulled::Piece(_)));
    assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
    for _ in 0..2 {
        match merge.pull() {
            Err(Error::Value(value)) => assert_eq!(value.row, Some(8)),
            _ => panic!("the error of segment 1 was expected"),
        }
    }
}

#[test]
fn a_segment_starts_again_until_a_piece_of_it_was_handed_out() {
    let merge = Merge::new(2, 8, 10);
    merge.take().unwrap();
    merge.take().unwrap();
    merge.push(0, piece(vec![1; 5])).unwrap();
    merge.push(1, piece(vec![9; 10])).unwrap();
    assert!(merge.restart(0).unwrap());
    assert!(merge.restart(1).unwrap());
    // The room of the dropped pieces is free again: otherwise these would wait for ever.
    merge.push(0, piece(vec![1; 5])).unwrap();
    merge.push(1, piece(vec![2; 10])).unwrap();
    assert!(matches!(merge.pull().unwrap(), Pulled::Piece(Piece { rows: 5, .. })));
    assert!(!merge.restart(0).unwrap());
    merge.end(0, Ok(SegmentEnd::default())).unwrap();
    assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
    match merge.pull().unwrap() {
        Pulled::Piece(Piece { body: Body::Bytes(bytes), .. }) => assert_eq!(bytes, [2; 10]),
        _ => panic!("the piece of segment 1 was expected"),
    }
}

#[test]
fn a_segment_that_was_given_back_is_taken_first_by_another() {
    let merge = Merge::new(3, 8, 10);
    merge.enlist();
    merge.enlist();
    assert_eq!(merge.take().unwrap(), Some(0));
    assert_eq!(merge.take().unwrap(), Some(1));
    assert!(merge.give_back(Some(0), &Error::Lost("gone".into())));
    assert_eq!(merge.take().unwrap(), Some(0));
    assert_eq!(merge.take().unwrap(), Some(2));
    assert!(!merge.give_back(Some(2), &Error::Lost("gone".into())), "nobody is left to do it");
}

#[test]
fn a_segment_is_not_given_back_when_all_others_wait_for_it() {
    let merge = Merge::new(2, 8, 0);
    merge.enlist();
    merge.enlist();
    merge.take().unwrap();
    merge.take().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| merge.push(1, piece(vec![0; 1])));
        while merge.lock().waiting == 0 {
            std::thread::yield_now();
        }
        assert!(!merge.give_back(Some(0), &Error::Lost("gone".into())));
        merge.stop(Error::Cancelled);
        assert!(waiting.join().unwrap().is_err());
    });
}

#[test]
fn the_last_one_who_would_wait_for_a_segment_given_back_fails_instead() {
    let merge = Merge::new(3, 8, 0);
    for _ in 0..3 {
        merge.enlist();
        merge.take().unwrap();
    }
    std::thread::scope(|scope| {
        let first = scope.spawn(|| merge.push(1, piece(vec![0; 1])));
        while merge.lock().waiting == 0 {
            std::thread::yield_now();
        }
        assert!(merge.give_back(Some(0), &Error::Lost("gone".into())), "the worker of segment 2 could take it");
        assert!(matches!(merge.push(2, piece(vec![0; 1])), Err(Error::Lost(_))));
        merge.stop(Error::Cancelled);
        assert!(first.join().unwrap().is_err());
    });
}

/// The first segment needed more than the window, so that four are worked on at most.
fn waiting_to_begin(merge: &Merge) {
    merge.enlist();
    merge.take().unwrap();
    for bytes in [1, 9, 9] {
        merge.push(0, piece(vec![0; bytes])).unwrap();
        merge.pull().unwrap();
    }
    merge.end(0, Ok(SegmentEnd::default())).unwrap();
    assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
    for segment in 1..5 {
        assert_eq!(merge.take().unwrap(), Some(segment));
    }
}

#[test]
fn a_segment_is_begun_when_those_before_it_leave_room() {
    let merge = Merge::new(6, 8, 5);
    waiting_to_begin(&merge);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| merge.take());
        std::thread::sleep(Duration::from_millis(30));
        assert!(!waiting.is_finished());
        merge.end(1, Ok(SegmentEnd::default())).unwrap();
        assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
        assert_eq!(waiting.join().unwrap().unwrap(), Some(5));
    });
}

#[test]
fn who_waits_to_begin_takes_what_is_given_back() {
    let merge = Merge::new(6, 8, 5);
    merge.enlist();
    waiting_to_begin(&merge);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| merge.take());
        std::thread::sleep(Duration::from_millis(30));
        assert!(merge.give_back(Some(1), &Error::Lost("gone".into())));
        assert_eq!(waiting.join().unwrap().unwrap(), Some(1));
    });
}

#[test]
fn who_waits_to_begin_learns_that_the_export_was_stopped() {
    let merge = Merge::new(6, 8, 5);
    waiting_to_begin(&merge);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| merge.take());
        std::thread::sleep(Duration::from_millis(30));
        merge.stop(Error::Cancelled);
        assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
    });
}

#[test]
fn a_pause_ends_when_the_export_is_stopped() {
    let merge = Merge::new(1, 8, 0);
    merge.pause(Duration::from_millis(1)).unwrap();
    std::thread::scope(|scope| {
        let pausing = scope.spawn(|| merge.pause(Duration::from_secs(600)));
        merge.stop(Error::Cancelled);
        assert!(matches!(pausing.join().unwrap(), Err(Error::Cancelled)));
    });
}

/// Segment 1 has waited for its turn, and a piece of it was handed out when its connection turns out to be lost.
fn waited_and_lost() -> Merge {
    let merge = Merge::new(2, 8, 4);
    merge.take().unwrap();
    merge.take().unwrap();
    merge.push(1, piece(vec![1; 4])).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| merge.push(1, piece(vec![2; 4])));
        while merge.lock().waiting == 0 {
            std::thread::yield_now();
        }
        merge.end(0, Ok(SegmentEnd::default())).unwrap();
        assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
        waiting.join().unwrap().unwrap();
    });
    assert!(matches!(merge.pull().unwrap(), Pulled::Piece(Piece { rows: 4, .. })));
    assert!(merge.restart(1).unwrap());
    merge
}

#[test]
fn a_segment_that_waited_starts_again_behind_what_was_handed_out() {
    let merge = waited_and_lost();
    merge.push(1, piece(vec![1; 4])).unwrap();
    assert!(merge.restart(1).unwrap(), "and once more");
    merge.push(1, piece(vec![1; 4])).unwrap();
    merge.push(1, piece(vec![2; 4])).unwrap();
    merge.end(1, Ok(SegmentEnd::default())).unwrap();
    match merge.pull().unwrap() {
        Pulled::Piece(Piece { body: Body::Bytes(bytes), .. }) => assert_eq!(bytes, [2; 4]),
        _ => panic!("the second piece was expected"),
    }
    assert!(matches!(merge.pull().unwrap(), Pulled::SegmentEnd(_)));
    assert!(matches!(merge.pull().unwrap(), Pulled::End));
}

#[test]
fn what_comes_differently_the_second_time_is_an_error() {
    assert!(matches!(waited_and_lost().push(1, piece(vec![3; 4])), Err(Error::Lost(_))));
    let shorter = waited_and_lost();
    shorter.end(1, Ok(SegmentEnd::default())).unwrap();
    assert!(matches!(shorter.pull(), Err(Error::Lost(_))));
}

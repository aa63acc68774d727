//! Any cut of the stream gives the same messages, and no bytes give more than an error.

use proptest::prelude::*;

use super::*;

/// Gives its bytes in pieces of the sizes given, over and over, then the end of the stream.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl<'a> Pieces<'a> {
    fn new(bytes: &'a [u8], sizes: &'a [usize]) -> Self {
        Pieces { bytes, sizes: sizes.iter().cycle() }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = (*self.sizes.next().unwrap()).min(buf.len()).min(self.bytes.len());
        buf[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        Ok(n)
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(i32::try_from(body.len() + LENGTH).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A body whose bytes tell their place, so that a shifted slice is noticed.
fn body(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i.wrapping_mul(31) + seed) % 251).unwrap()).collect()
}

fn only_error(bytes: &[u8], limit: usize) -> Error {
    ReadBuffer::new(limit).next(&mut Pieces::new(bytes, &[usize::MAX])).unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn messages_come_out_whole_however_they_are_cut(
        lengths in prop::collection::vec(
            prop_oneof![8 => 0usize..300, 2 => 0usize..70_000, 1 => 0usize..700_000],
            1..25,
        ),
        sizes in prop::collection::vec(prop_oneof![1usize..7, 1usize..5_000, Just(usize::MAX)], 1..6),
    ) {
        // A cut of every byte is kept to inputs that are short enough for it.
        let bytes: Vec<u8> = lengths.iter().enumerate().flat_map(|(i, n)| message(COPY_DATA, &body(i, *n))).collect();
        let floor = bytes.len() / 20_000 + 1;
        let sizes: Vec<usize> = sizes.iter().map(|size| (*size).max(floor)).collect();
        let mut source = Pieces::new(&bytes, &sizes);
        let mut buffer = ReadBuffer::new(1 << 20);
        for (i, length) in lengths.iter().enumerate() {
            let frame = buffer.next(&mut source).unwrap();
            prop_assert_eq!(frame.tag, COPY_DATA);
            prop_assert!(buffer.body(frame) == body(i, *length), "message {} of {} bytes", i, length);
            prop_assert!(buffer.buf.len() <= READ_BUFFER.max(HEADER + lengths.iter().max().unwrap()) * 2);
        }
        prop_assert!(matches!(buffer.next(&mut source), Err(Error::Lost(_))));
    }

    #[test]
    fn any_bytes_are_messages_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..50) {
        let sizes = [size];
        let mut source = Pieces::new(&bytes, &sizes);
        let mut buffer = ReadBuffer::new(100);
        // Ends, since each message takes bytes and the bytes end.
        while let Ok(frame) = buffer.next(&mut source) {
            prop_assert!(buffer.body(frame).len() <= 100);
            if let Ok(Message::ErrorResponse(fields)) = buffer.parse(frame) {
                let _ = refusal(fields.fields());
            }
        }
    }
}

#[test]
fn every_cut_of_a_short_stream() {
    let bytes = [message(b'd', b"one"), message(b'c', b""), message(b'd', &[0; 40])].concat();
    for size in 1..bytes.len() {
        let sizes = [size];
        let mut source = Pieces::new(&bytes, &sizes);
        let mut buffer = ReadBuffer::new(1000);
        let first = buffer.next(&mut source).unwrap();
        assert_eq!(buffer.body(first), b"one");
        let second = buffer.next(&mut source).unwrap();
        assert_eq!((second.tag, buffer.body(second)), (b'c', &b""[..]));
        let third = buffer.next(&mut source).unwrap();
        assert_eq!(buffer.body(third), [0; 40]);
    }
}

#[test]
fn a_large_message_does_not_keep_the_memory() {
    let (large, small) = (9 << 20, 1000);
    let mut bytes = message(COPY_DATA, &body(1, large));
    for i in 0..2000 {
        bytes.extend(message(COPY_DATA, &body(i, small)));
    }
    let sizes = [100_000];
    let mut source = Pieces::new(&bytes, &sizes);
    let mut buffer = ReadBuffer::new(large);
    let frame = buffer.next(&mut source).unwrap();
    assert_eq!(buffer.body(frame), body(1, large));
    assert_eq!(buffer.buf.len(), large + HEADER, "grown to the message and no further");
    for i in 0..2000 {
        let frame = buffer.next(&mut source).unwrap();
        assert_eq!(buffer.body(frame), body(i, small));
    }
    assert!(buffer.buf.capacity() <= 2 * READ_BUFFER, "{} bytes kept", buffer.buf.capacity());
}

/// What a lying length costs: no more than twice what really came.
#[test]
fn a_length_alone_reserves_nothing() {
    let mut bytes = vec![COPY_DATA];
    bytes.extend((1i32 << 30).to_be_bytes());
    bytes.extend([0; 1000]);
    let mut buffer = ReadBuffer::new(usize::MAX);
    assert!(matches!(buffer.next(&mut Pieces::new(&bytes, &[usize::MAX])), Err(Error::Lost(_))));
    assert!(buffer.buf.capacity() <= 2 * READ_BUFFER, "{} bytes reserved", buffer.buf.capacity());
}

#[test]
fn impossible_lengths() {
    for length in [i32::MIN, -1, 0, 3] {
        let mut bytes = vec![COPY_DATA];
        bytes.extend(length.to_be_bytes());
        let error = only_error(&bytes, usize::MAX);
        assert!(matches!(&error, Error::Protocol(m) if m.contains(&length.to_string())), "{length}: {error}");
    }
}

#[test]
fn the_limit_is_exact() {
    let fits = message(COPY_DATA, &[7; 500]);
    let mut buffer = ReadBuffer::new(500);
    let frame = buffer.next(&mut Pieces::new(&fits, &[usize::MAX])).unwrap();
    assert_eq!(buffer.body(frame), [7; 500]);
    assert!(matches!(only_error(&message(COPY_DATA, &[7; 501]), 500), Error::TooLarge(_)));
    assert!(matches!(only_error(&message(ERROR_RESPONSE, &[7; 501]), 500), Error::Protocol(_)));
}

#[test]
fn an_end_in_the_middle_is_a_loss() {
    let bytes = message(COPY_DATA, b"whole");
    for cut in 0..bytes.len() {
        assert!(matches!(only_error(&bytes[..cut], 1000), Error::Lost(_)), "cut at {cut}");
    }
}

#[test]
fn interrupted_reads_go_on() {
    struct Interrupted(bool);
    impl Read for Interrupted {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0 = !self.0;
            if self.0 { Err(io::ErrorKind::Interrupted.into()) } else { (&message(b'Z', b"I")[..]).read(buf) }
        }
    }
    let mut buffer = ReadBuffer::new(100);
    let frame = buffer.next(&mut Interrupted(false)).unwrap();
    assert_eq!((frame.tag, buffer.body(frame)), (b'Z', &b"I"[..]));
}

#[test]
fn error_fields_are_kept() {
    let bytes = message(ERROR_RESPONSE, b"SFATAL\0VFATAL\0C57P01\0Mgone\0Ddetail\0Hhint\0Wwhere\0\0");
    let mut buffer = ReadBuffer::new(1000);
    let frame = buffer.next(&mut Pieces::new(&bytes, &[usize::MAX])).unwrap();
    let Message::ErrorResponse(fields) = buffer.parse(frame).unwrap() else { panic!("not an error") };
    let refusal = refusal(fields.fields()).unwrap();
    assert!(refusal.fatal);
    assert_eq!(refusal.error.sqlstate, "57P01");
    assert_eq!(refusal.error.message, "gone");
    assert_eq!(refusal.error.detail.as_deref(), Some("detail"));
    assert_eq!(refusal.error.hint.as_deref(), Some("hint"));
}

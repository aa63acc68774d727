//! A descriptor that somebody else has opened, and that whole buffers are written to.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use filedescriptor::{FileDescriptor, POLLOUT, pollfd};

/// Bytes that one call of the system is given: after each, whoever wants the writing to stop is heard.
const WRITE_BYTES: usize = 1 << 20;

/// How long a descriptor that does not block, and takes nothing for now, is waited for until whoever wants the writing
/// to stop is heard.
const WAIT: Duration = Duration::from_millis(100);

/// A file, a pipe, a socket or a device. It does not look for a name, and nothing is made durable here.
pub struct Outlet {
    file: File,
}

impl Outlet {
    /// A duplicate of a descriptor, which stays its owner's.
    pub fn of(descriptor: RawFd) -> io::Result<Self> {
        let duplicate = FileDescriptor::dup(&descriptor).map_err(system_error)?;
        Ok(Outlet { file: duplicate.as_file().map_err(system_error)? })
    }

    /// Writes all bytes of a buffer and of what stands in front of it.
    ///
    /// A pipe may take a part of them, and one that another program has made non-blocking may take none for now. After
    /// each call of the system that has not taken everything, `go_on` may end the writing.
    pub fn write<E: From<io::Error>>(
        &self,
        prefix: &[u8],
        body: &[u8],
        go_on: impl Fn() -> Result<(), E>,
    ) -> Result<(), E> {
        let (first, later) = body.split_at(body.len().min(WRITE_BYTES));
        self.write_slices(&mut [IoSlice::new(prefix), IoSlice::new(first)], &go_on)?;
        for piece in later.chunks(WRITE_BYTES) {
            go_on()?;
            self.write_slices(&mut [IoSlice::new(piece)], &go_on)?;
        }
        Ok(())
    }

    fn write_slices<E: From<io::Error>>(
        &self,
        mut rest: &mut [IoSlice<'_>],
        go_on: &impl Fn() -> Result<(), E>,
    ) -> Result<(), E> {
        // Those that are empty go first.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match (&self.file).write_vectored(rest) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_for_room()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error.into()),
            }
            if !rest.is_empty() {
                go_on()?;
            }
        }
        Ok(())
    }

    /// Waits for a reader, or for a moment.
    fn wait_for_room(&self) -> io::Result<()> {
        let mut waiting = [pollfd { fd: self.file.as_raw_fd(), events: POLLOUT, revents: 0 }];
        match filedescriptor::poll(&mut waiting, Some(WAIT)).map_err(system_error) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }
}

/// What the system has said: the crate's own words have no number.
fn system_error(error: filedescriptor::Error) -> io::Error {
    use filedescriptor::Error::{Cloexec, Dup, Dup2, Fcntl, Io, Poll};
    match error {
        Cloexec(source) | Dup { source, .. } | Dup2 { source, .. } | Fcntl(source) | Io(source) | Poll(source) => {
            source
        }
        other => io::Error::other(other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn never() -> io::Result<()> {
        Ok(())
    }

    /// Much more than the buffers of a socket hold, and no number of whole writes.
    fn body() -> Vec<u8> {
        (0..3 * WRITE_BYTES + 12_345).map(|n| u8::try_from(n % 251).unwrap()).collect()
    }

    fn read_slowly(mut from: UnixStream) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let (mut all, mut some) = (Vec::new(), [0; 7_001]);
            while let Ok(count @ 1..) = from.read(&mut some) {
                all.extend_from_slice(&some[..count]);
            }
            all
        })
    }

    #[test]
    fn all_bytes_arrive_however_few_are_taken_at_a_time() {
        for nonblocking in [false, true] {
            let (to, from) = UnixStream::pair().unwrap();
            to.set_nonblocking(nonblocking).unwrap();
            let reader = read_slowly(from);
            let outlet = Outlet::of(to.as_raw_fd()).unwrap();
            outlet.write(b"in front\n", &body(), never).unwrap();
            outlet.write(b"", b"", never).unwrap();
            outlet.write(b"", b"behind", never).unwrap();
            drop((outlet, to));
            assert_eq!(reader.join().unwrap(), [b"in front\n", &body()[..], b"behind"].concat());
        }
    }

    #[test]
    fn a_reader_that_has_left_is_an_error_with_its_number() {
        let (to, from) = UnixStream::pair().unwrap();
        let outlet = Outlet::of(to.as_raw_fd()).unwrap();
        drop(from);
        let error = outlet.write(b"", &body(), never).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(error.raw_os_error().is_some());
    }

    #[test]
    fn it_ends_when_asked_to_though_nobody_reads() {
        let (to, _from) = UnixStream::pair().unwrap();
        to.set_nonblocking(true).unwrap();
        let outlet = Outlet::of(to.as_raw_fd()).unwrap();
        let error = outlet.write(b"", &body(), || Err(io::Error::other("enough"))).unwrap_err();
        assert_eq!(error.to_string(), "enough");
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_an_error_with_its_number() {
        // Above what any process may have.
        assert!(Outlet::of(RawFd::MAX).err().unwrap().raw_os_error().is_some());
    }
}

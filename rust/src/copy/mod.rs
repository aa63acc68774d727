//! Binary COPY, sans I/O: bytes in, tuples and values out (PostgreSQL manual, COPY, "Binary Format").

pub mod cursor;
pub mod decode;
pub mod frame;

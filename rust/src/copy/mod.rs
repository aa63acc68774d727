//! Binary COPY, sans I/O: bytes in, rows out (PostgreSQL manual, COPY, "Binary Format").

pub mod frame;

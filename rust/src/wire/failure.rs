//! Why an attempt to connect failed, and what that means for the next one.

/// Why there is no connection.
#[derive(Debug)]
pub struct Reason {
    /// A phrase for the end of a sentence. It never holds the password.
    pub message: String,
    pub sqlstate: Option<String>,
}

impl Reason {
    pub fn new(message: impl Into<String>) -> Self {
        Reason { message: message.into(), sqlstate: None }
    }
}

/// What a failed attempt means for the next one.
#[derive(Debug)]
pub enum Failure {
    /// This address does not answer: another one may.
    Unreachable(Reason),
    /// The server does not take us this way: another encryption may do.
    Refused(Reason),
    /// It would fail in any way.
    Final(Reason),
    /// Whoever watches does not want the connection any more.
    Stopped,
}

impl Failure {
    pub fn last(message: impl Into<String>) -> Self {
        Failure::Final(Reason::new(message))
    }

    pub fn reason(self) -> Reason {
        match self {
            Failure::Unreachable(reason) | Failure::Refused(reason) | Failure::Final(reason) => reason,
            Failure::Stopped => Reason::new("the attempt was stopped"),
        }
    }
}

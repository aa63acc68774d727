//! Authentication by password: SCRAM-SHA-256 with and without channel binding, MD5, clear text (PostgreSQL manual,
//! "SASL Authentication"; RFC 5802).

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding as Binding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::exchange::{receive, refused, send};
use super::failure::Failure;
use super::message::ReadBuffer;
use super::params::{ChannelBinding, ConnectParams};
use super::stream::Stream;
use super::tls::end_point_hash;

/// Answers the server's requests until it says that we are in.
pub fn authenticate(stream: &mut Stream, input: &mut ReadBuffer, params: &ConnectParams) -> Result<(), Failure> {
    let mut login = Login { params, stage: Stage::Start, bound: false };
    loop {
        let answer = match receive(stream, input)? {
            Message::AuthenticationOk => return login.accepted(),
            Message::AuthenticationCleartextPassword => login.clear_text()?,
            Message::AuthenticationMd5Password(body) => login.md5(body.salt())?,
            Message::AuthenticationSasl(body) => login.scram_first(&body, stream)?,
            Message::AuthenticationSaslContinue(body) => login.scram_next(body.data())?,
            Message::AuthenticationSaslFinal(body) => {
                login.scram_last(body.data())?;
                continue;
            }
            Message::ErrorResponse(body) => return Err(refused(body.fields())),
            Message::NoticeResponse(_) => continue,
            Message::AuthenticationGss | Message::AuthenticationSspi | Message::AuthenticationKerberosV5 => {
                return Err(Failure::last(
                    "the server asks for Kerberos (GSSAPI or SSPI) authentication, which is not supported",
                ));
            }
            _ => return Err(Failure::last("the server sent an unexpected message during authentication")),
        };
        send(stream, &answer)?;
    }
}

/// How far we are. A server may ask for one method only: a second request could be someone who wants a weaker one.
enum Stage {
    Start,
    PasswordSent,
    Scram(Box<ScramSha256>),
    /// The server has proved that it knows the password too.
    ServerProved,
}

struct Login<'a> {
    params: &'a ConnectParams,
    stage: Stage,
    /// Channel binding was used.
    bound: bool,
}

impl<'a> Login<'a> {
    fn accepted(&self) -> Result<(), Failure> {
        if matches!(self.stage, Stage::Scram(_)) {
            return Err(Failure::last(
                "the server ended SCRAM authentication without proving that it knows the password",
            ));
        }
        if matches!(self.stage, Stage::Start) && !self.params.methods.none {
            return Err(Failure::last("require_auth: the server let us in without asking for anything"));
        }
        if self.binding_required() && !(self.bound && matches!(self.stage, Stage::ServerProved)) {
            return Err(Failure::last("channel_binding=require, but the server let us in without channel binding"));
        }
        Ok(())
    }

    fn clear_text(&mut self) -> Result<BytesMut, Failure> {
        self.accepted_method(self.params.methods.password, "a password in the clear")?;
        let password = self.plain_method()?;
        password_message(password.as_bytes())
    }

    fn md5(&mut self, salt: [u8; 4]) -> Result<BytesMut, Failure> {
        self.accepted_method(self.params.methods.md5, "an MD5-hashed password")?;
        let password = self.plain_method()?;
        password_message(md5_hash(self.params.user.as_bytes(), password.as_bytes(), salt).as_bytes())
    }

    /// `require_auth` is checked before anything that depends on the password is sent.
    fn accepted_method(&self, accepted: bool, asked: &str) -> Result<(), Failure> {
        if accepted { Ok(()) } else { Err(Failure::last(format!("require_auth: the server asks for {asked}"))) }
    }

    /// The password, for a method that knows no channel binding.
    fn plain_method(&mut self) -> Result<&'a str, Failure> {
        self.first_request()?;
        if self.binding_required() {
            return Err(no_binding());
        }
        self.stage = Stage::PasswordSent;
        self.password()
    }

    fn scram_first(&mut self, body: &AuthenticationSaslBody, stream: &Stream) -> Result<BytesMut, Failure> {
        self.accepted_method(self.params.methods.scram, "SCRAM-SHA-256")?;
        self.first_request()?;
        let mut offered = Offered::default();
        let mut mechanisms = body.mechanisms();
        while let Some(name) = mechanisms.next().map_err(|_| malformed())? {
            offered.scram |= name == SCRAM_SHA_256;
            offered.plus |= name == SCRAM_SHA_256_PLUS;
        }
        let (mechanism, binding) = self.choose(offered, stream)?;
        let scram = ScramSha256::new(self.password()?.as_bytes(), binding);
        let mut answer = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut answer).map_err(|_| malformed())?;
        self.stage = Stage::Scram(Box::new(scram));
        Ok(answer)
    }

    /// The mechanism and the channel binding that is announced. A client that could bind but was not offered to says
    /// so: a server that did offer it then knows that someone took the offer out (RFC 5802, section 6).
    fn choose(&mut self, offered: Offered, stream: &Stream) -> Result<(&'static str, Binding), Failure> {
        if offered.plus && !stream.is_tls() {
            return Err(Failure::last("the server offers SCRAM-SHA-256-PLUS on a connection without TLS"));
        }
        let wanted = self.params.ssl.channel_binding != ChannelBinding::Disable && stream.is_tls();
        if wanted && offered.plus {
            let hash = match stream.server_certificate() {
                Some(certificate) => end_point_hash(certificate).map_err(|e| Failure::last(e.to_string()))?,
                None => None,
            };
            match hash {
                Some(hash) => {
                    self.bound = true;
                    return Ok((SCRAM_SHA_256_PLUS, Binding::tls_server_end_point(hash)));
                }
                None if self.binding_required() => {
                    return Err(Failure::last(
                        "channel_binding=require, but no hash is defined for the server's certificate",
                    ));
                }
                None => {}
            }
        }
        if self.binding_required() {
            return Err(no_binding());
        }
        if !offered.scram {
            return Err(Failure::last("the server offers no SASL mechanism that is supported"));
        }
        let could_bind = wanted && !offered.plus;
        Ok((SCRAM_SHA_256, if could_bind { Binding::unrequested() } else { Binding::unsupported() }))
    }

    fn scram_next(&mut self, data: &[u8]) -> Result<BytesMut, Failure> {
        let Stage::Scram(scram) = &mut self.stage else { return Err(out_of_order()) };
        scram.update(data).map_err(|e| Failure::last(format!("SCRAM authentication failed: {e}")))?;
        let mut answer = BytesMut::new();
        frontend::sasl_response(scram.message(), &mut answer).map_err(|_| malformed())?;
        Ok(answer)
    }

    fn scram_last(&mut self, data: &[u8]) -> Result<(), Failure> {
        let Stage::Scram(scram) = &mut self.stage else { return Err(out_of_order()) };
        scram.finish(data).map_err(|e| Failure::last(format!("the server does not know the password (SCRAM): {e}")))?;
        self.stage = Stage::ServerProved;
        Ok(())
    }

    fn first_request(&self) -> Result<(), Failure> {
        if matches!(self.stage, Stage::Start) { Ok(()) } else { Err(out_of_order()) }
    }

    fn binding_required(&self) -> bool {
        self.params.ssl.channel_binding == ChannelBinding::Require
    }

    /// An empty password counts as none, as in libpq.
    fn password(&self) -> Result<&'a str, Failure> {
        let password = self.params.password.as_deref().filter(|password| !password.is_empty());
        password.ok_or_else(|| Failure::last("the server asks for a password, and none was given"))
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Offered {
    scram: bool,
    plus: bool,
}

fn password_message(password: &[u8]) -> Result<BytesMut, Failure> {
    let mut answer = BytesMut::new();
    frontend::password_message(password, &mut answer)
        .map_err(|_| Failure::last("the password holds a NUL character"))?;
    Ok(answer)
}

fn no_binding() -> Failure {
    Failure::last("channel_binding=require, but the server does not offer an authentication with channel binding")
}

fn malformed() -> Failure {
    Failure::last("the server's authentication request is malformed")
}

fn out_of_order() -> Failure {
    Failure::last("the server's authentication requests are out of order")
}

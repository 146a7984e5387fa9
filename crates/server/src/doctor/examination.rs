//! The examination: goes the whole way once, and looks aside where that tells more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{HeaderValue, LOCATION, ORIGIN, SEC_WEBSOCKET_VERSION};
use silverback::dialer::ask;
use silverback::tls::rustls::ClientConfig;
use silverback::wire::deflate::Agreement;
use silverback::wire::handshake::HeadError;
use silverback::wire::handshake::client::{AnswerError, Offer};
use silverback::{DialError, Stream};
use tokio::time::{Instant, timeout};

use super::observed::{
    Answer, Arrival, Close, Idle, Idled, Large, Observed, OriginTold, Origins, Other, OtherScheme, Ping, Secured, Sent, SmallHead, Timed,
    Tls,
};
use super::proxy::Proxy;
use super::stage::Stage;
use super::subject::Subject;
use super::talk::Talk;
use super::tls::Trusts;
use super::{arrived, network, tls};
use crate::arrival;

/// An origin that no server has as its own.
pub(super) const FOREIGN: &str = "https://doctor.invalid";

/// What is to be examined, and how thoroughly.
pub(super) struct Examination {
    pub(super) subject: Subject,
    pub(super) trusts: Trusts,
    pub(super) within: Duration,
    /// Zero for no idle wait.
    pub(super) idle: Duration,
    /// Zero for no large message.
    pub(super) message: usize,
}

/// What is going on, for those who look on.
pub(super) enum Step<'a> {
    Begins(Stage),
    Done(Stage, &'a Observed),
}

struct Opened {
    answer: Answer,
    talk: Option<Talk>,
}

impl Examination {
    /// Takes at most [`Stage::bound_of_all`].
    pub(super) async fn run(&self, mut step: impl FnMut(Step<'_>)) -> Observed {
        let mut observed = Observed { passed_by: self.subject.proxy_variable(), ..Observed::default() };
        self.walk(&mut observed, &mut step).await;
        observed
    }

    async fn walk(&self, observed: &mut Observed, step: &mut impl FnMut(Step<'_>)) {
        step(Step::Begins(Stage::Dns));
        let names = timed(network::names(&self.subject, self.within)).await;
        let addresses = names.what.addresses();
        observed.names = Some(names);
        step(Step::Done(Stage::Dns, observed));

        step(Step::Begins(Stage::Tcp));
        let mut connected = None;
        if !addresses.is_empty() {
            let Timed { what: (tcp, stream), took } = timed(network::tcp(&addresses, self.within)).await;
            connected = tcp.connected().map(|(address, _)| address).zip(stream);
            observed.tcp = Some(Timed { what: tcp, took });
        }
        step(Step::Done(Stage::Tcp, observed));

        step(Step::Begins(Stage::Tls));
        let mut way = None;
        if let Some((address, stream)) = connected {
            let began = Instant::now();
            let (tls, stream) = self.secure(address, stream).await;
            if let Some(tls) = tls {
                observed.tls = Some(Timed { what: tls, took: began.elapsed() });
            }
            way = stream.map(|stream| (address, stream));
        }
        step(Step::Done(Stage::Tls, observed));

        let is_trusted = observed.tls.as_ref().is_none_or(|tls| matches!(tls.what.outcome, Secured::Trusted { .. }));
        step(Step::Begins(Stage::Handshake));
        let mut talk = None;
        let mut reached = None;
        if let Some((address, stream)) = way {
            // A server that is not trusted hears nothing that is secret.
            let subject = if is_trusted { self.subject.clone() } else { self.subject.without_secrets() };
            let Timed { what: opened, took } = timed(self.shake_hands(&subject, stream, self.within)).await;
            reached = opened.answer.status().map(|_| address);
            if is_trusted && may_be_too_large(&opened.answer) {
                observed.small = self.small_head(address).await;
            }
            talk = opened.talk.filter(|_| is_trusted);
            observed.answer = Some(Timed { what: opened.answer, took });
        }
        for stage in [Stage::Http, Stage::Handshake, Stage::Subprotocols, Stage::Compression] {
            step(Step::Done(stage, observed));
        }

        self.talk(observed, talk, reached, step).await;

        let (answered, reached) = (reached, reached.filter(|_| is_trusted));
        step(Step::Begins(Stage::Arrival));
        if let Some(address) = reached {
            observed.arrival = Some(timed(self.arrival(address)).await);
        }
        step(Step::Done(Stage::Arrival, observed));

        let is_cut = observed.idle.as_ref().is_some_and(|idle| matches!(&idle.what.outcome, Idled::Ended { .. }));
        if let Some(address) = answered.filter(|_| is_cut || !is_trusted)
            && observed.proxy().is_none()
        {
            observed.betrayed = self.betrayed(address, is_trusted).await;
        }

        step(Step::Begins(Stage::Origin));
        let status = observed.answer.as_ref().and_then(|answer| answer.what.status()).map(|status| status.as_u16());
        if let Some(address) = reached.filter(|_| matches!(status, Some(101 | 401 | 403)))
            && let Some(answer) = &observed.answer
        {
            observed.origins = Some(timed(self.origins(address, &answer.what)).await);
        }
        step(Step::Done(Stage::Origin, observed));

        step(Step::Begins(Stage::Schemes));
        if let Some(keeps_port) = self.other_port(observed) {
            observed.other = Some(timed(self.other_scheme(&addresses, keeps_port)).await);
        }
        step(Step::Done(Stage::Schemes, observed));
    }

    /// What is done with an open connection.
    async fn talk(&self, observed: &mut Observed, talk: Option<Talk>, address: Option<SocketAddr>, step: &mut impl FnMut(Step<'_>)) {
        step(Step::Begins(Stage::Ping));
        let mut talk = talk;
        if let Some(talk) = &mut talk {
            observed.ping = Some(timed(talk.ping(self.within)).await);
        }
        step(Step::Done(Stage::Ping, observed));

        let is_well = observed.ping.as_ref().is_some_and(|ping| !matches!(ping.what, Ping::Ended(_)));
        step(Step::Begins(Stage::Large));
        if is_well && self.message > 0 {
            let large = async {
                match &mut talk {
                    Some(talk) => talk.large(self.message, self.within).await,
                    None => Large { size: self.message, outcome: Sent::NotOpen },
                }
            };
            observed.large = Some(timed(large).await);
        }
        step(Step::Done(Stage::Large, observed));

        // A connection that the message has ended is made anew.
        if is_well && !talk.as_ref().is_some_and(Talk::is_open) {
            talk = match address {
                Some(address) => self.probe(&self.subject, address, self.within).await.and_then(|opened| opened.talk),
                None => None,
            };
        }
        step(Step::Begins(Stage::Idle));
        if is_well && !self.idle.is_zero() {
            let idle = async {
                let (outcome, pings, messages) = match &mut talk {
                    Some(talk) => talk.idle(self.idle, self.within).await,
                    None => (Idled::NotOpen, 0, 0),
                };
                Idle { asked: self.idle, pings, messages, outcome }
            };
            observed.idle = Some(timed(idle).await);
        }
        step(Step::Done(Stage::Idle, observed));

        step(Step::Begins(Stage::Close));
        if is_well {
            if !talk.as_ref().is_some_and(Talk::is_open)
                && let Some(address) = address
            {
                talk = self.probe(&self.subject, address, self.within).await.and_then(|opened| opened.talk);
            }
            let close = async {
                match talk {
                    Some(talk) => talk.close(self.within).await,
                    None => Close::NotOpen,
                }
            };
            observed.close = Some(timed(close).await);
        }
        step(Step::Done(Stage::Close, observed));
    }

    /// TLS where there is to be some; where its certificate is not trusted, once more without looking at it, to say what it is.
    async fn secure(&self, address: SocketAddr, stream: tokio::net::TcpStream) -> (Option<Tls>, Option<Box<dyn Stream>>) {
        if !self.subject.is_secure() {
            return (None, Some(Box::new(stream)));
        }
        let host = self.subject.host();
        let (tls, secured) = tls::secure(stream, host.clone(), &self.trusts.given, !self.trusts.is_insecure, self.within).await;
        if let Some(secured) = secured {
            return (Some(tls), Some(Box::new(secured)));
        }
        if !matches!(tls.outcome, Secured::Untrusted { .. }) {
            return (Some(tls), None);
        }
        let second_look = async {
            let stream = network::again(address, self.within).await?;
            let (seen, stream) = tls::secure(stream, host, &self.trusts.blind, false, self.within).await;
            Some((seen.chain, stream?))
        };
        match timeout(self.within, second_look).await.ok().flatten() {
            Some((chain, stream)) => (Some(Tls { chain, ..tls }), Some(Box::new(stream))),
            None => (Some(tls), None),
        }
    }

    async fn shake_hands(&self, subject: &Subject, mut stream: Box<dyn Stream>, within: Duration) -> Opened {
        let offer = match subject.offer() {
            Ok(offer) => offer,
            Err(error) => return Opened { answer: Answer::NotHttp(error), talk: None },
        };
        match timeout(within, ask(&mut stream, offer.request())).await {
            Err(_) => Opened { answer: Answer::TimedOut(within), talk: None },
            Ok(Err(error)) => Opened { answer: unanswered(error), talk: None },
            Ok(Ok((response, behind))) => self.judged(&offer, response.map(|body| subject.scrubbed(body)), behind, stream),
        }
    }

    fn judged(&self, offer: &Offer, response: http::Response<bytes::Bytes>, behind: BytesMut, stream: Box<dyn Stream>) -> Opened {
        let (parts, body) = response.into_parts();
        let bare = http::Response::from_parts(parts, ());
        match offer.judge(&bare) {
            Ok(agreed) => {
                let line = bare.headers().get("sec-websocket-extensions").and_then(|line| line.to_str().ok());
                let deflate = agreed.deflate.as_ref().map(|_| line.unwrap_or_default().to_owned());
                let answer = Answer::Open { response: bare, subprotocol: agreed.subprotocol, deflate };
                Opened { answer, talk: Some(self.open(stream, agreed.deflate, behind)) }
            }
            Err(AnswerError::Header { header, value }) => Opened { answer: Answer::Wrong { response: bare, header, value }, talk: None },
            Err(_) => Opened { answer: Answer::Refused { response: bare.map(|()| body) }, talk: None },
        }
    }

    fn open(&self, stream: Box<dyn Stream>, agreement: Option<Agreement>, behind: BytesMut) -> Talk {
        Talk::new(stream, agreement, behind, 2 * self.message, self.within)
    }

    /// One more handshake with the same server, all in this time.
    async fn probe(&self, subject: &Subject, address: SocketAddr, within: Duration) -> Option<Opened> {
        let probing = async {
            let stream = self.stream(subject, address, &self.trusts.given).await?;
            Some(self.shake_hands(subject, stream, within).await)
        };
        timeout(within, probing).await.ok().flatten()
    }

    /// One more way to the same address.
    async fn stream(&self, subject: &Subject, address: SocketAddr, config: &Arc<ClientConfig>) -> Option<Box<dyn Stream>> {
        let stream = network::again(address, self.within).await?;
        if !subject.is_secure() {
            return Some(Box::new(stream));
        }
        let (_, stream) = tls::secure(stream, subject.host(), config, true, self.within).await;
        Some(Box::new(stream?))
    }

    /// A probe whose connection is closed in good manners.
    async fn probe_and_leave(&self, subject: &Subject, address: SocketAddr) -> Option<Answer> {
        let within = self.within / 2;
        let Opened { answer, talk } = self.probe(subject, address, within).await?;
        if let Some(talk) = talk {
            let _ = timeout(within, talk.close(within / 2)).await;
        }
        Some(answer)
    }

    /// Whether it is the size of the head that is refused: asks again with a small one.
    async fn small_head(&self, address: SocketAddr) -> Option<SmallHead> {
        let (first, small) = (self.subject.head_length(), self.subject.without_secrets());
        if first <= small.head_length() {
            return None;
        }
        let answer = self.probe_and_leave(&small, address).await;
        let status = answer.as_ref().and_then(Answer::status).map(|status| status.as_u16());
        Some(SmallHead { status, first, proxy: answer.as_ref().and_then(Answer::proxy) })
    }

    async fn arrival(&self, address: SocketAddr) -> Arrival {
        let subject = self.subject.clone().with_header(arrival::HEADER, Some(HeaderValue::from_static("1")));
        let Ok(offer) = subject.offer() else { return Arrival::Unknown };
        let asking = async {
            let mut stream = self.stream(&subject, address, &self.trusts.given).await?;
            let (response, behind) = ask(&mut stream, offer.request()).await.ok()?;
            if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                let _ = timeout(self.within / 4, self.open(stream, None, behind).close(self.within / 8)).await;
                return None;
            }
            arrived::read(offer.request(), &response)
        };
        timeout(self.within, asking).await.ok().flatten().unwrap_or(Arrival::Unknown)
    }

    /// Asks for a version that nobody speaks: a proxy that hides behind a 101 may show itself by what it makes of the refusal. HAProxy does.
    async fn betrayed(&self, address: SocketAddr, is_trusted: bool) -> Option<Proxy> {
        let offer = self.subject.without_secrets().offer().ok()?;
        let mut request = offer.request().clone();
        request.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("12"));
        let asking = async {
            let config = if is_trusted { &self.trusts.given } else { &self.trusts.blind };
            let mut stream = self.stream(&self.subject, address, config).await?;
            let (response, _) = ask(&mut stream, &request).await.ok()?;
            Proxy::recognised(Some(response.status()), Some(response.headers()), response.body(), None)
        };
        timeout(self.within, asking).await.ok().flatten()
    }

    /// As a page of this server would come, as a stranger's page, and as a program.
    async fn origins(&self, address: SocketAddr, first: &Answer) -> Origins {
        let told = async |origin: Option<String>| {
            let value = origin.as_ref().and_then(|origin| HeaderValue::from_str(origin).ok());
            let subject = self.subject.clone().with_header(ORIGIN, value);
            let answer = self.probe_and_leave(&subject, address).await;
            told(origin, answer.as_ref())
        };
        let none = async { if self.subject.has_origin() { told(None).await } else { self::told(None, Some(first)) } };
        let (own, foreign, none) = tokio::join!(told(Some(self.subject.own_origin())), told(Some(FOREIGN.to_owned())), none);
        Origins { own, foreign, none }
    }

    /// Whether the other scheme is looked for at the same port; `None` where it is not looked for.
    fn other_port(&self, observed: &Observed) -> Option<bool> {
        let connected = observed.tcp.as_ref().is_some_and(|tcp| tcp.what.connected().is_some());
        let is_strange = match (&observed.tls, &observed.answer) {
            (Some(tls), _) if matches!(tls.what.outcome, Secured::NotTls | Secured::Ended | Secured::TimedOut(_) | Secured::Failed(_)) => {
                true
            }
            (_, Some(answer)) => match &answer.what {
                Answer::Open { .. } | Answer::Wrong { .. } => false,
                Answer::Refused { response } => response.status().as_u16() == 400,
                _ => true,
            },
            _ => false,
        };
        match (connected, self.subject.has_default_port()) {
            (true, is_default) => Some(!is_default || is_strange),
            (false, true) if observed.tcp.is_some() => Some(false),
            (false, _) => None,
        }
    }

    async fn other_scheme(&self, addresses: &[SocketAddr], keeps_port: bool) -> OtherScheme {
        let subject = self.subject.by_the_other_scheme(keeps_port);
        let asking = async {
            let addresses: Vec<_> = addresses.iter().map(|address| SocketAddr::new(address.ip(), subject.port())).collect();
            let (_, stream) = network::tcp(&addresses, self.within).await;
            let Some(stream) = stream else { return Other::NoTcp };
            let stream: Box<dyn Stream> = if subject.is_secure() {
                match tls::secure(stream, subject.host(), &self.trusts.blind, false, self.within).await {
                    (_, Some(stream)) => Box::new(stream),
                    _ => return Other::NoTls,
                }
            } else {
                Box::new(stream)
            };
            let is_tls = subject.is_secure();
            let Opened { answer, talk } = self.shake_hands(&subject, stream, self.within).await;
            if let Some(talk) = talk {
                let _ = timeout(self.within / 4, talk.close(self.within / 8)).await;
            }
            match (answer.status(), answer.headers().and_then(|headers| headers.get(LOCATION))) {
                (Some(status), Some(to)) if status.is_redirection() => {
                    Other::Redirect { status: status.as_u16(), to: arrived::without_query(&String::from_utf8_lossy(to.as_bytes())) }
                }
                (Some(status), _) => Other::Status(status.as_u16()),
                (None, _) if is_tls => Other::Tls,
                (None, _) => Other::NotHttp,
            }
        };
        let outcome = timeout(self.within, asking).await.unwrap_or(Other::NoTcp);
        OtherScheme { address: subject.shown(), is_same_port: keeps_port, outcome }
    }
}

fn may_be_too_large(answer: &Answer) -> bool {
    let is_such = |status: u16| matches!(status, 400 | 413 | 414 | 431);
    answer.status().is_some_and(|status| is_such(status.as_u16())) && arrived::problem(answer.body()).is_none()
}

fn told(origin: Option<String>, answer: Option<&Answer>) -> OriginTold {
    let status = answer.and_then(Answer::status).map(|status| status.as_u16());
    let cause = answer.and_then(|answer| arrived::problem(answer.body()));
    OriginTold { origin, status, cause: cause.map(|problem| problem.cause) }
}

fn unanswered(error: DialError) -> Answer {
    match error {
        DialError::Ended => Answer::Ended,
        DialError::SpeaksTls => Answer::SpeaksTls,
        DialError::Head(HeadError::TooLarge { .. }) => Answer::NotHttp("its head is too large".to_owned()),
        DialError::Head(error) => Answer::NotHttp(error.to_string()),
        DialError::Io(error) => Answer::Reset(error.kind()),
        other => Answer::NotHttp(other.to_string()),
    }
}

async fn timed<T>(work: impl Future<Output = T>) -> Timed<T> {
    let began = Instant::now();
    let what = work.await;
    Timed { what, took: began.elapsed() }
}

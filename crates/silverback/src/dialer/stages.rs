//! The stages of dialling, and the time that each may take.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::DialError;

/// A part of the way to a WebSocket connection, in the order in which they come.
///
/// ```
/// use silverback::dialer::Stage;
///
/// assert!(Stage::Resolve < Stage::Handshake); // in the order in which they come
/// assert_eq!(Stage::Tls.to_string(), "setting up TLS");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// A name becomes addresses.
    Resolve,
    /// One of the addresses takes the TCP connection.
    Connect,
    /// The proxy connects on.
    Proxy,
    /// TLS is set up.
    Tls,
    /// The request is sent and its answer read (RFC 6455, 4.1).
    Handshake,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the name",
            Self::Connect => "connecting by TCP",
            Self::Proxy => "connecting through the proxy",
            Self::Tls => "setting up TLS",
            Self::Handshake => "the WebSocket handshake",
        })
    }
}

/// How long each stage may take. A redirect begins with the first stage again; `total` goes on over all of them.
///
/// ```
/// use std::time::Duration;
/// use silverback::Dialer;
/// use silverback::dialer::Timeouts;
///
/// let timeouts = Timeouts { connect: Duration::from_secs(3), ..Timeouts::default() };
/// assert_eq!(timeouts.total, Duration::from_secs(30));
/// let dialer = Dialer::builder().timeouts(timeouts).build()?;
/// # Ok::<(), silverback::dialer::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a name to become addresses. Default: 5 s.
    pub resolve: Duration,
    /// For one of the addresses to take the connection. Default: 10 s.
    pub connect: Duration,
    /// For a proxy to connect on. Default: 10 s.
    pub proxy: Duration,
    /// For TLS. Default: 10 s.
    pub tls: Duration,
    /// For the answer to the request. Default: 10 s.
    pub handshake: Duration,
    /// For everything together. Default: 30 s.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            proxy: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            total: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Resolve => self.resolve,
            Stage::Connect => self.connect,
            Stage::Proxy => self.proxy,
            Stage::Tls => self.tls,
            Stage::Handshake => self.handshake,
        }
    }
}

/// Holds the stages of one dialling to their times.
pub(super) struct Clock {
    began: Instant,
    timeouts: Timeouts,
}

impl Clock {
    pub(super) fn start(timeouts: Timeouts) -> Self {
        Self { began: Instant::now(), timeouts }
    }

    /// Runs one stage in its own time or in what is left of the total, whichever is less.
    pub(super) async fn stage<T>(&self, stage: Stage, work: impl Future<Output = Result<T, DialError>>) -> Result<T, DialError> {
        let (own, left, began) = (self.timeouts.of(stage), self.left(), Instant::now());
        let (time, after) = if left < own { (left, self.timeouts.total) } else { (own, own) };
        let done = timeout(time, work).await;
        tracing::debug!(%stage, took = ?began.elapsed(), done = matches!(done, Ok(Ok(_))), "dialling");
        done.map_err(|_| DialError::Timeout { stage, after })?
    }

    pub(super) fn left(&self) -> Duration {
        self.timeouts.total.saturating_sub(self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_stage_has_its_own_time_and_the_error_names_it() {
        let mut timeouts = Timeouts::default();
        let stages = [Stage::Resolve, Stage::Connect, Stage::Proxy, Stage::Tls, Stage::Handshake];
        for (seconds, stage) in (1..).zip(stages) {
            match stage {
                Stage::Resolve => timeouts.resolve = seconds * SECOND,
                Stage::Connect => timeouts.connect = seconds * SECOND,
                Stage::Proxy => timeouts.proxy = seconds * SECOND,
                Stage::Tls => timeouts.tls = seconds * SECOND,
                Stage::Handshake => timeouts.handshake = seconds * SECOND,
            }
        }
        for (seconds, stage) in (1..).zip(stages) {
            let began = Instant::now();
            let error = Clock::start(timeouts).stage(stage, pending::<Result<(), _>>()).await.unwrap_err();
            assert!(matches!(error, DialError::Timeout { stage: s, after } if s == stage && after == seconds * SECOND), "{error:?}");
            assert_eq!(error.stage(), Some(stage));
            assert_eq!(began.elapsed().as_secs(), u64::from(seconds));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_bounds_a_stage_that_has_time_of_its_own_left() {
        let clock = Clock::start(Timeouts { total: 12 * SECOND, ..Timeouts::default() });
        let first = clock.stage(Stage::Connect, async {
            sleep(9 * SECOND).await;
            Ok(())
        });
        first.await.unwrap();
        let began = Instant::now();
        let error = clock.stage(Stage::Tls, pending::<Result<(), _>>()).await.unwrap_err();
        assert!(matches!(error, DialError::Timeout { stage: Stage::Tls, after } if after == 12 * SECOND), "{error:?}");
        assert_eq!(began.elapsed().as_secs(), 3);
    }
}

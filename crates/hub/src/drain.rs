//! Emptying a hub, so that its clients do not all come back at once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use silverback::{CloseCode, CloseFrame};
use tokio::time::{Instant, sleep, timeout};

use crate::SessionInfo;
use crate::core::Core;
use crate::member::Member;
use crate::timeline::Asked;

/// How a hub is emptied. The reason of each Close is JSON, with a hint of its own for each client, spread at random over `come_back_within`:
/// `{"reason":"restarting","retry_ms":4210}`.
///
/// ```
/// # async fn example(hub: silverback_hub::Hub) {
/// use std::time::Duration;
/// use silverback_hub::Drain;
///
/// let drained = hub.drain(Drain { over: Duration::from_secs(60), ..Drain::default() }).await;
/// println!("{} of {} sessions have left", drained.sessions - drained.left.len(), drained.sessions);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// Over how long the closes are spread. Default: 10 s.
    pub over: Duration,
    /// With which code. Default: 1012.
    pub code: CloseCode,
    /// Why, in a few words; cut so that the Close holds it. Default: `restarting`.
    pub reason: String,
    /// After how long at most a client is to come back. Default: 10 s.
    pub come_back_within: Duration,
    /// How long the last may take to end after that. Default: 15 s.
    pub patience: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            over: Duration::from_secs(10),
            code: CloseCode::SERVICE_RESTART,
            reason: "restarting".into(),
            come_back_within: Duration::from_secs(10),
            patience: Duration::from_secs(15),
        }
    }
}

/// What came of a drain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many sessions there were.
    pub sessions: usize,
    /// How many of them were told to close; the others were closing already.
    pub closed: usize,
    /// Those who had not left when all their time was over.
    pub left: Vec<Arc<SessionInfo>>,
}

impl Drain {
    pub(crate) async fn run(self, core: &Core) -> Drained {
        core.begin_drain(self.clone()); // first: whoever joins after the look below is closed by its join
        let mut members = core.registry.all(|_| true);
        members.sort_unstable_by_key(|member| member.info.id);
        let began = Instant::now();
        let (mut closed, sessions) = (0, members.len());
        for (number, member) in members.into_iter().enumerate() {
            let due = self.over.mul_f64(number as f64 / sessions as f64).saturating_sub(began.elapsed());
            if !due.is_zero() {
                sleep(due).await;
            }
            closed += usize::from(self.close(&member));
        }
        let time_left = self.over.saturating_add(self.patience).saturating_sub(began.elapsed());
        let _ = timeout(time_left, core.registry.empty()).await;
        let mut left: Vec<_> = core.registry.all(|_| true).iter().map(|member| member.info.clone()).collect();
        left.sort_unstable_by_key(|session| session.id);
        Drained { sessions, closed, left }
    }

    pub(crate) fn close(&self, member: &Member) -> bool {
        let retry = self.come_back_within.mul_f64(rand::random());
        member.ask_to_close(Asked::Drained, self.code, hint(&self.reason, retry).into())
    }
}

/// At most as long as a Close can hold.
fn hint(reason: &str, retry: Duration) -> String {
    let retry = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX);
    let mut length = reason.len();
    loop {
        length = reason.floor_char_boundary(length);
        let hint = json!({ "reason": &reason[..length], "retry_ms": retry }).to_string();
        if hint.len() <= CloseFrame::REASON_LIMIT || length == 0 {
            return hint;
        }
        length -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_json_that_a_close_can_hold() {
        assert_eq!(hint("restarting", Duration::from_millis(1500)), r#"{"reason":"restarting","retry_ms":1500}"#);
        for reason in ["x".repeat(1000), "\"\u{1}ö".repeat(100), String::new()] {
            let hint = hint(&reason, Duration::MAX);
            let value: serde_json::Value = serde_json::from_str(&hint).unwrap();
            assert!(hint.len() <= CloseFrame::REASON_LIMIT && reason.starts_with(value["reason"].as_str().unwrap()));
        }
    }
}

//! A key set that an address serves: cached, asked for again in time and for a key that is unknown, and kept when the address is down.
//!
//! One task fetches, so there is never more than one request under way:
//!
//! ```text
//!             ┌───────────── it is old · somebody asks for a key, and the last request is long enough ago ──┐
//!             ▼                                                                                             │
//!   start ─▶ Fetching ── good: the new keys; bad: those that were there, and again after a pause ──▶ Waiting
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::fetch::FetchError;
use super::key::Key;

/// How long a key set is good whose answer does not say it.
const USUALLY_FRESH: Duration = Duration::from_secs(600);

/// The bounds of what an answer may say (`Cache-Control: max-age`).
const SHORTEST_FRESH: Duration = Duration::from_secs(60);
const LONGEST_FRESH: Duration = Duration::from_secs(24 * 3600);

/// How long one request may take.
pub(super) const FETCH_WITHIN: Duration = Duration::from_secs(5);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// An answer of the address.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: Vec<Key>,
    /// What the answer says of its age.
    pub(super) max_age: Option<Duration>,
}

/// The keys of an address. The task that fetches them ends with this value.
#[derive(Debug)]
pub(super) struct Jwks {
    state: watch::Receiver<State>,
    ask: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

/// The keys as they are now; `None` as long as there was no good answer.
pub(super) type Keys = Option<Arc<[Key]>>;

#[derive(Debug, Clone)]
struct State {
    keys: Keys,
    /// How many requests have ended.
    ended: u64,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Fetching,
    Waiting { may_be_asked_at: Instant },
}

impl Jwks {
    /// Begins to fetch. `keys` are good until there are others.
    pub(super) fn start<F, R>(fetch: F, keys: Keys, min_interval: Duration) -> Self
    where
        F: Fn() -> R + Send + 'static,
        R: Future<Output = Result<Fetched, FetchError>> + Send + 'static,
    {
        let (publish, state) = watch::channel(State { keys, ended: 0, phase: Phase::Fetching });
        let ask = Arc::new(Notify::new());
        let task = tokio::spawn(keep_fresh(fetch, publish, ask.clone(), min_interval));
        Self { state, ask, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn keys(&self) -> Keys {
        self.state.borrow().keys.clone()
    }

    /// The keys after another look at the address, if one is allowed now; one that is under way is waited for. Takes at most
    /// [`FETCH_WITHIN`].
    ///
    /// Cancel-safe.
    pub(super) async fn refreshed(&self) -> Keys {
        let mut state = self.state.clone();
        let State { ended, phase, .. } = *state.borrow();
        if let Phase::Waiting { may_be_asked_at } = phase {
            if Instant::now() < may_be_asked_at {
                return self.keys();
            }
            self.ask.notify_one();
        }
        let _ = state.wait_for(|state| state.ended > ended).await; // an error: the task has ended, and the keys stay
        self.keys()
    }
}

async fn keep_fresh<F, R>(fetch: F, publish: watch::Sender<State>, ask: Arc<Notify>, min_interval: Duration)
where
    F: Fn() -> R,
    R: Future<Output = Result<Fetched, FetchError>>,
{
    let mut pause = min_interval;
    loop {
        publish.send_modify(|state| state.phase = Phase::Fetching);
        let fetched = timeout(FETCH_WITHIN, fetch()).await.unwrap_or(Err(FetchError::Slow));
        let may_be_asked_at = Instant::now() + min_interval;
        let (keys, old_at) = match fetched {
            Ok(Fetched { keys, max_age }) => {
                if publish.borrow().keys.is_none() || pause > min_interval {
                    tracing::info!(keys = keys.len(), "the key set was fetched");
                } else {
                    tracing::debug!(keys = keys.len(), ?max_age, "the key set was fetched again");
                }
                pause = min_interval;
                (Some(keys), Instant::now() + max_age.unwrap_or(USUALLY_FRESH).clamp(SHORTEST_FRESH, LONGEST_FRESH))
            }
            Err(error) => {
                let kept = publish.borrow().keys.as_ref().map_or(0, |keys| keys.len());
                tracing::warn!(%error, kept, again_in = ?pause, "the key set could not be fetched; the keys that were there are kept");
                let again_at = Instant::now() + pause;
                pause = (pause * 2).min(LONGEST_PAUSE.max(min_interval));
                (None, again_at)
            }
        };
        publish.send_modify(|state| {
            state.ended += 1;
            state.phase = Phase::Waiting { may_be_asked_at };
            state.keys = keys.map(Arc::from).or(state.keys.take());
        });
        wait(old_at, may_be_asked_at, &ask).await;
    }
}

/// Waits until the keys are old, or until somebody asks who may.
async fn wait(old_at: Instant, may_be_asked_at: Instant, ask: &Notify) {
    loop {
        tokio::select! {
            () = sleep_until(old_at) => return,
            () = ask.notified() => {
                // Who asked while the last answer was on its way has it by now.
                if Instant::now() >= may_be_asked_at {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jsonwebtoken::Algorithm;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    /// A key's name and a max-age, or no answer.
    type Answer = Option<(&'static str, Option<u64>)>;

    /// An address that answers after a second as it is told; the last answer stays.
    #[derive(Clone, Default)]
    struct Address {
        answers: Arc<Mutex<VecDeque<Answer>>>,
        asked: Arc<AtomicUsize>,
    }

    impl Address {
        fn start(answers: &[Answer]) -> (Self, Jwks) {
            let address = Self { answers: Arc::new(Mutex::new(answers.iter().copied().collect())), asked: Arc::default() };
            let asked = address.clone();
            let jwks = Jwks::start(move || asked.clone().answer(), None, INTERVAL);
            (address, jwks)
        }

        async fn answer(self) -> Result<Fetched, FetchError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let answer = {
                let mut answers = self.answers.lock().unwrap();
                if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() }
            };
            let (kid, max_age) = answer.flatten().ok_or(FetchError::Status(503))?;
            let key = Key::from_secret(Some(kid.to_owned()), Algorithm::HS256, b"secret").unwrap();
            Ok(Fetched { keys: vec![key], max_age: max_age.map(Duration::from_secs) })
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn kids(keys: &Keys) -> Option<Vec<String>> {
        keys.as_ref().map(|keys| keys.iter().filter_map(|key| key.kid.clone()).collect())
    }

    fn one(kid: &str) -> Option<Vec<String>> {
        Some(vec![kid.to_owned()])
    }

    async fn pass(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_who_come_wait_for_the_first_answer() {
        let (address, jwks) = Address::start(&[Some(("a", None))]);
        assert_eq!(kids(&jwks.keys()), None);
        assert_eq!(kids(&jwks.refreshed().await), one("a"));
        assert_eq!(address.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_is_asked_for_once_however_many_need_it() {
        let (address, jwks) = Address::start(&[Some(("a", None)), Some(("b", None))]);
        jwks.refreshed().await;
        pass(11).await;
        let all = futures_util::future::join_all((0..100).map(|_| jwks.refreshed())).await;
        assert!(all.iter().all(|keys| kids(keys) == one("b")));
        assert_eq!(address.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_unknown_keys_is_answered_at_once_and_asks_once_in_the_interval() {
        let (address, jwks) = Address::start(&[Some(("a", None))]);
        jwks.refreshed().await;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(100) {
            jwks.refreshed().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!((8..=11).contains(&address.asked()), "{} requests in 100 s", address.asked());
        let before = Instant::now();
        jwks.refreshed().await;
        jwks.refreshed().await;
        assert!(before.elapsed() <= Duration::from_secs(1), "who may not ask does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_again_when_the_answer_says_that_they_are_old_within_bounds() {
        for (max_age, expected) in [(None, 600), (Some(0), 60), (Some(59), 60), (Some(3600), 3600), (Some(10_000_000), 24 * 3600)] {
            let (address, jwks) = Address::start(&[Some(("a", max_age)), Some(("b", max_age))]);
            jwks.refreshed().await;
            pass(expected - 1).await;
            assert_eq!((address.asked(), kids(&jwks.keys())), (1, one("a")), "{max_age:?}");
            pass(3).await;
            assert_eq!((address.asked(), kids(&jwks.keys())), (2, one("b")), "{max_age:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_kept_while_the_address_is_down_which_is_asked_less_and_less() {
        let (address, jwks) = Address::start(&[Some(("a", Some(60))), None]);
        jwks.refreshed().await;
        pass(24 * 3600).await;
        assert_eq!(kids(&jwks.keys()), one("a"));
        assert!((200..400).contains(&address.asked()), "{} requests in a day", address.asked());
        address.answers.lock().unwrap().push_back(Some(("b", None)));
        pass(400).await;
        address.answers.lock().unwrap().clear();
        assert_eq!(kids(&jwks.keys()), one("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_comes_back_is_noticed_by_the_first_who_needs_it() {
        let (_, jwks) = Address::start(&[None, None, None, None, None, Some(("b", None))]);
        for _ in 0..5 {
            assert_eq!(kids(&jwks.refreshed().await), None);
            pass(11).await;
        }
        assert_eq!(kids(&jwks.refreshed().await), one("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_never_answers_holds_nobody_for_longer_than_the_limit() {
        let jwks = Jwks::start(std::future::pending, None, INTERVAL);
        let start = Instant::now();
        assert!(jwks.refreshed().await.is_none());
        assert_eq!(start.elapsed(), FETCH_WITHIN);
    }
}

//! The section `[drain]` of the configuration: how the server is emptied when it stops.

use std::time::Duration;

use silverback_hub::Drain;

use crate::config::{Problem, section};

/// The longest of each of its times.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

section! {
    /// How the server is emptied when it stops, or by `POST /v1/drain`.
    pub(crate) struct DrainTimes {
        /// Over how long the closes are spread, at most an hour; `0s` is all at once.
        pub(crate) over: Duration = Drain::default().over;
        /// After how long at most a client is told to come back, each after a time of its own.
        pub(crate) come_back_within: Duration = Drain::default().come_back_within;
    }
}

impl DrainTimes {
    /// How the hub is drained, unless whoever asks for it says otherwise.
    pub(crate) fn drain(&self) -> Drain {
        Drain { over: self.over, come_back_within: self.come_back_within, ..Drain::default() }
    }

    /// What cannot be.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let times = [("drain.over", self.over), ("drain.come_back_within", self.come_back_within)];
        let too_long = times.into_iter().filter(|(_, time)| *time > LONGEST);
        too_long.map(|(key, time)| Problem::of(key, format!("({}) must be at most an hour", humantime::format_duration(time)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_at_most_an_hour() {
        let problems = |over, come_back_within| DrainTimes { over, come_back_within }.problems();
        let (ten, more) = (Duration::from_secs(10), LONGEST + Duration::from_millis(1));
        for good in [Duration::ZERO, LONGEST - Duration::from_millis(1), LONGEST] {
            assert!(problems(good, ten).is_empty() && problems(ten, good).is_empty(), "{good:?}");
        }
        assert_eq!(problems(more, ten), [Problem::of("drain.over", "(1h 1ms) must be at most an hour")]);
        assert_eq!(problems(ten, more)[0].key, "drain.come_back_within");
    }
}

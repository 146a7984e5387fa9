//! The section `[drain]` of the configuration: how the server is emptied when it stops.

use std::time::Duration;

use serde::Deserialize;
use silverback_hub::Drain;

use crate::config::ConfigError;

/// The longest of each of its times.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DrainTimes {
    /// Over how long the closes are spread. 0 is all at once.
    #[serde(with = "humantime_serde")]
    pub(crate) over: Duration,
    /// After how long at most a client is to come back, each after a time of its own.
    #[serde(with = "humantime_serde")]
    pub(crate) come_back_within: Duration,
}

impl Default for DrainTimes {
    fn default() -> Self {
        let Drain { over, come_back_within, .. } = Drain::default();
        Self { over, come_back_within }
    }
}

impl DrainTimes {
    /// How the hub is drained, unless whoever asks for it says otherwise.
    pub(crate) fn drain(&self) -> Drain {
        Drain { over: self.over, come_back_within: self.come_back_within, ..Drain::default() }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (key, time) in [("drain.over", self.over), ("drain.come_back_within", self.come_back_within)] {
            if time > LONGEST {
                let problem = format!("({}) must be at most an hour", humantime::format_duration(time));
                return Err(ConfigError::Key { key, problem });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_at_most_an_hour() {
        let check = |over, come_back_within| DrainTimes { over, come_back_within }.check();
        let (ten, more) = (Duration::from_secs(10), LONGEST + Duration::from_millis(1));
        for good in [Duration::ZERO, LONGEST - Duration::from_millis(1), LONGEST] {
            assert!(check(good, ten).is_ok() && check(ten, good).is_ok(), "{good:?}");
        }
        assert!(check(more, ten).unwrap_err().to_string().starts_with("drain.over (1h 1ms) must be at most an hour"));
        assert!(check(ten, more).unwrap_err().to_string().starts_with("drain.come_back_within"));
    }
}

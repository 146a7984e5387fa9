//! Which of the suite's cases are run.

use std::time::Duration;

use crate::{Failure, Result};

/// A choice of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cases {
    /// Sections 1 to 7, 9 and 10: all but compression, which is 12 and 13.
    Core,
    /// These, and of compression the small payloads and one of the largest: what a test run has time for.
    AMinute,
    /// All there are: some ten minutes, most of them in compressed payloads of 16 to 128 KiB.
    All,
}

impl Cases {
    /// Those that `SILVERBACK_AUTOBAHN_CASES` names, `all`; without it, a minute's.
    pub fn chosen() -> Result<Self> {
        match std::env::var("SILVERBACK_AUTOBAHN_CASES").ok().as_deref() {
            None => Ok(Self::AMinute),
            Some("all") => Ok(Self::All),
            Some(other) => Err(Failure::new(format!("SILVERBACK_AUTOBAHN_CASES={other} is not all"))),
        }
    }

    /// How many these are.
    pub fn count(self) -> usize {
        match self {
            Self::Core => 301,
            Self::AMinute => 375,
            Self::All => 517,
        }
    }

    /// What a run may take; a case that hangs ends it.
    pub(super) fn limit(self) -> Duration {
        match self {
            Self::Core | Self::AMinute => Duration::from_secs(400),
            Self::All => Duration::from_secs(2400),
        }
    }

    pub(super) fn globs(self) -> Vec<&'static str> {
        const CORE: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];
        const QUICK: [&str; 14] = [
            "12.*.1", "12.*.2", "12.*.3", "12.*.4", "12.*.5", "12.*.11", "12.1.18", //
            "13.*.1", "13.*.2", "13.*.3", "13.*.4", "13.*.5", "13.*.11", "13.1.18",
        ];
        let compression: &[&str] = match self {
            Self::Core => &[],
            Self::AMinute => &QUICK,
            Self::All => &["12.*", "13.*"],
        };
        CORE.iter().chain(compression).copied().collect()
    }
}

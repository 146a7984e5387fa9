//! The section `[metrics]`.

use super::section;

section! {
    /// Metrics, as Prometheus reads them, at /metrics.
    pub(crate) struct Metrics {
        /// Whether they are shown to anybody, without a key.
        pub(crate) public: bool = false;
    }
}

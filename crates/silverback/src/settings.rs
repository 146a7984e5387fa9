//! What is set in the same way for connections of both roles.

/// The methods of a builder that concern its connections. It has `settings.queue`, and `config()` gives the [`Config`](crate::Config).
macro_rules! connection_settings {
    () => {
        /// The most bytes that a received message may have. Default: 1 MiB. A larger one ends its connection with 1009
        /// (RFC 6455, 7.4.1).
        pub fn message_limit(mut self, bytes: usize) -> Self {
            self.config().message_limit = bytes;
            self
        }

        /// How long a message may take to arrive; `None` waits for ever. Default: 2 minutes. A later one ends its connection with 1008.
        pub fn message_timeout(mut self, timeout: impl Into<Option<std::time::Duration>>) -> Self {
            self.config().message_timeout = timeout.into();
            self
        }

        /// Receives a message of more bytes than this in parts of about this size: [`Receiver::recv_part`](crate::Receiver::recv_part). With it, the
        /// message limit may be larger than what one wants to hold. Default: `None`, every message whole.
        pub fn part_size(mut self, bytes: impl Into<Option<usize>>) -> Self {
            self.config().part_size = bytes.into();
            self
        }

        /// When silence is asked about by a Ping (RFC 6455, 5.5.2) and when it is death; `None` never asks. Default: 20 s and 30 s.
        pub fn heartbeat(mut self, heartbeat: impl Into<Option<silverback_wire::Heartbeat>>) -> Self {
            self.config().heartbeat = heartbeat.into();
            self
        }

        /// How much may wait to be written to a peer that does not read. Default: 1 MiB and 1,024 messages.
        pub fn queue(mut self, limits: crate::QueueLimits) -> Self {
            self.settings.queue = limits;
            self
        }

        /// How long the kernel may take not a single byte of what waits for a peer; `None` waits for ever. Default: 2 minutes.
        pub fn write_timeout(mut self, timeout: impl Into<Option<std::time::Duration>>) -> Self {
            self.config().write_timeout = timeout.into();
            self
        }

        /// How long a peer may send no message, however alive it is, before its connection is closed with 1008. Default: `None`, for ever.
        pub fn idle_timeout(mut self, timeout: impl Into<Option<std::time::Duration>>) -> Self {
            self.config().idle_timeout = timeout.into();
            self
        }

        /// How long a connection may last before it is closed with 1001, and how much is added to that at random, so that those that began together do
        /// not all come back together. Default: for ever.
        pub fn max_age(mut self, age: std::time::Duration, jitter: std::time::Duration) -> Self {
            (self.config().max_age, self.config().max_age_jitter) = (Some(age), jitter);
            self
        }

        /// A message that tells the peer's application that this end lives, whenever no other message did: for browsers, whose code cannot see
        /// pings. Default: none.
        pub fn keepalive(mut self, keepalive: impl Into<Option<silverback_wire::Keepalive>>) -> Self {
            self.config().keepalive = keepalive.into();
            self
        }

        /// How long the peer may take to answer a Close with its own (RFC 6455, 7.1.2). Default: 5 s.
        pub fn close_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.config().close_timeout = timeout;
            self
        }

        fn config(&mut self) -> &mut silverback_wire::Config {
            std::sync::Arc::make_mut(&mut self.settings.config)
        }
    };
}
pub(crate) use connection_settings;

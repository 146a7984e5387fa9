//! What a connection under test is made with.

use std::sync::Arc;
use std::time::Instant;

use arbitrary::Arbitrary;
use silverback_wire::{Config, Connection, Role};

use crate::{Choice, agreements};

/// A role, the limits and the compression, in eight bytes.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Setting {
    /// The other role is the server.
    pub is_client: bool,
    /// In bytes.
    pub message_limit: u16,
    /// 0 for none, and one less than this otherwise.
    pub part_size: u8,
    /// The server's choice.
    pub server: Choice,
    /// The client's choice.
    pub client: Choice,
}

impl Setting {
    /// The role.
    pub fn role(self) -> Role {
        if self.is_client { Role::Client } else { Role::Server }
    }

    /// Whether a compressed message may come.
    pub fn is_compressing(self) -> bool {
        self.server.options().is_some() && self.client.options().is_some()
    }

    /// Its limits.
    pub fn config(self) -> Config {
        let mut config = Config::default();
        config.message_limit = self.message_limit.into();
        config.part_size = self.part_size.checked_sub(1).map(usize::from);
        config
    }

    /// A connection with limits that may be others.
    pub fn connection(self, config: Config, now: Instant) -> Connection {
        let (server, client) = agreements(self.server, self.client);
        let agreement = if self.is_client { client } else { server };
        Connection::new(self.role(), Arc::new(config), now).with_deflate(agreement)
    }
}

//! The section `[compression]`.

use bytesize::ByteSize;
use silverback::{Budget, Deflate};

use super::limits::bytes;
use super::{Problem, section};

section! {
    /// Compression of messages, for clients that offer it (permessage-deflate). A change is for connections to come.
    pub(crate) struct Compression {
        /// Whether messages are compressed.
        pub(crate) enabled: bool = true;
        /// From 1 (fast) to 9 (small).
        pub(crate) level: u8 = 1;
        /// Smaller messages go as they are.
        pub(crate) threshold: ByteSize = ByteSize::b(128);
        /// What all connections may hold together to let messages refer to earlier ones, which makes small ones smaller: about 400 KiB
        /// each. 0 is none.
        pub(crate) context_memory: ByteSize = ByteSize::b(0) => restart;
    }
}

impl Compression {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let is_level = (1..=9).contains(&self.level);
        let text = || format!("({}) must be 1 (fast) to 9 (small)", self.level);
        (!is_level).then(|| Problem::of("compression.level", text())).into_iter().collect()
    }

    /// What is shared by all connections, however often the rest changes.
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(bytes(self.context_memory))
    }

    pub(super) fn deflate(&self, budget: &Budget) -> Option<Deflate> {
        let options = Deflate::default().level(self.level).threshold(bytes(self.threshold));
        let options = if budget.limit() > 0 { options.context_takeover(budget.clone()) } else { options };
        self.enabled.then_some(options)
    }
}

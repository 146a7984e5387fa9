//! The messages of a queue.

use std::collections::VecDeque;
use std::sync::Arc;

use silverback_wire::Prepared;

use crate::batch::Content;
use crate::outgoing::Outgoing;
use crate::spare::Spare as _;

/// In the order in which they go out.
#[derive(Debug)]
pub(crate) enum Items {
    /// All that a fan-out leaves in most queues, which takes no further memory.
    Alone(Prepared),
    Queue(VecDeque<Item>),
}

#[derive(Debug)]
pub(crate) struct Item {
    content: Content,
    key: Option<Arc<str>>,
}

impl Default for Items {
    fn default() -> Self {
        Self::Queue(VecDeque::new())
    }
}

impl Items {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Alone(_) => 1,
            Self::Queue(queue) => queue.len(),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, content: Content, key: Option<Arc<str>>) {
        match (content, key) {
            (Content::Whole(Outgoing::Prepared(alone)), None) if self.has_no_memory() => *self = Self::Alone(alone),
            (content, key) => self.queue().push_back(Item { content, key }),
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Content> {
        match self {
            Self::Queue(queue) => queue.pop_front().map(|item| item.content),
            Self::Alone(_) => self.take().next(),
        }
    }

    /// Everything, which is gone then.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Content> + use<> {
        let (alone, queue) = match std::mem::take(self) {
            Self::Alone(alone) => (Some(Content::Whole(alone.into())), VecDeque::new()),
            Self::Queue(queue) => (None, queue),
        };
        alone.into_iter().chain(queue.into_iter().map(|item| item.content))
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<Content> {
        self.queue().remove(at).map(|item| item.content)
    }

    pub(crate) fn content(&mut self, at: usize) -> Option<&mut Content> {
        self.queue().get_mut(at).map(|item| &mut item.content)
    }

    /// The place of the message with this key.
    pub(crate) fn with_key(&self, key: &Arc<str>) -> Option<usize> {
        match self {
            Self::Alone(_) => None,
            Self::Queue(queue) => queue.iter().position(|item| item.key.as_ref() == Some(key)),
        }
    }

    /// The place and the length of the first part of a message.
    pub(crate) fn first_part(&self) -> Option<(usize, usize)> {
        let Self::Queue(queue) = self else { return None };
        let at = queue.iter().position(|item| matches!(item.content, Content::FirstPart(_)))?;
        Some((at, queue[at].content.len()))
    }

    /// The place of the oldest message that is not sent in parts.
    pub(crate) fn first_whole(&self) -> Option<usize> {
        match self {
            Self::Alone(_) => Some(0),
            Self::Queue(queue) => queue.iter().position(|item| matches!(item.content, Content::Whole(_))),
        }
    }

    /// The prepared messages in front of all others.
    pub(crate) fn prepared(&self) -> impl Iterator<Item = &Prepared> {
        let (alone, queue) = match self {
            Self::Alone(alone) => (Some(alone), None),
            Self::Queue(queue) => (None, Some(queue)),
        };
        alone.into_iter().chain(queue.into_iter().flatten().map_while(|item| match &item.content {
            Content::Whole(Outgoing::Prepared(prepared)) => Some(prepared),
            _ => None,
        }))
    }

    /// Gives the memory of an empty queue to the thread.
    pub(crate) fn give_back(&mut self) {
        if let Self::Queue(queue) = self
            && queue.is_empty()
        {
            Item::keep(std::mem::take(queue));
        }
    }

    fn has_no_memory(&self) -> bool {
        matches!(self, Self::Queue(queue) if queue.capacity() == 0)
    }

    /// As a queue, whose memory may have been another's.
    fn queue(&mut self) -> &mut VecDeque<Item> {
        if let Self::Alone(alone) = self {
            let alone = Item { content: Content::Whole(alone.clone().into()), key: None };
            let mut queue = Item::queue();
            queue.push_back(alone);
            *self = Self::Queue(queue);
        } else if self.has_no_memory() {
            *self = Self::Queue(Item::queue());
        }
        match self {
            Self::Queue(queue) => queue,
            Self::Alone(_) => unreachable!("it is a queue since a moment ago"),
        }
    }
}

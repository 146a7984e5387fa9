//! Messages on their way out, until the transport has them.

use std::time::Instant;

use bytes::Buf;

use super::{Connection, NotSent, Role, Sending, State};
use crate::deadlines::Deadlines;
use crate::frame::{Header, Opcode};
use crate::{Message, Part, Prepared, Transmit};

impl Connection {
    /// Encodes a message for the transport, compressed if that was negotiated and the message is large enough.
    ///
    /// There is no bound here: before sending more, wait until [`poll_transmit`](Self::poll_transmit) has little left.
    ///
    /// # Errors
    /// [`NotSent`] gives the message back once this end has sent Close or the connection has ended, and while another message is being sent in
    /// parts.
    pub fn send(&mut self, message: Message) -> Result<(), NotSent> {
        if let Some(refused) = self.refusal() {
            return Err(refused(message));
        }
        self.sent_messages += 1;
        let opcode = message.opcode();
        let (role, transmit) = (self.role, &mut self.transmit);
        match self.deflate.as_deref_mut().filter(|codec| codec.compressor.wants(message.len())) {
            None => transmit.frame(role, Header::whole(opcode), message.into_payload()),
            Some(codec) => codec.compressor.message(message.payload(), |compressed| match compressed {
                Some(compressed) => transmit.copied_frame(role, Header::compressed(opcode), compressed),
                None => transmit.frame(role, Header::whole(opcode), message.payload().clone()),
            }),
        }
        Ok(())
    }

    /// Encodes the next part of a message (RFC 6455, 5.4). The kind of the message is that of its first piece. Until its last part is sent, no
    /// other message can be; control frames go between the parts.
    ///
    /// # Errors
    /// [`NotSent`] gives the piece back once this end has sent Close or the connection has ended, and when it is of another kind than the first.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use bytes::Buf;
    /// use silverback_wire::{Connection, Part, Role};
    ///
    /// # let mut server = Connection::new(Role::Server, Arc::default(), Instant::now());
    /// server.send_part(Part { piece: "a long ".into(), is_last: false })?;
    /// assert!(server.is_inside_message());
    /// server.send_part(Part { piece: "story".into(), is_last: true })?;
    ///
    /// let out = server.poll_transmit().expect("two frames wait");
    /// assert_eq!(out.copy_to_bytes(out.remaining()), &b"\x01\x07a long \x80\x05story"[..]);
    /// # Ok::<(), silverback_wire::NotSent>(())
    /// ```
    pub fn send_part(&mut self, part: Part) -> Result<(), NotSent> {
        if !self.is_open() {
            return Err(NotSent::Closed(part.piece));
        }
        let is_text = matches!(part.piece, Message::Text(_));
        let (opcode, sending) = match self.sending {
            Some(sending) if sending.is_text != is_text => return Err(NotSent::OtherKind(part.piece)),
            Some(sending) => (Opcode::Continuation, sending),
            None if part.is_last => return self.send(part.piece),
            None => {
                let is_compressed = self.deflate.as_ref().is_some_and(|codec| codec.compressor.is_able());
                (part.piece.opcode(), Sending { is_text, is_compressed })
            }
        };
        let is_first = self.sending.is_none();
        self.sending = (!part.is_last).then_some(sending);
        self.sent_messages += u64::from(part.is_last);
        let header = if is_first && sending.is_compressed { Header::compressed(opcode) } else { Header::whole(opcode) };
        let payload = match self.deflate.as_deref_mut().filter(|_| sending.is_compressed) {
            Some(codec) => codec.compressor.next_part(part.piece.payload(), part.is_last),
            None => part.piece.into_payload(),
        };
        self.transmit.frame(self.role, Header { fin: part.is_last, ..header }, payload);
        Ok(())
    }

    /// Whether a message is being sent in parts, and others have to wait.
    pub fn is_inside_message(&self) -> bool {
        self.sending.is_some()
    }

    /// As [`send`](Self::send), for a message that many connections send: it is encoded and compressed once for all of them.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// use silverback_wire::{Connection, Prepared, Role};
    ///
    /// let news = Prepared::new("to everybody");
    /// let mut everybody = [(); 3].map(|()| Connection::new(Role::Server, Arc::default(), Instant::now()));
    /// for connection in &mut everybody {
    ///     connection.send_prepared(&news)?;
    ///     assert_eq!(connection.transmit_len(), 2 + 12);
    /// }
    /// # Ok::<(), silverback_wire::NotSent>(())
    /// ```
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), NotSent> {
        let message = prepared.message();
        if let Some(refused) = self.refusal() {
            return Err(refused(message.clone()));
        }
        self.sent_messages += 1;
        let compressor = self.deflate.as_deref_mut().map(|codec| &mut codec.compressor);
        let compressed = compressor.filter(|compressor| compressor.wants(message.len())).and_then(|compressor| {
            let compressed = prepared.compressed(compressor.kind())?;
            compressor.forget();
            Some(compressed)
        });
        match (self.role, compressed) {
            (Role::Server, Some(compressed)) => self.transmit.encoded(&compressed.frame),
            (Role::Server, None) => self.transmit.encoded(prepared.plain()),
            (Role::Client, Some(compressed)) => {
                self.transmit.copied_frame(self.role, Header::compressed(message.opcode()), compressed.payload());
            }
            (Role::Client, None) => self.transmit.copied_frame(self.role, Header::whole(message.opcode()), message.payload()),
        }
        Ok(())
    }

    /// Why no whole message can be sent now.
    #[inline]
    fn refusal(&self) -> Option<fn(Message) -> NotSent> {
        match self.sending {
            _ if !self.is_open() => Some(NotSent::Closed),
            Some(_) => Some(NotSent::InsideMessage),
            None => None,
        }
    }

    /// The bytes that wait to be written, or `None` when there are none. Write what the transport takes, and call
    /// [`advance`](Buf::advance) by its number.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// use std::io::Write;
    /// use bytes::Buf;
    ///
    /// # use silverback_wire::{Connection, Role};
    /// # let mut server = Connection::new(Role::Server, Arc::default(), Instant::now());
    /// # let mut socket = Vec::new();
    /// server.send("hello".into())?;
    /// while let Some(out) = server.poll_transmit() {
    ///     let taken = socket.write(out.chunk())?;
    ///     out.advance(taken);
    /// }
    /// assert_eq!(socket, b"\x81\x05hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<&mut Transmit> {
        if matches!(self.state, State::Ended { .. }) {
            return None;
        }
        if self.has_written_pong()
            && let Some(payload) = self.owed_pong.take()
        {
            self.pong(payload);
        }
        if !self.transmit.has_remaining() {
            self.delivered_messages = self.sent_messages;
            return None;
        }
        Some(&mut self.transmit)
    }

    /// Tells that bytes wait which the transport does not take, or does not pass on, now. From here on they are held in no more memory than
    /// they need. If it takes none of them for
    /// [`write_timeout`](crate::Config::write_timeout), the connection has ended, unless [`transmit_flowing`](Self::transmit_flowing) was called before.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// use silverback_wire::{Cause, Connection, Role};
    ///
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.send("hello".into())?;
    /// server.transmit_blocked(now); // the socket said `WouldBlock`
    /// server.handle_timeout(now + Duration::from_secs(120));
    /// assert!(matches!(server.report().expect("it has ended").cause, Cause::WriteStalled(_)));
    /// # Ok::<(), silverback_wire::NotSent>(())
    /// ```
    pub fn transmit_blocked(&mut self, now: Instant) {
        self.transmit.blocked();
        if self.config.write_timeout.is_some() && self.is_open() {
            let (config, opened) = (&self.config, self.opened);
            self.deadlines.get_or_insert_with(|| Box::new(Deadlines::new(config, opened))).blocked(self.transmit.taken(), now);
        }
    }

    /// Tells that the transport has taken and passed on everything.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use bytes::Buf;
    /// # use silverback_wire::{Connection, Role};
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.send("hello".into())?;
    /// server.transmit_blocked(now); // the socket said `WouldBlock`
    /// server.poll_transmit().expect("a frame waits").advance(7); // and took it all a little later
    /// server.transmit_flowing();
    /// server.handle_timeout(now + Duration::from_secs(120));
    /// assert!(server.is_open());
    /// # Ok::<(), silverback_wire::NotSent>(())
    /// ```
    pub fn transmit_flowing(&mut self) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.flowing();
        }
    }

    /// How many bytes wait to be written.
    pub fn transmit_len(&self) -> usize {
        self.transmit.remaining()
    }
}

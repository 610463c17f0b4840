//! The names of requests and deposits.

use crate::ids::id;

id! {
    /// One request for documents: the locator in a link's URL. It names, and grants nothing.
    RequestId
}
id! {
    /// One deposit, from before its first part on: the number of the slot it fills, then 14 random bytes.
    DepositId
}

#[cfg(feature = "tracing")]
impl crate::observe::Subject for RequestId {
    fn tell(&self, span: &tracing::Span) {
        span.record("request", tracing::field::display(self));
    }
}

#[cfg(feature = "tracing")]
impl crate::observe::Subject for DepositId {
    fn tell(&self, span: &tracing::Span) {
        span.record("deposit", tracing::field::display(self));
    }
}

impl DepositId {
    pub(super) fn of_slot(slot: u16, random: [u8; 14]) -> Self {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(slot.to_be_bytes().into_iter().chain(random)).for_each(|(to, from)| *to = from);
        Self::from_bytes(bytes)
    }

    /// The slot that the deposit fills.
    #[must_use]
    pub const fn slot(&self) -> u16 {
        let [high, low, ..] = *self.as_bytes();
        u16::from_be_bytes([high, low])
    }
}

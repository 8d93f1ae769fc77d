//! Envelopes that are borrowed or shared.
use std::{ops::Deref, sync::Arc};

use smtp_caps::Envelope;

/// An envelope, borrowed or shared.
#[derive(Clone, Debug)]
pub struct EnvelopeRef<'a>(Held<'a>);

#[derive(Clone, Debug)]
enum Held<'a> {
    Borrowed(&'a Envelope),
    Shared(Arc<Envelope>),
}

impl Deref for EnvelopeRef<'_> {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        match &self.0 {
            Held::Borrowed(envelope) => envelope,
            Held::Shared(envelope) => envelope,
        }
    }
}

impl<'a> From<&'a Envelope> for EnvelopeRef<'a> {
    fn from(envelope: &'a Envelope) -> Self {
        Self(Held::Borrowed(envelope))
    }
}

impl From<Arc<Envelope>> for EnvelopeRef<'_> {
    fn from(envelope: Arc<Envelope>) -> Self {
        Self(Held::Shared(envelope))
    }
}

impl From<Envelope> for EnvelopeRef<'_> {
    fn from(envelope: Envelope) -> Self {
        Self::from(Arc::new(envelope))
    }
}

/// A borrowed envelope is cloned.
impl From<EnvelopeRef<'_>> for Arc<Envelope> {
    fn from(envelope: EnvelopeRef<'_>) -> Self {
        match envelope.0 {
            Held::Borrowed(envelope) => Self::new(envelope.clone()),
            Held::Shared(envelope) => envelope,
        }
    }
}

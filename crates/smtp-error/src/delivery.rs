//! The verdicts of a message, each with the recipient that it is about.
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, ops::Index, panic::RefUnwindSafe};

use crate::{Peer, Verdict};

/// The forward-paths of an envelope, in its order.
///
/// An envelope shares them with everything that names its recipients, so that a delivery needs no
/// copy of them. A vector of strings is such a list too.
pub trait ForwardPaths: Send + Sync + RefUnwindSafe {
    /// Returns the forward-path at this position, from 0, as it is sent and without the angle
    /// brackets.
    fn forward_path(&self, position: usize) -> Option<&str>;
}

impl<S: AsRef<str> + Send + Sync + RefUnwindSafe> ForwardPaths for Vec<S> {
    fn forward_path(&self, position: usize) -> Option<&str> {
        self.get(position).map(AsRef::as_ref)
    }
}

/// The verdicts for all recipients of a message, in the order of the envelope.
///
/// The server may have refused some recipients, or all of them. Two deliveries are equal if their
/// recipients and verdicts are.
#[derive(Clone)]
#[must_use = "recipients may have been refused"]
pub struct Delivery {
    forward_paths: Arc<dyn ForwardPaths>,
    verdicts: Vec<Verdict>,
    server: Option<Arc<Peer>>,
}

impl Delivery {
    /// Returns a delivery with these verdicts, one per recipient, in the order of the envelope. A
    /// delivery is also collected from pairs of forward-path and verdict.
    pub fn new(forward_paths: Arc<dyn ForwardPaths>, verdicts: Vec<Verdict>) -> Self {
        Self { forward_paths, verdicts, server: None }
    }

    /// Sets the server that gave the verdicts.
    pub fn with_server(mut self, server: &Arc<Peer>) -> Self {
        self.server = Some(Arc::clone(server));
        self
    }

    /// Returns the server that gave the verdicts, if that is known. It is not stored with them.
    pub fn server(&self) -> Option<&Arc<Peer>> {
        self.server.as_ref()
    }

    /// Returns each recipient with its verdict, in the order of the envelope.
    ///
    /// The recipient is its forward-path as the client sent it, without the angle brackets: an
    /// internationalized domain may have A-labels there that the caller gave as U-labels. The
    /// position in the envelope is that in this iterator.
    pub fn verdicts(
        &self,
    ) -> impl ExactSizeIterator<Item = (&str, &Verdict)> + DoubleEndedIterator + Clone {
        let pair = |(position, verdict)| (name(&*self.forward_paths, position), verdict);
        self.verdicts.iter().enumerate().map(pair)
    }

    /// Returns whether every recipient was accepted.
    pub fn all_accepted(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_accepted)
    }

    /// Returns whether at least one recipient was accepted.
    pub fn any_accepted(&self) -> bool {
        self.verdicts.iter().any(Verdict::is_accepted)
    }

    /// Returns each refused recipient with its verdict, in the order of the envelope.
    pub fn refused(&self) -> impl DoubleEndedIterator<Item = (&str, &Verdict)> + Clone {
        self.verdicts().filter(|(_, verdict)| !verdict.is_accepted())
    }
}

/// The verdict of the recipient at this position in the envelope, from 0.
///
/// # Panics
/// The envelope has no such recipient.
impl Index<usize> for Delivery {
    type Output = Verdict;

    fn index(&self, position: usize) -> &Verdict {
        &self.verdicts[position]
    }
}

impl<P: Into<Box<str>>> FromIterator<(P, Verdict)> for Delivery {
    fn from_iter<I: IntoIterator<Item = (P, Verdict)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(path, verdict)| (path.into(), verdict));
        let (forward_paths, verdicts): (Vec<Box<str>>, _) = pairs.unzip();
        Self::new(Arc::new(forward_paths), verdicts)
    }
}

impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        self.verdicts().eq(other.verdicts())
    }
}

impl Eq for Delivery {}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery ")?;
        f.debug_map().entries(self.verdicts()).finish()
    }
}

/// What is known of the recipients of a message, in the order of the envelope, when not all of them
/// have a verdict. Empty if there was no message.
#[derive(Clone, Default)]
pub struct KnownVerdicts {
    /// There are forward-paths wherever there are recipients.
    forward_paths: Option<Arc<dyn ForwardPaths>>,
    verdicts: Vec<Option<Verdict>>,
}

impl KnownVerdicts {
    /// Returns what is known: one verdict or `None` per recipient, in the order of the envelope.
    pub fn new(forward_paths: Arc<dyn ForwardPaths>, verdicts: Vec<Option<Verdict>>) -> Self {
        Self { forward_paths: Some(forward_paths), verdicts }
    }

    /// Returns each recipient with its verdict, if it has one.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = (&str, Option<&Verdict>)> + DoubleEndedIterator + Clone {
        let verdicts = self.verdicts.iter().map(Option::as_ref).enumerate();
        verdicts.map(|(position, verdict)| {
            let forward_paths = self.forward_paths.as_deref();
            (forward_paths.map_or("", |all| name(all, position)), verdict)
        })
    }

    /// Takes back the verdicts for which `stands` returns `false`.
    pub fn retain(&mut self, mut stands: impl FnMut(&Verdict) -> bool) {
        for verdict in &mut self.verdicts {
            verdict.take_if(|verdict| !stands(verdict));
        }
    }
}

impl From<Delivery> for KnownVerdicts {
    fn from(delivery: Delivery) -> Self {
        Self::new(delivery.forward_paths, delivery.verdicts.into_iter().map(Some).collect())
    }
}

impl fmt::Debug for KnownVerdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Returns the recipient at this position. A list that is too short leaves it without a name.
fn name(forward_paths: &dyn ForwardPaths, position: usize) -> &str {
    forward_paths.forward_path(position).unwrap_or_default()
}

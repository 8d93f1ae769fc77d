//! Causes: errors of other libraries that an [`Error`](crate::Error) carries.
use alloc::sync::Arc;
use core::fmt;

/// The error of another library, shared so that errors can be cloned.
#[derive(Clone)]
pub struct Cause(Arc<dyn core::error::Error + Send + Sync>);

impl Cause {
    /// Wraps an error as a cause.
    pub fn new(error: impl core::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// Returns the error if it is of type `E` (`std::io::Error`, or an error of the TLS library),
    /// or else the first of its sources that is.
    pub fn downcast_ref<E: core::error::Error + 'static>(&self) -> Option<&E> {
        let mut error: &(dyn core::error::Error + 'static) = &*self.0;
        loop {
            match error.downcast_ref() {
                Some(found) => return Some(found),
                None => error = error.source()?,
            }
        }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::error::Error for Cause {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.0.source()
    }
}

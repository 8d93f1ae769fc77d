//! A resolver that validates DNSSEC.
mod alias;
mod convert;
mod response;
mod settings;
mod trusting;

use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hickory_resolver::{
    NameServerPool,
    net::{
        DnsHandle as _, NetError, RetryDnsHandle, dnssec::DnssecDnsHandle,
        runtime::TokioRuntimeProvider, xfer::FirstAnswer as _,
    },
    proto::{
        op::{DnsRequestOptions, DnsResponse, Query},
        rr::RecordType,
    },
};
use smtp_error::Cause;

use self::{
    alias::Chain,
    response::{Hop, Outcome},
    trusting::Trusting,
};
pub use self::{
    response::UnusableAnswer,
    settings::{DnsResolverBuilder, DnsSetupError},
};
use crate::{Answer, DnsError, DnsFailure, Kind, Name, Resolve};

/// Looks up records with recursive name servers, and validates DNSSEC itself. Cloning shares it.
///
/// The name servers need not be trusted: with the keys of the root, which are built in, every answer
/// is proved to be [secure](crate::Proof::Secure), or to be of a zone that is not signed. What can be
/// proved to be neither is refused ([`DnsFailure::Bogus`]). The bit by which a name server says that it
/// has validated an answer (AD) counts for nothing, except from a name server of this host with
/// [`trust_ad`](DnsResolverBuilder::trust_ad). The name servers must answer queries with the bit
/// DO, which those of some access networks do not: then what is signed cannot be looked up.
///
/// Names are absolute: neither search domains nor `ndots` apply, nor does the file of hosts, since
/// mail is routed by what the DNS says (RFC 5321, 5.1). Answers are not cached; the time that an
/// answer may be used is the one that the name server said. An answer has at most
/// [`MAX_RECORDS`](Self::MAX_RECORDS) records, a chain of aliases at most
/// [`MAX_ALIASES`](Self::MAX_ALIASES).
///
/// It needs a tokio runtime with I/O and time, the same for all lookups.
#[derive(Clone)]
pub struct DnsResolver {
    inner: Arc<Inner>,
}

type Validator = DnssecDnsHandle<RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>>;

enum Upstream {
    Validated(Validator),
    Trusted(Trusting),
}

struct Inner {
    upstream: Upstream,
    deadline: Duration,
}

impl DnsResolver {
    /// The most records of an answer. An answer with more is refused
    /// ([`UnusableAnswer::TooManyRecords`]): without some of its records it might say another thing.
    pub const MAX_RECORDS: usize = 200;
    /// The most aliases (CNAME) that are followed from one name.
    pub const MAX_ALIASES: usize = 10;

    /// Returns a resolver that uses the name servers of this machine (`/etc/resolv.conf`).
    ///
    /// # Errors
    /// They cannot be found out.
    pub fn system() -> Result<Self, DnsSetupError> {
        Self::builder().build()
    }

    /// Returns a builder of resolvers.
    pub fn builder() -> DnsResolverBuilder {
        DnsResolverBuilder::new()
    }

    async fn resolve(&self, name: &Name, kind: Kind) -> Result<Answer, DnsFailure> {
        let resolving = catch_panic(self.follow(name, kind));
        match tokio::time::timeout(self.inner.deadline, resolving).await {
            Ok(Ok(result)) => result,
            Ok(Err(panicked)) => Err(DnsFailure::Other(Cause::new(panicked))),
            Err(_) => Err(DnsFailure::TimedOut),
        }
    }

    async fn follow(&self, name: &Name, kind: Kind) -> Result<Answer, DnsFailure> {
        let mut chain = Chain::new(convert::to_hickory(name)?);
        loop {
            let query = Query::query(chain.end().clone(), convert::record_type(kind));
            match self.hop(query).await? {
                Hop::Alias { target, found } => chain.push(target, found)?,
                Hop::Records { records, found } => return chain.finish_with(kind, &records, found),
                Hop::None { exists, found } => return chain.finish_without(exists, found),
            }
        }
    }

    /// Asks for one name, without following aliases.
    ///
    /// An answer that has an alias may also have the denial of what it points to, which the validator
    /// takes for a denial of the alias, and finds it bogus. The alias is then asked for alone.
    async fn hop(&self, query: Query) -> Result<Hop, DnsFailure> {
        let read = match &self.inner.upstream {
            Upstream::Validated(_) => response::read,
            Upstream::Trusted(_) => response::read_trusted,
        };
        let result = self.ask(query.clone()).await;
        match read(&query, result)? {
            Outcome::Hop(hop) => Ok(hop),
            Outcome::AskForAlias => {
                let query = Query::query(query.name, RecordType::CNAME);
                let result = self.ask(query.clone()).await;
                match read(&query, result)? {
                    Outcome::Hop(hop @ Hop::Alias { .. }) => Ok(hop),
                    _ => Err(DnsFailure::Bogus),
                }
            }
        }
    }

    async fn ask(&self, query: Query) -> Result<DnsResponse, NetError> {
        let mut options = DnsRequestOptions::default();
        options.use_edns = true;
        options.edns_set_dnssec_ok = true;
        options.recursion_desired = true;
        match &self.inner.upstream {
            Upstream::Validated(validator) => validator.lookup(query, options).first_answer().await,
            Upstream::Trusted(trusting) => trusting.ask(&query, options).await,
        }
    }
}

impl Resolve for DnsResolver {
    async fn lookup(&self, name: &Name, kind: Kind) -> Result<Answer, DnsError> {
        let result = self.resolve(name, kind).await;
        result.map_err(|failure| DnsError::new(name.clone(), kind, failure))
    }
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsResolver")
            .field("deadline", &self.inner.deadline)
            .finish_non_exhaustive()
    }
}

/// Octets of the network are parsed and validated by code that is not ours. Should it panic, one
/// lookup fails.
async fn catch_panic<F: Future>(future: F) -> Result<F::Output, UnusableAnswer> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(UnusableAnswer::Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_while_an_answer_is_read_is_an_error() {
        let panicking = async { panic!("as a parser might") };
        let result: Result<(), _> = catch_panic(panicking).await;
        assert!(matches!(result, Err(UnusableAnswer::Panicked)), "{result:?}");
    }
}

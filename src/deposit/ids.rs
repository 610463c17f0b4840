//! The names of requests and deposits.

use crate::ids::id;

id! {
    /// One request for documents: the locator in a link's URL. It names, and grants nothing.
    RequestId
}
id! {
    /// One deposit, from before its first part on.
    DepositId
}

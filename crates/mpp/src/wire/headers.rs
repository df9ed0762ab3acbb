//! Names of header fields, in lower case as the `http` crate wants them.

/// Where the credential is, unless a challenge says [`PAYMENT_AUTHORIZATION`].
pub const AUTHORIZATION: &str = "authorization";
/// Where the credential is when the application keeps `Authorization` for itself.
pub const PAYMENT_AUTHORIZATION: &str = "payment-authorization";
/// The challenges of a 402.
pub const WWW_AUTHENTICATE: &str = "www-authenticate";
/// The receipt of a paid answer.
pub const PAYMENT_RECEIPT: &str = "payment-receipt";
/// Which methods a client pays with.
pub const ACCEPT_PAYMENT: &str = "accept-payment";
/// The channel that a client wants to pay through. An extension: servers that do not know it pass over it.
pub const PAYMENT_SESSION: &str = "payment-session";
/// The name that a client gives to a request, so that repeating it is harmless.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

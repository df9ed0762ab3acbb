//! Names of header fields, in lower case as the `http` crate needs them.

/// The header of the credential, unless a challenge names [`PAYMENT_AUTHORIZATION`].
pub const AUTHORIZATION: &str = "authorization";
/// The header of the credential when the application needs `Authorization` itself.
pub const PAYMENT_AUTHORIZATION: &str = "payment-authorization";
/// The challenges of a 402.
pub const WWW_AUTHENTICATE: &str = "www-authenticate";
/// The receipt of a paid answer.
pub const PAYMENT_RECEIPT: &str = "payment-receipt";
/// The methods with which a client can pay.
pub const ACCEPT_PAYMENT: &str = "accept-payment";
/// The channel through which a client wants to pay. It is an extension; servers that do not know it ignore it.
pub const PAYMENT_SESSION: &str = "payment-session";
/// The name that a client gives to a request, so that repeating it is harmless.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

//! Who somebody is: a JWT (RFC 7519) becomes a [`Verified`], or a [`TokenError`] that names cause and cure.
//!
//! ```text
//!   a token ─▶ Head (short enough? a JWT? which algorithm, which key?)
//!                └▶ the keys: of the configuration, of files, of an address (Jwks, asked again for a key that is unknown)
//!                     └▶ the signature, by the algorithm that the key is for, whatever the token says
//!                          └▶ Rules (times, audience, issuer, required claims) ─▶ Verified
//! ```
//!
//! Where to start reading: `authenticator.rs`. What is configured is in `settings.rs`.

mod authenticator;
mod fetch;
mod head;
mod jwks;
mod key;
mod key_files;
mod keyring;
mod mint;
mod refusal;
mod rules;
mod settings;
mod verified;

pub(crate) use authenticator::Authenticator;
pub(crate) use key_files::{KeysError, check_strength};
pub(crate) use mint::{Mint, MintError, for_command_line};
pub(crate) use refusal::TokenError;
pub(crate) use settings::Auth;
pub(crate) use verified::{NotAUser, Verified, check_name, written};

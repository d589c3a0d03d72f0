//! Signing webhooks: Standard Webhooks 1.0.0 (standardwebhooks.com), symmetric. A receiver that knows the secret can
//! tell that a message is ours, whole, and not an old one sent again.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";

/// The secret of a webhook endpoint. No `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// A secret of random bytes.
    pub fn from_random(bytes: [u8; 32]) -> WebhookSecret {
        WebhookSecret(Zeroizing::new(bytes.to_vec()))
    }

    /// Reads `whsec_…`: base64 of 24 to 64 bytes.
    pub fn parse(text: &str) -> Option<WebhookSecret> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (24..=64).contains(&bytes.len()).then(|| WebhookSecret(Zeroizing::new(bytes)))
    }

    /// `whsec_…`: to be shown once.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(&*self.0)))
    }

    /// `v1,…` for a message: its id, the second at which it is sent, and its body to the byte.
    pub fn sign(&self, id: &str, unix_seconds: i64, body: &[u8]) -> String {
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            // HMAC takes keys of any length (RFC 2104).
            return String::new();
        };
        let mac = mac.chain_update(format!("{id}.{unix_seconds}.")).chain_update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The value of `webhook-signature`: one for each secret that is accepted now.
pub fn signatures<'s>(
    secrets: impl Iterator<Item = &'s WebhookSecret>,
    id: &str,
    unix_seconds: i64,
    body: &[u8],
) -> String {
    secrets.fold(String::new(), |mut all, secret| {
        if !all.is_empty() {
            all.push(' ');
        }
        // Writing to a text can not fail.
        let _ = write!(all, "{}", secret.sign(id, unix_seconds, body));
        all
    })
}

//! Sealing what must be read back: AES-256-GCM under the keys of `secrets.keys`, bound to the row that it belongs to.
//! A sealed text names its key, so that keys can be rolled: the first seals, all of them open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Error, random};

/// A key, and the id by which sealed texts name it.
pub type NamedKey = (String, [u8; 32]);

/// The keys of this process. No `Debug`.
#[derive(Clone, Default)]
pub struct Sealer(Vec<NamedKey>);

impl Sealer {
    /// The keys; the first seals.
    pub const fn new(keys: Vec<NamedKey>) -> Sealer {
        Sealer(keys)
    }

    /// Seals a secret of a row: length of the key's id, the id, nonce, ciphertext and tag.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is no key, or no random bytes.
    pub(crate) fn seal(&self, row: Uuid, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let unavailable = || Error::Unavailable("secrets.keys is not set".to_owned());
        let (id, key) = self.0.first().ok_or_else(unavailable)?;
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let mut sealed = secret.to_vec();
        cipher(key)
            .and_then(|cipher| {
                let nonce = Nonce::assume_unique_for_key(nonce);
                cipher.seal_in_place_append_tag(nonce, Aad::from(row.as_bytes()), &mut sealed).ok()
            })
            .ok_or_else(unavailable)?;
        let length = u8::try_from(id.len()).map_err(|_| unavailable())?;
        Ok([&[length], id.as_bytes(), &nonce, &sealed].concat())
    }

    /// Opens what [`Sealer::seal`] made for the same row; `None`: no key opens it.
    pub(crate) fn open(&self, row: Uuid, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (length, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let (_, key) = self.0.iter().find(|(known, _)| known.as_bytes() == id)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let opened = cipher(key)?.open_in_place(nonce, Aad::from(row.as_bytes()), &mut text).ok()?.len();
        text.truncate(opened);
        Some(text)
    }
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

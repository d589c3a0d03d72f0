//! API keys: `sk_live_`, `sk_test_` (merchants) or `ik_` (services), 12 base-62 characters that name the
//! key, 32 that are the secret (190 bits), and 6 that hold the CRC-32 of all before, so that a mistyped key
//! is refused without asking anybody (internal API document, "Keys").

use zeroize::Zeroizing;

use crate::account::Mode;

/// What keys are written in: a byte below 248 that [`SecretKey::mint`] is given stands for the letter at its rest by 62.
pub const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PUBLIC: usize = 12;
const SECRET: usize = 32;
const CHECK: usize = 6;

/// Whom a key speaks for, which its first letters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// `sk_…`: a merchant, in one mode.
    Merchant(Mode),
    /// `ik_…`: a service inside: KCMS or a bank's connector.
    Service,
}

impl KeyKind {
    /// Every kind there is.
    pub const ALL: [KeyKind; 3] =
        [KeyKind::Merchant(Mode::Live), KeyKind::Merchant(Mode::Test), KeyKind::Service];

    /// `sk_live_`, `sk_test_` or `ik_`.
    pub const fn prefix(self) -> &'static str {
        match self {
            KeyKind::Merchant(Mode::Live) => "sk_live_",
            KeyKind::Merchant(Mode::Test) => "sk_test_",
            KeyKind::Service => "ik_",
        }
    }
}

/// A whole key, secret included. No `Debug`, no `Display`, wiped when dropped.
#[derive(Clone)]
pub struct SecretKey {
    text: Zeroizing<String>,
    kind: KeyKind,
}

impl SecretKey {
    /// Makes a key from random bytes; the source must not run dry.
    pub fn mint(kind: KeyKind, mut random_byte: impl FnMut() -> u8) -> SecretKey {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(kind.prefix());
        for _ in 0..PUBLIC + SECRET {
            // 248 = 4 × 62: bytes above would favour the first characters.
            let byte = loop {
                let byte = random_byte();
                if byte < 248 {
                    break byte;
                }
            };
            text.push(char::from(ALPHABET[usize::from(byte % 62)]));
        }
        let check = checksum(&text);
        text.push_str(&check);
        SecretKey { text, kind }
    }

    /// Reads what a caller sent; `None` when the shape or the checksum is wrong.
    pub fn parse(text: &str) -> Option<SecretKey> {
        let kind = KeyKind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
        let (body, check) = text.split_at_checked(kind.prefix().len() + PUBLIC + SECRET)?;
        let characters = text.strip_prefix(kind.prefix())?;
        let sound = check.len() == CHECK
            && characters.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && check == checksum(body);
        sound.then(|| SecretKey { text: Zeroizing::new(text.to_owned()), kind })
    }

    /// Whom it speaks for.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The twelve characters that name the key and are no secret.
    pub fn public_id(&self) -> &str {
        let start = self.kind.prefix().len();
        &self.text[start..start + PUBLIC]
    }

    /// What consoles show of it: its first letters and public id.
    pub fn shown_prefix(&self) -> &str {
        &self.text[..self.kind.prefix().len() + PUBLIC]
    }

    /// The last four characters.
    pub fn last4(&self) -> &str {
        &self.text[self.text.len() - 4..]
    }

    /// The whole key. For hashing, and for showing once.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

/// Whether a text looks like a key, sound or not: used to refuse keys in URLs before they reach a log.
pub fn looks_like_key(text: &str) -> bool {
    KeyKind::ALL.into_iter().any(|kind| {
        text.match_indices(kind.prefix()).any(|(start, prefix)| {
            let rest = &text.as_bytes()[start + prefix.len()..];
            rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count() >= PUBLIC + SECRET
        })
    })
}

fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut text = [b'0'; CHECK];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

/// What a service's key may do (internal API document, "Who calls").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The console: everything but collections.
    Kcms,
    /// A bank's connector: the collections of its channel.
    Collector {
        /// The channel's id.
        channel: String,
    },
}

impl Role {
    /// Most characters of a channel's id.
    pub const MAX_CHANNEL: usize = 40;

    /// `kcms` or `collector`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Role::Kcms => "kcms",
            Role::Collector { .. } => "collector",
        }
    }

    /// The channel of a collector.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Role::Kcms => None,
            Role::Collector { channel } => Some(channel),
        }
    }

    /// The role of that name; a collector has a channel, the console none.
    pub fn parse(name: &str, channel: Option<&str>) -> Option<Role> {
        match (name, channel) {
            ("kcms", None) => Some(Role::Kcms),
            ("collector", Some(channel)) if is_channel(channel) => {
                Some(Role::Collector { channel: channel.to_owned() })
            }
            _ => None,
        }
    }
}

/// Whether a text can be a channel's id: 1 to 40 small letters, digits, `-` and `_`.
pub fn is_channel(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=Role::MAX_CHANNEL).contains(&text.len()) && text.bytes().all(sound)
}

/// What a merchant's key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read and list invoices.
    InvoicesRead,
    /// Create, update and void invoices.
    InvoicesWrite,
    /// Read and list payments.
    PaymentsRead,
    /// Read and list events.
    EventsRead,
    /// Read webhook endpoints and deliveries.
    WebhooksRead,
    /// Change webhook endpoints, redeliver.
    WebhooksWrite,
    /// Simulate payments in test mode.
    TestWrite,
}

impl Scope {
    /// Every scope, in the order of the document.
    pub const ALL: [Scope; 7] = [
        Scope::InvoicesRead,
        Scope::InvoicesWrite,
        Scope::PaymentsRead,
        Scope::EventsRead,
        Scope::WebhooksRead,
        Scope::WebhooksWrite,
        Scope::TestWrite,
    ];

    /// As it is written in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::InvoicesRead => "invoices:read",
            Scope::InvoicesWrite => "invoices:write",
            Scope::PaymentsRead => "payments:read",
            Scope::EventsRead => "events:read",
            Scope::WebhooksRead => "webhooks:read",
            Scope::WebhooksWrite => "webhooks:write",
            Scope::TestWrite => "test:write",
        }
    }

    /// Reads a scope as the API writes it.
    pub fn parse(text: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

//! Webhook endpoints: where a merchant wants to be told, and of what.

use url::{Host, Url};

use crate::account::Owner;
use crate::address;
use crate::event::EventKind;
use crate::field::Wrong;
use crate::id::EndpointId;
use crate::time::Moment;

/// A webhook endpoint. Its secret stays with the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub owner: Owner,
    /// Where events are posted.
    pub url: String,
    /// The kinds that it wants; `None`: all, also those that are yet to come.
    pub kinds: Option<Vec<EventKind>>,
    /// What its owner says of it.
    pub description: Option<String>,
    /// Whether it is told of anything.
    pub enabled: bool,
    /// Why it was switched off, when its owner did not do it.
    pub disabled_reason: Option<DisabledReason>,
    /// When it was made.
    pub created: Moment,
    /// Until when the secret before this one signs too.
    pub previous_secret_until: Option<Moment>,
}

/// Why an endpoint was switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// It answered 410.
    Gone,
    /// It failed for days.
    Failing,
}

impl DisabledReason {
    /// As the store and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            DisabledReason::Gone => "gone",
            DisabledReason::Failing => "failing",
        }
    }

    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<DisabledReason> {
        [DisabledReason::Gone, DisabledReason::Failing].into_iter().find(|reason| reason.as_str() == text)
    }
}

impl Endpoint {
    /// Most endpoints of one account and mode.
    pub const MAX: i64 = 16;
    /// Longest URL, in characters.
    pub const MAX_URL: usize = 2_048;
    /// Longest description, in characters.
    pub const MAX_DESCRIPTION: usize = 500;
}

/// Where webhooks may be posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Ports that an https URL may name.
    pub ports: Vec<u16>,
    /// Plain HTTP to this machine is fine: for `kashio dev` only.
    pub loopback: bool,
    /// Networks that are denied beside the special ones.
    pub denied: Vec<ipnet::IpNet>,
}

impl Default for Targets {
    fn default() -> Targets {
        Targets { ports: vec![443, 8_443], loopback: false, denied: Vec::new() }
    }
}

impl Targets {
    /// The URL, when webhooks may be posted there as far as it can be told from the text: https, a port that is
    /// allowed, no user information, and a name that means something in public. What the name leads to is looked at
    /// when it is posted to.
    ///
    /// # Errors
    /// [`Wrong::WebhookUrl`].
    pub fn parse(&self, text: &str) -> Result<Url, Wrong> {
        let url = Url::parse(text).map_err(|_| Wrong::WebhookUrl)?;
        // What is kept and judged again is the URL as it is normalised, which may be longer.
        if text.chars().count().max(url.as_str().len()) > Endpoint::MAX_URL {
            return Err(Wrong::TooLong { max: Endpoint::MAX_URL });
        }
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let sound = match url.scheme() {
            "https" => {
                url.port_or_known_default()
                    .is_some_and(|port| self.ports.contains(&port) || self.is_loopback(&url))
                    && (is_public_name(&url) || self.is_loopback(&url))
            }
            "http" => self.is_loopback(&url),
            _ => false,
        };
        if plain && sound { Ok(url) } else { Err(Wrong::WebhookUrl) }
    }

    /// Whether a connection may be made to an address.
    pub fn allow(&self, address: std::net::IpAddr) -> bool {
        let address = address::canonical(address);
        if self.loopback && address.is_loopback() {
            return true;
        }
        !address::is_special(address) && !self.denied.iter().any(|network| network.contains(&address))
    }

    fn is_loopback(&self, url: &Url) -> bool {
        self.loopback
            && match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            }
    }
}

/// A name with a dot in it that is not one of those for use inside.
fn is_public_name(url: &Url) -> bool {
    let Some(Host::Domain(name)) = url.host() else { return false };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let inside = ["local", "internal", "localhost", "localdomain", "home.arpa", "lan", "intranet", "corp"];
    name.contains('.')
        && !inside.iter().any(|suffix| name == *suffix || name.ends_with(&format!(".{suffix}")))
}

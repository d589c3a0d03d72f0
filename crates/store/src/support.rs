//! Support's search box: what has exactly this number, id, reference or payer, across all accounts and both modes.
//!
//! No statement here walks a table of merchants' data. Their indexes lead with the account, and there are thousands of
//! accounts, not millions: one look for each account and mode. Not for lists: those have an owner.

use domain::account::{Mode, Owner};
use domain::delivery::DeliveryStatus;
use domain::event::EventKind;
use domain::id::{
    AccountId, CollectionId, DeliveryId, EndpointId, EventId, Id, InvoiceId, KeyId, Kind, PaymentId,
};
use domain::invoice::Token;
use domain::ktin::Ktin;
use domain::money::{Amount, Currency};
use domain::time::Moment;
use uuid::Uuid;

use crate::invoices::{self, owned};
use crate::{Error, Tx, accounts, payments};

/// Most hits of a search.
pub const MAX_HITS: usize = 100;

/// One more than are shown tells that there are more.
const ASKED: i64 = MAX_HITS as i64 + 1;

/// What about an object is what was searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// Its id.
    Id,
    /// The number to pay by hand.
    Ktin,
    /// The token of its payment page.
    Token,
    /// The merchant's reference.
    InvoiceId,
    /// The payer's document.
    Document,
    /// The payer's phone.
    Phone,
    /// The payer's e-mail, in any case.
    Email,
    /// The bank's number of the operation.
    OperationNumber,
}

impl Matched {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Matched::Id => "id",
            Matched::Ktin => "ktin",
            Matched::Token => "token",
            Matched::InvoiceId => "invoice_id",
            Matched::Document => "document",
            Matched::Phone => "phone",
            Matched::Email => "email",
            Matched::OperationNumber => "operation_number",
        }
    }
}

/// Something that was found.
pub struct Hit {
    /// What is what was searched for.
    pub matched: Matched,
    /// What was found.
    pub found: Found,
}

/// What can be found.
pub enum Found {
    /// An invoice, as it is now.
    Invoice(Box<invoices::Known>),
    /// A payment.
    Payment(Box<payments::Known>),
    /// A message of a bank.
    Message(Box<Message>),
    /// An account.
    Account(Box<accounts::Known>),
    /// An event.
    Event {
        /// Its id.
        id: EventId,
        /// Whose it is.
        owner: Owner,
        /// When it happened.
        created: Moment,
        /// What happened.
        kind: EventKind,
        /// To which invoice.
        invoice: Option<InvoiceId>,
    },
    /// A merchant's key.
    Key {
        /// Its id.
        id: KeyId,
        /// Whose it is.
        owner: Owner,
        /// When it was made.
        created: Moment,
        /// What its owner calls it.
        name: String,
    },
    /// A webhook endpoint.
    Endpoint {
        /// Its id.
        id: EndpointId,
        /// Whose it is.
        owner: Owner,
        /// When it was made.
        created: Moment,
        /// Where it is posted to.
        url: String,
    },
    /// A delivery.
    Delivery {
        /// Its id.
        id: DeliveryId,
        /// Whose it is.
        owner: Owner,
        /// When it was made.
        created: Moment,
        /// Where it stands.
        status: DeliveryStatus,
        /// To whom.
        endpoint: EndpointId,
        /// What; `None`: a ping.
        event: Option<EventId>,
    },
}

/// A message of a bank, as it was kept with its answer.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id.
    pub id: CollectionId,
    /// Test or live.
    pub mode: Mode,
    /// `inquire`, `pay` or `reverse`.
    pub verb: String,
    /// Who spoke.
    pub channel: String,
    /// The agreement that it named.
    pub agreement: Option<String>,
    /// When it was answered.
    pub received_at: Moment,
    /// The result.
    pub code: String,
    /// What was wrong with it, or worth a look.
    pub fault: Option<String>,
    /// The number that it named.
    pub ktin: Option<Ktin>,
    /// The bank's number of the operation.
    pub operation_number: Option<String>,
    /// Of a reversal: the payment's number.
    pub original_number: Option<String>,
    /// The bank's time; of a reversal: the payment's.
    pub operated_at: Option<Moment>,
    /// How much.
    pub amount: Option<Amount>,
    /// In which currency.
    pub currency: Option<Currency>,
    /// Of a payment: whether the bank had the money.
    pub cash_taken: Option<bool>,
    /// Our number of the operation.
    pub number: Option<i64>,
    /// Whose invoice it was about.
    pub account: Option<AccountId>,
    /// The invoice.
    pub invoice: Option<InvoiceId>,
    /// The money that it brought or took back.
    pub payment: Option<PaymentId>,
}

pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    pub(crate) livemode: bool,
    pub(crate) verb: String,
    pub(crate) channel: String,
    pub(crate) agreement: Option<String>,
    pub(crate) received_at: chrono::DateTime<chrono::Utc>,
    pub(crate) code: String,
    pub(crate) fault: Option<String>,
    pub(crate) ktin: Option<i64>,
    pub(crate) operation_number: Option<String>,
    pub(crate) original_number: Option<String>,
    pub(crate) operated_at: Option<chrono::DateTime<chrono::Utc>>,
    pub(crate) amount: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) cash_taken: Option<bool>,
    pub(crate) number: Option<i64>,
    pub(crate) account_id: Option<Uuid>,
    pub(crate) invoice: Option<Uuid>,
    pub(crate) payment: Option<Uuid>,
}

impl TryFrom<MessageRow> for Message {
    type Error = Error;

    fn try_from(row: MessageRow) -> Result<Message, Error> {
        let corrupt = || Error::Corrupt { table: "collections", id: row.id };
        let amount = row.amount.map(|amount| Amount::from_centimos(amount).ok_or_else(corrupt));
        let currency = row.currency.as_deref().map(|text| Currency::parse(text).map_err(|_| corrupt()));
        Ok(Message {
            id: Id::from_uuid(row.id),
            mode: Mode::from_livemode(row.livemode),
            received_at: Moment::truncated(row.received_at),
            ktin: row.ktin.map(Ktin::from_number),
            operated_at: row.operated_at.map(Moment::truncated),
            amount: amount.transpose()?,
            currency: currency.transpose()?,
            account: row.account_id.map(Id::from_uuid),
            invoice: row.invoice.map(Id::from_uuid),
            payment: row.payment.map(Id::from_uuid),
            verb: row.verb,
            channel: row.channel,
            agreement: row.agreement,
            code: row.code,
            fault: row.fault,
            operation_number: row.operation_number,
            original_number: row.original_number,
            cash_taken: row.cash_taken,
            number: row.number,
        })
    }
}

/// The columns of [`MessageRow`], then the rest of the statement. What is found is made whole before it is ordered: else
/// the planner may walk the newest messages until it has met enough.
macro_rules! select_messages {
    ($condition:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            MessageRow,
            r#"
            with found as materialized (
                select id, livemode, verb, channel, agreement, received_at, code, fault, ktin, operation_number,
                       original_number, operated_at, amount, currency, cash_taken, number, account_id, invoice, payment
                from collections where "# + $condition + r#"
            )
            select id as "id!", livemode as "livemode!", verb as "verb!", channel as "channel!", agreement,
                   received_at as "received_at!", code as "code!", fault, ktin, operation_number, original_number,
                   operated_at, amount, currency, cash_taken, number, account_id, invoice, payment
            from found order by id desc limit $1
            "#,
            $($bind),*
        )
    };
}

/// One look for each account and mode; the newest of all that is found.
macro_rules! each_owners_invoices {
    ($condition:literal, $text:expr) => {
        sqlx::query!(
            r#"
            select found.account_id, found.livemode, found.id
            from accounts cross join (values (true), (false)) as modes (livemode) cross join lateral (
                select account_id, livemode, id from invoices
                where account_id = accounts.id and invoices.livemode = modes.livemode and "#
                + $condition
                + r#"
                order by id desc limit $2) found
            order by found.id desc limit $2
            "#,
            $text,
            ASKED,
        )
    };
}

type Owned<K> = (Owner, Id<K>);

impl Tx {
    /// Whose invoice this is, for support, who knows only its id.
    pub async fn owner_of_invoice(&mut self, id: InvoiceId, mode: Mode) -> Result<Option<Owner>, Error> {
        let row = sqlx::query!(
            r#"
            select found.account_id, found.livemode, found.id
            from accounts cross join lateral (
                select account_id, livemode, id from invoices
                where account_id = accounts.id and livemode = $1 and id = $2) found
            "#,
            mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| owned(row.account_id, row.livemode, row.id).0))
    }

    /// All that `text` names exactly, newest first, and whether there is more than [`MAX_HITS`].
    pub async fn search(&mut self, text: &str) -> Result<(Vec<Hit>, bool), Error> {
        let mut hits = Vec::new();
        hits.extend(self.object_of_id(text).await?.map(|found| Hit { matched: Matched::Id, found }));
        hits.extend(self.invoices_by_any_name(text).await?);
        hits.extend(self.money_by_number(text).await?);
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.found.uuid()));
        let has_more = hits.len() > MAX_HITS;
        hits.truncate(MAX_HITS);
        Ok((hits, has_more))
    }

    async fn object_of_id(&mut self, text: &str) -> Result<Option<Found>, Error> {
        if let Some((id, mode)) = in_either_mode(text) {
            return self.found_invoice(id, mode).await;
        }
        if let Some((id, mode)) = in_either_mode(text) {
            return self.found_payment(id, mode).await;
        }
        if let Some((id, mode)) = in_either_mode(text) {
            return self.found_event(id, mode).await;
        }
        if let Some((id, _)) = in_either_mode(text) {
            return Ok(self.account(id).await?.map(|known| Found::Account(Box::new(known))));
        }
        if let Some((id, mode)) = in_either_mode(text) {
            return self.found_key(id, mode).await;
        }
        if let Some((id, mode)) = in_either_mode(text) {
            return self.found_endpoint(id, mode).await;
        }
        if let Some((id, mode)) = in_either_mode(text) {
            return self.found_delivery(id, mode).await;
        }
        if let Some((id, _)) = in_either_mode::<domain::id::CollectionKind>(text) {
            let message = select_messages!("id = $2", 1, id.uuid()).fetch_optional(self.connection()).await?;
            return message.map(found_message).transpose();
        }
        Ok(None)
    }

    async fn found_invoice(&mut self, id: InvoiceId, mode: Mode) -> Result<Option<Found>, Error> {
        let Some(owner) = self.owner_of_invoice(id, mode).await? else { return Ok(None) };
        let known = self.invoices(owner).get(id).await?;
        Ok(known.map(|known| Found::Invoice(Box::new(known))))
    }

    async fn found_payment(&mut self, id: PaymentId, mode: Mode) -> Result<Option<Found>, Error> {
        let Some(owner) = self.owner_of_payment(id, mode).await? else { return Ok(None) };
        let known = self.payments(owner).get(id).await?;
        Ok(known.map(|known| Found::Payment(Box::new(known))))
    }

    async fn found_event(&mut self, id: EventId, mode: Mode) -> Result<Option<Found>, Error> {
        let row = sqlx::query!(
            r#"
            select accounts.id as account_id, created_at, type, invoice
            from accounts cross join lateral (
                select events.created as created_at, type, invoice from events
                where account_id = accounts.id and livemode = $1 and id = $2) found
            "#,
            mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let kind = EventKind::parse(&row.r#type).ok_or(Error::Corrupt { table: "events", id: id.uuid() })?;
        let (owner, created) = (owner(row.account_id, mode), Moment::truncated(row.created_at));
        Ok(Some(Found::Event { id, owner, created, kind, invoice: row.invoice.map(Id::from_uuid) }))
    }

    async fn found_key(&mut self, id: KeyId, mode: Mode) -> Result<Option<Found>, Error> {
        let row = sqlx::query!(
            r#"
            select accounts.id as account_id, made, key_name
            from accounts cross join lateral (
                select api_keys.created as made, api_keys.name as key_name from api_keys
                where account_id = accounts.id and livemode = $1 and id = $2) found
            "#,
            mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| Found::Key {
            id,
            owner: owner(row.account_id, mode),
            created: Moment::truncated(row.made),
            name: row.key_name,
        }))
    }

    async fn found_endpoint(&mut self, id: EndpointId, mode: Mode) -> Result<Option<Found>, Error> {
        let row = sqlx::query!(
            r#"
            select accounts.id as account_id, made, url
            from accounts cross join lateral (
                select webhook_endpoints.created as made, url from webhook_endpoints
                where account_id = accounts.id and livemode = $1 and id = $2) found
            "#,
            mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| Found::Endpoint {
            id,
            owner: owner(row.account_id, mode),
            created: Moment::truncated(row.made),
            url: row.url,
        }))
    }

    async fn found_delivery(&mut self, id: DeliveryId, mode: Mode) -> Result<Option<Found>, Error> {
        let row = sqlx::query!(
            r#"
            select accounts.id as account_id, made, status, endpoint, event
            from accounts cross join lateral (
                select deliveries.created as made, status, endpoint, event from deliveries
                where account_id = accounts.id and livemode = $1 and id = $2) found
            "#,
            mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let corrupt = Error::Corrupt { table: "deliveries", id: id.uuid() };
        Ok(Some(Found::Delivery {
            id,
            owner: owner(row.account_id, mode),
            created: Moment::truncated(row.made),
            status: DeliveryStatus::parse(&row.status).ok_or(corrupt)?,
            endpoint: Id::from_uuid(row.endpoint),
            event: row.event.map(Id::from_uuid),
        }))
    }

    /// Each invoice once, by the most telling of its names.
    async fn invoices_by_any_name(&mut self, text: &str) -> Result<Vec<Hit>, Error> {
        let mut named: Vec<(Matched, Owner, InvoiceId)> = Vec::new();
        let mut add = |matched, found: Vec<Owned<domain::id::InvoiceKind>>| {
            for (owner, id) in found {
                if !named.iter().any(|(_, whose, known)| (*whose, *known) == (owner, id)) {
                    named.push((matched, owner, id));
                }
            }
        };
        if let Some(ktin) = ktin(text) {
            add(Matched::Ktin, self.owner_of_ktin(ktin).await?.into_iter().collect());
        }
        let token = Token::from_stored(text.to_owned());
        add(Matched::Token, self.owner_of_token(&token).await?.into_iter().collect());
        add(Matched::InvoiceId, self.invoices_of_reference(text).await?);
        add(Matched::Document, self.invoices_of_document(text).await?);
        for phone in phones(text) {
            add(Matched::Phone, self.invoices_of_phone(&phone).await?);
        }
        add(Matched::Email, self.invoices_of_email(text).await?);
        named.sort_by_key(|(_, _, id)| std::cmp::Reverse(*id));
        named.truncate(MAX_HITS + 1);
        let ids: Vec<(Owner, InvoiceId)> = named.iter().map(|(_, owner, id)| (*owner, *id)).collect();
        let known = self.invoices_of(&ids).await?;
        let hit = |known: invoices::Known| {
            let own = (known.invoice.owner, known.invoice.id);
            let (matched, ..) = named.iter().find(|(_, owner, id)| (*owner, *id) == own)?;
            Some(Hit { matched: *matched, found: Found::Invoice(Box::new(known)) })
        };
        Ok(known.into_iter().flatten().filter_map(hit).collect())
    }

    async fn invoices_of_reference(
        &mut self,
        text: &str,
    ) -> Result<Vec<Owned<domain::id::InvoiceKind>>, Error> {
        let rows = each_owners_invoices!("invoice_id = $1", text).fetch_all(self.connection()).await?;
        Ok(rows.into_iter().map(|row| owned(row.account_id, row.livemode, row.id)).collect())
    }

    async fn invoices_of_document(
        &mut self,
        text: &str,
    ) -> Result<Vec<Owned<domain::id::InvoiceKind>>, Error> {
        let rows =
            each_owners_invoices!("customer->>'document_id' = $1", text).fetch_all(self.connection()).await?;
        Ok(rows.into_iter().map(|row| owned(row.account_id, row.livemode, row.id)).collect())
    }

    async fn invoices_of_phone(&mut self, text: &str) -> Result<Vec<Owned<domain::id::InvoiceKind>>, Error> {
        let rows =
            each_owners_invoices!("customer->>'phone' = $1", text).fetch_all(self.connection()).await?;
        Ok(rows.into_iter().map(|row| owned(row.account_id, row.livemode, row.id)).collect())
    }

    async fn invoices_of_email(&mut self, text: &str) -> Result<Vec<Owned<domain::id::InvoiceKind>>, Error> {
        let rows = each_owners_invoices!(
            "lower(customer->>'email') = lower($1) and customer->>'email' is not null",
            text
        )
        .fetch_all(self.connection())
        .await?;
        Ok(rows.into_iter().map(|row| owned(row.account_id, row.livemode, row.id)).collect())
    }

    /// What banks call so; also what was refused, and what was about a number that nobody has.
    async fn money_by_number(&mut self, text: &str) -> Result<Vec<Hit>, Error> {
        let mut hits = Vec::new();
        for (owner, id) in self.payments_of_number(text).await? {
            let known = self.payments(owner).get(id).await?;
            hits.extend(known.map(|known| Found::Payment(Box::new(known))));
        }
        let messages = select_messages!("operation_number = $2 or original_number = $2", ASKED, text)
            .fetch_all(self.connection())
            .await?;
        for message in messages {
            hits.push(found_message(message)?);
        }
        let matched = Matched::OperationNumber;
        let mut hits: Vec<Hit> = hits.into_iter().map(|found| Hit { matched, found }).collect();
        if let Some(ktin) = number(text) {
            let nobodys = select_messages!("ktin = $2 and invoice is null", ASKED, ktin.number())
                .fetch_all(self.connection())
                .await?;
            for message in nobodys {
                let found = found_message(message)?;
                if !hits.iter().any(|hit| hit.found.uuid() == found.uuid()) {
                    hits.push(Hit { matched: Matched::Ktin, found });
                }
            }
        }
        Ok(hits)
    }

    async fn payments_of_number(&mut self, text: &str) -> Result<Vec<Owned<domain::id::PaymentKind>>, Error> {
        let rows = sqlx::query!(
            r#"
            select found.account_id, found.livemode, found.id
            from accounts cross join (values (true), (false)) as modes (livemode) cross join lateral (
                select account_id, livemode, id from payments
                where account_id = accounts.id and payments.livemode = modes.livemode and operation_number = $1
                order by id desc limit $2) found
            order by found.id desc limit $2
            "#,
            text,
            ASKED,
        )
        .fetch_all(self.connection())
        .await?;
        let found = |row_account, livemode, id| {
            (owner(row_account, Mode::from_livemode(livemode)), Id::from_uuid(id))
        };
        Ok(rows.into_iter().map(|row| found(row.account_id, row.livemode, row.id)).collect())
    }
}

impl Found {
    /// Ids begin with the time when they were made.
    fn uuid(&self) -> Uuid {
        match self {
            Found::Invoice(known) => known.invoice.id.uuid(),
            Found::Payment(known) => known.payment.id.uuid(),
            Found::Message(message) => message.id.uuid(),
            Found::Account(known) => known.account.id.uuid(),
            Found::Event { id, .. } => id.uuid(),
            Found::Key { id, .. } => id.uuid(),
            Found::Endpoint { id, .. } => id.uuid(),
            Found::Delivery { id, .. } => id.uuid(),
        }
    }
}

fn owner(account: Uuid, mode: Mode) -> Owner {
    Owner { account: AccountId::from_uuid(account), mode }
}

fn found_message(row: MessageRow) -> Result<Found, Error> {
    Ok(Found::Message(Box::new(row.try_into()?)))
}

/// An id of the kind that is asked for; it says itself which mode it is of.
pub fn in_either_mode<K: Kind>(text: &str) -> Option<(Id<K>, Mode)> {
    [Mode::Live, Mode::Test].into_iter().find_map(|mode| Id::parse(text, mode).map(|id| (id, mode)))
}

/// As it is printed, in groups of four.
fn ktin(text: &str) -> Option<Ktin> {
    Ktin::parse(&without_blanks(text))
}

/// What a payer typed for a ktin, and no invoice has.
fn number(text: &str) -> Option<Ktin> {
    let digits = without_blanks(text);
    Some(ktin(&digits).unwrap_or_else(|| Ktin::mistyped(&digits))).filter(|ktin| ktin.number() > 0)
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|letter| *letter != ' ').collect()
}

/// A phone is kept with its plus, which is a blank in a query that was not encoded.
fn phones(text: &str) -> Vec<String> {
    let is_bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plus = is_bare.then(|| format!("+{text}"));
    [text.to_owned()].into_iter().chain(plus).collect()
}

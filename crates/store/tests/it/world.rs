//! The cast: a database of its own, a shop with two modes, a bank, and whoever looks behind the store's back.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::account::{Account, Mode, Owner};
use domain::change::{Change, Stamp};
use domain::event::EventKind;
use domain::id::{AccountId, InvoiceId, PaymentId};
use domain::invoice::draft::NewInvoice;
use domain::invoice::{Amendment, Invoice, Refusal};
use domain::money::{Amount, Currency};
use domain::payment::{Payment, PaymentStatus};
use domain::reference::Reference;
use domain::time::Moment;
use postgres_dev::testing;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use store::{Answer, Claim, Create, Error, Failure, Once, Settings, Store, migrate};
use tokio::sync::{Barrier, Notify};

/// How a store's sessions are named on the server.
const SESSIONS: &str = "kashio-store";
/// Connections of a store, beside the few it keeps aside.
pub(crate) const CONNECTIONS: u32 = 5;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) account: Account,
    /// Sessions of the test itself.
    pub(crate) sql: PgPool,
    pub(crate) connect: PgConnectOptions,
}

/// Why a verb did not happen.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Refusal),
    Absent,
    Store(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Store(error)
    }
}

impl Failure for Stop {
    fn as_store(&self) -> Option<&Error> {
        match self {
            Stop::Store(error) => Some(error),
            Stop::Refused(_) | Stop::Absent => None,
        }
    }
}

/// What a verb did: the invoice after it, and what merchants are told, if anything.
pub(crate) struct Did {
    pub(crate) invoice: Invoice,
    pub(crate) told: Option<EventKind>,
}

impl World {
    pub(crate) async fn new() -> World {
        World::on(database().await).await
    }

    /// The world on a database that somebody has prepared.
    pub(crate) async fn on(database: testing::TestDatabase) -> World {
        let connect: PgConnectOptions = database.url().parse().unwrap();
        let sql = PgPoolOptions::new().max_connections(3).connect_lazy_with(connect.clone());
        let world = World { store: open(&connect).await, account: shop("Bodega Rosita"), sql, connect };
        world.put_account(&world.account).await;
        world
    }

    /// Another process on the same database.
    pub(crate) async fn replica(&self) -> Store {
        open(&self.connect).await
    }

    pub(crate) fn owner(&self) -> Owner {
        self.owner_in(Mode::Test)
    }

    pub(crate) fn owner_in(&self, mode: Mode) -> Owner {
        Owner { account: self.account.id, mode }
    }

    pub(crate) fn now(&self) -> Moment {
        self.store.clock().now()
    }

    pub(crate) async fn put_account(&self, account: &Account) {
        let account = account.clone();
        self.store
            .transaction("put_account", move |tx| {
                let account = account.clone();
                Box::pin(async move { tx.put_account(&account).await.map(|_| ()) })
            })
            .await
            .unwrap();
    }

    /// The change that would open an invoice of the shop.
    pub(crate) async fn opening(&self, new: NewInvoice) -> Change {
        self.opening_of(self.owner(), new).await
    }

    pub(crate) async fn opening_of(&self, owner: Owner, new: NewInvoice) -> Change {
        Invoice::open(owner, &self.account, new, self.store.opening().await.unwrap())
    }

    pub(crate) async fn open_invoice(&self, new: NewInvoice) -> Invoice {
        self.open_invoice_of(self.owner(), new).await
    }

    pub(crate) async fn open_invoice_of(&self, owner: Owner, new: NewInvoice) -> Invoice {
        let change = self.opening_of(owner, new).await;
        let invoice = opened(&change).clone();
        let opened = self.store.create(vec![silent(change)]).await.unwrap();
        assert!(opened.contains(&invoice.id), "the invoice was seen before");
        invoice
    }

    /// Lock → verb → save, as every handler does it.
    pub(crate) async fn change<V>(&self, invoice: &Invoice, verb: V) -> Result<Did, Stop>
    where
        V: Fn(&Invoice, Stamp) -> Result<Change, Refusal> + Clone + Send + Sync + 'static,
    {
        change(&self.store, invoice.owner, invoice.id, verb).await
    }

    pub(crate) async fn pay(&self, invoice: &Invoice, paid_at: Moment) -> Result<Did, Stop> {
        let payment = self.bank_took(invoice, paid_at);
        self.change(invoice, move |invoice, stamp| invoice.pay(payment.clone(), stamp)).await
    }

    pub(crate) async fn void(&self, invoice: &Invoice) -> Result<Did, Stop> {
        self.change(invoice, Invoice::void).await
    }

    pub(crate) async fn expire(&self, invoice: &Invoice) -> Result<Did, Stop> {
        self.change(invoice, Invoice::expire).await
    }

    pub(crate) async fn amend(&self, invoice: &Invoice, wish: Amendment) -> Result<Did, Stop> {
        self.change(invoice, move |invoice, stamp| invoice.amend(wish, stamp)).await
    }

    /// The invoice as it is stored.
    pub(crate) async fn find(&self, owner: Owner, id: InvoiceId) -> Option<Invoice> {
        let found = self.store.read("find", move |tx| Box::pin(tx.invoices(owner).get(id))).await;
        found.unwrap().map(|known| known.invoice)
    }

    pub(crate) fn bank_took(&self, invoice: &Invoice, paid_at: Moment) -> Payment {
        Payment {
            id: PaymentId::new(self.store.clock().unix_millis(), &rand::random()),
            owner: invoice.owner,
            invoice: invoice.id,
            ktin: invoice.order.ktin,
            amount: invoice.terms.sub_total,
            currency: Currency::Pen,
            channel: "bcp".to_owned(),
            operation_number: "000123".to_owned(),
            paid_at,
            received_at: self.now(),
            status: PaymentStatus::Applied,
            replaced: None,
        }
    }

    /// Counts by a statement of one number.
    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.sql).await.unwrap()
    }

    pub(crate) async fn execute(&self, statement: impl Into<String>) {
        self.try_execute(statement).await.unwrap();
    }

    pub(crate) async fn try_execute(&self, statement: impl Into<String>) -> Result<u64, sqlx::Error> {
        let statement = AssertSqlSafe(statement.into());
        let done = sqlx::query(statement).execute(&self.sql).await?;
        Ok(done.rows_affected())
    }

    /// Invoices, events, claims and payments that there are.
    pub(crate) async fn rows(&self) -> [i64; 4] {
        [
            self.count("select count(*) from invoices").await,
            self.count("select count(*) from events").await,
            self.count("select count(*) from idempotency_keys").await,
            self.count("select count(*) from payments").await,
        ]
    }

    /// Sessions of the stores that wait for a lock of somebody's.
    pub(crate) async fn waiting(&self) -> i64 {
        self.count(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name = 'kashio-store'
               and wait_event_type = 'Lock'",
        )
        .await
    }

    /// Sessions of the stores that are inside a transaction, at work or idle.
    pub(crate) async fn in_transaction(&self) -> i64 {
        self.count(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name = 'kashio-store'
               and xact_start is not null",
        )
        .await
    }

    /// Cuts every session of the stores; how many there were.
    pub(crate) async fn cut_sessions(&self) -> i64 {
        let cut = self
            .count(
                "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
                 where datname = current_database() and application_name = 'kashio-store'",
            )
            .await;
        assert!(cut > 0, "there was no session to cut");
        cut
    }

    /// As many as there may be are in use at the same moment.
    async fn every_connection_is_open(&self) {
        let all_here = Arc::new(Barrier::new(CONNECTIONS as usize));
        let using = (0..CONNECTIONS).map(|_| {
            let all_here = all_here.clone();
            self.store.transaction::<_, Error, _>("use", move |_| {
                let all_here = all_here.clone();
                Box::pin(async move {
                    all_here.wait().await;
                    Ok(())
                })
            })
        });
        for used in futures_util::future::join_all(using).await {
            used.unwrap();
        }
    }

    /// Each connection of the pool, all at once, begins, writes and commits; nobody is left in a transaction.
    pub(crate) async fn pool_is_well(&self) {
        self.every_connection_is_open().await;
        let before = self.count("select count(*) from invoices").await;
        let opened = (0..CONNECTIONS * 2).map(|_| self.open_invoice(order(&unique("well"))));
        let opened = futures_util::future::join_all(opened).await;
        let visible = self.count("select count(*) from invoices").await - before;
        assert_eq!(visible, i64::try_from(opened.len()).unwrap());
        until("every session is out of its transaction", async || self.in_transaction().await == 0).await;
    }
}

/// A handler's answer, as `once` wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told(pub(crate) Answer);

impl AsRef<Answer> for Told {
    fn as_ref(&self) -> &Answer {
        &self.0
    }
}

pub(crate) fn answer(body: &[u8]) -> Answer {
    Answer {
        status: 201,
        etag: Some("\"1\"".to_owned()),
        location: Some("https://api.kashio.net/v1/payments/invoices/inv_test_1".to_owned()),
        body: Bytes::copy_from_slice(body),
    }
}

pub(crate) fn claim(owner: Owner, key: &str, request: u8) -> Claim {
    Claim { owner, key: key.to_owned(), request: [request; 32] }
}

/// Opens the invoice of `change` once, and answers with `body`.
pub(crate) async fn open_once(
    store: &Store,
    claim: Option<Claim>,
    change: Change,
    body: &[u8],
) -> Result<Once<Told>, Error> {
    let told = Told(answer(body));
    store
        .once("open_once", claim, move |tx| {
            let (change, told) = (change.clone(), told.clone());
            Box::pin(async move {
                tx.save(&[change]).await?;
                Ok(told)
            })
        })
        .await
}

/// Work stops here until it is let go on.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Notify, Notify)>);

impl Gate {
    /// For the work: tells that it is here, and waits.
    pub(crate) async fn stop(&self) {
        self.0.0.notify_one();
        self.0.1.notified().await;
    }

    /// For the test: until the work is here.
    pub(crate) async fn reached(&self) {
        self.0.0.notified().await;
    }

    /// For the test: lets the work go on.
    pub(crate) fn open(&self) {
        self.0.1.notify_one();
    }
}

/// A clone of the migrated template.
pub(crate) async fn database() -> testing::TestDatabase {
    let prepare = |url: String| async move {
        let connect: PgConnectOptions = url.parse()?;
        migrate::up(&connect, |_| {}).await?;
        Ok(())
    };
    testing::database(&migrate::fingerprint(), prepare).await.unwrap()
}

/// A database with nothing in it.
pub(crate) async fn empty_database() -> testing::TestDatabase {
    testing::database("store: empty", |_| async { Ok(()) }).await.unwrap()
}

pub(crate) async fn open(connect: &PgConnectOptions) -> Store {
    let connect = connect.clone().application_name(SESSIONS);
    let sealer = store::seal::Sealer::new(vec![("test".to_owned(), [7; 32])]);
    let settings = Settings { connect, connections: CONNECTIONS, group_connections: 2, sealer };
    Store::open(settings).await.unwrap()
}

/// Lock → verb → save, through one of several stores.
pub(crate) async fn change<V>(store: &Store, owner: Owner, id: InvoiceId, verb: V) -> Result<Did, Stop>
where
    V: Fn(&Invoice, Stamp) -> Result<Change, Refusal> + Clone + Send + Sync + 'static,
{
    store
        .transaction("change_invoice", move |tx| {
            let verb = verb.clone();
            Box::pin(async move {
                let known = tx.invoices(owner).lock(id).await?.ok_or(Stop::Absent)?;
                let stamp = tx.store().stamp(known.at)?;
                let change = verb(&known.invoice, stamp).map_err(Stop::Refused)?;
                tx.save(std::slice::from_ref(&change)).await?;
                Ok(Did {
                    invoice: change.after(&known.invoice).clone(),
                    told: change.event.map(|event| event.kind),
                })
            })
        })
        .await
}

pub(crate) fn shop(name: &str) -> Account {
    let id = AccountId::from_uuid(uuid::Builder::from_random_bytes(rand::random()).into_uuid());
    Account { live_enabled: true, ..Account::new(id, name.to_owned()) }
}

/// An order of 20 soles with nothing but what is required.
pub(crate) fn order(reference: &str) -> NewInvoice {
    NewInvoice {
        reference: Reference::parse(reference.to_owned()).unwrap(),
        currency: Currency::Pen,
        amount: money("20.00"),
        request_datetime: None,
        due: None,
        expires: None,
        customer: None,
        sub_merchant: None,
        url_success: None,
        url_error: None,
        metadata: None,
        size_qr: None,
    }
}

pub(crate) fn money(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

/// A reference that nobody else has.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{:016x}", rand::random::<u64>())
}

/// A create without a key to remember.
pub(crate) fn silent(change: Change) -> Create {
    Create { change, remember: None }
}

/// The invoice that a change opens.
pub(crate) fn opened(change: &Change) -> &Invoice {
    match &change.invoice {
        Some((invoice, 0)) => invoice,
        _ => panic!("the change opens nothing"),
    }
}

/// Looks until it is so: for what another session does, which nobody here can await.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) {
    until_within(Duration::from_secs(10), what, look).await;
}

pub(crate) async fn until_within<F: Future<Output = bool>>(
    limit: Duration,
    what: &str,
    look: impl Fn() -> F,
) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let so = tokio::time::timeout(limit, looking).await;
    assert!(so.is_ok(), "not so after {limit:?}: {what}");
}

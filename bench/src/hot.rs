//! The functions of `domain` and `wire` that every request goes through, each as a call without arguments: for criterion
//! (`benches/hot.rs`), which tells nanoseconds, and for callgrind (`bench/instructions`), which tells instructions: those
//! are the same on a busy machine.
//!
//! To add one: a line in [`all`].

use std::hint::black_box;

use domain::account::{Account, Mode, Owner};
use domain::change::{Opening, Stamp};
use domain::field::Faults;
use domain::id::{Id, InvoiceId};
use domain::invoice::{Invoice, Token};
use domain::ktin::Ktin;
use domain::money::Amount;
use domain::signature::WebhookSecret;
use domain::time::Moment;
use uuid::Uuid;
use wire::invoice::View;
use wire::version::Version;

/// The create request of the document.
const BODY: &[u8] = include_bytes!("../../crates/kashio/tests/it/samples/2020-create.json");

/// A function, and what it is called here.
pub struct Hot {
    pub name: &'static str,
    pub call: Box<dyn Fn()>,
}

fn hot<T>(name: &'static str, call: impl Fn() -> T + 'static) -> Hot {
    Hot { name, call: Box::new(move || drop(black_box(call()))) }
}

fn id<K>(number: u128) -> Id<K> {
    Id::from_uuid(Uuid::from_u128(0x0196_8f5e_7d00_7000_8000_0000_0000_0000 + number))
}

fn understood(account: &Account) -> Option<domain::invoice::draft::NewInvoice> {
    let object = wire::json::parse_object(black_box(BODY)).ok()?;
    wire::create::read(object).draft.parse(account, &mut Faults::default())
}

/// Every one of them; `None` when the sample is no invoice any more.
pub fn all() -> Option<Vec<Hot>> {
    let account = Account::new(id(1), "Bodega Rosita".to_owned());
    let at = Moment::parse("2020-01-01T05:00:01").ok()?;
    let opening = Opening {
        stamp: Stamp { at, event: id(2) },
        id: id(3),
        ktin: Ktin::compose(at.lima_day(), 0, &[7; 16])?,
        token: Token::from_random([9; 16]),
    };
    let owner = Owner { account: account.id, mode: Mode::Test };
    let (invoice, _) = Invoice::open(owner, &account, understood(&account)?, opening).invoice?;
    let render = |invoice: &Invoice| {
        let view = View { version: Version::V1_0_0, page_url: "https://api.kashio.net" };
        wire::invoice::render(&invoice.as_changed_at(invoice.created), view)
    };
    let rendered = render(&invoice);
    let page = vec![rendered.clone(); 20];
    let canonical = wire::json::parse(BODY).ok()?;
    let (ktin, day) = (invoice.order.ktin.to_string(), at.lima_day());
    let invoice_id: InvoiceId = id(3);
    let text = invoice_id.text(Mode::Test);
    let secret = WebhookSecret::from_random([5; 32]);

    Some(vec![
        hot("create_read", move || understood(&account)),
        hot("body_canonical", move || wire::json::canonical(black_box(&canonical), &[])),
        hot("invoice_render", move || render(black_box(&invoice))),
        hot("list_render", move || wire::list::render(black_box(&page), true)),
        hot("webhook_sign", move || {
            secret.sign("eve_test_2Lx8hVvQ4nRkTz7WmYb3Cd", 1_577_854_801, black_box(&rendered))
        }),
        hot("ktin_compose", move || Ktin::compose(black_box(day), 77, &[7; 16])),
        hot("ktin_parse", move || Ktin::parse(black_box(&ktin))),
        hot("id_text", move || black_box(invoice_id).text(Mode::Test)),
        hot("id_parse", move || InvoiceId::parse(black_box(&text), Mode::Test)),
        hot("amount_parse", || Amount::parse(black_box("999999999.99"))),
        hot("moment_parse", || Moment::parse(black_box("2020-01-01T05:00:01"))),
        hot("moment_text", move || black_box(at).to_string()),
    ])
}

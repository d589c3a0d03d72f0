//! The payment page as payers meet it: in each state, in both languages, and whatever merchants and strangers wrote.
//! What a browser makes of it is tried by `.ci/browser`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::account::{Account, CollectionChannel, Instructions, Mode};
use domain::collection::{Channel, ResultCode, Said, Verb};
use domain::ktin::Ktin;
use domain::late_fee::LateFee;
use domain::money::{Amount, Currency};
use domain::time::Moment;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::collections::{Call, Outcome};

use crate::world::{Answer, INVOICES, Merchant, World, order};

const MAX_BYTES: usize = 60 * 1_024;
const PAGE_URL: &str = "https://api.kashio.test";

/// A merchant whose places to pay and late fee are known, and the bank that he works with.
struct Street {
    world: World,
    shop: Merchant,
}

impl Street {
    async fn start(mode: Mode) -> Street {
        let world = World::start().await;
        let shop = world.merchant(mode).await;
        let street = Street { world, shop };
        street.furnish(|_| {}).await;
        street
    }

    /// Sets the account and the channels up.
    async fn furnish(&self, change: impl FnOnce(&mut Account)) {
        let at = |channel: &str, agreement: &str, currency, es: Option<&str>| CollectionChannel {
            channel: channel.to_owned(),
            agreement_number: agreement.to_owned(),
            currency,
            instructions: Instructions { es: es.map(str::to_owned), en: None },
        };
        let fee = |centimos| Amount::from_centimos(centimos).unwrap();
        let mut account = Account {
            live_enabled: true,
            late_fee: LateFee::Fixed { pen: fee(350), usd: fee(100) },
            collection_channels: vec![
                at("bcp", "0012345", Currency::Pen, Some("Abra la app.\n\nElija Pagos.\nListo.")),
                at("kasnet", "778", Currency::Pen, None),
                at("closed", "666666", Currency::Pen, None),
                at("bcp", "0099999", Currency::Usd, None),
            ],
            ..Account::new(self.shop.account, "Librería San Marcos".to_owned())
        };
        change(&mut account);
        let channel = |id: &str, name: &str, open| Channel {
            id: id.to_owned(),
            name: name.to_owned(),
            open,
            reversal_days: 0,
        };
        let channels = [channel("bcp", "Banco de Crédito", true), channel("closed", "Banco Cerrado", false)];
        let put = self.world.running().store.transaction::<_, store::Error, _>("test_account", move |tx| {
            let (account, channels) = (account.clone(), channels.clone());
            Box::pin(async move {
                tx.put_account(&account).await?;
                for channel in &channels {
                    tx.put_channel(channel).await?;
                }
                Ok(())
            })
        });
        put.await.unwrap();
    }

    async fn orders(&self, more: Value) -> Value {
        let mut body = order("PED-1");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.shop.create(&body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()
    }

    /// The same, where what is answered may be other than the API document says: the address of a link is kept as it was
    /// sent, quotes and all.
    async fn orders_oddly(&self, more: Value) -> Value {
        let mut body = order("PED-1");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = self.world.client.post(self.world.url(INVOICES)).json(&body);
        request.header("authorization", self.shop.authorization()).send().await.unwrap().json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.world.send(Method::GET, path, &[], None).await
    }

    async fn page(&self, order: &Value) -> Answer {
        let page = self.get(&path_of(order)).await;
        assert_eq!(page.status, 200, "{}", page.text);
        is_sound(&page);
        page
    }

    async fn in_english(&self, order: &Value) -> Answer {
        let headers = [("accept-language", "en-US,en;q=0.9")];
        let page = self.world.send(Method::GET, &path_of(order), &headers, None).await;
        is_sound(&page);
        page
    }

    /// A bank collects what is owed.
    async fn pays(&self, order: &Value) {
        let text = |field: &str| order[field].as_str().unwrap();
        let said = Said {
            agreement: Some("0012345".to_owned()),
            ktin: Some(Ktin::parse(text("ktin")).unwrap()),
            number: Some("00734512".to_owned()),
            at: Some(self.world.running().store.clock().now()),
            amount: Some(Amount::parse(text("amount")).unwrap()),
            currency: Some(Currency::parse(text("currency")).unwrap()),
            ..Said::default()
        };
        let call = Call {
            verb: Verb::Pay,
            channel: "bcp".to_owned(),
            mode: Mode::Live,
            needs_agreement: true,
            said,
            fault: None,
        };
        let answer = self.world.running().store.collect(call, |_: &Outcome| Vec::new()).await.unwrap();
        assert_eq!(answer.code, ResultCode::Ok);
    }

    async fn voids(&self, order: &Value) {
        let path = format!("{INVOICES}/{}", order["id"].as_str().unwrap());
        let request = self.world.client.delete(self.world.url(&path));
        let answer = request.header("authorization", self.shop.authorization()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }
}

fn path_of(order: &Value) -> String {
    let url = order["url_payment"].as_str().unwrap();
    url.strip_prefix(PAGE_URL).unwrap().to_owned()
}

/// What holds of every page, whatever it shows.
fn is_sound(page: &Answer) {
    let text = &page.text;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "no-referrer"));
    assert!(!page.headers.contains_key("set-cookie"));
    assert!(text.len() < MAX_BYTES, "{} bytes", text.len());
    assert!(text.contains("soporte@kashio.net"), "where to write for help");

    let policy = page.header("content-security-policy");
    for wanted in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "connect-src 'self'"] {
        assert!(policy.contains(wanted), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(policy.contains("form-action 'self'"), text.contains("<form"), "{policy}");
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let blocks: Vec<&str> = text.split(&format!("<{element}>")).skip(1).collect();
        assert_eq!(blocks.len(), 1, "one {element}");
        let block = blocks[0].split(&format!("</{element}>")).next().unwrap();
        let allowed = format!("{directive} 'sha256-{}'", STANDARD.encode(Sha256::digest(block)));
        assert!(policy.contains(&allowed), "{policy} does not allow the page's own {element}");
    }
    // Nothing is loaded, and nothing in the markup needs what the policy forbids.
    let markup = text.split("<body").nth(1).unwrap();
    for forbidden in
        [" style=", " onclick=", " src=", "<img", "<iframe", "<object", "javascript:", "@import", "url("]
    {
        assert!(!markup.contains(forbidden), "{forbidden}");
    }
    let head = text.split("<body").next().unwrap();
    assert!(!head.contains("href=\"http") && !head.contains("url("));
    for link in markup.split("<a ").skip(1).filter(|link| link.contains("href=\"http")) {
        let link = link.split('>').next().unwrap();
        assert!(link.contains("rel=\"noopener noreferrer nofollow\""), "{link}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_order_says_what_is_owed_and_where_to_pay_it() {
    let street = Street::start(Mode::Live).await;
    let order = street
        .orders(json!({
            "amount": "1234.50", "due_datetime": "2026-01-02T15:05:00",
            "sub_merchant": { "name": "Colegio Andino", "logo": "https://logos.example/a.png" },
            "url_success": "https://tienda.pe/gracias", "url_error": "https://tienda.pe/carrito",
        }))
        .await;
    let page = street.page(&order).await.text;
    let says = |wanted: &str| assert!(page.contains(wanted), "{wanted} is not on the page:\n{page}");
    says("<html lang=\"es-PE\">");
    says("<bdi class=\"who\">Librería San Marcos</bdi>");
    says("<bdi>Colegio Andino</bdi>");
    // The late fee, and what it makes of the amount.
    says("<span class=\"symbol\">S/</span> <span class=\"number\">1,238.00</span>");
    says("<dd>S/\u{a0}1,234.50</dd>");
    says("<dd>S/\u{a0}3.50</dd>");
    says("Venció el");
    says(
        "<time datetime=\"2026-01-02T15:05:00Z\">viernes 2 de enero de 2026, 10:05\u{a0}a.\u{a0}m. (hora de Lima)</time>",
    );
    let ktin = order["ktin"].as_str().unwrap();
    says(&format!("<span>{}</span> <span>{}</span> <span>{}</span>", &ktin[..4], &ktin[4..8], &ktin[8..]));
    says(&format!("data-copy=\"{ktin}\""));
    // The bank by its name, and the merchant's own steps; the agent by its id, and ours.
    says("<bdi class=\"name\">Banco de Crédito</bdi>");
    says("<span translate=\"no\">0012345</span>");
    says("<li>Abra la app.</li>\n<li>Elija Pagos.</li>\n<li>Listo.</li>");
    says("<bdi class=\"name\">kasnet</bdi>");
    says("<li>Busque el convenio 778.</li>");
    says("href=\"https://tienda.pe/carrito\"");
    for absent in
        ["666666", "Banco Cerrado", "0099999", "gracias", "logos.example", "MODO DE PRUEBA", "<form"]
    {
        assert!(!page.contains(absent), "{absent}");
    }

    let english = street.in_english(&order).await.text;
    for wanted in [
        "<html lang=\"en\">",
        "Amount due",
        "Friday, January 2, 2026, 10:05\u{a0}a.m. (Lima time)",
        // The merchant wrote them in Spanish only.
        "<ol lang=\"es\">",
        "Look for agreement 778.",
    ] {
        assert!(english.contains(wanted), "{wanted}");
    }
    // The address wins over the browser.
    let spanish = street.get(&format!("{}?lang=es", path_of(&order))).await;
    assert!(spanish.text.contains("Monto por pagar") && spanish.header("content-language") == "es-PE");
    let english = street.get(&format!("{}?lang=en&utm_source=correo", path_of(&order))).await;
    assert!(english.text.contains("Amount due") && english.header("content-language") == "en");
}

#[tokio::test(flavor = "multi_thread")]
async fn dollars_are_paid_where_dollars_are_taken() {
    let street = Street::start(Mode::Live).await;
    let order = street.orders(json!({ "currency": "USD" })).await;
    let page = street.page(&order).await.text;
    assert!(
        page.contains("<span class=\"symbol\">US$</span> <span class=\"number\">20.00</span>")
            && page.contains("0099999")
    );
    assert!(!page.contains("0012345") && !page.contains("kasnet"));
    street.furnish(|account| account.collection_channels.clear()).await;
    assert!(street.page(&order).await.text.contains("todavía no ofrece bancos ni agentes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_writes_instructions_a_step_a_line() {
    let street = Street::start(Mode::Live).await;
    let order = street.orders(json!({})).await;
    let console = street.world.console().await;
    let account = format!("/internal/v1/accounts/{}", street.shop.account.text(Mode::Test));
    let channels = json!({ "collection_channels": [{
        "channel": "bcp", "agreement_number": "5", "currency": "PEN",
        "instructions": { "es": "Abra la app.\r\nPague.", "en": "Open the app.\nPay." },
    }] });
    let changed = console.call(Method::PATCH, &account, &[], Some(&channels)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert!(street.page(&order).await.text.contains("<li>Abra la app.</li>\n<li>Pague.</li>"));
    let english = street.in_english(&order).await.text;
    assert!(english.contains("<ol>\n<li>Open the app.</li>\n<li>Pay.</li>"), "{english}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_shows_its_receipt() {
    let street = Street::start(Mode::Live).await;
    let order = street
        .orders(json!({ "url_success": "https://tienda.pe/gracias?a=1&b=2", "url_error": "https://tienda.pe/carrito" }))
        .await;
    let status = format!("{}/status", path_of(&order));
    let before = street.get(&status).await.json();
    assert_eq!(
        before,
        json!({
            "object": "payment_page", "livemode": true, "status": "pending", "currency": "PEN", "amount": "20.00",
            "expiration_datetime": order["expiration_datetime"],
        })
    );
    // The page knows what its script will be told.
    let known = serde_json::to_string(&before).unwrap().replace('"', "&#34;");
    assert!(street.page(&order).await.text.contains(&format!("data-known=\"{known}\"")));

    street.pays(&order).await;
    let after = street.get(&status).await.json();
    assert_eq!(after["status"], "paid");
    let paid_at = Moment::parse(after["paid_at"].as_str().unwrap()).unwrap();
    let page = street.page(&order).await.text;
    for wanted in [
        "Constancia de pago",
        "<dd>S/\u{a0}20.00</dd>",
        "<bdi>Librería San Marcos</bdi>",
        "<bdi>PED-1</bdi>",
        "<dd translate=\"no\">00734512</dd>",
        "<bdi>Banco de Crédito</bdi>",
        &format!("<time datetime=\"{paid_at}Z\">"),
        "href=\"https://tienda.pe/gracias?a=1&#38;b=2\"",
    ] {
        assert!(page.contains(wanted), "{wanted} is not on the receipt:\n{page}");
    }
    for absent in ["carrito", "class=\"qr\"", " data-copy=", " data-status=", "Dónde pagar"] {
        assert!(!page.contains(absent), "{absent}");
    }
    assert!(street.in_english(&order).await.text.contains("Payment receipt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_can_not_be_paid_says_so_and_what_to_do() {
    let street = Street::start(Mode::Test).await;
    // Nobody has stored yet that its time is over.
    let links =
        json!({ "url_success": "https://tienda.pe/gracias", "url_error": "https://tienda.pe/carrito" });
    let mut past = links.clone();
    past["expiration_datetime"] = json!("2026-01-01T15:00:00");
    let expired = street.orders(past).await;
    assert_eq!(street.world.count("select count(*) from invoices where status = 'pending'").await, 1);
    let voided = street.orders(links).await;
    street.voids(&voided).await;
    for (order, status, spanish, english) in [
        (&expired, "expired", "Esta orden venció", "This order has expired"),
        (&voided, "voided", "Esta orden fue anulada", "This order was cancelled"),
    ] {
        let page = street.page(order).await.text;
        assert!(page.contains(spanish) && page.contains("Pida al comercio una orden nueva"), "{page}");
        assert!(page.contains("https://tienda.pe/carrito") && !page.contains("gracias"));
        let ktin = order["ktin"].as_str().unwrap();
        for absent in ["class=\"qr\"", " data-copy=", "<form", ktin, &ktin[..4]] {
            // A year and a day may stand in a moment; four digits of a code do not.
            assert!(!page.contains(&format!(">{absent}<")) && !page.contains(ktin), "{absent}");
        }
        assert!(street.in_english(order).await.text.contains(english));
        let told = street.get(&format!("{}/status", path_of(order))).await.json();
        assert_eq!((told["status"].as_str(), told.get("paid_at")), (Some(status), None));
    }
    let expired = street.page(&expired).await.text;
    assert!(
        expired
            .contains("El plazo terminó el jueves 1 de enero de 2026, 10:00\u{a0}a.\u{a0}m. (hora de Lima)")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_order_is_marked_and_can_pretend_its_payment() {
    let street = Street::start(Mode::Test).await;
    let order = street.orders(json!({})).await;
    let page = street.page(&order).await.text;
    let simulate = format!("{}/simulate", path_of(&order));
    assert!(page.contains("MODO DE PRUEBA") && page.contains(&format!("action=\"{simulate}\"")));
    for absent in ["0012345", "778", "Banco de Crédito", "Dónde pagar"] {
        assert!(!page.contains(absent), "{absent}");
    }
    assert!(street.in_english(&order).await.text.contains("TEST MODE"));

    for _ in 0..2 {
        // The second time it is paid already, and still leads to the receipt.
        let answer = street.world.send(Method::POST, &simulate, &[], None).await;
        assert_eq!((answer.status, answer.header("location")), (303, order["url_payment"].as_str().unwrap()));
    }
    let page = street.page(&order).await.text;
    assert!(page.contains("MODO DE PRUEBA") && page.contains("Simulación de prueba"), "{page}");
    assert!(page.contains("Esta constancia es de prueba"));
    let id = order["id"].as_str().unwrap();
    assert_eq!(street.shop.get(id).await.json()["status"], "paid");
    assert_eq!(street.world.count("select count(*) from payments where status = 'applied'").await, 1);
    let answer = street.world.send(Method::POST, &format!("{simulate}?lang=en"), &[], None).await;
    assert_eq!(answer.header("location"), format!("{}?lang=en", order["url_payment"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_pretends_to_have_paid_a_live_order() {
    let street = Street::start(Mode::Live).await;
    let order = street.orders(json!({})).await;
    let page = street.page(&order).await;
    assert!(
        !page.text.contains("Simular")
            && page.header("content-security-policy").contains("form-action 'none'")
    );
    let simulate = format!("{}/simulate", path_of(&order));
    let refused = street.world.send(Method::POST, &simulate, &[], None).await;
    let unknown = street.world.send(Method::POST, "/pay/2222222222222222222222/simulate", &[], None).await;
    assert_eq!((refused.status, unknown.status), (404, 404));
    assert_eq!(refused.text, unknown.text);
    assert_eq!(street.get(&format!("{}/status", path_of(&order))).await.json()["status"], "pending");
    assert_eq!(street.world.count("select count(*) from payments").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_link_learns_nothing_of_the_payer() {
    let street = Street::start(Mode::Live).await;
    let order = street
        .orders(json!({
            "customer": {
                "name": "Canaria Apellidada Secreta", "email": "canario@correo.pe", "phone": "+51987612345",
                "document_type": "DNI", "document_id": "47261893", "external_id": "CLIENTE-77",
            },
            "metadata": { "note": "canary-in-metadata" },
            "sub_merchant": { "name": "Colegio", "email": "canario@colegio.pe" },
        }))
        .await;
    let mut seen = vec![street.page(&order).await.text, street.in_english(&order).await.text];
    seen.push(street.get(&format!("{}/status", path_of(&order))).await.text);
    street.pays(&order).await;
    seen.push(street.page(&order).await.text);
    seen.push(street.get(&format!("{}/status", path_of(&order))).await.text);
    for text in &seen {
        for canary in [
            "Apellidada",
            "Secreta",
            "canario",
            "987612345",
            "47261893",
            "61893",
            "CLIENTE-77",
            "canary",
            "inv_live",
        ] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    for page in [&seen[0], &seen[3]] {
        assert!(
            page.contains("<bdi>Canaria</bdi> · <span aria-hidden=\"true\">DNI ••••893</span>"),
            "{page}"
        );
    }
    assert!(seen[0].contains("DNI que termina en 893") && seen[1].contains("DNI ending in 893"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_text_and_nothing_else() {
    let street = Street::start(Mode::Live).await;
    const HOSTILE: &str = "<script>alert('x')</script>\"'><b onmouseover=x>&amp;";
    street
        .furnish(|account| {
            // As support could have saved it: it would turn what follows around.
            account.name = format!("Tienda \u{202e}{HOSTILE}");
            for at in &mut account.collection_channels {
                at.instructions.es = Some(HOSTILE.to_owned());
                at.agreement_number = "\"><i>7</i>".to_owned();
            }
        })
        .await;
    let order = street
        .orders_oddly(json!({
            "invoice_id": HOSTILE, "sub_merchant": { "name": HOSTILE },
            "customer": { "name": HOSTILE, "document_id": "<\"'&>12345" },
            "url_error": "https://tienda.pe/?q=\"><script>alert(1)</script>",
            "url_success": "https://tienda.pe/'\"onclick=\"x",
        }))
        .await;
    let pages = [street.page(&order).await.text, street.in_english(&order).await.text];
    street.voids(&order).await;
    for page in pages.iter().chain([&street.page(&order).await.text]) {
        let markup = page.split("<body").nth(1).unwrap();
        assert_eq!(markup.matches("<script").count(), 1, "{markup}");
        assert!(!markup.contains("<b ") && !markup.contains("<i>") && !markup.contains("alert('x')"));
        assert!(
            markup.contains("&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#34;&#39;&#62;"),
            "{markup}"
        );
        // It stands alone, so that it turns nothing else around.
        assert!(markup.contains("<bdi class=\"who\">Tienda \u{202e}&#60;"));
        assert!(markup.contains("href=\"https://tienda.pe/?q=&#34;&#62;&#60;script&#62;"));
        assert!(!markup.contains("onclick"));
    }
    // A sub-merchant whose name is no text is not shown, nor is one that has none.
    for (reference, sub_merchant) in
        [("a", json!({ "name": { "x": 1 } })), ("b", json!({ "logo": "https://x.pe/l" }))]
    {
        let order = street.orders(json!({ "invoice_id": reference, "sub_merchant": sub_merchant })).await;
        assert!(!street.page(&order).await.text.contains("por cuenta de"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_unknown_tokens_are_told_the_same() {
    let street = Street::start(Mode::Live).await;
    let known = street.orders(json!({})).await["token"].as_str().unwrap().to_owned();
    let unknown = street.get("/pay/2222222222222222222222").await;
    assert_eq!(unknown.status, 404);
    is_sound(&unknown);
    assert!(unknown.text.contains("No encontramos esta página de pago"));
    let almost = format!("{}0", &known[..21]);
    let longer = format!("{known}2");
    for token in
        [&almost, &longer, "x", "%00", "%F0%9F%92%A9", "0000000000000000000000", "..%2f", "'%20or%201=1"]
    {
        for path in [format!("/pay/{token}"), format!("/e/index.html?token={token}")] {
            let answer = street.get(&path).await;
            assert_eq!((answer.status, &answer.text), (404, &unknown.text), "{path}");
        }
    }
    for path in ["/e/index.html", "/e/index.html?token=", "/e/index.html?TOKEN=x"] {
        assert_eq!(street.get(path).await.text, unknown.text, "{path}");
    }
    assert!(!unknown.text.contains("2222222222"));
    for rest in ["status", "qr.svg", "qr.png", "qr.png?size=7"] {
        let answer = street.get(&format!("/pay/2222222222222222222222/{rest}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{rest}");
        assert!(!answer.text.contains("2222222222"));
    }
    let english = street.world.send(Method::GET, "/pay/x", &[("accept-language", "en")], None).await;
    assert!(english.text.contains("We can not find this payment page"));
    for (method, path) in
        [(Method::POST, format!("/pay/{known}")), (Method::GET, format!("/pay/{known}/simulate"))]
    {
        assert_eq!(street.world.send(method, &path, &[], None).await.status, 405);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_editions_address_and_head_work() {
    let street = Street::start(Mode::Live).await;
    let order = street.orders(json!({})).await;
    let (path, token) = (path_of(&order), order["token"].as_str().unwrap());
    let page = street.page(&order).await;
    let old = street.get(&format!("/e/index.html?token={token}")).await;
    assert_eq!((old.status, &old.text), (200, &page.text));
    for rest in ["", "/", "/status", "/qr.svg", "/qr.png"] {
        let head = street.world.send(Method::HEAD, &format!("{path}{rest}"), &[], None).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{rest}");
        let whole = street.world.client.get(street.world.url(&format!("{path}{rest}"))).send().await.unwrap();
        let length = whole.bytes().await.unwrap().len().to_string();
        assert_eq!(head.header("content-length"), length, "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_qr_code_has_the_size_that_was_asked_for() {
    let street = Street::start(Mode::Live).await;
    let order = street.orders(json!({ "size_qr": "220px" })).await;
    let url = order["url_qr"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(PAGE_URL).unwrap();
    assert_eq!(path, format!("{}/qr.png", path_of(&order)));
    for (query, pixels) in [("", 220), ("?size=100", 100), ("?size=1000", 1_000), ("?size=333px", 333)] {
        let answer = street.get(&format!("{path}{query}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"));
        let image =
            street.world.client.get(street.world.url(&format!("{path}{query}"))).send().await.unwrap();
        let image = image.bytes().await.unwrap();
        let side = |at: usize| u32::from_be_bytes(image[at..at + 4].try_into().unwrap());
        assert_eq!((&image[1..4], side(16), side(20)), (&b"PNG"[..], pixels, pixels), "{query}");
        assert_eq!(image[24], 1, "one bit a pixel");
        assert!(image.len() < 8_000, "{} bytes", image.len());
    }
    for size in ["99", "1001", "0", "-150", "1e2", "", "big", "150.0", "00150"] {
        let refused = street.get(&format!("{path}?size={size}")).await;
        assert_eq!(refused.status, 400, "{size}");
        assert_eq!(refused.faults(), [("invalid_size_qr".to_owned(), "size".to_owned())], "{size}");
    }
    let svg = street.get(&format!("{}/qr.svg", path_of(&order))).await;
    assert_eq!((svg.status, svg.header("content-type")), (200, "image/svg+xml"));
    assert!(svg.text.starts_with("<svg ") && svg.text.contains("width=\"220\""), "{}", svg.text);
    // The same modules are drawn on the page.
    let drawn = svg.text.split(" d=\"").nth(2).unwrap().split('"').next().unwrap();
    assert!(street.page(&order).await.text.contains(drawn));
}

/// A page that can not be shown is still a page.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_without_database_is_told_to_people() {
    let street = Street::start(Mode::Live).await;
    let order = street.orders(json!({})).await;
    street.world.execute("alter table invoices rename to elsewhere").await;
    let page = street.get(&path_of(&order)).await;
    assert_eq!(page.status, 500);
    is_sound(&page);
    assert!(
        page.text.contains("No podemos mostrar la página") && page.text.contains(page.header("request-id"))
    );
    assert!(!page.text.contains(order["token"].as_str().unwrap()));
    let status = street.get(&format!("{}/status", path_of(&order))).await;
    assert_eq!((status.status, status.code().as_str()), (500, "internal_error"));
    street.world.execute("alter table elsewhere rename to invoices").await;
    street.page(&order).await;
}

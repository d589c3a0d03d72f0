//! The document, the page and the guide that everybody may read.

use domain::account::Mode;
use reqwest::Method;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_the_page_need_no_key() {
    let world = World::with(|settings| settings.support.email = "ayuda@kashio.test".to_owned()).await;
    let document = world.send(Method::GET, "/openapi.json", &[("origin", "https://shop.pe")], None).await;
    assert_eq!(document.status, 200);
    assert_eq!(document.header("access-control-allow-origin"), "*");
    let made = document.json();
    assert_eq!(made["openapi"], "3.1.0");
    assert_eq!(made["servers"][0]["url"], "https://api.kashio.test");
    assert_eq!(made["info"]["contact"]["email"], "ayuda@kashio.test");

    let page = world.send(Method::GET, "/docs/", &[], None).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(
        page.text.contains("https://api.kashio.test/v1/payments") && page.text.contains("ayuda@kashio.test")
    );
    let from_abroad = world.send(Method::GET, "/docs", &[("accept-language", "en-US,en")], None).await;
    assert!(from_abroad.text.contains("<html lang=\"es\">"), "Spanish first");
    let english = world.send(Method::GET, "/docs?lang=en", &[], None).await;
    assert!(english.text.contains("<html lang=\"en\">") && english.text.contains("href=\"/docs?lang=es\""));
    let head = world.send(Method::HEAD, "/docs", &[], None).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_speaks_the_language_of_whoever_asks() {
    let world = World::start().await;
    let ask = async |language: &str| {
        let headers = [("accept-language", language)];
        let document = world.send(Method::GET, "/openapi.json", &headers, None).await;
        assert_eq!(document.status, 200);
        assert!(document.header("vary").contains("Accept-Language"));
        (document.header("content-language").to_owned(), document.json())
    };
    let (spanish, es) = ask("es-PE,es;q=0.9,en;q=0.8").await;
    let (english, en) = ask("en-GB,en;q=0.9,es;q=0.1").await;
    assert_eq!((spanish.as_str(), english.as_str()), ("es", "en"));
    let text = |document: &serde_json::Value, path: &str| {
        document.pointer(path).unwrap().as_str().unwrap().to_owned()
    };
    for (path, in_spanish, in_english) in [
        (
            "/webhooks/invoice.paid/post/summary",
            "Una orden está pagada: entregue.",
            "An invoice is paid: deliver.",
        ),
        ("/paths/~1v1~1payments~1invoices/post/summary", "Crear una Orden de Pago", "Create an invoice"),
        ("/paths/~1v1~1payments~1invoices/post/tags/0", "Órdenes de Pago", "Invoices"),
        ("/tags/0/name", "Órdenes de Pago", "Invoices"),
    ] {
        assert_eq!((text(&es, path).as_str(), text(&en, path).as_str()), (in_spanish, in_english), "{path}");
    }
    let introduction = text(&en, "/info/description");
    assert!(
        introduction.contains("https://api.kashio.test/v1/payments") && introduction.contains("## Errors")
    );
    let refusal = "/paths/~1v1~1payments~1invoices~1{id}/get/responses/404";
    assert!(text(&en, &format!("{refusal}/description")).starts_with("Not found. Codes:\n\n- `not_found`: "));
    let shapes = |document: &serde_json::Value| document["components"]["schemas"].as_object().unwrap().len();
    assert_eq!(shapes(&es), shapes(&en));
}

/// The addresses that the key check gives lead there.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_says_where_the_documents_are() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let links = shop.call(Method::GET, "/v1/payments", &[], None).await.json()["links"].clone();
    for name in ["docs", "openapi"] {
        let path = links[name].as_str().unwrap().strip_prefix("https://api.kashio.test").unwrap().to_owned();
        assert_eq!(world.send(Method::GET, &path, &[], None).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_needs_no_key_and_may_be_kept() {
    let world = World::with(|settings| settings.support.email = "ayuda@kashio.test".to_owned()).await;
    for (path, kind, words) in [
        ("/docs/guide", "text/html; charset=utf-8", "https://api.kashio.test/v1/payments/invoices"),
        ("/docs/guide/", "text/html; charset=utf-8", "ayuda@kashio.test"),
        ("/docs/guide/webhooks", "text/html; charset=utf-8", "<html lang=\"es-PE\">"),
        ("/docs/guide/en/", "text/html; charset=utf-8", "<html lang=\"en\">"),
        ("/docs/guide/en/errors/", "text/html; charset=utf-8", "invoice_id_conflict"),
        ("/docs/guide/guide.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ("/docs/guide/guide.js", "text/javascript; charset=utf-8", "clipboard"),
        ("/docs/guide/search.json", "application/json", "expiración"),
        ("/docs/guide/en/search.json", "application/json", "webhook-signature"),
    ] {
        let answer = world.send(Method::GET, path, &[], None).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path}");
        assert_eq!(answer.header("cache-control"), "public, no-cache");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(answer.header("request-id").starts_with("req_"));
        let etag = answer.header("etag").to_owned();
        assert!(answer.text.contains(words), "{path}");

        let head = world.send(Method::HEAD, path, &[], None).await;
        assert_eq!((head.status, head.header("etag")), (200, etag.as_str()));
        assert_eq!(head.text, "");
        let again = world.send(Method::GET, path, &[("if-none-match", &etag)], None).await;
        assert_eq!((again.status, again.header("etag")), (304, etag.as_str()));
        assert_eq!(again.header("cache-control"), "public, no-cache");
        assert_eq!(again.text, "");
        let other = world.send(Method::GET, path, &[("if-none-match", "\"other\"")], None).await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_guide_has_nothing_it_says_so_in_its_language() {
    let world = World::start().await;
    for (path, words) in [
        ("/docs/guide/no-hay", "Esta página no existe"),
        ("/docs/guide/en/none", "There is no such page"),
        ("/docs/guide/%2fguide.css", "Esta página no existe"),
        ("/docs/guide/webhooks/webhooks", "Esta página no existe"),
    ] {
        let answer = world.send(Method::GET, path, &[("if-none-match", "*")], None).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!((answer.header("etag"), answer.header("cache-control")), ("", "no-store"), "{path}");
        assert!(answer.text.contains(words), "{path}");
    }
    let posted = world.send(Method::POST, "/docs/guide/webhooks", &[], None).await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD, OPTIONS"));
}

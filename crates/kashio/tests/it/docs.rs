//! The document and the page that everybody may read.

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
    let head = world.send(Method::HEAD, "/docs", &[], None).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
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

//! Operations of the payment page: what whoever has an order's token may see and do.

use serde_json::{Map, Value, json};

use super::operations::{ONE, Operation, answer, answers, header_references, plain};

/// The tag of the page.
pub(super) const PAGES: &str = "Página de pago";

const SIZE: &[&str] = &["invalid_size_qr"];

/// Every operation, in the order of the page.
pub(super) fn all() -> Vec<Operation> {
    vec![
        Operation {
            id: "getPaymentPage",
            method: "GET",
            path: "/pay/{token}",
            tag: PAGES,
            summary: "La página de pago de una orden",
            description: "Adonde lleva `url_payment`: la página que se envía al cliente. Muestra el comercio, el monto, hasta cuándo y \
                          dónde pagar; cuando la orden está pagada, su constancia. Está en español, o en inglés si el navegador lo \
                          prefiere o con `lang=en`. Funciona sin JavaScript, no usa cookies y no pide nada a terceros.\n\n\
                          De quien paga muestra a lo sumo el primer nombre y el final del documento. El enlace a `url_success` \
                          aparece solo cuando la orden está pagada; antes, el de `url_error`.",
            parameters: vec!["page.token", "page.lang", "Accept-Language", "X-Request-Id"],
            body: None,
            answers: page(),
            codes: vec![],
        },
        Operation {
            id: "getPaymentPageByQuery",
            method: "GET",
            path: "/e/index.html",
            tag: PAGES,
            summary: "La página de pago (dirección de 2017)",
            description: "La misma página en la dirección de las primeras ediciones.",
            parameters: vec!["page.token-query", "page.lang", "Accept-Language", "X-Request-Id"],
            body: None,
            answers: page(),
            codes: vec![],
        },
        Operation {
            id: "getPaymentPageStatus",
            method: "GET",
            path: "/pay/{token}/status",
            tag: PAGES,
            summary: "Cómo está la orden de una página de pago",
            description: "Lo que la página pregunta mientras está abierta. No dice nada de nadie, y no reemplaza a los eventos ni a los \
                          webhooks: su servidor se entera por ellos.",
            parameters: vec!["page.token", "Accept-Language", "X-Request-Id"],
            body: None,
            answers: answers([(200, answer("El estado.", "PaymentPageStatus", &[], &[], status_example()))]),
            codes: vec![ONE],
        },
        Operation {
            id: "getPaymentQrSvg",
            method: "GET",
            path: "/pay/{token}/qr.svg",
            tag: PAGES,
            summary: "El código QR, como SVG",
            description: "La dirección de la página de pago como código QR, con corrección de errores M y un margen de cuatro módulos. \
                          Su ancho es el `size_qr` de la orden; se puede ampliar sin pérdida.",
            parameters: vec!["page.token", "Accept-Language", "X-Request-Id"],
            body: None,
            answers: image("image/svg+xml"),
            codes: vec![ONE],
        },
        Operation {
            id: "getPaymentQrPng",
            method: "GET",
            path: "/pay/{token}/qr.png",
            tag: PAGES,
            summary: "El código QR, como PNG",
            description: "Adonde lleva `url_qr`. Mide exactamente el `size_qr` de la orden, o lo que pida `size`; un tamaño que no está \
                          entre 100 y 1000 se rechaza, igual que al crear la orden.",
            parameters: vec!["page.token", "page.size", "Accept-Language", "X-Request-Id"],
            body: None,
            answers: image("image/png"),
            codes: vec![ONE, SIZE],
        },
        Operation {
            id: "simulatePaymentOnPage",
            method: "POST",
            path: "/pay/{token}/simulate",
            tag: PAGES,
            summary: "Simular el pago desde la página",
            description: "Lo que hace el botón «Simular pago», que solo tienen las páginas de órdenes de prueba: la orden queda pagada \
                          como si un banco la hubiera cobrado, y sus webhooks lo avisan. Vuelve siempre a la página, que muestra cómo \
                          quedó la orden. Para una orden real esta dirección no existe.",
            parameters: vec!["page.token", "page.lang", "Accept-Language", "X-Request-Id"],
            body: None,
            answers: simulated(),
            codes: vec![],
        },
    ]
}

fn text(description: &str) -> Value {
    plain(description, "text/html", json!({ "type": "string" }))
}

/// What is not found, or fails, is told to people by a page as well.
fn failures() -> [(u16, Value); 3] {
    [
        (404, text("No hay una orden con este `token`: una página que lo dice, la misma para todos.")),
        (500, text("")),
        (503, text("")),
    ]
}

fn page() -> Map<String, Value> {
    let [missing, failed, away] = failures();
    answers([(200, text("La página.")), missing, failed, away])
}

fn simulated() -> Map<String, Value> {
    let mut seen_at = text("A la página de la orden.");
    seen_at["headers"] = Value::Object(header_references(&["Location"], &[]));
    let [missing, failed, away] = failures();
    answers([(303, seen_at), missing, failed, away])
}

fn image(content_type: &str) -> Map<String, Value> {
    let schema = json!({ "type": "string", "contentMediaType": content_type });
    answers([(200, plain("La imagen.", content_type, schema))])
}

fn status_example() -> Value {
    json!({
        "object": "payment_page",
        "livemode": false,
        "status": "pending",
        "currency": "PEN",
        "amount": "15.00",
        "expiration_datetime": "2020-02-01T05:00:00",
    })
}

//! Operations on payments, and those by which a merchant plays the bank.

use serde_json::{Map, Value, json};

use super::operations::{
    BODY, COMMON, ONCE, ONE, Operation, answer, answers, invoice_example, voided_example, with,
};
use super::telling::{PAGE, name, operation, takes};

/// The tags, in the order of the page.
pub(super) const PAYMENTS: &str = "Pagos";
pub(super) const TEST: &str = "Modo de prueba";

const LIST: &[&str] =
    &["conflicting_fields", "invalid_date", "invalid_datetime", "invalid_status", "invalid_channel"];

const PAYMENT_LIST: [&str; 14] = [
    "limit",
    "payment.starting_after",
    "payment.start",
    "payment.ending_before",
    "payment.end",
    "payment.date",
    "payment.received[gte]",
    "payment.received[gt]",
    "payment.received[lte]",
    "payment.received[lt]",
    "payment.channel",
    "payment.status",
    "payment.operation_number",
    "payment.invoice",
];

/// Every operation, in the order of the page.
pub(super) fn all() -> Vec<Operation> {
    let once = with(&["id", "Idempotency-Key"], &COMMON);
    vec![
        operation(
            name("listPayments", "GET", "/v1/payments/payments", PAYMENTS, "Listar pagos"),
            "El dinero que llegó, de lo más nuevo a lo más antiguo. `date` es el día de Lima en que se pagó, según el banco.\n\n\
             Con `Accept: text/csv`, las mismas filas como CSV en UTF-8 con marca de orden de bytes, todos los campos como texto.",
            with(&PAYMENT_LIST, &COMMON),
            None,
            listed(),
            vec![PAGE, LIST],
        ),
        operation(
            name("getPayment", "GET", "/v1/payments/payments/{id}", PAYMENTS, "Consultar un pago"),
            "El pago, como está ahora.",
            with(&["payment-id"], &COMMON),
            None,
            answers([(200, answer("El pago.", "Payment", &[], &[], payment()))]),
            vec![ONE],
        ),
        operation(
            name("simulatePayment", "POST", "/v1/payments/test/invoices/{id}/pay", TEST, "Simular un pago"),
            "Lo que haría un banco: por omisión paga lo que se debe, ahora. La respuesta es la orden como quedó, con `result`, lo que \
             resultó, y `answer`, lo que se le habría respondido al banco. Con una clave `sk_live_…` no existe.",
            once.clone(),
            takes("SimulatedPayment", json!({ "amount": "15.00" })),
            simulated("ok"),
            vec![
                BODY,
                ONCE,
                ONE,
                &["invalid_amount", "invalid_datetime", "invalid_channel", "too_short", "too_long"],
            ],
        ),
        operation(
            name(
                "simulateReversal",
                "POST",
                "/v1/payments/test/invoices/{id}/reverse",
                TEST,
                "Simular un extorno",
            ),
            "El banco retira el último pago de la orden: queda pendiente otra vez, o vencida si su plazo ya pasó.",
            once.clone(),
            takes("SimulatedReversal", json!({})),
            simulated("ok"),
            vec![BODY, ONCE, ONE, &["invalid_value", "too_short", "too_long"]],
        ),
        operation(
            name(
                "simulateExpiry",
                "POST",
                "/v1/payments/test/invoices/{id}/expire",
                TEST,
                "Vencer una orden",
            ),
            "La orden vence ahora, sin esperar su plazo.",
            once,
            None,
            answers([(
                200,
                answer("La orden vencida.", "Invoice", &["ETag"], &["Idempotent-Replayed"], {
                    let mut expired = voided_example();
                    expired["status"] = json!("expired");
                    expired
                }),
            )]),
            vec![BODY, ONCE, ONE, &["invoice_already_paid", "invoice_voided"]],
        ),
    ]
}

fn listed() -> Map<String, Value> {
    let page = json!({ "object": "list", "has_more": false, "data": [payment()] });
    let mut listed = answer("Una página.", "PaymentList", &[], &["Link", "X-Has-More"], page);
    listed["content"]["text/csv"] = json!({ "schema": { "type": "string" } });
    answers([(200, listed)])
}

/// The order, and what came of the simulation beside it.
fn simulated(code: &str) -> Map<String, Value> {
    let result = json!({ "code": code, "message": "Operación realizada." });
    let mut example = invoice_example();
    example["result"] = result.clone();
    example["answer"] = json!({
        "result": result, "payment": "pay_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "operation_number": "100000001",
    });
    let mut simulated = answer(
        "La orden como quedó, y lo que resultó.",
        "Invoice",
        &["ETag"],
        &["Idempotent-Replayed"],
        example,
    );
    simulated["content"]["application/json"]["schema"] = json!({
        "allOf": [
            { "$ref": "#/components/schemas/Invoice" },
            { "$ref": "#/components/schemas/SimulationResult" },
        ],
    });
    answers([(200, simulated)])
}

fn payment() -> Value {
    json!({
        "id": "pay_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "object": "payment", "livemode": false,
        "invoice": "inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "invoice_id": "INV-000001-001", "ktin": "200014817056",
        "amount": "15.00", "currency": "PEN", "channel": "test", "operation_number": "100000001",
        "paid_at": "2020-01-01T05:10:00", "received_at": "2020-01-01T05:10:01", "status": "applied",
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_parameter_of_the_list_is_documented() {
        let mut documented: Vec<&str> =
            super::PAYMENT_LIST.iter().map(|name| name.trim_start_matches("payment.")).collect();
        let mut read = [&["limit"], wire::payment::PARAMETERS].concat();
        documented.sort_unstable();
        read.sort_unstable();
        assert_eq!(documented, read);
    }
}

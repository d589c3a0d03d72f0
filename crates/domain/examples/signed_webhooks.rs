//! A thousand signed webhooks as JSON lines, for verifiers in other languages: `sdk/verify`.
#![expect(clippy::print_stdout, reason = "what it is for")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::signature::WebhookSecret;
use sha2::{Digest, Sha256};

fn main() {
    let now = std::env::args().nth(1).and_then(|text| text.parse::<i64>().ok());
    let Some(now) = now else {
        println!("usage: signed_webhooks SECONDS_SINCE_1970");
        return;
    };
    for number in 0..1_000_u32 {
        // Anything that differs each time will do.
        let bytes: [u8; 32] = Sha256::digest(number.to_be_bytes()).into();
        let secret = WebhookSecret::from_random(bytes);
        let id = format!("eve_test_{number:022}");
        let body = format!(r#"{{"number": {number}, "name": "Bodega Ñuñoa {}"}}"#, STANDARD.encode(bytes));
        let line = serde_json::json!({
            "secret": secret.expose().as_str(),
            "id": id,
            "timestamp": now,
            "signature": secret.sign(&id, now, body.as_bytes()),
            "body": STANDARD.encode(&body),
        });
        println!("{line}");
    }
}

//! Signatures of webhooks: a receiver that follows Standard Webhooks takes ours, and the secret is read back as it was
//! shown.

use domain::signature::{WebhookSecret, signatures};

/// The vector that the authors of Standard Webhooks publish.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SENT_AT: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

#[test]
fn the_published_vector_is_met() {
    let secret = WebhookSecret::parse(SECRET).unwrap();
    assert_eq!(secret.sign(ID, SENT_AT, BODY), SIGNATURE);
}

#[test]
fn each_part_of_a_message_is_signed() {
    let secret = WebhookSecret::parse(SECRET).unwrap();
    let other = WebhookSecret::from_random([7; 32]);
    for changed in [
        secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJel", SENT_AT, BODY),
        secret.sign(ID, SENT_AT + 1, BODY),
        secret.sign(ID, SENT_AT, b"{\"test\": 2432232314} "),
        secret.sign(ID, SENT_AT, b""),
        other.sign(ID, SENT_AT, BODY),
    ] {
        assert_ne!(changed, SIGNATURE);
        assert_eq!(changed.len(), SIGNATURE.len());
    }
}

#[test]
fn both_secrets_sign_while_a_roll_overlaps() {
    let (old, new) = (WebhookSecret::parse(SECRET).unwrap(), WebhookSecret::from_random([7; 32]));
    let both = signatures([&new, &old].into_iter(), ID, SENT_AT, BODY);
    assert_eq!(both, format!("{} {SIGNATURE}", new.sign(ID, SENT_AT, BODY)));
    assert_eq!(signatures([&old].into_iter(), ID, SENT_AT, BODY), SIGNATURE);
    assert_eq!(signatures([].into_iter(), ID, SENT_AT, BODY), "");
}

#[test]
fn a_secret_is_read_back_as_it_was_shown() {
    for byte in 0..=u8::MAX {
        let secret = WebhookSecret::from_random([byte; 32]);
        let shown = secret.expose();
        assert_eq!(shown.len(), "whsec_".len() + 44);
        let read = WebhookSecret::parse(&shown).unwrap();
        assert_eq!(read.expose(), shown);
        assert_eq!(read.sign(ID, SENT_AT, BODY), secret.sign(ID, SENT_AT, BODY));
    }
}

#[test]
fn what_is_no_secret_is_not_read() {
    for text in [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",  // not base64
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", // the URL's alphabet
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==", // 22 bytes
        " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
    ] {
        assert!(WebhookSecret::parse(text).is_none(), "{text:?}");
    }
    let of_length = |quads: usize| WebhookSecret::parse(&format!("whsec_{}", "AAAA".repeat(quads))).is_some();
    assert_eq!([7, 8, 21, 22].map(of_length), [false, true, true, false], "24 to 64 bytes");
}

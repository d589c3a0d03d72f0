//! `metadata` and `sub_merchant`: JSON that is kept as it came, after a look at its shape.

use domain::metadata::Verbatim;

use crate::json::{Kind, Value, canonical};
use crate::problem::Code;

/// Keys in all.
const MAX_KEYS: usize = 50;
/// Characters of a key.
const MAX_KEY: usize = 40;
/// The object itself is the first level.
const MAX_DEPTH: usize = 4;
/// Digits of a number, and the greatest exponent either way: beyond, readers would not agree on its value.
const MAX_DIGITS: usize = 15;
const MAX_EXPONENT: u32 = 15;

/// Takes an object of at most `max_bytes`.
pub(crate) fn take(value: &Value<'_>, max_bytes: usize) -> Result<Verbatim, Code> {
    if !matches!(value.kind, Kind::Object(_)) {
        return Err(Code::NotAnObject);
    }
    if value.raw.len() > max_bytes {
        return Err(Code::JsonTooLarge { max_bytes });
    }
    let mut keys = 0;
    check(value, 1, &mut keys)?;
    Ok(Verbatim { text: value.raw.to_owned(), canonical: canonical(value, &[]) })
}

fn check(value: &Value<'_>, depth: usize, keys: &mut usize) -> Result<(), Code> {
    match &value.kind {
        Kind::Null | Kind::Bool(_) | Kind::Text(_) => Ok(()),
        Kind::Number if is_portable(value.raw) => Ok(()),
        Kind::Number => Err(Code::NumberTooLong),
        Kind::List(_) | Kind::Object(_) if depth > MAX_DEPTH => Err(Code::TooDeep { max: MAX_DEPTH }),
        Kind::List(values) => values.iter().try_for_each(|value| check(value, depth + 1, keys)),
        Kind::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            *keys += 1;
            if *keys > MAX_KEYS {
                return Err(Code::TooManyKeys { max: MAX_KEYS });
            }
            if key.chars().count() > MAX_KEY {
                return Err(Code::KeyTooLong { max: MAX_KEY });
            }
            check(value, depth + 1, keys)
        }),
    }
}

fn is_portable(number: &str) -> bool {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let exponent = exponent.trim_start_matches(['+', '-']).parse::<u32>();
    digits <= MAX_DIGITS && exponent.is_ok_and(|exponent| exponent <= MAX_EXPONENT)
}

//! `GET /v1/payments`: who am I? The documents' authentication sample.

use bytes::Bytes;
use store::Answer;
use wire::account::{AccountView, KeyView, render};
use wire::problem::Code;

use crate::call::{AnyKey, Call};
use crate::problem::Problem;
use crate::reply::Reply;

/// Tells a key its account, mode and scopes.
pub async fn read(call: Call<AnyKey>) -> Result<Reply, Problem> {
    let key = call.key().ok_or(Problem::new(Code::NotFound))?;
    let body = render(&AccountView {
        account: &call.account,
        mode: call.owner.mode,
        version: call.version,
        key: KeyView {
            id: key.id,
            name: &key.name,
            scopes: key.scopes.as_deref(),
            last_used_at: key.last_used_at,
        },
        public_url: &call.api.settings.public_url,
    });
    Ok(Reply::fresh(Answer { status: 200, etag: None, location: None, body: Bytes::from(body) }))
}

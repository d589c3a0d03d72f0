//! `/channels`: the banks and agents that call, with their kill switch. A channel is in effect with the next call.

use bytes::Bytes;
use domain::audit::{Act, Chain};
use domain::collection::Channel;
use domain::key::is_channel;
use futures_util::FutureExt;
use serde_json::{Value, json};
use store::Answer;
use wire::internal::channel;
use wire::internal::page::Query;
use wire::problem::{Code, Item};

use super::console::{Console, Done};
use crate::problem::Problem;
use crate::reply::{PageReply, Reply};

/// `PUT /channels/{id}`: sets a channel up, or changes it.
pub async fn put(mut call: Console) -> Result<Reply, Problem> {
    let id = id(&call);
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let id = id.ok_or_else(|| Problem::Told(vec![Item::at("id", Code::InvalidChannel)]))?;
    let channel = channel::read(&id, object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical)?;
    let by = call.by();
    call.write("put_channel", claim, move |tx| {
        let (channel, by) = (channel.clone(), by.clone());
        async move {
            let before = tx.put_channel(&channel).await?;
            let reply = Reply::fresh(answer(&channel));
            if before.as_ref() == Some(&channel) {
                return Ok(Done::nothing(reply));
            }
            let details = json!({ "before": before.as_ref().map(facts), "after": facts(&channel) });
            let object = Some(channel.id.clone());
            let details = Some(details.to_string());
            Ok(Done::act(reply, Act { chain: Chain::System, action: "put_channel", object, by, details }))
        }
        .boxed()
    })
    .await
}

/// `GET /channels/{id}`.
pub async fn read(call: Console) -> Result<Reply, Problem> {
    let id = id(&call).ok_or(Problem::new(Code::NotFound))?;
    let found = call.api.store.read("find_channel", move |tx| {
        let id = id.clone();
        async move { tx.channel(&id).await }.boxed()
    });
    Ok(Reply::fresh(answer(&found.await?.ok_or(Problem::new(Code::NotFound))?)))
}

/// `GET /channels`: all that were set up.
pub async fn list(call: Console) -> Result<PageReply, Problem> {
    Query::read(call.query(), &[]).map_err(Problem::Told)?;
    let channels = call.api.store.read("list_channels", |tx| tx.channels().boxed()).await?;
    let objects: Vec<Vec<u8>> = channels.iter().map(channel::render).collect();
    Ok(PageReply::list(&call, &objects, false, None))
}

fn id(call: &Console) -> Option<String> {
    call.path_part("id").filter(|id| is_channel(id)).map(str::to_owned)
}

fn facts(channel: &Channel) -> Value {
    json!({ "name": channel.name, "open": channel.open, "reversal_days": channel.reversal_days })
}

fn answer(channel: &Channel) -> Answer {
    Answer { status: 200, etag: None, location: None, body: Bytes::from(channel::render(channel)) }
}

//! `/collections`: what banks call, by their connectors. What comes of a call is 200 with a result, also where it is
//! refused; a bank that is not answered tries again and then reverses.

use std::time::Instant;

use domain::account::Mode;
use domain::collection::Verb;
use store::Answer;
use store::collections::{Call, Outcome, Render};
use wire::internal::collection::{self, render_inquiry, render_operation};
use wire::problem::Code;

use super::collector::Collector;
use crate::problem::Problem;
use crate::reply::Reply;

/// `POST /collections/inquire`: what is owed?
pub async fn inquire(call: Collector) -> Result<Reply, Problem> {
    collect(call, Verb::Inquire, |outcome| render_inquiry(&facts(outcome))).await
}

/// `POST /collections/pay`: this was paid.
pub async fn pay(call: Collector) -> Result<Reply, Problem> {
    collect(call, Verb::Pay, render_money).await
}

/// `POST /collections/reverse`: take that back.
pub async fn reverse(call: Collector) -> Result<Reply, Problem> {
    collect(call, Verb::Reverse, render_money).await
}

async fn collect(mut call: Collector, verb: Verb, render: Render) -> Result<Reply, Problem> {
    let began = Instant::now();
    let body = call.body().await?;
    let (object, _) = body.json()?;
    let message = collection::read(verb, object).map_err(Problem::Told)?;
    if message.channel.as_ref().is_some_and(|channel| *channel != call.channel) {
        return Err(Problem::new(Code::ChannelNotAllowed));
    }
    let channel = call.channel.clone();
    let asked = Call {
        verb,
        channel: channel.clone(),
        mode: Mode::Live,
        needs_agreement: true,
        said: message.said,
        fault: message.fault,
    };
    let collected = call.api.store.collect(asked, render).await?;
    if let Some(alert) = collected.alert {
        let request_id = call.request_id();
        tracing::error!(request_id, channel, verb = verb.as_str(), alert, "channel {channel}: {alert}");
    }
    let labels = [("channel", channel), ("verb", verb.as_str().to_owned())];
    metrics::histogram!("kashio_collection_duration_seconds", &labels).record(began.elapsed());
    let [channel, verb] = labels;
    let labels = [channel, verb, ("code", collected.code.as_str().to_owned())];
    metrics::counter!("kashio_collection_results_total", &labels).increment(1);
    Ok(Reply::fresh(Answer { status: 200, etag: None, location: None, body: collected.body }))
}

/// The answer to a payment or a reversal, whoever brings it.
pub(crate) fn render_money(outcome: &Outcome) -> Vec<u8> {
    render_operation(&facts(outcome))
}

fn facts(outcome: &Outcome) -> collection::Answer<'_> {
    collection::Answer {
        code: outcome.code,
        fault: outcome.fault.as_deref(),
        number: outcome.number,
        payment: outcome.payment.as_ref(),
        about: outcome.about.as_ref().map(|(known, account)| (&known.invoice, account.name.as_str())),
        quote: outcome.quote.as_ref(),
    }
}

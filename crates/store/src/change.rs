//! The one way to change anything: `lock(id)` → a verb of the domain → `save(&[Change])`.
//!
//! A change that finds the invoice at another version than its verb saw is [`Error::Stale`]: the whole
//! transaction is rolled back and run again.

use domain::change::Change;
use domain::event::Event;
use domain::invoice::{Invoice, Snapshot, Status};
use domain::payment::PaymentStatus;
use sqlx::types::Json;

use crate::error::{Conflict, Error};
use crate::{Create, Tx};

impl Tx {
    /// Writes changes: invoices, payments, events. Nothing else in this crate writes them.
    ///
    /// # Errors
    /// [`Error::Stale`] when an invoice had changed meanwhile, or an open one of the same reference came first.
    pub async fn save(&mut self, changes: &[Change]) -> Result<(), Error> {
        let mut opened = Vec::new();
        let mut stepped = Vec::new();
        for change in changes {
            match &change.invoice {
                Some((_, 0)) => opened.push(Create { change: change.clone(), remember: None }),
                Some((invoice, before)) => stepped.push((invoice, *before)),
                None => {}
            }
        }
        self.save_payments(changes).await?;
        self.save_steps(&stepped).await?;
        if !opened.is_empty() {
            match self.open(&opened).await {
                Ok(ids) if ids.len() == opened.len() => {}
                Ok(_) | Err(Error::Conflict(Conflict::InvoiceId)) => return Err(Error::Stale),
                Err(error) => return Err(error),
            }
        }
        let is_step = |change: &&Change| !matches!(change.invoice, Some((_, 0)));
        let events: Vec<&Event> =
            changes.iter().filter(is_step).filter_map(|change| change.event.as_ref()).collect();
        self.save_events(&events).await
    }

    async fn save_steps(&mut self, steps: &[(&Invoice, u32)]) -> Result<(), Error> {
        if steps.is_empty() {
            return Ok(());
        }
        let paid = |invoice: &Invoice| match invoice.status {
            Status::Paid { paid_at, payment, late_fee } => Some((paid_at, payment, late_fee)),
            Status::Pending | Status::Expired | Status::Voided => None,
        };
        let column = |f: fn(&Invoice) -> uuid::Uuid| -> Vec<_> { steps.iter().map(|(i, _)| f(i)).collect() };
        let written = sqlx::query!(
            r#"
            update invoices
            set currency = next.currency, sub_total = next.sub_total, due = next.due, expires = next.expires,
                status = next.status, version = next.version,
                paid_at = next.paid_at, payment_id = next.payment_id, late_fee = next.late_fee
            from unnest(
                $1::uuid[], $2::boolean[], $3::uuid[], $4::integer[], $5::integer[], $6::text[], $7::bigint[],
                $8::timestamptz[], $9::timestamptz[], $10::text[], $11::timestamptz[], $12::uuid[], $13::bigint[]
            ) as next (
                account_id, livemode, id, version_before, version, currency, sub_total,
                due, expires, status, paid_at, payment_id, late_fee)
            where invoices.account_id = next.account_id and invoices.livemode = next.livemode
              and invoices.id = next.id and invoices.version = next.version_before
            "#,
            &column(|invoice| invoice.owner.account.uuid()),
            &steps.iter().map(|(invoice, _)| invoice.owner.mode.is_live()).collect::<Vec<_>>(),
            &column(|invoice| invoice.id.uuid()),
            &steps.iter().map(|(_, before)| integer(*before)).collect::<Vec<_>>(),
            &steps.iter().map(|(invoice, _)| integer(invoice.version)).collect::<Vec<_>>(),
            &steps.iter().map(|(i, _)| i.terms.currency.as_str().to_owned()).collect::<Vec<_>>(),
            &steps.iter().map(|(invoice, _)| invoice.terms.sub_total.centimos()).collect::<Vec<_>>(),
            &steps.iter().map(|(i, _)| i.terms.due.map(|due| due.to_utc())).collect::<Vec<_>>() as _,
            &steps.iter().map(|(invoice, _)| invoice.terms.expires.to_utc()).collect::<Vec<_>>(),
            &steps.iter().map(|(i, _)| i.status.state().as_str().to_owned()).collect::<Vec<_>>(),
            &steps.iter().map(|(i, _)| paid(i).map(|paid| paid.0.to_utc())).collect::<Vec<_>>() as _,
            &steps.iter().map(|(i, _)| paid(i).map(|paid| paid.1.uuid())).collect::<Vec<_>>() as _,
            &steps.iter().map(|(i, _)| paid(i).map(|paid| paid.2.centimos())).collect::<Vec<_>>() as _,
        )
        .execute(self.connection())
        .await?;
        if written.rows_affected() == steps.len() as u64 { Ok(()) } else { Err(Error::Stale) }
    }

    async fn save_payments(&mut self, changes: &[Change]) -> Result<(), Error> {
        for payment in changes.iter().filter_map(|change| change.payment.as_ref()) {
            sqlx::query!(
                r#"
                insert into payments (
                    account_id, livemode, id, invoice, amount, currency, channel, operation_number,
                    paid_at, received_at, status, reason, ktin, replaced_currency, replaced_sub_total)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                on conflict (account_id, livemode, id) do update
                    set status = excluded.status, reason = excluded.reason, invoice = excluded.invoice,
                        replaced_currency = excluded.replaced_currency,
                        replaced_sub_total = excluded.replaced_sub_total
                "#,
                payment.owner.account.uuid(),
                payment.owner.mode.is_live(),
                payment.id.uuid(),
                payment.invoice.uuid(),
                payment.amount.centimos(),
                payment.currency.as_str(),
                payment.channel,
                payment.operation_number,
                payment.paid_at.to_utc(),
                payment.received_at.to_utc(),
                payment.status.state().as_str(),
                payment.status.reason(),
                payment.ktin.number(),
                payment.replaced.map(|(currency, _)| currency.as_str()),
                payment.replaced.map(|(_, sub_total)| sub_total.centimos()),
            )
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }

    async fn save_events(&mut self, events: &[&Event]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        self.has_told = true;
        let facts: Vec<Json<Snapshot>> = events.iter().map(|event| Json(event.snapshot)).collect();
        let money = |event: &&Event| event.payment.as_ref().map(|(_, status)| Json(status.clone()));
        let payment_facts: Vec<Option<Json<PaymentStatus>>> = events.iter().map(money).collect();
        sqlx::query!(
            r#"
            insert into events (
                account_id, livemode, id, created, type, invoice, facts, payment, payment_facts, api_version)
            select account_id, livemode, id, created, type, invoice, facts, payment, payment_facts,
                   (select version_pin from accounts where accounts.id = account_id)
            from unnest(
                $1::uuid[], $2::boolean[], $3::uuid[], $4::timestamptz[], $5::text[], $6::uuid[], $7::jsonb[],
                $8::uuid[], $9::jsonb[]
            ) as new (account_id, livemode, id, created, type, invoice, facts, payment, payment_facts)
            "#,
            &events.iter().map(|event| event.owner.account.uuid()).collect::<Vec<_>>(),
            &events.iter().map(|event| event.owner.mode.is_live()).collect::<Vec<_>>(),
            &events.iter().map(|event| event.id.uuid()).collect::<Vec<_>>(),
            &events.iter().map(|event| event.created.to_utc()).collect::<Vec<_>>(),
            &events.iter().map(|event| event.kind.as_str().to_owned()).collect::<Vec<_>>(),
            &events.iter().map(|event| event.invoice.uuid()).collect::<Vec<_>>(),
            &facts as _,
            &events.iter().map(|e| e.payment.as_ref().map(|(id, _)| id.uuid())).collect::<Vec<_>>() as _,
            &payment_facts as _,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn integer(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

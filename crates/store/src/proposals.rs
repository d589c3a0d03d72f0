//! Proposals about unapplied money: written and read behind the payment's lock.

use domain::account::Owner;
use domain::id::{InvoiceId, PaymentId};
use domain::proposal::{Proposal, Wish};
use domain::time::Moment;

use crate::{Error, Tx};

impl Tx {
    /// What was proposed for a payment by the same verb as `wish`, whether it still stands or not.
    pub async fn proposal(
        &mut self,
        owner: Owner,
        payment: PaymentId,
        wish: &Wish,
    ) -> Result<Option<Proposal>, Error> {
        let row = sqlx::query!(
            r#"
            select invoice, reason, actor, created from payment_proposals
            where account_id = $1 and livemode = $2 and payment = $3 and verb = $4
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            payment.uuid(),
            wish.verb(),
        )
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let wish = match (row.invoice, row.reason) {
            (Some(invoice), None) => Wish::Apply { invoice: InvoiceId::from_uuid(invoice) },
            (None, Some(reason)) => Wish::Return { reason },
            _ => return Err(Error::Corrupt { table: "payment_proposals", id: payment.uuid() }),
        };
        Ok(Some(Proposal { wish, actor: row.actor, created: Moment::truncated(row.created) }))
    }

    /// Writes a proposal down, in the place of the one before it.
    pub async fn put_proposal(
        &mut self,
        owner: Owner,
        payment: PaymentId,
        proposal: &Proposal,
    ) -> Result<(), Error> {
        let (invoice, reason) = match &proposal.wish {
            Wish::Apply { invoice } => (Some(invoice.uuid()), None),
            Wish::Return { reason } => (None, Some(reason.as_str())),
        };
        sqlx::query!(
            r#"
            insert into payment_proposals (account_id, livemode, payment, verb, invoice, reason, actor, created)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            on conflict (account_id, livemode, payment, verb) do update
                set invoice = excluded.invoice, reason = excluded.reason, actor = excluded.actor,
                    created = excluded.created
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            payment.uuid(),
            proposal.wish.verb(),
            invoice,
            reason,
            proposal.actor,
            proposal.created.to_utc(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Takes away what was proposed for a payment: it was decided.
    pub async fn delete_proposals(&mut self, owner: Owner, payment: PaymentId) -> Result<(), Error> {
        sqlx::query!(
            "delete from payment_proposals where account_id = $1 and livemode = $2 and payment = $3",
            owner.account.uuid(),
            owner.mode.is_live(),
            payment.uuid(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

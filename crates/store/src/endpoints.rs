//! Webhook endpoints. Their secrets are sealed before they come here and opened only for whoever signs.

use domain::account::Owner;
use domain::endpoint::{DisabledReason, Endpoint};
use domain::event::EventKind;
use domain::id::{EndpointId, EventId};
use domain::signature::WebhookSecret;
use domain::time::Moment;
use sqlx::types::Json;

use crate::{Error, Tx};

type Timestamp = chrono::DateTime<chrono::Utc>;

struct Row {
    id: uuid::Uuid,
    url: String,
    events: Option<Vec<String>>,
    description: Option<String>,
    enabled: bool,
    disabled_reason: Option<String>,
    created: Timestamp,
    previous_until: Option<Timestamp>,
}

macro_rules! select_endpoint {
    ($rest:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select id, url, events, description, enabled, disabled_reason, created,
                   case when previous_until > now() then previous_until end as previous_until
            from webhook_endpoints
            where account_id = $1 and livemode = $2 and deleted_at is null
            "# + $rest,
            $($bind),*
        )
    };
}

impl Row {
    fn endpoint(self, owner: Owner) -> Endpoint {
        // A kind that this program does not know yet is wanted all the same, and told by whoever knows it.
        let kinds = |names: Vec<String>| names.iter().filter_map(|name| EventKind::parse(name)).collect();
        Endpoint {
            id: EndpointId::from_uuid(self.id),
            owner,
            url: self.url,
            kinds: self.events.map(kinds),
            description: self.description,
            enabled: self.enabled,
            disabled_reason: self.disabled_reason.as_deref().and_then(DisabledReason::parse),
            created: Moment::truncated(self.created),
            previous_secret_until: self.previous_until.map(Moment::truncated),
        }
    }
}

impl Tx {
    /// Adds an endpoint, unless its owner has as many as he may: `None`. Run again, it finds what it added.
    pub async fn add_endpoint(
        &mut self,
        endpoint: &Endpoint,
        secret: &WebhookSecret,
    ) -> Result<Option<Endpoint>, Error> {
        let Owner { account, mode } = endpoint.owner;
        // Two at once count each other behind the account's lock.
        self.lock_account(account).await?;
        if self.endpoint(endpoint.owner, endpoint.id).await?.is_none() {
            let count = sqlx::query_scalar!(
                r#"
                select count(*) as "count!" from webhook_endpoints
                where account_id = $1 and livemode = $2 and deleted_at is null
                "#,
                account.uuid(),
                mode.is_live(),
            )
            .fetch_one(self.connection())
            .await?;
            if count >= Endpoint::MAX {
                return Ok(None);
            }
            let sealed = self.store().sealer().seal(endpoint.id.uuid(), secret.expose().as_bytes())?;
            let kinds = names(endpoint);
            sqlx::query!(
                r#"
                insert into webhook_endpoints (
                    account_id, livemode, id, url, events, description, enabled, secret, created)
                values ($1, $2, $3, $4, $5, $6, $7, $8, date_trunc('second', now()))
                "#,
                account.uuid(),
                mode.is_live(),
                endpoint.id.uuid(),
                endpoint.url,
                kinds.as_deref(),
                endpoint.description,
                endpoint.enabled,
                sealed,
            )
            .execute(self.connection())
            .await?;
        }
        self.endpoint(endpoint.owner, endpoint.id).await
    }

    /// An owner's endpoints, newest first. They are few.
    pub async fn endpoints(&mut self, owner: Owner) -> Result<Vec<Endpoint>, Error> {
        let rows = select_endpoint!("order by id desc", owner.account.uuid(), owner.mode.is_live())
            .fetch_all(self.connection())
            .await?;
        Ok(rows.into_iter().map(|row| row.endpoint(owner)).collect())
    }

    /// The endpoint of an id.
    pub async fn endpoint(&mut self, owner: Owner, id: EndpointId) -> Result<Option<Endpoint>, Error> {
        let row = select_endpoint!("and id = $3", owner.account.uuid(), owner.mode.is_live(), id.uuid())
            .fetch_optional(self.connection())
            .await?;
        Ok(row.map(|row| row.endpoint(owner)))
    }

    /// The endpoint of an id, locked.
    pub async fn lock_endpoint(&mut self, owner: Owner, id: EndpointId) -> Result<Option<Endpoint>, Error> {
        let row =
            select_endpoint!("and id = $3 for update", owner.account.uuid(), owner.mode.is_live(), id.uuid())
                .fetch_optional(self.connection())
                .await?;
        Ok(row.map(|row| row.endpoint(owner)))
    }

    /// Every secret that signs: for the page of `kashio dev` that shows which did.
    pub async fn webhook_secrets(&mut self) -> Result<Vec<WebhookSecret>, Error> {
        let rows = sqlx::query!(
            r#"
            select id, secret, case when previous_until > now() then previous_secret end as previous_secret
            from webhook_endpoints where deleted_at is null
            "#
        )
        .fetch_all(self.connection())
        .await?;
        let open = |id, sealed: Vec<u8>| {
            let text = self.store().sealer().open(id, &sealed)?;
            WebhookSecret::parse(std::str::from_utf8(&text).ok()?)
        };
        let sealed = rows.into_iter().flat_map(|row| {
            [Some(row.secret), row.previous_secret].into_iter().flatten().map(move |sealed| (row.id, sealed))
        });
        Ok(sealed.filter_map(|(id, sealed)| open(id, sealed)).collect())
    }

    /// Writes what its owner can change. Switched on again, it begins without a past.
    pub async fn save_endpoint(&mut self, endpoint: &Endpoint) -> Result<(), Error> {
        let kinds = names(endpoint);
        sqlx::query!(
            r#"
            update webhook_endpoints
            set url = $4, events = $5, description = $6, enabled = $7, disabled_reason = $8,
                failures = case when $7 and not enabled then 0 else failures end,
                failing_since = case when $7 and not enabled then null else failing_since end,
                succeeded_at = case when $7 and not enabled then now() else succeeded_at end
            where account_id = $1 and livemode = $2 and id = $3
            "#,
            endpoint.owner.account.uuid(),
            endpoint.owner.mode.is_live(),
            endpoint.id.uuid(),
            endpoint.url,
            kinds.as_deref(),
            endpoint.description,
            endpoint.enabled,
            endpoint.disabled_reason.map(DisabledReason::as_str),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Gives an endpoint a new secret; the old one signs too for `overlap_seconds`.
    pub async fn roll_endpoint(
        &mut self,
        owner: Owner,
        id: EndpointId,
        secret: &WebhookSecret,
        overlap_seconds: i64,
    ) -> Result<(), Error> {
        let sealed = self.store().sealer().seal(id.uuid(), secret.expose().as_bytes())?;
        sqlx::query!(
            r#"
            update webhook_endpoints
            set previous_secret = secret, previous_until = now() + $4::bigint * interval '1 second', secret = $5
            where account_id = $1 and livemode = $2 and id = $3
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            id.uuid(),
            overlap_seconds,
            sealed,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Takes an endpoint away. Its deliveries stay for their time; the sweep settles those that waited.
    pub async fn delete_endpoint(&mut self, owner: Owner, id: EndpointId) -> Result<(), Error> {
        sqlx::query!(
            r#"
            update webhook_endpoints set deleted_at = now(), enabled = false
            where account_id = $1 and livemode = $2 and id = $3
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            id.uuid(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Tells that an endpoint was switched off.
    pub(crate) async fn tell_endpoint_disabled(
        &mut self,
        owner: Owner,
        endpoint: EndpointId,
        facts: serde_json::Value,
    ) -> Result<(), Error> {
        self.has_told = true;
        let id: EventId = self.store().stamp(self.store().clock().now())?.event;
        sqlx::query!(
            r#"
            insert into events (account_id, livemode, id, created, type, endpoint, facts, api_version)
            select $1, $2, $3, date_trunc('second', now()), $4, $5, $6,
                   (select version_pin from accounts where accounts.id = $1)
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            id.uuid(),
            EventKind::WebhookEndpointDisabled.as_str(),
            endpoint.uuid(),
            Json(facts) as _,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn names(endpoint: &Endpoint) -> Option<Vec<String>> {
    let kinds = endpoint.kinds.as_ref()?;
    Some(kinds.iter().map(|kind| kind.as_str().to_owned()).collect())
}

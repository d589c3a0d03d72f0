//! Channels: the banks and agents that call. One that nobody has set up is open.

use domain::collection::Channel;

use crate::{Error, Tx};

struct Row {
    id: String,
    name: String,
    open: bool,
    reversal_days: i32,
}

impl From<Row> for Channel {
    fn from(Row { id, name, open, reversal_days }: Row) -> Channel {
        Channel { id, name, open, reversal_days: u32::try_from(reversal_days).unwrap_or(0) }
    }
}

impl Tx {
    /// The channel of an id, when it was set up.
    pub async fn channel(&mut self, id: &str) -> Result<Option<Channel>, Error> {
        let row =
            sqlx::query_as!(Row, "select id, name, open, reversal_days from channels where id = $1", id)
                .fetch_optional(self.connection())
                .await?;
        Ok(row.map(Channel::from))
    }

    /// Every channel that was set up, in the order of their ids.
    pub async fn channels(&mut self) -> Result<Vec<Channel>, Error> {
        let rows = sqlx::query_as!(Row, "select id, name, open, reversal_days from channels order by id")
            .fetch_all(self.connection())
            .await?;
        Ok(rows.into_iter().map(Channel::from).collect())
    }

    /// Sets a channel up, or changes it. Returns what it was before.
    pub async fn put_channel(&mut self, channel: &Channel) -> Result<Option<Channel>, Error> {
        let before = sqlx::query_as!(
            Row,
            "select id, name, open, reversal_days from channels where id = $1 for update",
            channel.id,
        )
        .fetch_optional(self.connection())
        .await?;
        sqlx::query!(
            r#"
            insert into channels (id, name, open, reversal_days) values ($1, $2, $3, $4)
            on conflict (id) do update set
                name = excluded.name, open = excluded.open, reversal_days = excluded.reversal_days,
                changed_at = now()
            "#,
            channel.id,
            channel.name,
            channel.open,
            i32::try_from(channel.reversal_days).unwrap_or(i32::MAX),
        )
        .execute(self.connection())
        .await?;
        Ok(before.map(Channel::from))
    }
}

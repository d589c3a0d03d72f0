//! A duty: something that is done again and again, until the program stops. It takes no input, so a missed turn is
//! simply the next one.

use std::time::Duration;

use tokio::sync::watch;

/// How long a duty rests after the database failed it.
pub const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Runs turns: at once again while there is more to do, else after `period`.
pub(crate) async fn every<F, Fut>(
    name: &'static str,
    period: Duration,
    mut stopping: watch::Receiver<bool>,
    turn: F,
) where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<bool, store::Error>>,
{
    while !*stopping.borrow() {
        let pause = match turn().await {
            Ok(true) => continue,
            Ok(false) => period,
            Err(error) => {
                tracing::warn!(duty = name, %error, "duty {name} failed: {error}");
                AFTER_FAILURE.max(period)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Whoever could have stopped it is gone: then it stops as well.
            stop = stopping.changed() => if stop.is_err() { return },
        }
    }
}

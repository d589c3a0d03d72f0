//! Reads that arrive while others are under way share the next statement.
//!
//! To read an invoice costs Postgres less than to be asked, and the program less than to send and to be woken. So reads
//! of one kind wait in a line, and whoever finds a round free takes all who wait: no timer, so that one who is alone never
//! waits for company. A round is one statement, sent after all of its members had come: each sees what was committed
//! before it asked.
//!
//! Who shares a statement does not share a fate: when a round fails, its members go alone. Only that the database is
//! away is told to all of them.
//!
//! To add a kind: a type that holds what one reader asks for, and [`Read`] for it, which answers many in their order.

use std::collections::VecDeque;
use std::mem::take;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::error::Error;
use crate::{Store, Tx};

/// How many rounds of a kind are under way at once, at most. Two share the readers, and so each costs more: one more begins
/// only when somebody has [waited long](LONG), as he does when a round meets a cold disk, or when there are more readers than
/// one connection can serve; and ends as soon as nobody does.
const ROUNDS: usize = 4;
const LONG: Duration = Duration::from_millis(10);

/// The most that one round asks for, in rows, unless one reader alone asks for more.
pub(crate) const ROUND: usize = 320;

/// How long a reader stays in company. After that it goes alone, with the limits of one who is alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that is asked for, again and again, by many.
pub(crate) trait Read: Copy + Send + Sync + 'static {
    /// What is found.
    type Found: Send + 'static;

    /// The transaction's name.
    const NAME: &'static str;

    /// How many rows it may be, at most.
    fn rows(&self) -> usize;

    /// Whether one statement can ask for both.
    fn goes_with(&self, other: &Self) -> bool;

    /// Where those of its kind wait.
    fn line(store: &Store) -> &Line<Self>;

    /// What each of them finds, in their order.
    fn read<'t>(tx: &'t mut Tx, asked: Arc<[Self]>) -> BoxFuture<'t, Result<Vec<Self::Found>, Error>>;
}

/// Those of one kind who wait, and how many rounds are under way.
pub(crate) struct Line<R: Read>(Mutex<Queue<R>>);

struct Queue<R: Read> {
    waiting: VecDeque<Waiting<R>>,
    rounds: usize,
}

struct Waiting<R: Read> {
    asked: R,
    since: Instant,
    told: oneshot::Sender<Result<Fate<R::Found>, Error>>,
}

/// What became of somebody in a round.
enum Fate<F> {
    Found(F),
    /// It has to go alone.
    Alone,
}

impl<R: Read> Default for Line<R> {
    fn default() -> Line<R> {
        Line(Mutex::new(Queue { waiting: VecDeque::new(), rounds: 0 }))
    }
}

impl<R: Read> Line<R> {
    fn queue(&self) -> MutexGuard<'_, Queue<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts it at the end. Whether a round has to begin for it: one that is under way looks here again before it ends.
    fn join(&self, waiting: Waiting<R>) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(waiting);
        queue.begin_beside(0)
    }

    /// Whether one more has to begin, for somebody has waited long.
    fn hurry(&self) -> bool {
        let mut queue = self.queue();
        !queue.waiting.is_empty() && queue.begin_beside(ROUNDS - 1)
    }

    /// Who goes next. Nobody: then one round less is under way.
    fn next(&self) -> Vec<Waiting<R>> {
        let mut queue = self.queue();
        let (mut members, mut rows) = (Vec::<Waiting<R>>::new(), 0);
        queue.waiting.retain(|waiting| !waiting.told.is_closed());
        let waits_long = queue.waiting.front().is_some_and(|first| first.since.elapsed() >= LONG);
        if queue.rounds > 1 && !waits_long {
            // Another looks here again before it ends.
            queue.rounds -= 1;
            return members;
        }
        let mut others = VecDeque::new();
        for waiting in take(&mut queue.waiting) {
            let fits = members.first().is_none_or(|first| {
                first.asked.goes_with(&waiting.asked) && rows + waiting.asked.rows().max(1) <= ROUND
            });
            if fits {
                rows += waiting.asked.rows().max(1);
                members.push(waiting);
            } else {
                others.push_back(waiting);
            }
        }
        queue.waiting = others;
        queue.rounds -= usize::from(members.is_empty());
        members
    }
}

impl<R: Read> Queue<R> {
    fn begin_beside(&mut self, rounds: usize) -> bool {
        let begins = self.rounds <= rounds;
        self.rounds += usize::from(begins);
        begins
    }
}

impl Store {
    /// Reads it, together with whoever asks at the same time.
    pub(crate) async fn read_together<R: Read>(&self, asked: R) -> Result<R::Found, Error> {
        // To the request's trace its round is one transaction, from the line to the answer.
        let span = tracing::info_span!("transaction", name = R::NAME);
        match self.wait_in_line(asked).instrument(span).await {
            Some(Ok(Fate::Found(found))) => Ok(found),
            Some(Err(error)) => Err(error),
            Some(Ok(Fate::Alone)) | None => self.read_alone(asked).await,
        }
    }

    /// What became of it in a round; nothing, when its patience or its round came to an end. It is in no line any more then.
    async fn wait_in_line<R: Read>(&self, asked: R) -> Option<Result<Fate<R::Found>, Error>> {
        let (told, mut fate) = oneshot::channel();
        self.begin_round::<R>(R::line(self).join(Waiting { asked, since: Instant::now(), told }));
        let told = match timeout(LONG, &mut fate).await {
            Ok(told) => told,
            Err(_) => {
                self.begin_round::<R>(R::line(self).hurry());
                timeout(PATIENCE, fate).await.ok()?
            }
        };
        told.ok()
    }

    fn begin_round<R: Read>(&self, is_due: bool) {
        if is_due {
            let store = self.clone();
            self.inner.tasks.spawn_on(async move { store.rounds::<R>().await }, &self.inner.runtime);
        }
    }

    async fn read_alone<R: Read>(&self, asked: R) -> Result<R::Found, Error> {
        let one: Arc<[R]> = Arc::new([asked]);
        let found = self.read(R::NAME, move |tx| R::read(tx, one.clone())).await?;
        found.into_iter().next().ok_or(Error::Panicked(R::NAME))
    }

    /// One round after the other, until nobody waits.
    async fn rounds<R: Read>(self) {
        loop {
            let members = R::line(&self).next();
            if members.is_empty() {
                return;
            }
            let asked: Arc<[R]> = members.iter().map(|member| member.asked).collect();
            let reading = self.attempts(R::NAME, None, move |tx| R::read(tx, asked.clone()));
            // Should one round bring the code down, the next must still be asked. Its members go alone.
            let found =
                AssertUnwindSafe(reading).catch_unwind().await.unwrap_or(Err(Error::Panicked(R::NAME)));
            tell(members, found);
        }
    }
}

fn tell<R: Read>(members: Vec<Waiting<R>>, found: Result<Vec<R::Found>, Error>) {
    // Who is gone needs no answer.
    match found {
        Ok(found) => {
            for (member, found) in members.into_iter().zip(found) {
                let _ = member.told.send(Ok(Fate::Found(found)));
            }
        }
        Err(error) => {
            tracing::warn!(transaction = R::NAME, %error, readers = members.len(), "a round of reads failed: {error}");
            for member in members {
                let fate = match &error {
                    Error::Unavailable(why) => Err(Error::Unavailable(why.clone())),
                    Error::Lost(why) => Err(Error::Lost(why.clone())),
                    _ => Ok(Fate::Alone),
                };
                let _ = member.told.send(fate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use futures_util::future::join_all;
    use postgres_dev::testing::database;

    use super::*;
    use crate::Settings;
    use crate::seal::Sealer;

    /// So many rows.
    #[derive(Clone, Copy)]
    struct Rows(usize);

    impl Read for Rows {
        type Found = usize;

        const NAME: &'static str = "read_rows";

        fn rows(&self) -> usize {
            self.0
        }

        fn goes_with(&self, other: &Rows) -> bool {
            self.0 == other.0
        }

        fn line(_: &Store) -> &Line<Rows> {
            static LINE: LazyLock<Line<Rows>> = LazyLock::new(Line::default);
            &LINE
        }

        fn read(_: &mut Tx, asked: Arc<[Rows]>) -> BoxFuture<'_, Result<Vec<usize>, Error>> {
            async move { Ok(asked.iter().map(Rows::rows).collect()) }.boxed()
        }
    }

    type Told = oneshot::Receiver<Result<Fate<usize>, Error>>;

    fn join(line: &Line<Rows>, rows: usize) -> (bool, Told) {
        // However long a test takes, nobody has waited long in it.
        join_at(line, rows, Instant::now() + Duration::from_secs(3_600))
    }

    fn join_at(line: &Line<Rows>, rows: usize, since: Instant) -> (bool, Told) {
        let (told, fate) = oneshot::channel();
        (line.join(Waiting { asked: Rows(rows), since, told }), fate)
    }

    /// Those who go next, by what they ask for.
    fn next(line: &Line<Rows>) -> Vec<usize> {
        line.next().iter().map(|member| member.asked.0).collect()
    }

    #[test]
    fn who_comes_while_a_round_is_under_way_shares_the_next() {
        let line = Line::default();
        let (begins, _first) = join(&line, 20);
        assert!(begins);
        assert_eq!(next(&line), [20], "who is alone goes at once");
        let others: Vec<_> = (0..5).map(|_| join(&line, 20)).collect();
        assert!(others.iter().all(|(begins, _)| !begins), "a round is under way");
        assert_eq!(next(&line), [20; 5]);
        assert!(next(&line).is_empty());
        let (begins, _one_more) = join(&line, 20);
        assert!(begins, "the round has ended");
    }

    #[test]
    fn a_round_has_an_end_and_holds_what_one_statement_can_ask_for() {
        let line = Line::default();
        let waiting: Vec<_> = [20, 500, 20, 20, 500, 30].map(|rows| join(&line, rows)).into();
        assert_eq!(next(&line), [20; 3]);
        assert_eq!(next(&line), [500], "two would be too many rows");
        let late: Vec<_> = [30, 500].map(|rows| join(&line, rows)).into();
        assert_eq!(next(&line), [500], "in the order in which they came");
        assert_eq!(next(&line), [30; 2]);
        assert_eq!(next(&line), [500]);
        assert!(next(&line).is_empty());
        drop((waiting, late));
    }

    #[test]
    fn nobody_asks_for_one_who_is_gone() {
        let line = Line::default();
        let (_, first) = join(&line, 20);
        let (_, gone) = join(&line, 20);
        drop(gone);
        assert_eq!(next(&line), [20]);
        drop(first);
        let (_, gone) = join(&line, 20);
        drop(gone);
        assert!(next(&line).is_empty());
    }

    #[test]
    fn a_second_round_begins_for_one_who_waits_long_and_no_more_than_a_few() {
        let line = Line::default();
        let (begins, _first) = join(&line, 20);
        assert!(begins);
        assert_eq!(next(&line), [20]);
        assert!(!line.hurry(), "who waits is being asked for already");
        let mut waiting = Vec::new();
        for _ in 1..ROUNDS {
            let (begins, fate) = join_at(&line, 20, Instant::now() - LONG);
            assert!(!begins);
            assert!(line.hurry());
            assert_eq!(next(&line), [20]);
            waiting.push(fate);
        }
        let (_, late) = join(&line, 20);
        assert!(!line.hurry(), "that many are under way");
        // Nobody has waited long: all but one of them end, and that one asks for him.
        for _ in 1..ROUNDS {
            assert!(next(&line).is_empty());
        }
        assert_eq!(next(&line), [20]);
        drop((waiting, late));
    }

    /// What happens in a round of several.
    #[derive(Clone, Copy, PartialEq)]
    enum Crowd {
        Served,
        Refused,
        Panicking,
        Hanging,
    }

    impl Read for Crowd {
        /// How many were served with it.
        type Found = usize;

        const NAME: &'static str = "read_crowd";

        fn rows(&self) -> usize {
            1
        }

        fn goes_with(&self, _: &Crowd) -> bool {
            true
        }

        fn line(_: &Store) -> &Line<Crowd> {
            static LINE: LazyLock<Line<Crowd>> = LazyLock::new(Line::default);
            &LINE
        }

        fn read(tx: &mut Tx, asked: Arc<[Crowd]>) -> BoxFuture<'_, Result<Vec<usize>, Error>> {
            async move {
                sqlx::query("select pg_sleep(0.005)").execute(tx.connection()).await?;
                match asked[0] {
                    _ if asked.len() == 1 => {}
                    Crowd::Served => {}
                    Crowd::Refused => return Err(Error::LockTimeout),
                    Crowd::Panicking => panic!("of a test"),
                    Crowd::Hanging => tokio::time::sleep(2 * PATIENCE).await,
                }
                Ok(vec![asked.len(); asked.len()])
            }
            .boxed()
        }
    }

    /// Whatever becomes of a round, everybody is served: together, or alone.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_crowd_is_served_together_and_alone_when_that_fails() {
        let database = database("none", async |_| Ok(())).await.unwrap();
        let store = Store::open(Settings {
            connect: database.url().parse().unwrap(),
            connections: 8,
            group_connections: 0,
            sealer: Sealer::new(Vec::new()),
        });
        let store = store.await.unwrap();
        for crowd in [Crowd::Served, Crowd::Refused, Crowd::Panicking, Crowd::Hanging] {
            let served = join_all((0..50).map(|_| store.read_together(crowd))).await;
            let served: Vec<usize> = served.into_iter().map(Result::unwrap).collect();
            if crowd == Crowd::Served {
                assert!(served.iter().any(|with| *with > 10), "{served:?}");
            } else {
                assert_eq!(served, [1; 50]);
            }
        }
        store.close().await;
    }
}

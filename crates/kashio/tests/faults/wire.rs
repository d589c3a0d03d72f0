//! The way to Postgres, on which things go wrong: it can be slow, a black hole, or cut, and it can swallow the answer
//! to a COMMIT that was done. It understands just enough of Postgres' protocol (PostgreSQL manual, "Message Formats").
//!
//! What is read at once goes on at once, as most statements travel in one segment. So these stories leave out, but for
//! the longest statements, one whose Execute comes and whose Sync never does: Postgres keeps it, with its locks, until
//! its keepalives end it or somebody does (`docs/operations.md`, KashioEventsNotNumbered).

use std::future::pending;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

/// See the module.
pub struct Wire {
    pub port: u16,
    state: Arc<State>,
    _open: oneshot::Sender<()>,
}

struct State {
    server: AtomicU16,
    delay_millis: AtomicU64,
    /// Odd: a black hole for all. Whoever came before the newest change to odd stays in it.
    frozen: AtomicU64,
    cuts: watch::Sender<u64>,
    swallowing: Mutex<Swallowing>,
    swallowed: AtomicUsize,
    swallowed_groups: AtomicUsize,
}

struct Swallowing {
    left: usize,
    chance: f64,
    random: StdRng,
}

impl Wire {
    /// On a thread of its own: what clients have to do must not make the way longer.
    pub fn to(server: u16, port: u16, seed: u64) -> Wire {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let swallowing = Swallowing { left: 0, chance: 0.0, random: StdRng::seed_from_u64(seed) };
        let state = Arc::new(State {
            server: server.into(),
            delay_millis: AtomicU64::new(0),
            frozen: AtomicU64::new(0),
            cuts: watch::Sender::new(0),
            swallowing: Mutex::new(swallowing),
            swallowed: AtomicUsize::new(0),
            swallowed_groups: AtomicUsize::new(0),
        });
        let (open, closed) = oneshot::channel();
        let carried = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let accepting = async {
                    while let Ok((client, _)) = listener.accept().await {
                        tokio::spawn(carry(client, carried.clone()));
                    }
                };
                tokio::select! {
                    () = accepting => {}
                    _ = closed => {}
                }
            });
        });
        Wire { port, state, _open: open }
    }

    /// Everything takes so much longer, in each direction.
    pub fn slow(&self, delay: Duration) {
        self.state.delay_millis.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Nothing gets through, and nobody is told: as when a firewall forgets its connections.
    pub fn freeze(&self) {
        self.state.frozen.fetch_or(1, Ordering::SeqCst);
    }

    /// New connections get through. Those of before stay frozen, and are never closed.
    pub fn thaw(&self) {
        let frozen = self.state.frozen.load(Ordering::SeqCst);
        assert!(frozen % 2 == 1, "it was not frozen");
        self.state.frozen.store(frozen + 1, Ordering::SeqCst);
    }

    /// Every connection is reset.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Of the answers to COMMIT, and to groups of creates, so many are swallowed, each with a chance, and their connections cut.
    pub fn swallow(&self, count: usize, chance: f64) {
        let mut swallowing = self.state.swallowing.lock().unwrap();
        (swallowing.left, swallowing.chance) = (count, chance);
    }

    /// Those of them that were about a group of creates.
    pub fn swallowed_groups(&self) -> usize {
        self.state.swallowed_groups.load(Ordering::SeqCst)
    }

    pub fn swallowed(&self) -> usize {
        self.state.swallowed.load(Ordering::SeqCst)
    }
}

impl State {
    fn swallows(&self) -> bool {
        let mut swallowing = self.swallowing.lock().unwrap();
        let chance = swallowing.chance;
        let swallows = swallowing.left > 0 && swallowing.random.random_bool(chance);
        swallowing.left -= usize::from(swallows);
        swallows
    }

    /// Passes when what came may go on.
    async fn passes(&self, since: u64) {
        sleep(Duration::from_millis(self.delay_millis.load(Ordering::SeqCst))).await;
        if self.frozen.load(Ordering::SeqCst) != since || since % 2 == 1 {
            pending::<()>().await;
        }
    }
}

async fn carry(mut client: TcpStream, state: Arc<State>) {
    let since = state.frozen.load(Ordering::SeqCst);
    let mut cuts = state.cuts.subscribe();
    let port = state.server.load(Ordering::SeqCst);
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
        let _ = client.set_zero_linger();
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let expected = Mutex::new(Expected::Nothing);
    {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let asked = async {
            // The first message has no type.
            let mut said = Messages { untyped: true, ..Messages::default() };
            let mut is_for_groups = false;
            while said.more(&mut from_client).await {
                let mut whole = Vec::new();
                while let Some(message) = said.next() {
                    is_for_groups |= prepares_a_group(&message);
                    if is_commit(&message) && state.swallows() {
                        *expected.lock().unwrap() = Expected::Commit;
                    } else if is_for_groups && message[0] == b'B' && state.swallows() {
                        *expected.lock().unwrap() = Expected::Group;
                    }
                    whole.extend(message);
                }
                if whole.is_empty() {
                    continue;
                }
                state.passes(since).await;
                if to_server.write_all(&whole).await.is_err() {
                    return;
                }
            }
        };
        let answered = async {
            let mut said = Messages::default();
            while said.more(&mut from_server).await {
                let mut whole = Vec::new();
                while let Some(message) = said.next() {
                    let mut expected = expected.lock().unwrap();
                    let is_done = match *expected {
                        Expected::Nothing => false,
                        Expected::Commit => message[0] == b'C' && message[5..].starts_with(b"COMMIT"),
                        // Ready for the next: the transaction that the statement was is over.
                        Expected::Group => message[0] == b'Z',
                    };
                    if is_done {
                        let of_groups = usize::from(matches!(*expected, Expected::Group));
                        state.swallowed_groups.fetch_add(of_groups, Ordering::SeqCst);
                        state.swallowed.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    // It was not done: no secret.
                    if message[0] == b'E' {
                        *expected = Expected::Nothing;
                    }
                    whole.extend(message);
                }
                state.passes(since).await;
                if to_client.write_all(&whole).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = asked => {}
            () = answered => {}
            _ = cuts.changed() => {}
        }
    }
    let _ = client.set_zero_linger();
}

/// What a connection waits for, of which it will not hear.
#[derive(Clone, Copy)]
enum Expected {
    Nothing,
    Commit,
    /// The end of a statement that is its own transaction: a group of creates.
    Group,
}

/// The statement of a group of creates names its patience; a connection that prepares it does nothing else.
fn prepares_a_group(message: &[u8]) -> bool {
    const NAME: &[u8] = b") patience";
    message[0] == b'P' && message.windows(NAME.len()).any(|window| window == NAME)
}

fn is_commit(message: &[u8]) -> bool {
    message[0] == b'Q' && message.get(5..11).is_some_and(|text| text.eq_ignore_ascii_case(b"commit"))
}

/// Bytes, cut into messages.
#[derive(Default)]
struct Messages {
    untyped: bool,
    bytes: Vec<u8>,
}

impl Messages {
    async fn more(&mut self, from: &mut (impl AsyncReadExt + Unpin)) -> bool {
        self.bytes.reserve(16_384);
        matches!(from.read_buf(&mut self.bytes).await, Ok(1..))
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let before = usize::from(!self.untyped);
        let length = self.bytes.get(before..before + 4)?;
        let length = before + usize::try_from(u32::from_be_bytes(length.try_into().unwrap())).unwrap();
        if self.bytes.len() < length {
            return None;
        }
        self.untyped = false;
        Some(self.bytes.drain(..length).collect())
    }
}

//! Whose the machine is. Tests run side by side, but one that measures a rate or a time has none with a world next to it:
//! what it would say would be about them. Who measures begins with [`alone`]; everybody else shares, which a
//! [`crate::world::World`] sees to.
//!
//! A test makes its worlds one after another in its own task: in a task that it spawned a world would not know whose it is,
//! and wait for its own test.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock, Weak};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

static MACHINE: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

thread_local! {
    /// What the test of this thread has: a second world of the same test must not wait for itself.
    static MINE: RefCell<Weak<Place>> = const { RefCell::new(Weak::new()) };
}

/// A place on the machine, until it is dropped.
pub enum Place {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Whole { _guard: OwnedRwLockWriteGuard<()> },
}

/// Nobody else runs until this is dropped.
#[must_use]
pub async fn alone() -> Arc<Place> {
    assert!(mine().is_none(), "this test has a world already");
    keep(Place::Whole { _guard: MACHINE.clone().write_owned().await })
}

/// Next to others; within a test that is alone, the same place.
#[must_use]
pub async fn shared() -> Arc<Place> {
    match mine() {
        Some(place) => place,
        None => keep(Place::Shared { _guard: MACHINE.clone().read_owned().await }),
    }
}

fn mine() -> Option<Arc<Place>> {
    MINE.with_borrow(Weak::upgrade)
}

fn keep(place: Place) -> Arc<Place> {
    let place = Arc::new(place);
    MINE.set(Arc::downgrade(&place));
    place
}
